//! Compares docs/CONFIGURATION.md with the code: the same keys in both, and the right defaults.

use std::collections::BTreeMap;

use super::{
    Config, GENERIC_PREFIX, NAMED,
    decode::{Kind, decode_once},
    tree,
};

/// Keys that have a short form, beside the keys of their table.
const SHORT: [&str; 5] = [
    "consumer.heartbeat.close",
    "consumer.on_event.<name>.close",
    "consumer.reject.close",
    "step.close",
    "step.refuse",
];

/// Every key, found by asking for one that cannot exist and reading which are known. `consumer.on_event.<type>.send` is
/// `on_event` of any consumer, for any type. A step and an emit, which appear in many places and in each other, are
/// shown once, as `step.when` and `emit.to`.
fn known_keys() -> Vec<String> {
    let mut keys = Vec::new();
    let mut open: Vec<(String, String)> = vec![(String::new(), String::new())];
    let mut shared = vec![
        ("step", fields("consumer.on_connect")),
        ("emit", fields("consumer.on_connect.reply")),
        // A kind of JWT has the same keys.
        ("auth.jwt", fields("auth.jwt")),
    ];
    assert!(shared.iter().all(|(_, fields)| fields.len() > 5), "{shared:?}");
    while let Some((shown, path)) = open.pop() {
        for name in fields(&path) {
            let shown = join(&shown, name);
            let path = join(&path, name);
            let nested = [(shown.clone(), path.clone()), (join(&shown, "<name>"), join(&path, "x"))];
            let Some((shown, path)) = nested.into_iter().find(|(_, path)| !fields(path).is_empty()) else {
                keys.push(shown);
                continue;
            };
            match shared.iter_mut().find(|(_, shared)| *shared == fields(&path)) {
                None => open.push((shown, path)),
                Some((name, _)) => {
                    keys.extend((shown != *name).then_some(shown));
                    let name = std::mem::take(name);
                    if !name.is_empty() {
                        open.push((name.to_owned(), path));
                    }
                }
            }
        }
    }
    keys.extend(SHORT.map(str::to_owned));
    keys.sort();
    keys
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The keys that a table at `path` may have; empty without a table.
fn fields(path: &str) -> &'static [&'static str] {
    let bogus = "no-such-key = 0";
    let text = match (path, path.split_once('.')) {
        ("", _) => bogus.to_owned(),
        (list @ ("consumer" | "source"), None) => format!("[[{list}]]\n{bogus}\n"),
        (_, Some((list @ ("consumer" | "source"), rest))) => format!("[[{list}]]\n[{list}.{rest}]\n{bogus}\n"),
        _ => format!("[{path}]\n{bogus}\n"),
    };
    let (node, errors) = tree::parse(&text, super::ConfigSource::Preset("probe"));
    assert!(errors.is_empty(), "{text}");
    match decode_once::<Config>(&node) {
        Err(fault) if fault.path.len() >= path.split('.').filter(|key| !key.is_empty()).count() => match fault.kind {
            Kind::Unknown { name, expected } if name == "no-such-key" => expected,
            _ => &[],
        },
        _ => &[],
    }
}

/// The rows of the tables of keys: each key with its whole row.
fn documented() -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    let mut of_keys = false;
    for line in include_str!("../../docs/CONFIGURATION.md").lines() {
        of_keys = line.starts_with("| key |") || (of_keys && line.starts_with('|'));
        if let Some((key, _)) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`'))
            && of_keys
        {
            rows.insert(key.to_owned(), line.to_owned());
        }
    }
    rows
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let known = known_keys();
    assert!(known.len() > 70, "{known:?}");
    let documented = documented();
    let missing: Vec<_> = known.iter().filter(|key| !documented.contains_key(*key)).collect();
    assert!(missing.is_empty(), "without a line in docs/CONFIGURATION.md: {missing:#?}");
    // Removed before the rest is decoded; see `load`.
    let unknown: Vec<_> = documented.keys().filter(|key| !known.contains(key) && *key != "preset.<name>").collect();
    assert!(unknown.is_empty(), "in docs/CONFIGURATION.md, but no key: {unknown:#?}");
}

#[test]
fn documented_defaults_are_the_defaults() {
    let defaults = toml::Value::try_from(Config::default()).unwrap();
    let mut checked = 0;
    for (key, row) in documented() {
        let mut value = Some(&defaults);
        for part in key.split('.') {
            value = value.and_then(|value| value.get(part));
        }
        let cells: Vec<&str> = row.split(" | ").collect();
        assert_eq!(cells.len(), 5, "{row}");
        if let Some(value) = value {
            assert_eq!(cells[2], format!("`{value}`"), "default of {key}");
            checked += 1;
        }
        let variable = NAMED.iter().find(|(_, named)| *named == key).map(|(variable, _)| (*variable).to_owned());
        let generic = format!("{GENERIC_PREFIX}{}", key.replace('.', "__").to_uppercase());
        if !["consumer.", "source.", "preset.", "step.", "emit."].iter().any(|table| key.starts_with(table)) {
            assert_eq!(cells[3], format!("`{}`", variable.unwrap_or(generic)), "variable of {key}");
        }
    }
    assert!(checked > 40, "{checked}");
}
