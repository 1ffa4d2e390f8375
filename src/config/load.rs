//! From a file, the presets and the environment to a checked [`Config`].
//!
//! Later wins: defaults, the file, variables with a name of their own, `CHANNELGATE__SECTION__KEY`.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::{
    Config, Origins, check,
    decode::decode,
    environment::Environment,
    error::{ConfigError, ConfigErrors, Key, KeyPath, Origin, Source, did_you_mean},
    presets::{self, PRESETS},
    tree::{self, Entry, Node, NodeValue},
};

/// Reads the configuration: the file at `path`, else the one that `CHANNELGATE_CONFIG` names, else the built-in default.
///
/// Expressions, templates and path patterns are not looked into here; the `load` of the consumers does both.
pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Config, ConfigErrors> {
    match load_lenient(path, environment) {
        (config, errors) if errors.is_empty() => Ok(config),
        (_, errors) => Err(ConfigErrors(errors)),
    }
}

/// Like [`load`], but gives what could be read along with everything that is wrong, so that more can be checked.
pub fn load_lenient(path: Option<&Path>, environment: &Environment) -> (Config, Vec<ConfigError>) {
    match path.map(PathBuf::from).or_else(|| environment.config_path()) {
        None => load_text(None, environment),
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => load_text(Some((&path, &text)), environment),
            Err(error) => {
                let origin = Origin { source: Source::File(path).into(), line: 0 };
                let reason = format!("cannot be read: {error}");
                (Config::default(), vec![ConfigError { origin: Some(origin), key: KeyPath::ROOT, reason }])
            }
        },
    }
}

/// Like [`load_lenient`], for text that is not in a file of its own; `name` stands for it in errors.
pub fn load_text(file: Option<(&Path, &str)>, environment: &Environment) -> (Config, Vec<ConfigError>) {
    let mut errors = Vec::new();
    let mut root = match file {
        None => Node::empty(Source::File(PathBuf::from("built-in default"))),
        Some((path, text)) => {
            let (node, faults) = tree::parse(text, Source::File(path.to_owned()));
            if !faults.is_empty() {
                // What was read of a broken file would only give errors that are none.
                return (Config::default(), faults);
            }
            node
        }
    };
    let (adjusting, rest): (Vec<_>, Vec<_>) =
        environment.overrides().into_iter().partition(|(path, _)| path.first().is_some_and(|key| key == "preset"));
    for (path, node) in adjusting {
        root.insert(&path, node);
    }
    add_presets(&mut root, &rest, &mut errors);
    for (path, node) in rest {
        root.insert(&path, node);
    }
    let mut config: Config = decode(&mut root, &mut errors).unwrap_or_default();
    config.origins = Origins::of(root);
    check::check(&config, &mut errors);
    (config, errors)
}

/// Appends the consumers of the presets in use, each with its adjustments laid over, and takes `[preset]` away. A
/// preset's consumer stands aside for one of the file's own with the same path; of Socket.IO consumers, which share
/// their path, for one of the same name.
fn add_presets(root: &mut Node, overrides: &[(Vec<String>, Node)], errors: &mut Vec<ConfigError>) {
    let Some(entries) = root.table_mut() else { return };
    let adjustments = match entries.shift_remove("preset") {
        None => IndexMap::new(),
        Some(Entry { node: Node { value: NodeValue::Table(tables), .. }, .. }) => tables,
        Some(Entry { key, .. }) => {
            let reason = "expected tables such as [preset.attendance]".to_owned();
            errors.push(ConfigError { origin: Some(key), key: KeyPath::dotted("preset"), reason });
            IndexMap::new()
        }
    };
    let own_seats: Vec<Seat> = entries.get("consumer").map(|entry| seats(&entry.node)).unwrap_or_default();
    let own_consumers = entries.contains_key("consumer") || overrides.iter().any(|(path, _)| path == &["consumer"]);
    let chosen = match overrides.iter().rev().find(|(path, _)| path == &["presets"]) {
        Some((_, node)) => Some(node.clone()),
        None => entries.get("presets").map(|entry| entry.node.clone()),
    };
    let chosen: Vec<(String, Origin)> = match chosen {
        Some(mut node) => {
            // A wrong type is reported once, when the whole is decoded.
            let names: Vec<String> = decode(&mut node, &mut Vec::new()).unwrap_or_default();
            names.into_iter().map(|name| (name, node.origin.clone())).collect()
        }
        None if own_consumers => Vec::new(),
        None => presets::names().map(|name| (name.to_owned(), root.origin.clone())).collect(),
    };
    for (name, origin) in &adjustments {
        if !chosen.iter().any(|(chosen, _)| is_same(chosen, name)) {
            let key = KeyPath::dotted("preset").then(name.as_str());
            let known = did_you_mean(name, chosen.iter().map(|(name, _)| name.as_str()));
            let reason = format!("no preset of this name is in use (see \"presets\"){known}");
            errors.push(ConfigError { origin: Some(origin.key.clone()), key, reason });
        }
    }
    for (place, (name, origin)) in chosen.into_iter().enumerate() {
        let Some((name, text)) = PRESETS.iter().find(|(known, _)| *known == name) else {
            let near = did_you_mean(&name, presets::names());
            let known = presets::names().collect::<Vec<_>>().join(", ");
            let reason = format!("there is no preset {name:?}; known are {known}{near}");
            let key = KeyPath(vec![Key::from("presets"), Key::Index(place)]);
            errors.push(ConfigError { origin: Some(origin), key, reason });
            continue;
        };
        let (mut preset, faults) = tree::parse(text, Source::Preset(name));
        errors.extend(faults);
        let Some(consumers) = preset.list_mut("consumer").map(std::mem::take) else { continue };
        for mut consumer in consumers {
            if seat(&consumer).is_some_and(|seat| own_seats.contains(&seat)) {
                continue;
            }
            for (_, adjustment) in adjustments.iter().filter(|(adjusted, _)| is_same(name, adjusted)) {
                consumer.overlay(&adjustment.node);
            }
            if let Some(list) = root.list_mut("consumer") {
                list.push(consumer);
            }
        }
    }
}

/// Whether both name one preset: a variable of the environment holds no hyphen.
fn is_same(preset: &str, adjusted: &str) -> bool {
    preset == adjusted || preset.replace('-', "_") == adjusted
}

/// What only one consumer can have: its path, without the slash at its end, which makes no difference; in Socket.IO its
/// path and name.
type Seat = (String, Option<String>);

fn seat(consumer: &Node) -> Option<Seat> {
    let NodeValue::Table(entries) = &consumer.value else { return None };
    let text = |key: &str| match &entries.get(key)?.node.value {
        NodeValue::String(text) => Some(text.clone()),
        _ => None,
    };
    let path = text("path")?.trim_end_matches('/').to_owned();
    let name = (text("protocol").as_deref() == Some("socket.io")).then(|| text("name").unwrap_or_default());
    Some((path, name))
}

fn seats(consumers: &Node) -> Vec<Seat> {
    match &consumers.value {
        NodeValue::Array(items) => items.iter().filter_map(seat).collect(),
        _ => Vec::new(),
    }
}
