//! What clients get for events, and what happens when they do not get it: gap notices, slow clients.

use serde::{Deserialize, Serialize};

use super::{Emit, Emits, EventClose, OneOrMany, PythonPer, Rate};

/// What is sent for an event.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventHandler {
    /// Expression over `event` and `group`: the frame as JSON. A list of expressions gives several frames.
    pub send: Option<OneOrMany>,
    /// Expression; its text is sent unchanged.
    pub send_text: Option<String>,
    /// Expression: only events for which it is true are handled.
    pub when: Option<String>,
    /// Expression: of several events with the same key, only the newest waits for a slow client.
    pub key: Option<String>,
    /// Expression: the event's topic; only connections subscribed to it get the frame.
    pub topic: Option<String>,
    /// What is sent to the group's members, or, with `to`, to those of another room of the consumer.
    pub emit: Option<Emits>,
    /// How often a connection gets what this handler makes of events; those beyond it are dropped for that connection.
    pub throttle: Option<Rate>,
    /// Templates of the groups that a connection leaves after the frames.
    pub leave: Option<OneOrMany>,
    /// Templates of the groups that it joins then.
    pub join: Option<OneOrMany>,
    /// Closes it then, with this code and reason.
    pub close: Option<EventClose>,
    /// Disconnects it then.
    pub disconnect: bool,
    /// The consumer's own method in Django handles the event, and these connections share a call of it.
    pub python_per: Option<PythonPer>,
}

/// A notice for the connections that ask for it: that events may have been missed, or the first message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notice {
    /// Expression over the connection, evaluated once when it opens: whether it gets the notice. Unset: every
    /// connection does.
    pub when: Option<String>,
    /// The frame as JSON: an expression over `gap`, or over the connection in `hello`.
    pub send: Option<String>,
    /// The Socket.IO event, over the same.
    pub emit: Option<Box<Emit>>,
}

/// What happens to events that wait for a slow client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slow {
    /// All are kept; when the outbox is full, the connection is closed.
    #[default]
    Close,
    /// The oldest are dropped for newer ones.
    DropOldest,
    /// Of those with the same key, only the newest is kept.
    Latest,
}
