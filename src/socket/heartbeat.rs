//! A consumer's own heartbeat: a message of the application that its clients answer, for pages that must notice a dead
//! connection themselves (JavaScript sees no ping frame), and for clients behind proxies that answer pings on their own.
//!
//! In: the seconds of the sweep, and the clients' answers. Out: the same encoded message for all connections of the
//! consumer, and a Close for those that have not answered. A connection has no timer, only the number of its messages
//! without an answer.

use super::{close::CloseCode, frame::Frame};
use crate::event::{Incoming, Value, json};

/// The heartbeat of a consumer.
#[derive(Debug)]
pub struct Heartbeat {
    /// Seconds from one message to the next.
    pub every: u32,
    /// The message.
    pub frame: Frame,
    /// The answer; unset: none is expected.
    pub answer: Option<Answer>,
    /// The connection is closed when it has left so many without an answer.
    pub missed: u8,
    /// How it is closed.
    pub code: CloseCode,
    /// The reason of the Close.
    pub reason: Box<str>,
}

/// What a client sends back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Exactly this text.
    Text(Box<str>),
    /// A JSON object with this value of this key.
    Message {
        /// The consumer's `message_key`.
        key: Box<str>,
        /// The value.
        kind: Box<str>,
    },
}

impl Answer {
    /// Whether a message is the answer.
    pub fn is(&self, message: Incoming<'_>) -> bool {
        let Incoming::Text(text) = message else { return false };
        match self {
            Self::Text(answer) => **answer == *text,
            Self::Message { key, kind } => {
                // Most messages are not read twice for this. JSON may escape any character.
                let may_be = text.contains(&**kind) || text.contains('\\');
                may_be
                    && json::read(text.as_bytes())
                        .is_ok_and(|value| value.get(key).and_then(Value::as_str) == Some(kind))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_from_other_messages() {
        let text = Answer::Text("pong".into());
        let message = Answer::Message { key: "type".into(), kind: "pong".into() };
        for (incoming, is_text, is_message) in [
            ("pong", true, false),
            ("pong ", false, false),
            ("PONG", false, false),
            (r#""pong""#, false, false),
            (r#"{"type": "pong"}"#, false, true),
            (r#"{"at": 5, "type":"pong"}"#, false, true),
            (r#"{"type": "pong"#, false, false),
            (r#"{"type": "ping", "text": "pong"}"#, false, false),
            (r#"{"type": ["pong"]}"#, false, false),
            (r#"["type", "pong"]"#, false, false),
            (r#"{"type": "p\u006fng"}"#, false, true),
        ] {
            assert_eq!(
                (text.is(Incoming::Text(incoming)), message.is(Incoming::Text(incoming))),
                (is_text, is_message)
            );
        }
        assert!(!text.is(Incoming::Binary(b"pong")));
        let other = Answer::Message { key: "type".into(), kind: "é".into() };
        assert!(other.is(Incoming::Text(r#"{"type": "\u00e9"}"#)));
        let quoted = Answer::Message { key: "type".into(), kind: "pong/\"1\"".into() };
        assert!(quoted.is(Incoming::Text(r#"{"type": "pong\/\"1\""}"#)));
    }
}
