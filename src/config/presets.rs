//! The presets that are part of the program: whole systems, as consumers; and how they are added to a configuration.
//!
//! In: a configuration as written. Out: the same with the consumers of its presets, and without `[preset]`.

use indexmap::IndexMap;

use super::{
    decode::decode,
    error::{ConfigError, ConfigSource, Key, KeyLocation, KeyPath, did_you_mean},
    tree::{self, NodeValue, TreeEntry, TreeNode},
};

/// Every preset: its name, and its text as a configuration file.
///
/// Three share a Socket.IO namespace. When each of them refuses a client, the first one answers: the order is from the
/// strictest to the one that admits every client.
pub const PRESETS: &[(&str, &str)] = &[
    ("feed", include_str!("../../presets/feed.toml")),
    ("parking", include_str!("../../presets/parking.toml")),
    ("attendance", include_str!("../../presets/attendance.toml")),
    ("tracker", include_str!("../../presets/tracker.toml")),
    ("repair-shop", include_str!("../../presets/repair-shop.toml")),
    ("dashboard", include_str!("../../presets/dashboard.toml")),
];

/// The tables under `[preset]`: changes to a preset's consumers.
type Adjustments = IndexMap<String, TreeEntry>;

/// A preset to add: its name as written, and its position.
type Chosen = (String, KeyLocation);

/// Appends the consumers of the presets in use, with their adjustments applied, and removes `[preset]`.
///
/// A preset's consumer is left out if the file has its own consumer with the same [`EndpointKey`]. `overrides` are
/// not in `root` yet, but may choose the presets.
pub(super) fn add_presets(root: &mut TreeNode, overrides: &[(Vec<String>, TreeNode)], errors: &mut Vec<ConfigError>) {
    if root.table_mut().is_none() {
        return;
    }
    let adjustments = take_adjustments(root, errors);
    let chosen = chosen(root, overrides);
    errors.extend(unused(&adjustments, &chosen));
    let own = endpoints(root);
    for (index, choice) in chosen.iter().enumerate() {
        let Some((name, text)) = PRESETS.iter().find(|(known, _)| *known == choice.0) else {
            errors.push(unknown(index, choice));
            continue;
        };
        let (mut preset, faults) = tree::parse(text, ConfigSource::Preset(name));
        errors.extend(faults);
        let mut consumers = preset.list_mut("consumer").map(std::mem::take).unwrap_or_default();
        consumers.retain(|consumer| !endpoints_of(consumer).iter().any(|endpoint| own.contains(endpoint)));
        adjust(&mut consumers, name, &adjustments);
        if let Some(list) = root.list_mut("consumer") {
            list.append(&mut consumers);
        }
        add_kinds(root, &preset);
    }
}

/// Adds the kinds of JWT that a preset brings; what the file sets for them wins.
fn add_kinds(root: &mut TreeNode, preset: &TreeNode) {
    let kinds = preset.get("auth").and_then(|auth| auth.get("jwt")).and_then(|jwt| jwt.get("kinds"));
    let Some(NodeValue::Table(kinds)) = kinds.map(|kinds| &kinds.value) else { return };
    for (name, kind) in kinds {
        let mut whole = kind.node.clone();
        let own = root.get("auth").and_then(|auth| auth.get("jwt")).and_then(|jwt| jwt.get("kinds"));
        if let Some(own) = own.and_then(|own| own.get(name)) {
            whole.overlay(own);
        }
        root.insert(&["auth", "jwt", "kinds", name].map(str::to_owned), whole);
    }
}

fn take_adjustments(root: &mut TreeNode, errors: &mut Vec<ConfigError>) -> Adjustments {
    match root.table_mut().and_then(|entries| entries.shift_remove("preset")) {
        None => Adjustments::new(),
        Some(TreeEntry { node: TreeNode { value: NodeValue::Table(tables), .. }, .. }) => tables,
        Some(TreeEntry { key, .. }) => {
            let reason = "expected tables such as [preset.attendance]".to_owned();
            errors.push(ConfigError { location: Some(key), key: KeyPath::dotted("preset"), reason });
            Adjustments::new()
        }
    }
}

/// The presets in use: those in `presets`, where the environment wins over the file; without it all presets, unless the
/// file has its own consumers.
fn chosen(root: &TreeNode, overrides: &[(Vec<String>, TreeNode)]) -> Vec<Chosen> {
    let overriding = |key: &str| overrides.iter().rev().find(|(path, _)| path == &[key]).map(|(_, node)| node);
    match overriding("presets").or_else(|| root.get("presets")) {
        Some(list) => {
            // A wrong type is reported once, when the whole is decoded.
            let names: Vec<String> = decode(&mut list.clone(), &mut Vec::new()).unwrap_or_default();
            names.into_iter().map(|name| (name, list.location.clone())).collect()
        }
        None if overriding("consumer").or_else(|| root.get("consumer")).is_some() => Vec::new(),
        None => names().map(|name| (name.to_owned(), root.location.clone())).collect(),
    }
}

/// The names of all presets.
fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// An error for each adjustment of a preset that is not in use.
fn unused(adjustments: &Adjustments, chosen: &[Chosen]) -> impl Iterator<Item = ConfigError> {
    let unused = adjustments.iter().filter(|(name, _)| !chosen.iter().any(|(chosen, _)| is_same(chosen, name)));
    unused.map(|(name, entry)| {
        let near = did_you_mean(name, chosen.iter().map(|(name, _)| name.as_str()));
        ConfigError {
            location: Some(entry.key.clone()),
            key: KeyPath::dotted("preset").then(name.as_str()),
            reason: format!("no preset of this name is in use (see \"presets\"){near}"),
        }
    })
}

/// The error for an unknown name in `presets`.
fn unknown(index: usize, (name, location): &Chosen) -> ConfigError {
    let near = did_you_mean(name, names());
    let known = names().collect::<Vec<_>>().join(", ");
    ConfigError {
        location: Some(location.clone()),
        key: KeyPath(vec![Key::from("presets"), Key::Index(index)]),
        reason: format!("unknown preset {name:?}; known: {known}{near}"),
    }
}

fn adjust(consumers: &mut [TreeNode], preset: &str, adjustments: &Adjustments) {
    for (_, adjustment) in adjustments.iter().filter(|(name, _)| is_same(preset, name)) {
        for consumer in consumers.iter_mut() {
            if refuses_otherwise(&adjustment.node) {
                for key in ["close", "reason", "when"] {
                    consumer.remove(&[Key::from("reject"), Key::from(key)]);
                }
            }
            for (event, key) in sent_otherwise(&adjustment.node) {
                consumer.remove(&[Key::from("on_event"), Key::from(event), Key::from(key)]);
            }
            consumer.overlay(&adjustment.node);
        }
    }
}

/// What a preset may send for the events of which the file says what is sent: each client would get both.
fn sent_otherwise(adjustment: &TreeNode) -> impl Iterator<Item = (&str, &'static str)> {
    const SENT: [&str; 3] = ["send", "send_text", "emit"];
    let handlers = match adjustment.get("on_event").map(|handlers| &handlers.value) {
        Some(NodeValue::Table(handlers)) => Some(handlers),
        _ => None,
    };
    let own = handlers.into_iter().flatten();
    let own = own.filter(|(_, handler)| SENT.iter().any(|key| handler.node.get(key).is_some()));
    own.flat_map(|(event, _)| SENT.map(|key| (event.as_str(), key)))
}

/// Whether the file says how clients are refused. Its code is for every client, and the preset's `when` would restrict it.
fn refuses_otherwise(adjustment: &TreeNode) -> bool {
    let own = |key: &str| adjustment.get("reject").is_some_and(|reject| reject.get(key).is_some());
    (own("close") && !own("when")) || adjustment.get("protocol").is_some()
}

/// Whether both name the same preset: an environment variable cannot contain a hyphen.
fn is_same(preset: &str, adjusted: &str) -> bool {
    preset == adjusted || preset.replace('-', "_") == adjusted
}

/// What only one consumer can have: a path, ignoring the slash at its end; in Socket.IO, where consumers share a path,
/// its path and name.
type EndpointKey = (String, Option<String>);

/// One for each of its paths.
fn endpoints_of(consumer: &TreeNode) -> Vec<EndpointKey> {
    let text = |node: &TreeNode| match &node.value {
        NodeValue::String(text) => Some(text.clone()),
        _ => None,
    };
    let value = |key: &str| consumer.get(key).and_then(text);
    let name = (value("protocol").as_deref() == Some("socket.io")).then(|| value("name").unwrap_or_default());
    let paths = match consumer.get("path").map(|path| (path, &path.value)) {
        Some((_, NodeValue::Array(items))) => items.iter().filter_map(text).collect(),
        Some((path, _)) => Vec::from_iter(text(path)),
        None => Vec::new(),
    };
    paths.into_iter().map(|path| (path.trim_end_matches('/').to_owned(), name.clone())).collect()
}

/// The endpoints of the file's own consumers.
fn endpoints(root: &TreeNode) -> Vec<EndpointKey> {
    match root.get("consumer").map(|consumers| &consumers.value) {
        Some(NodeValue::Array(items)) => items.iter().flat_map(endpoints_of).collect(),
        _ => Vec::new(),
    }
}
