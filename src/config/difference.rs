//! Compares two configurations key by key, and decides which changes a running node can apply.
//!
//! In: the configuration in effect and one read anew. Out: [`Change`]s to log, without secrets, and the configuration
//! in effect after a reload. A key that is not applied there keeps its value and remains a difference to what was read,
//! so no key can be forgotten.

use std::fmt;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::{Config, Jwt, KeyPath, Secret};

/// Longer values are cut in the log; in characters.
const SHOWN: usize = 120;

/// One changed key; a secret is shown without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key; in a named consumer, `consumer "name".key`.
    pub key: String,
    /// Where it is in the new configuration.
    pub path: KeyPath,
    was: Option<String>,
    is: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.was, &self.is) {
            (Some(was), Some(is)) => write!(f, "{}: {was} → {is}", self.key),
            (None, Some(is)) => write!(f, "{}: {is}, which was not set", self.key),
            (Some(was), None) => write!(f, "{}: removed, it was {was}", self.key),
            (None, None) => write!(f, "{}: changed", self.key),
        }
    }
}

impl Change {
    /// What stays in effect if the change is not applied.
    pub fn kept(&self) -> &str {
        match &self.was {
            Some(was) => was,
            None if self.is.is_some() => "unset",
            None => "the old value",
        }
    }
}

impl Config {
    /// The differences in `other`, in the order of the documentation.
    pub fn changes(&self, other: &Self) -> Vec<Change> {
        let (mine, theirs) = (leaves(self), leaves(other));
        let mut changes: Vec<Change> = Vec::new();
        for (key, (path, is)) in &theirs {
            let was = mine.get(key).map(|(_, was)| was);
            if was != Some(is) {
                changes.push(Change { key: key.clone(), path: path.clone(), was: was.map(shown), is: Some(shown(is)) });
            }
        }
        for (key, (path, was)) in &mine {
            if !theirs.contains_key(key) {
                changes.push(Change { key: key.clone(), path: path.clone(), was: Some(shown(was)), is: None });
            }
        }
        for ((key, was), (_, is)) in secrets(self).into_iter().zip(secrets(other)) {
            if was != is {
                changes.retain(|change| change.key != key);
                changes.push(Change { key: key.to_owned(), path: KeyPath::dotted(key), was: None, is: None });
            }
        }
        // A kind of JWT that follows `auth.jwt` is not reported again.
        let common: Vec<Change> = changes.iter().filter(|change| of_kind(&change.key).is_none()).cloned().collect();
        changes.retain(|change| {
            let followed = of_kind(&change.key);
            followed.is_none_or(|key| {
                !common.iter().any(|other| other.key == key && other.was == change.was && other.is == change.is)
            })
        });
        changes
    }

    /// The configuration in effect after a reload of `read`: from `self` what only a start can change, from `read` the
    /// rest.
    #[must_use]
    pub fn reloaded(&self, read: &Self) -> Self {
        let mut next = self.clone();
        next.consumers.clone_from(&read.consumers);
        next.presets.clone_from(&read.presets);
        next.auth.clone_from(&read.auth);
        next.api.key.clone_from(&read.api.key);
        next.server.allowed_origins.clone_from(&read.server.allowed_origins);
        next.server.max_connections = read.server.max_connections;
        next.server.proxy.clone_from(&read.server.proxy);
        next.socket.max_message = read.socket.max_message;
        next.socket.outbox = read.socket.outbox;
        next.socket.max_frames_per_second = read.socket.max_frames_per_second;
        next.socket.max_bytes_per_second = read.socket.max_bytes_per_second;
        next.socket.compression.clone_from(&read.socket.compression);
        next.socketio.cors.clone_from(&read.socketio.cors);
        next.socketio.transports.clone_from(&read.socketio.transports);
        next.locations = read.locations.clone();
        next
    }
}

/// Every key with its value; keys of a consumer under its name, because its position does not identify it.
fn leaves(config: &Config) -> IndexMap<String, (KeyPath, Json)> {
    let mut found = IndexMap::new();
    let Ok(Json::Object(sections)) = serde_json::to_value(config) else { return found };
    for (section, value) in sections {
        if section == "consumer" {
            continue;
        }
        collect(&section, KeyPath::ROOT.then(section.as_str()), value, &mut found);
    }
    let names: Vec<String> = config.consumers.iter().map(super::Consumer::label).collect();
    for (index, (name, consumer)) in names.iter().zip(&config.consumers).enumerate() {
        let path = KeyPath::ROOT.then("consumer").then(index);
        let Ok(Json::Object(keys)) = serde_json::to_value(consumer) else { continue };
        for (key, value) in keys {
            collect(&format!("consumer {name:?}.{key}"), path.then(key.as_str()), value, &mut found);
        }
    }
    // Paths are tried in this order.
    found.insert("consumers, in order".to_owned(), (KeyPath::ROOT.then("consumer"), names.into()));
    found
}

fn collect(key: &str, path: KeyPath, value: Json, found: &mut IndexMap<String, (KeyPath, Json)>) {
    match value {
        Json::Null => {}
        Json::Object(entries) => {
            for (name, value) in entries {
                collect(&format!("{key}.{name}"), path.then(name.as_str()), value, found);
            }
        }
        value => {
            found.insert(key.to_owned(), (path, value));
        }
    }
}

/// The key of `auth.jwt` that a key of a kind of JWT follows unless it is set.
fn of_kind(key: &str) -> Option<String> {
    let (_, rest) = key.strip_prefix("auth.jwt.kinds.")?.split_once('.')?;
    Some(format!("auth.jwt.{rest}"))
}

fn shown(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The keys with secret values, which are never shown; a test compares them with docs/CONFIGURATION.md.
fn secrets(config: &Config) -> [(&'static str, Vec<&Secret>); 12] {
    let Config { layer, cache, auth, backend, api, .. } = config;
    [
        ("layer.url", layer.url.iter().collect()),
        ("layer.hosts", layer.hosts.iter().collect()),
        ("layer.keys", layer.keys.iter().collect()),
        ("cache.url", cache.url.iter().collect()),
        ("auth.secret_key", auth.secret_key.iter().collect()),
        ("auth.secret_key_fallbacks", auth.secret_key_fallbacks.iter().collect()),
        ("auth.jwt.signing_key", auth.jwt.signing_key.iter().collect()),
        ("auth.jwt.verifying_key", auth.jwt.verifying_key.iter().collect()),
        ("auth.jwt.previous_keys", auth.jwt.previous_keys.iter().collect()),
        ("auth.jwt.kinds", auth.jwt.kinds.values().flat_map(|kind| own_keys(kind, &auth.jwt)).collect()),
        ("backend.secret", backend.secret.iter().collect()),
        ("api.key", api.key.iter().collect()),
    ]
}

/// The keys of a kind of JWT that are not those of `auth.jwt`.
fn own_keys<'a>(kind: &'a Jwt, common: &'a Jwt) -> impl Iterator<Item = &'a Secret> {
    let all = |jwt: &'a Jwt| jwt.signing_key.iter().chain(&jwt.verifying_key).chain(&jwt.previous_keys);
    all(kind).filter(move |key| !all(common).any(|other| other == *key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read(text: &str, environment: &Environment) -> Config {
        let (config, errors) = super::super::load_text(Some((std::path::Path::new("gate.toml"), text)), environment);
        assert_eq!(errors, [], "{text}");
        config
    }

    fn keys(changes: &[Change]) -> Vec<&str> {
        changes.iter().map(|change| change.key.as_str()).collect()
    }

    #[test]
    fn a_changed_secret_is_reported_without_its_value() {
        let mut seen = 0;
        for line in include_str!("../../docs/CONFIGURATION.md").lines() {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [key, kind, ..] = cells.as_slice() else { continue };
            let key = key.trim_matches('`');
            if !kind.contains("secret") || !key.contains('.') || key.starts_with("consumer") {
                continue;
            }
            seen += 1;
            let section = key.rsplit_once('.').unwrap();
            // This one is used only with another algorithm.
            let beside = if section.1 == "verifying_key" { "algorithm = \"RS256\"\n" } else { "" };
            let before = read(&format!("presets = []\n[{}]\n{beside}", section.0), &Environment::default());
            let mut told = Vec::new();
            for value in ["redis://:hidden@a:1/0", "redis://:hidden@b:1/0"] {
                let value = if kind.contains("list") { format!("[{value:?}]") } else { format!("{value:?}") };
                let after = read(
                    &format!("presets = []\n[{}]\n{} = {value}\n{beside}", section.0, section.1),
                    &Environment::default(),
                );
                told.push(after.clone());
                let changes = before.changes(&after);
                assert_eq!(keys(&changes), [key]);
                assert!(!changes[0].to_string().contains("hidden"));
            }
            assert_eq!(keys(&told[0].changes(&told[1])), [key], "one value for another");
        }
        // The keys of kinds of JWT are one more, and have no line of their own.
        assert_eq!(seen + 1, secrets(&read("", &Environment::default())).len());
    }

    #[test]
    fn a_kind_of_jwt_that_follows_another_key_is_not_reported_again() {
        let read = |text: &str| {
            let of_device = "[[consumer]]\npath = \"/a/\"\nauth = [\"jwt:device\"]\n[auth.jwt.kinds.device]\n";
            read(&format!("[auth.jwt]\n{text}\n{of_device}jti_claim = \"tid\"\n"), &Environment::default())
        };
        let before = read("leeway = \"1s\"\nsigning_key = \"hidden-1\"");
        let after = read("leeway = \"2s\"\nsigning_key = \"hidden-2\"");
        assert_eq!(keys(&before.changes(&after)), ["auth.jwt.leeway", "auth.jwt.signing_key"]);
    }

    #[test]
    fn a_consumer_is_found_by_its_name_at_any_position() {
        let one = "[[consumer]]\npath = \"/a/\"\ngroups = [\"a\"]\n";
        let two = "[[consumer]]\npath = \"/b/\"\ngroups = [\"b\"]\n";
        let before = read(&format!("{one}{two}"), &Environment::default());
        let after = read(&format!("{two}{}", one.replace("\"a\"", "\"other\"")), &Environment::default());
        let changes = before.changes(&after);
        assert_eq!(keys(&changes), ["consumer \"/a/\".groups", "consumers, in order"]);
        assert_eq!(changes[0].to_string(), "consumer \"/a/\".groups: [\"a\"] → [\"other\"]");
        assert_eq!(after.error(&changes[0].path, "x").to_string(), "gate.toml:6: consumer[1].groups: x");
    }

    #[test]
    fn a_key_that_only_a_start_can_change_stays_and_is_reported() {
        let before = read("", &Environment::default());
        let text = "[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 5\nproxy = \"http://a:1\"\n[socket]\nping_interval = \"3s\"\noutbox = 9\n\
                    [layer]\nprefix = \"shop\"\n[auth]\nsecret_key = \"new\"\n";
        let after = read(text, &Environment::default());
        let next = before.reloaded(&after);
        assert_eq!(
            keys(&before.changes(&next)),
            ["server.max_connections", "server.proxy", "socket.outbox", "auth.secret_key"]
        );
        assert_eq!(keys(&next.changes(&after)), ["server.listen", "socket.ping_interval", "layer.prefix"]);
    }
}
