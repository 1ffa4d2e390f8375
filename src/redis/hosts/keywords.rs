//! The keywords with which redis-py makes a connection: the common form of every way to write an address.
//!
//! In: the query of a URL, or a table of Django's `hosts`. Out: typed values, each once. A keyword that is left over is
//! refused: a setting that this program does not follow is never accepted. No error repeats a value, which may be a
//! password.

use indexmap::IndexMap;
use percent_encoding::percent_decode_str;
use serde_json::Value as Json;

use super::HostError;
use crate::config::did_you_mean;

/// What the characters of a password must not be in a URL.
pub(super) const ESCAPE: &str = "in a URL / is written %2F, ? is %3F and # is %23";

/// Every keyword that an address may have.
const KNOWN: &[&str] = &[
    "address",
    "host",
    "port",
    "path",
    "db",
    "username",
    "password",
    "client_name",
    "socket_connect_timeout",
    "ssl",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_ca_data",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_min_version",
    "ssl_ciphers",
    "ssl_include_verify_flags",
    "ssl_exclude_verify_flags",
    "sentinels",
    "master_name",
    "sentinel_kwargs",
];

/// Keywords of redis-py that have no meaning here, and what to do instead.
const FOREIGN: &[(&str, &str)] = &[
    ("connection_class", "write ssl = true for TLS, path for a unix socket"),
    ("credential_provider", "write username and password"),
    ("unix_socket_path", "write path"),
    ("max_connections", "remove it; the size of the node's pool is cache.pool"),
    ("timeout", "remove it; the size of the node's pool is cache.pool, its deadline cache.timeout"),
    ("socket_timeout", "remove it; the deadlines of answers are cache.timeout and layer.probe_timeout"),
    ("is_master", "remove it; a node always uses the master"),
    ("check_connection", "remove it; a node always checks its connections"),
    ("min_other_sentinels", "remove it; the first Sentinel that names a master decides"),
    ("force_master_ip", "remove it; name the server with host instead of sentinels"),
    ("ssl_password", "remove it; write the key without a password: openssl pkey -in key.pem -out plain.pem"),
    ("ssl_ca_file", "write ssl_ca_certs"),
    ("ssl_validate_ocsp", "remove it; revocation is not checked"),
    ("ssl_validate_ocsp_stapled", "remove it; revocation is not checked"),
];

/// The beginnings of further keywords that concern only redis-py itself.
const OF_REDIS_PY: &[&str] = &[
    "socket_",
    "retry",
    "health_check_interval",
    "protocol",
    "encod",
    "decode_responses",
    "parser_class",
    "lib_",
    "driver_info",
    "redis_connect_func",
    "event_dispatcher",
    "single_connection_client",
    "auto_close_connection_pool",
];

/// Values by keyword.
#[derive(Clone, Debug, Default)]
pub(super) struct Keywords(IndexMap<String, Json>);

impl Keywords {
    /// Reads the query of a URL as redis-py does: the first of several values, and percent-decoded twice.
    pub fn of_query(query: &str) -> Result<Self, HostError> {
        let mut found = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = decoded(&value)?;
            if value.is_empty() {
                // What is not a keyword may be the rest of a password with a "?" in it.
                let ours = name.strip_prefix("sentinel_").unwrap_or(&name);
                let name = if KNOWN.contains(&ours) { &name } else { "a key after the \"?\"" };
                return Err(HostError::malformed(format!("{name} has no value; write one, or remove it; {ESCAPE}")));
            }
            found.0.entry(name.into_owned()).or_insert(value.into());
        }
        Ok(found)
    }

    /// Reads a table.
    pub fn of_table(table: serde_json::Map<String, Json>) -> Self {
        Self(table.into_iter().collect())
    }

    /// Puts a value, instead of one that is there.
    pub fn set(&mut self, name: &str, value: impl Into<Json>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Puts every value of `other`, instead of those that are there.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether the keyword is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes a value of any kind.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        self.0.shift_remove(name)
    }

    /// Takes the keywords that begin so, without this beginning.
    pub fn split(&mut self, prefix: &str) -> Self {
        let (theirs, rest) = std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.0 = rest;
        let theirs: IndexMap<String, Json> = theirs;
        Self(theirs.into_iter().map(|(name, value)| (name[prefix.len()..].to_owned(), value)).collect())
    }

    /// The values whose keywords begin so.
    pub fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Json)> {
        let named = self.0.iter().filter(move |(name, _)| name.starts_with(prefix));
        named.map(|(name, value)| (name.as_str(), value))
    }

    /// As a table.
    pub fn into_table(self) -> Json {
        Json::Object(self.0.into_iter().collect())
    }

    /// Takes a text; a number is one, too.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, HostError> {
        match self.take(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) if text.is_empty() => {
                Err(HostError::malformed(format!("{name} is empty; write a value, or remove it")))
            }
            Some(Json::String(text)) => Ok(Some(text)),
            Some(Json::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(HostError::malformed(format!("{name} must be text"))),
        }
    }

    /// Takes a whole number up to `most`.
    pub fn number(&mut self, name: &str, most: u32) -> Result<Option<u32>, HostError> {
        let number = match self.take(name) {
            None | Some(Json::Null) => return Ok(None),
            Some(Json::Number(number)) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            Some(Json::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        let number = number.filter(|number| *number <= most);
        number.map(Some).ok_or_else(|| HostError::malformed(format!("{name} must be a number from 0 to {most}")))
    }

    /// Takes a number of seconds above 0.
    pub fn seconds(&mut self, name: &str) -> Result<Option<std::time::Duration>, HostError> {
        let seconds = match self.take(name) {
            None | Some(Json::Null) => return Ok(None),
            Some(Json::Number(number)) => number.as_f64(),
            Some(Json::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        let time = seconds.and_then(|seconds: f64| std::time::Duration::try_from_secs_f64(seconds).ok());
        let time = time.filter(|time| !time.is_zero());
        time.map(Some).ok_or_else(|| HostError::malformed(format!("{name} must be a number of seconds")))
    }

    /// Takes a yes or no, in the words of redis-py.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, HostError> {
        let word = match self.take(name) {
            None | Some(Json::Null) => return Ok(None),
            Some(Json::Bool(flag)) => return Ok(Some(flag)),
            Some(Json::String(text)) => text,
            Some(Json::Number(number)) => number.to_string(),
            Some(_) => String::new(),
        };
        match word.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" | "y" | "yes" => Ok(Some(true)),
            "0" | "f" | "false" | "n" | "no" => Ok(Some(false)),
            _ => Err(HostError::malformed(format!("{name} must be true or false"))),
        }
    }

    /// Takes what a node does in any case, and refuses to leave it undone.
    pub fn fulfilled(&mut self) -> Result<(), HostError> {
        for (name, why) in [
            ("socket_keepalive", "the connections of a node always have it"),
            ("retry_on_timeout", "a node always tries again"),
        ] {
            if self.flag(name)? == Some(false) {
                return Err(HostError::malformed(format!("{name} cannot be off: {why}; remove it")));
            }
        }
        // Every connection is probed more often than any interval of redis-py.
        self.number("health_check_interval", u32::MAX)?;
        Ok(())
    }

    /// Refuses a keyword that nobody has taken.
    pub fn end(self) -> Result<(), HostError> {
        let Some((name, _)) = self.0.into_iter().next() else { return Ok(()) };
        Err(HostError::malformed(refusal(&name)))
    }
}

fn refusal(name: &str) -> String {
    if let Some((_, instead)) = FOREIGN.iter().find(|(known, _)| *known == name) {
        return format!("{name} has no meaning here; {instead}");
    }
    if OF_REDIS_PY.iter().any(|known| name.starts_with(known)) {
        return format!("{name} concerns only redis-py; remove it");
    }
    if KNOWN.contains(&name) {
        return format!("{name} does not belong to this form of address; remove it");
    }
    let near = did_you_mean(name, KNOWN.iter().copied());
    let known = if near.is_empty() { format!("; known: {}", KNOWN.join(", ")) } else { near };
    format!("{name:?} is unknown{known}")
}

/// The text without percent-encoding.
pub(super) fn decoded(text: &str) -> Result<String, HostError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(HostError::malformed("percent-encoded text must be UTF-8")),
    }
}
