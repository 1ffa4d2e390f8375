//! Formats one line of a node for people: time, what happened, group, details.

use serde_json::Value;

use crate::telemetry::logging::OneLine;

/// How lines are shown.
pub(super) struct Printer {
    /// Unchanged.
    pub json: bool,
    /// With colours.
    pub colour: bool,
    /// The nodes' names, if there are several.
    pub nodes: Vec<String>,
}

/// Terminal colours for lines that need attention.
const RED: &str = "31";
const YELLOW: &str = "33";
const GREEN: &str = "32";
const CYAN: &str = "36";
const DIM: &str = "2";

impl Printer {
    /// Formats a line of a node.
    pub fn print(&self, node: usize, line: &str) -> String {
        let Ok(mut record) = serde_json::from_str::<Value>(line) else { return OneLine(line).to_string() };
        let name = self.nodes.get(node).map(String::as_str);
        if self.json {
            return match (name, record.as_object_mut()) {
                (Some(name), Some(entries)) => {
                    entries.insert("node".to_owned(), name.into());
                    record.to_string()
                }
                _ => line.to_owned(),
            };
        }
        let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
        // 2026-11-21T14:03:22.123456Z: the date is left out.
        let time = text("time").get(11..23).unwrap_or_default();
        let groups: Vec<&str> = record["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let groups = if groups.is_empty() { "-".to_owned() } else { groups.join(",") };
        let kind = text("kind");
        let colour = match kind {
            "dropped" | "missed" => RED,
            "gap" => YELLOW,
            "delivered" => GREEN,
            "event" => CYAN,
            _ => DIM,
        };
        let node = name.map(|name| format!("{name}  ")).unwrap_or_default();
        let shown = format!(
            "{}  {node}{}  {groups:<24}  {}",
            self.paint(DIM, time),
            self.paint(colour, &format!("{kind:<9}")),
            describe(kind, &record)
        );
        match self.colour {
            // The only control characters in it are those of the colours.
            true => shown,
            false => OneLine(shown).to_string(),
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        match self.colour {
            true => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

fn describe(kind: &str, record: &Value) -> String {
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| record.get(key).and_then(Value::as_u64).unwrap_or_default();
    let shown = match kind {
        "event" => {
            let payload = if text("payload").is_empty() { String::new() } else { format!("  {}", text("payload")) };
            format!("{:<24}  from {}, {}{payload}", text("type"), text("source"), bytes(number("bytes")))
        }
        "mapped" => format!("{:<24}  {}: {}", text("type"), text("consumer"), counted(number("frames"), "frame")),
        "delivered" => format!(
            "{:<24}  worker {}: {}, {}, {}, {}",
            text("consumer"),
            number("worker"),
            counted(number("events"), "event"),
            counted(number("members"), "member"),
            bytes(number("bytes")),
            time(number("us"))
        ),
        "dropped" => {
            let count = number("count");
            let count = if count == 1 { String::new() } else { format!(" ×{count}") };
            let why = format!("{}{count}", text("reason"));
            let parts = [text("consumer"), text("detail")].into_iter().filter(|part| !part.is_empty());
            format!("{why:<24}  {}", parts.collect::<Vec<_>>().join(": "))
        }
        "gap" => format!("{:<24}  events may have been missed", text("reason")),
        "missed" => format!("{}: more than can be shown; name a --group", counted(number("lines"), "line")),
        _ => record.to_string(),
    };
    OneLine(shown.trim_end()).to_string()
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

fn time(us: u64) -> String {
    match us {
        0..1000 => format!("{us} µs"),
        1000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, json: bool, nodes: &[&str]) -> String {
        let nodes = nodes.iter().map(|name| (*name).to_owned()).collect();
        Printer { json, colour: false, nodes }.print(0, line)
    }

    #[test]
    fn lines_are_aligned_and_show_every_detail() {
        let event = r#"{"time":"2026-11-21T14:03:22.123456Z","groups":["broadcast"],"kind":"event","source":"core","type":"send_event","bytes":312}"#;
        assert_eq!(
            shown(event, false, &[]),
            "14:03:22.123  event      broadcast                 send_event                from core, 312 B"
        );
        let delivered = r#"{"time":"2026-11-21T14:03:22.124456Z","groups":["broadcast"],"kind":"delivered","consumer":"/ws/","worker":1,"events":1,"members":800,"bytes":51200,"us":1240}"#;
        assert_eq!(
            shown(delivered, false, &[]),
            "14:03:22.124  delivered  broadcast                 /ws/                      \
             worker 1: 1 event, 800 members, 51.2 kB, 1.2 ms"
        );
        let dropped =
            r#"{"time":"2026-11-21T14:03:22.124456Z","kind":"dropped","reason":"decode","count":3,"detail":"x\ny"}"#;
        assert_eq!(
            shown(dropped, false, &[]),
            "14:03:22.124  dropped    -                         decode ×3                 x\\ny"
        );
    }

    #[test]
    fn json_lines_stay_json_and_name_their_node_where_there_are_several() {
        let line = r#"{"time":"t","kind":"gap","reason":"capacity"}"#;
        assert_eq!(shown(line, true, &[]), line);
        let named: Value = serde_json::from_str(&shown(line, true, &["http://a", "http://b"])).unwrap();
        assert_eq!((&named["node"], &named["reason"]), (&"http://a".into(), &"capacity".into()));
    }
}
