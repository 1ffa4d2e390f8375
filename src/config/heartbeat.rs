//! The heartbeat of an application: its message, the answer, and the end of a client that sends none.

use serde::{Deserialize, Serialize};

use super::{Close, Span};

/// A message that every client gets at intervals, and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// How often.
    #[serde(default = "half_a_minute")]
    pub every: Span,
    /// Expression without names: the message as JSON.
    pub send: Option<String>,
    /// Instead: the message as text.
    pub send_text: Option<String>,
    /// The answer: a JSON message with this value of `message_key`.
    pub expect: Option<String>,
    /// Instead: exactly this text.
    pub expect_text: Option<String>,
    /// The connection is closed after so many messages without an answer; unset: 2.
    pub missed: Option<u8>,
    /// How it is closed; unset: 4408.
    pub close: Option<Close>,
}

fn half_a_minute() -> Span {
    Span::seconds(30)
}
