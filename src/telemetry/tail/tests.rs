//! What watchers see, and what they miss.

use std::cell::Cell;

use super::*;
use crate::telemetry::DropReason;

fn gap() -> TailEvent {
    TailEvent::Gap { reason: "capacity" }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn payloads() -> TailFilter {
    TailFilter { payloads: true, ..TailFilter::default() }
}

fn kinds(text: &str) -> Vec<String> {
    let line =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().to_owned();
    text.lines().map(line).collect()
}

#[test]
fn nothing_is_made_without_a_watcher() {
    let tail = Tail::default();
    tail.tell(["a"], || unreachable!("without a watcher"));
    tail.tell_loss(["a"], || unreachable!("without a watcher"));
    drop(tail.watch(payloads()));
    assert!(!tail.is_watched() && !tail.shows_payloads());
    tail.tell(["a"], || unreachable!("after the last watcher left"));
    tail.tell_loss(["a"], || unreachable!("after the last watcher left"));
}

#[tokio::test]
async fn a_slow_watcher_learns_how_many_lines_it_missed() {
    let tail = Tail::default();
    let mut watch = tail.watch(TailFilter::default()).unwrap();
    for _ in 0..BACKLOG + 7 {
        tail.tell_loss(["a"], gap);
    }
    let first: serde_json::Value = serde_json::from_str(&watch.next().await.unwrap()).unwrap();
    assert_eq!((&first["kind"], &first["lines"]), (&"missed".into(), &7.into()));
    let mut text = String::new();
    watch.rest(BACKLOG + 1, &mut text);
    assert_eq!(kinds(&text), vec!["gap"; BACKLOG]);
}

#[tokio::test]
async fn a_line_that_may_concern_a_group_reaches_its_watchers() {
    let tail = Tail::default();
    let mut watch = tail.watch(TailFilter { groups: set(&["a"]), ..TailFilter::default() }).unwrap();
    tail.tell_loss(["b"], gap);
    tail.tell_loss(["b", "a"], gap);
    tail.tell_loss(None, || TailEvent::dropped(DropReason::Decode, 1, None, &"of an unknown group"));
    let mut text = watch.next().await.unwrap();
    watch.rest(9, &mut text);
    assert_eq!(kinds(&text), ["gap", "dropped"]);
}

#[tokio::test]
async fn a_watcher_of_a_connection_sees_its_calls_and_nothing_else() {
    let call = |connection: &str| {
        TailEvent::Call(Box::new(CallTrace {
            connection: connection.into(),
            consumer: "room".into(),
            path: None,
            seq: 3,
            call: "message",
            sharers: None,
            us: 7,
            commands: vec![("send", 2)],
            outcome: "open",
            why: None,
        }))
    };
    let tail = Tail::default();
    let mut watch = tail.watch(TailFilter { connections: set(&["b"]), ..TailFilter::default() }).unwrap();
    let mut all = tail.watch(TailFilter { groups: set(&["a"]), ..TailFilter::default() }).unwrap();
    tail.tell_loss(["a"], gap);
    tail.tell_loss(None, || TailEvent::dropped(DropReason::Decode, 1, None, &""));
    tail.tell(None, || call("a"));
    for id in ["a", "b"] {
        tail.tell([id], || TailEvent::Direct { of: "t".to_owned(), outcome: "delivered" });
    }
    tail.tell(None, || call("b"));
    let mut text = watch.next().await.unwrap();
    watch.rest(9, &mut text);
    assert_eq!(kinds(&text), ["direct", "call"]);
    let line = r#""kind":"call","connection":"b","consumer":"room","seq":3,"call":"message","us":7,"commands":{"send":2},"outcome":"open"}"#;
    assert!(text.trim_end().ends_with(line), "{text}");
    let mut text = all.next().await.unwrap();
    all.rest(9, &mut text);
    assert_eq!(kinds(&text), ["gap", "dropped", "call", "direct", "call"]);
}

#[tokio::test]
async fn a_watcher_of_a_consumer_or_of_losses_sees_what_may_concern_it() {
    let mapped = |consumer: &str| TailEvent::Mapped { consumer: consumer.into(), of: "t".to_owned(), frames: 1 };
    let tail = Tail::default();
    let of_room = TailFilter { consumers: set(&["room"]), ..TailFilter::default() };
    let losses = TailFilter { losses: true, ..TailFilter::default() };
    let both = TailFilter { losses: true, ..of_room.clone() };
    let mut watchers = [of_room, losses, both].map(|filter| tail.watch(filter).unwrap());
    tail.tell(["a"], || TailEvent::Event { source: "core", of: "t".to_owned(), bytes: 8, payload: None });
    for consumer in ["room", "desk"] {
        tail.tell(["a"], || mapped(consumer));
        tail.tell_loss(["a"], || TailEvent::dropped(DropReason::Mapping, 1, Some(consumer), &""));
    }
    tail.tell_loss(None, || TailEvent::dropped(DropReason::Decode, 1, None, &""));
    tail.tell_loss(None, gap);
    let mut seen = Vec::new();
    for watcher in &mut watchers {
        let mut text = watcher.next().await.unwrap();
        watcher.rest(99, &mut text);
        seen.push(kinds(&text).join(" "));
    }
    assert_eq!(seen, ["mapped dropped dropped gap", "dropped dropped dropped gap", "dropped dropped gap"]);
}

#[test]
fn what_watchers_of_losses_would_skip_is_not_made() {
    let (tail, made) = (Tail::default(), Cell::new(0));
    let tell = || {
        tail.tell(["a"], || {
            made.set(made.get() + 1);
            TailEvent::Event { source: "core", of: "t".to_owned(), bytes: 8, payload: None }
        });
        tail.tell_loss(["a"], gap);
    };
    let losses = tail.watch(TailFilter { losses: true, ..TailFilter::default() }).unwrap();
    tell();
    assert_eq!((losses.lines.len(), made.get(), tail.is_watched()), (1, 0, false));
    let everything = tail.watch(TailFilter::default()).unwrap();
    tell();
    assert_eq!((losses.lines.len(), everything.lines.len(), made.get()), (3, 2, 1));
    drop(everything);
    tell();
    assert_eq!((losses.lines.len(), made.get()), (4, 1));
}

#[tokio::test]
async fn payloads_are_sent_only_on_request() {
    let tail = Tail::default();
    let (mut plain, mut curious) = (tail.watch(TailFilter::default()).unwrap(), tail.watch(payloads()).unwrap());
    assert!(tail.shows_payloads());
    tail.tell(["a"], || TailEvent::Event {
        source: "core",
        of: "t".into(),
        bytes: 8,
        payload: Some("{\"k\": 1}".into()),
    });
    assert!(!plain.next().await.unwrap().contains("payload"));
    assert!(curious.next().await.unwrap().contains(r#""payload":"{\"k\": 1}""#));
}
