//! Reports events to watchers; without a watcher nothing is made.

use crate::{
    consumer::{Consumer, MapError, Snapshot},
    event::{Content, Emission, Event, Gap, GroupName, Value, json},
    telemetry::{
        DropReason, Metrics,
        tail::{Tail, TailEvent},
    },
    warn_bounded,
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

/// A consumer cannot map an event.
pub(super) fn not_mapped(metrics: &Metrics, consumer: &Consumer, event: &Event, reason: &MapError) {
    let group = Some(event.group.as_str());
    metrics.lost(reason.drop_reason(), 1, group, Some(consumer.name()), reason);
    warn_bounded!(
        "{}: dropped an event of type {:?} in group {}: mapping failed: {reason}",
        consumer.name(),
        event.kind().unwrap_or_default(),
        event.group
    );
}

/// A consumer cannot map a part of what an event asks for: a message for another room, or the outcome.
pub(super) fn partly_mapped(metrics: &Metrics, consumer: &Consumer, event: &Event, reason: &MapError) {
    let group = Some(event.group.as_str());
    metrics.lost(reason.drop_reason(), 1, group, Some(consumer.name()), reason);
    warn_bounded!(
        "{}: a part of what an event of type {:?} in group {} asks for is left out: {reason}",
        consumer.name(),
        event.kind().unwrap_or_default(),
        event.group
    );
}

/// A consumer has no handler for an event.
pub(super) fn no_handler(metrics: &Metrics, consumer: &Consumer, event: &Event) {
    let detail = format_args!("no handler for events of type {:?}", event.kind().unwrap_or_default());
    metrics.lost(DropReason::NoHandler, 1, Some(event.group.as_str()), Some(consumer.name()), &detail);
    warn_bounded!(
        "{}: no handler for events of type {:?} in group {}; dropped",
        consumer.name(),
        event.kind().unwrap_or_default(),
        event.group
    );
}

/// A message to the channel of one connection.
pub(super) fn direct(tail: &Tail, event: &Event, outcome: &'static str) {
    tail.tell([event.group.as_str()], || TailEvent::Direct {
        of: event.kind().unwrap_or_default().to_owned(),
        outcome,
    });
}

/// Events may have been missed.
pub(super) fn gap(tail: &Tail, gap: &Gap) {
    let groups = gap.groups.iter().flatten().map(GroupName::as_str);
    tail.tell_loss(groups, || TailEvent::Gap { reason: gap.reason.label() });
}

fn came(tail: &Tail, source: &'static str, of: &str, body: &Value) -> TailEvent {
    let text = json::text(body);
    let bytes = text.len();
    let payload = tail.shows_payloads().then(|| text.into());
    TailEvent::Event { source, of: of.to_owned(), bytes, payload }
}
