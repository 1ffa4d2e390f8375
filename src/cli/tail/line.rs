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
            "call" if !["open", "stopped"].contains(&text("outcome")) => YELLOW,
            "dropped" | "missed" => RED,
            "gap" => YELLOW,
            "delivered" => GREEN,
            "event" | "call" => CYAN,
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
        "calls" => {
            let refused = number("refused");
            let refused = if refused == 0 { String::new() } else { format!(", {refused} refused") };
            let calls = counted(number("calls"), "call");
            let members = match number("members") {
                members if text("per") == "connection" || members == 0 => String::new(),
                members => format!(" for {}", counted(members, "member")),
            };
            format!("{:<24}  {}: {calls}{members}{refused}", text("type"), text("consumer"))
        }
        "direct" => format!("{:<24}  a message for one connection: {}", text("type"), text("outcome")),
        "dropped" => {
            let count = number("count");
            let count = if count == 1 { String::new() } else { format!(" ×{count}") };
            let why = format!("{}{count}", text("reason"));
            let parts = [text("consumer"), text("detail")].into_iter().filter(|part| !part.is_empty());
            format!("{why:<24}  {}", parts.collect::<Vec<_>>().join(": "))
        }
        "call" => call(record),
        "gap" => format!("{:<24}  events may have been missed", text("reason")),
        "missed" => format!("{}: more than can be shown; name a --group", counted(number("lines"), "line")),
        _ => record.to_string(),
    };
    OneLine(shown.trim_end()).to_string()
}

/// `connect  room: /ws/room/7/ k2Jx…#0, 3.2 ms, accept, 2 send, open`
fn call(record: &Value) -> String {
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| record.get(key).and_then(Value::as_u64).unwrap_or_default();
    let path = if text("path").is_empty() { String::new() } else { format!("{} ", text("path")) };
    let why = if text("why").is_empty() { String::new() } else { format!(": {}", text("why")) };
    let sharers = match number("sharers") {
        0 => String::new(),
        sharers => format!(" for {}", counted(sharers, "connection")),
    };
    let commands = record.get("commands").and_then(Value::as_object).into_iter().flatten();
    let commands: String = commands
        .map(|(name, count)| match count.as_u64() {
            Some(1) => format!("{name}, "),
            _ => format!("{count} {name}, "),
        })
        .collect();
    format!(
        "{:<24}  {}: {path}{}#{}{sharers}, {}, {commands}{}{why}",
        text("call"),
        text("consumer"),
        text("connection"),
        number("seq"),
        time(number("us")),
        text("outcome")
    )
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
        let calls = r#"{"time":"2026-11-21T14:03:22.124456Z","groups":["room"],"kind":"calls","consumer":"chat","type":"room.stats","calls":1,"refused":2}"#;
        assert_eq!(
            shown(calls, false, &[]),
            "14:03:22.124  calls      room                      room.stats                chat: 1 call, 2 refused"
        );
        let calls = r#"{"time":"2026-11-21T14:03:22.124456Z","groups":["room"],"kind":"calls","consumer":"chat","type":"room.stats","per":"room","calls":2,"members":50,"refused":0}"#;
        assert_eq!(
            shown(calls, false, &[]),
            "14:03:22.124  calls      room                      room.stats                chat: 2 calls for 50 members"
        );
        let direct = r#"{"time":"2026-11-21T14:03:22.124456Z","groups":["k2Jx"],"kind":"direct","type":"task.done","outcome":"gone"}"#;
        assert_eq!(
            shown(direct, false, &[]),
            "14:03:22.124  direct     k2Jx                      task.done                 \
             a message for one connection: gone"
        );
        let dropped =
            r#"{"time":"2026-11-21T14:03:22.124456Z","kind":"dropped","reason":"decode","count":3,"detail":"x\ny"}"#;
        assert_eq!(
            shown(dropped, false, &[]),
            "14:03:22.124  dropped    -                         decode ×3                 x\\ny"
        );
        let call = r#"{"time":"2026-11-21T14:03:22.124456Z","kind":"call","connection":"k2Jx","consumer":"room","path":"/ws/7/","seq":0,"call":"connect","us":3210,"commands":{"accept":1,"send":2},"outcome":"error","why":"KeyError: 'x'"}"#;
        assert_eq!(
            shown(call, false, &[]),
            "14:03:22.124  call       -                         connect                   \
             room: /ws/7/ k2Jx#0, 3.2 ms, accept, 2 send, error: KeyError: 'x'"
        );
        let call = r#"{"time":"2026-11-21T14:03:22.124456Z","kind":"call","connection":"k2Jx","consumer":"room","seq":7,"call":"event","sharers":50,"us":3210,"commands":{"send":1},"outcome":"open"}"#;
        assert_eq!(
            shown(call, false, &[]),
            "14:03:22.124  call       -                         event                     \
             room: k2Jx#7 for 50 connections, 3.2 ms, send, open"
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
