//! Reports events to watchers; without a watcher nothing is made.

use crate::{
    consumer::{Consumer, Snapshot},
    event::{Content, Emission, Event, Gap, GroupName, Value, json},
    telemetry::tail::{Tail, TailEvent},
};

/// An event arrived.
pub(super) fn received(tail: &Tail, event: &Event) {
    tail.tell([event.group.as_str()], || {
        came(tail, event.source.label(), event.kind().unwrap_or_default(), &event.body)
    });
}

/// An emission arrived.
pub(super) fn emitted(tail: &Tail, emission: &Emission, known: &Snapshot) {
    if !tail.is_watched() {
        return;
    }
    let groups = emission.rooms.iter().filter_map(|room| known.group(&emission.target, room).ok());
    let groups: Vec<GroupName> = groups.collect();
    let (of, body) = match &emission.content {
        Content::Event(args) => (args.first().and_then(Value::as_str), Value::List(args.clone())),
        Content::Message(message) => (None, message.clone()),
    };
    tail.tell(groups.iter().map(GroupName::as_str), || {
        came(tail, emission.source.label(), of.unwrap_or_default(), &body)
    });
}

/// A consumer mapped an event to this many messages.
pub(super) fn mapped(tail: &Tail, event: &Event, consumer: &Consumer, frames: usize) {
    tail.tell([event.group.as_str()], || TailEvent::Mapped {
        consumer: consumer.name().into(),
        of: event.kind().unwrap_or_default().to_owned(),
        frames,
    });
}

/// Events may have been missed.
pub(super) fn gap(tail: &Tail, gap: &Gap) {
    let groups = gap.groups.iter().flatten().map(GroupName::as_str);
    tail.tell(groups, || TailEvent::Gap { reason: gap.reason.label() });
}

fn came(tail: &Tail, source: &'static str, of: &str, body: &Value) -> TailEvent {
    let text = json::text(body);
    let bytes = text.len();
    let payload = tail.shows_payloads().then(|| text.into());
    TailEvent::Event { source, of: of.to_owned(), bytes, payload }
}
