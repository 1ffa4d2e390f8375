//! Compares docs/METRICS.md with the code: every metric and every label value is in both, and every literal label in
//! the code is in the lists.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use channelgate::{
    event::{GapReason, Source},
    telemetry::{DropReason, MetricName, Metrics, label, process},
};

const PAGE: &str = include_str!("../docs/METRICS.md");

/// The rows of the tables under a heading, or of all tables: the first cell's code, and the other cells.
fn rows(heading: Option<&str>) -> Vec<(String, Vec<String>)> {
    let mut inside = heading.is_none();
    let mut found = Vec::new();
    for line in PAGE.lines() {
        if let (Some(heading), Some(title)) = (heading, line.strip_prefix('#')) {
            inside = title.trim_start_matches('#').trim() == heading;
        }
        if let (true, Some((name, rest))) = (inside, line.strip_prefix("| `").and_then(|rest| rest.split_once("` |"))) {
            found.push((name.to_owned(), rest.split('|').map(|cell| cell.trim().to_owned()).collect()));
        }
    }
    found
}

/// Name and type of every metric in `/metrics`.
fn served() -> BTreeMap<String, String> {
    let metrics = Metrics::new();
    // A family without a member is not exported.
    metrics.expect(Source::ALL.iter().map(|one| one.label()), GapReason::ALL.iter().map(|one| one.label()));
    metrics.of_node("a");
    metrics.held("rate");
    metrics.open("feed", "websocket").inc();
    metrics.backend_call("findUser", "2xx", Duration::from_millis(3));
    metrics.bridge.ended("message", "open", Duration::from_millis(3));
    let text = metrics.render();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, kind)| {
            (if kind == "counter" { format!("{name}_total") } else { name.to_owned() }, kind.to_owned())
        })
        .collect()
}

#[test]
fn every_metric_is_documented_with_its_type_and_every_documented_one_exists() {
    let served = served();
    assert_eq!(served.len(), MetricName::ALL.len() + process::NAMES.len());
    let is_metric = |name: &str| name.starts_with("channelgate_") || name.starts_with("process_");
    let documented: BTreeMap<String, Vec<String>> =
        rows(None).into_iter().filter(|(name, _)| is_metric(name)).collect();
    assert_eq!(documented.keys().collect::<Vec<_>>(), served.keys().collect::<Vec<_>>());
    for (name, cells) in documented {
        assert_eq!(cells[0], served[&name], "type of {name}");
        assert!(cells[1].len() > 1 && cells[3].len() > 25, "{name}: a unit, and what to conclude");
        assert!(!name.ends_with("_seconds") || cells[1] == "seconds" || cells[1] == "Unix time", "{name}");
        assert_eq!(name.contains("_bytes"), cells[1] == "bytes", "{name}");
    }
}

#[test]
fn every_metric_name_is_exported() {
    let served = served();
    for name in MetricName::ALL {
        let full = format!("channelgate_{}", name.text());
        assert!(served.contains_key(&full) || served.contains_key(&format!("{full}_total")), "{full}");
    }
}

fn documented(heading: &str) -> BTreeSet<String> {
    rows(Some(heading)).into_iter().map(|(name, _)| name).collect()
}

fn set<'a>(values: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    values.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_value_of_a_label_is_documented_and_every_documented_one_exists() {
    assert_eq!(documented("Drops"), set(DropReason::ALL.iter().map(|reason| reason.label())));
    assert_eq!(documented("Gaps"), set(GapReason::ALL.iter().map(|reason| reason.label())));
    let protocol = include_str!("../docs/PROTOCOL.md");
    let reasons = protocol.split("Reasons are ").nth(1).unwrap().split(';').next().unwrap();
    let reasons = reasons.split(", ").map(|reason| reason.trim_matches('`'));
    assert_eq!(set(reasons), set(GapReason::ALL.iter().map(|reason| reason.label())), "docs/PROTOCOL.md");
    assert_eq!(documented("Sources"), set(Source::ALL.iter().map(|source| source.label())));
    assert_eq!(documented("Closes"), set(label::CLOSES.iter().copied()));
    assert_eq!(documented("Holds"), set(label::HOLDS.iter().copied()));
    assert_eq!(documented("Refused messages"), set(label::REFUSED_MESSAGES.iter().copied()));
    assert_eq!(documented("Refusals of Redis"), set(label::REDIS_REFUSALS.iter().copied()));
    assert_eq!(documented("Reloads"), set(label::RELOADS.iter().copied()));
    assert_eq!(documented("Revocations"), set(label::REVOCATIONS.iter().copied()));
    assert_eq!(documented("Refused requests"), set(label::API_REFUSALS.iter().copied()));
    assert_eq!(documented("Backend calls"), set(label::BACKEND_CALLS.iter().copied()));
    assert_eq!(documented("Bridge calls"), set(label::BRIDGE_CALLS.iter().copied()));
    assert_eq!(documented("Sharers"), set(label::BRIDGE_SHARERS.iter().copied()));
    assert_eq!(documented("Bridge outcomes"), set(label::BRIDGE_OUTCOMES.iter().copied()));
    assert_eq!(documented("Bridge refusals"), set(label::BRIDGE_REFUSALS.iter().copied()));
    assert_eq!(documented("Lost disconnects"), set(label::LOST_DISCONNECTS.iter().copied()));
    let of = |what: &str| {
        let rows = rows(Some("Handshakes and tokens")).into_iter();
        rows.filter(|(_, cells)| cells[0] == what || cells[0] == "both").map(|(name, _)| name).collect::<BTreeSet<_>>()
    };
    assert_eq!(of("handshakes"), set(label::HANDSHAKES.iter().copied()));
    assert_eq!(of("tokens"), set(label::TOKENS.iter().copied()));
}

/// The string literals after `marker` in a text.
fn literals<'a>(text: &'a str, marker: &str) -> Vec<&'a str> {
    let found = text.split(marker).skip(1);
    found.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_literal_label_is_in_the_lists() {
    let (mut files, source) = (Vec::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    rust_files(&source, &mut files);
    let session = source.join("protocol").join("session");
    let mut seen = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let calls = [
            (".closed(", label::CLOSES),
            ("engine.fail(", label::CLOSES),
            ("self.fail(", label::CLOSES),
            ("metrics.handshake(", label::HANDSHAKES),
            ("metrics.token(", label::TOKENS),
            ("metrics.refused_message(", label::REFUSED_MESSAGES),
        ];
        // In a session a failure is a label and a text; elsewhere such a pair may be anything.
        let pairs = ["Some(_) => (", "None => (", "Err((", "|reason| (", "|error| ("];
        let pairs =
            pairs.iter().filter(|_| file.starts_with(&session)).map(|marker| (*marker, label::REFUSED_MESSAGES));
        for (marker, list) in calls.into_iter().chain(pairs) {
            for word in literals(&text, marker) {
                seen += 1;
                assert!(list.contains(&word), "{}: {marker}{word:?}", file.display());
            }
        }
    }
    assert!(seen > 15, "only {seen} were found: the test reads them wrongly");
}

#[test]
fn no_variant_is_left_out_of_its_list() {
    let variants = |text: &str, of: &str| {
        let body = text.split_once(of).unwrap().1.split_once("pub const fn label").unwrap().1;
        body.split_once("\n    }\n").unwrap().0.matches("Self::").count()
    };
    let metrics = include_str!("../src/telemetry/drop_reason.rs");
    assert_eq!(variants(metrics, "impl DropReason"), DropReason::ALL.len());
    let event = include_str!("../src/event.rs");
    assert_eq!(variants(event, "impl Source"), Source::ALL.len());
    assert_eq!(variants(event, "impl GapReason"), GapReason::ALL.len());
    let names = include_str!("../src/telemetry/name.rs");
    let text = names.split_once("pub const fn text").unwrap().1.split_once("\n    }\n").unwrap().0;
    assert_eq!(text.matches("Self::").count(), MetricName::ALL.len());
}

#[test]
fn every_series_is_exported_at_zero_before_it_happens() {
    let metrics = Metrics::new();
    metrics.expect(Source::ALL.iter().map(|one| one.label()), GapReason::ALL.iter().map(|one| one.label()));
    let text = metrics.render();
    for expected in [
        "channelgate_drops_total{reason=\"mapping\"} 0",
        "channelgate_bridge_calls_total{call=\"message\",outcome=\"broken\"} 0",
        "channelgate_bridge_refused_total{kind=\"background\"} 0",
        "channelgate_bridge_disconnects_lost_total{reason=\"full\"} 0",
        "channelgate_gaps_total{reason=\"capacity\"} 0",
        "channelgate_events_total{source=\"core\"} 0",
        "channelgate_closes_total{reason=\"slow_client\"} 0",
        "channelgate_handshakes_total{outcome=\"full\"} 0",
        "channelgate_tokens_total{outcome=\"invalid\"} 0",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected}");
    }
}
