//! What of the manual is compared with the program by machine, so that it needs no entry in the ledger: columns of
//! tables, and defaults that stand behind their key.

use std::{collections::BTreeMap, ops::Range, sync::LazyLock};

use regex::Regex;

use super::page::{self, Page, Table};

/// Page, first column of its tables, and the columns that a test compares with the program.
const COLUMNS: &[(&str, &str, &[&str])] = &[
    // `every_key_is_documented_and_every_documented_key_exists`, `documented_defaults_are_the_defaults`,
    // `types_of_keys_are_known_and_fit_their_defaults`
    ("docs/CONFIGURATION.md", "key", &["key", "type", "default", "environment"]),
    // `every_refusal_has_its_row_and_every_row_a_refusal`
    ("docs/operations/errors.md", "status", &["status", "detail", "`handshakes_total{outcome}`"]),
    // `every_close_has_its_row_and_every_row_a_close`
    ("docs/operations/errors.md", "code", &["code", "reason text", "`closes_total{reason}`"]),
    // `every_error_of_engine_io_has_its_row`
    ("docs/SOCKETIO.md", "HTTP error", &["HTTP error"]),
    // tests/metrics.rs
    ("docs/METRICS.md", "metric", &["metric", "type", "unit", "labels"]),
    ("docs/METRICS.md", "value", &["value", "of"]),
];

/// The text of a row that is not compared by machine; cells of tables with a key and its default are, too.
pub fn rest_of_row(page: &Page, table: &Table, row: &[String]) -> String {
    let known = COLUMNS.iter().find(|(name, first, _)| *name == page.name && *first == table.columns[0]);
    let is_of_defaults = ["key", "default"].iter().all(|name| table.columns.iter().any(|column| column == name));
    let unchecked = |column: &str| match known {
        Some((_, _, columns)) => !columns.contains(&column),
        None => !(is_of_defaults && ["key", "default", "step"].contains(&column)),
    };
    let cells = table.columns.iter().zip(row).filter(|(column, _)| unchecked(column));
    cells.map(|(_, cell)| cell.as_str()).collect::<Vec<_>>().join(" | ")
}

/// Each key with its default, as docs/CONFIGURATION.md has it; tests beside the configuration compare that with the
/// program.
pub static DEFAULTS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let page = page::read("docs/CONFIGURATION.md");
    let tables = page.tables.into_iter().filter(|table| table.columns[0] == "key");
    let rows = tables.flat_map(|table| table.rows).map(|(_, row)| row);
    rows.map(|row| (row[0].replace('`', ""), row[2].trim_matches(['`', '"']).to_owned())).collect()
});

/// A number with its unit, in the smallest unit: `15 s`, `300ms`, `1 MiB`, `100,000`.
pub fn quantity(text: &str) -> Option<u64> {
    static FORM: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^([0-9][0-9,]*)(?: ?(ms|s|h|KiB|MiB|bytes))?$").unwrap());
    let found = FORM.captures(text.trim())?;
    let number: u64 = found[1].replace(',', "").parse().ok()?;
    Some(match found.get(2).map(|unit| unit.as_str()) {
        Some("s") => number * 1000,
        Some("h") => number * 3_600_000,
        Some("KiB") => number << 10,
        Some("MiB") => number << 20,
        _ => number,
    })
}

/// The defaults in a sentence, `key` (15 s) or `key` bytes (512): place of the number, key, and whether it is right.
pub fn defaults(text: &str) -> Vec<(Range<usize>, String, bool)> {
    static PLACE: LazyLock<Regex> = LazyLock::new(|| {
        let number = "[0-9][0-9,]*(?: ?(?:ms|s|h|KiB|MiB|bytes))?";
        Regex::new(&format!(r"`([a-z_.]+)`(?: bytes)? \(({number})(?:[);:,]| of )")).unwrap()
    });
    let found = PLACE.captures_iter(text).filter_map(|found| {
        let (key, number) = (found[1].to_owned(), found.get(2)?);
        let default = quantity(DEFAULTS.get(&key)?)?;
        Some((number.range(), key, quantity(number.as_str()) == Some(default)))
    });
    found.collect()
}

#[test]
fn defaults_in_the_text_are_those_of_the_configuration() {
    let mut seen = 0;
    for page in page::manual() {
        let rows = page.tables.iter().flat_map(|table| &table.rows).map(|(line, row)| (*line, row.join(" | ")));
        for (line, text) in page.paragraphs.iter().map(|one| (one.line, one.text.clone())).chain(rows) {
            for (number, key, is_right) in defaults(&page::plain(&text)) {
                seen += 1;
                let number = &page::plain(&text)[number];
                assert!(is_right, "{}:{line}: {key} is not {number} by default", page.name);
            }
        }
    }
    assert!(seen > 30, "only {seen} were found");
}

#[test]
fn tables_of_keys_with_a_default_have_the_default_of_the_configuration() {
    let mut seen = 0;
    for page in page::manual().into_iter().filter(|page| page.name != "docs/CONFIGURATION.md") {
        for table in &page.tables {
            let place = |name: &str| table.columns.iter().position(|column| column == name);
            let (Some(key), Some(default)) = (place("key"), place("default")) else { continue };
            for (line, row) in table.rows.iter().filter(|(_, row)| row[key] != "–") {
                seen += 1;
                let known = DEFAULTS.get(&row[key].replace('`', "")).unwrap_or_else(|| panic!("{}:{line}", page.name));
                assert_eq!(quantity(&row[default]), quantity(known), "{}:{line}: {}", page.name, row[key]);
            }
        }
    }
    assert!(seen > 2, "only {seen} were found");
}

/// A type of docs/CONFIGURATION.md, and whether a default has it.
fn fits(kind: &str, default: &str) -> bool {
    let is_list = default.starts_with('[') && default.ends_with(']');
    match kind {
        "integer" | "bytes" => default.parse::<u64>().is_ok(),
        "duration" => quantity(default).is_some() && !default.bytes().all(|byte| byte.is_ascii_digit()),
        "boolean" => matches!(default, "true" | "false"),
        _ if kind.starts_with("list") => is_list,
        _ if kind.starts_with("table") => default.starts_with('{') && default.ends_with('}'),
        // `1 to 9`, `1 to 64 bytes`
        _ if kind.contains(" to ") => {
            let mut ends = kind.split(' ').filter_map(|word| word.parse::<u64>().ok());
            let (from, to) = (ends.next().unwrap(), ends.next().unwrap());
            default.parse().is_ok_and(|default| (from..=to).contains(&default))
        }
        // A choice of words.
        _ if kind.starts_with('`') => kind.split(", ").any(|word| word.trim_matches('`') == default),
        _ => !default.is_empty() && !is_list,
    }
}

#[test]
fn types_of_keys_are_known_and_fit_their_defaults() {
    let page = page::read("docs/CONFIGURATION.md");
    for (line, row) in page.tables.iter().filter(|table| table.columns[0] == "key").flat_map(|table| &table.rows) {
        let Some(default) = row[2].strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else { continue };
        // A default that is another key.
        if DEFAULTS.contains_key(default) || default.starts_with("reject.") {
            continue;
        }
        assert!(fits(&row[1], default.trim_matches('"')), "line {line}: {} is no {} as {}", row[2], row[1], row[0]);
    }
}

/// The number of a default, in milliseconds or bytes.
fn default(key: &str) -> u64 {
    quantity(&DEFAULTS[key]).unwrap_or_else(|| panic!("{key} has no default that is a number"))
}

#[test]
fn figures_that_follow_from_defaults_are_computed_from_them() {
    let text = |page: &str| page::plain(&std::fs::read_to_string(super::root().join(page)).unwrap());
    let says = |page: &str, figure: String| assert!(text(page).contains(&figure), "{page} does not say {figure:?}");
    let rolling = "docs/operations/rolling-updates.md";
    let drain = ["server.drain_delay", "server.drain_period", "server.drain_grace"].map(default).iter().sum::<u64>();
    // `FAREWELL` for `on_disconnect`, and as much for presence and Redis.
    says(rolling, format!("+ 10 s*: {} s with the defaults", drain / 1000 + 10));
    // To the next ten.
    let rate = (10_000_000 / default("server.drain_period")).next_multiple_of(10);
    says(rolling, format!("10,000 over {} s are {rate} per second", default("server.drain_period") / 1000));
    says(rolling, format!("There is one version, {},", env!("CARGO_PKG_VERSION")));
    // A third of twice the send buffer within a ping's interval and timeout.
    let silence = default("socket.ping_interval") + default("socket.ping_timeout");
    let slowest = default("socket.send_buffer") * 2 / 3 / (silence / 1000) / 1000;
    says("docs/WEBSOCKET.md", format!("timeout: {slowest} KB/s by default"));
    // Ports of nginx towards one address of a node.
    let sysctl = std::fs::read_to_string(super::root().join("deploy/sysctl/60-channelgate.conf")).unwrap();
    let range = sysctl.lines().find_map(|line| line.strip_prefix("net.ipv4.ip_local_port_range = ")).unwrap();
    let ends: Vec<u32> = range.split(' ').map(|end| end.parse().unwrap()).collect();
    says("docs/operations/capacity.md", format!("{},000 with `deploy/sysctl`", (ends[1] - ends[0]) / 1000));
    // What a client is told at the start of a session.
    let [interval, timeout, payload] =
        ["socketio.ping_interval", "socketio.ping_timeout", "socketio.max_payload"].map(default);
    let times = format!("\"pingInterval\":{interval},\"pingTimeout\":{timeout},\"maxPayload\":{payload}");
    says("docs/SOCKETIO.md", times);
    let lifetime = default("auth.ws_token.lifetime") / 1000;
    says("docs/operations/README.md", format!("\"expires_in\": {lifetime}"));
    says("README.md", format!("Port:** {} (", DEFAULTS["server.listen"].split(':').next_back().unwrap()));
}
