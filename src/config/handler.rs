//! What a handler does, as written in the file: steps, emits, calls. `crate::consumer` compiles them.

use std::{fmt, time::Duration};

use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor, value::MapAccessDeserializer},
};

use super::{OneOrMany, Span, list::Listed};

/// Steps that are done one after the other.
pub type Handler = OneOrMany<Step>;

/// Emits that are sent one after the other.
pub type Emits = OneOrMany<Emit>;

/// One step of a handler; its keys are done in the order in which they stand here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Expression: the step is left out unless it is true.
    pub when: Option<String>,
    /// Expression: the handler ends here unless it is true.
    pub require: Option<String>,
    /// What the client is told then, and where a room is not allowed.
    pub denied: Option<Emits>,
    /// How often a connection may come here; beyond it the handler ends.
    pub limit: Option<Rate>,
    /// What the client is told then.
    pub limited: Option<Emits>,
    /// What the client is told where a room cannot be joined or an event not be published, because Redis is away.
    pub failed: Option<Emits>,
    /// Expression: another token of the same user; the handler ends here unless it is good.
    pub refresh: Option<String>,
    /// Connection variables: names to expressions.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub set: IndexMap<String, String>,
    /// Expression: the user, from here on.
    pub user: Option<String>,
    /// Refuses the connection, with this text.
    pub refuse: Option<String>,
    /// Templates of the rooms to leave.
    pub leave: Option<OneOrMany>,
    /// Templates of the rooms to join.
    pub join: Option<OneOrMany>,
    /// Patterns: which rooms a client may name in this step.
    pub allow: Option<OneOrMany>,
    /// Expression: a name or list of names of topics to subscribe to.
    pub subscribe: Option<String>,
    /// Expression: a name or list of names of topics to unsubscribe from.
    pub unsubscribe: Option<String>,
    /// Asks the backend.
    pub call: Option<Box<Call>>,
    /// To this connection.
    pub reply: Option<Emits>,
    /// Expression whose text or bytes go back as they are.
    pub reply_raw: Option<String>,
    /// Expression: the one argument of the acknowledgement.
    pub ack: Option<String>,
    /// Expression: the list of its arguments.
    pub ack_args: Option<String>,
    /// To all in a room but this connection.
    pub others: Option<Emits>,
    /// To all in a room.
    pub room: Option<Emits>,
    /// To the group `user_<to>`.
    pub to_user: Option<Emits>,
    /// To the group `role_<to>`.
    pub to_role: Option<Emits>,
    /// To everybody in the namespace.
    pub all: Option<Emits>,
    /// Events for groups, as `group_send` writes them.
    pub publish: Option<OneOrMany<Publish>>,
    /// Closes the connection with this code.
    pub close: Option<u16>,
    /// Disconnects the client.
    pub disconnect: bool,
}

impl Listed for Step {
    const EXPECTED: &str = "a table, or a list of tables";
}

/// Something to send.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Emit {
    /// Template of the room, or what it is to be completed with.
    pub to: Option<String>,
    /// Template of a Socket.IO event's name.
    pub event: Option<String>,
    /// Expression: its only argument.
    pub data: Option<String>,
    /// Expression: the list of its arguments.
    pub args: Option<String>,
    /// Expression: the frame, for clients that speak plain JSON.
    pub send: Option<String>,
    /// Dropped for clients that are behind with reading.
    pub volatile: bool,
    /// Expression: sent only if it is true.
    pub when: Option<String>,
    /// Asks the client for an acknowledgement.
    pub expect: Option<Box<Expect>>,
}

impl Emit {
    /// `"expression"` for `{ send = "expression" }`.
    fn short(send: &str) -> Self {
        Self { send: Some(send.to_owned()), ..Self::default() }
    }

    /// Whether it can be written as an expression alone.
    pub fn is_short(&self) -> bool {
        self.send.as_deref().is_some_and(|send| *self == Self::short(send))
    }
}

impl Listed for Emit {
    const EXPECTED: &str = "an expression or a table, or a list of them";
}

impl Serialize for Emit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.send {
            Some(send) if self.is_short() => serializer.serialize_str(send),
            _ => Self::serialize(self, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Emit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = Emit;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an expression or a table")
            }
            fn visit_str<E: de::Error>(self, send: &str) -> Result<Emit, E> {
                Ok(Emit::short(send))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Emit, A::Error> {
                Emit::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

/// What follows an acknowledgement of the client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// How long the client has.
    pub timeout: Span,
    /// What is done when it has acknowledged; `result.args` is what it said.
    pub ok: Option<Handler>,
    /// What is done when it has not; `result.error` says why.
    pub error: Option<Handler>,
}

impl Default for Expect {
    fn default() -> Self {
        Self { timeout: Span::seconds(5), ok: None, error: None }
    }
}

/// A question to the backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Its name, the last part of the URL.
    pub action: String,
    /// Expression: what is sent along; unset: null.
    #[serde(default)]
    pub data: Option<String>,
    /// Whether asking twice does no harm.
    #[serde(default)]
    pub idempotent: bool,
    /// How long the answer may take; unset: `backend.timeout`.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// What is done after a status from 200 to 299, before the handler goes on.
    #[serde(default)]
    pub ok: Option<Handler>,
    /// What is done after exactly this status; the handler goes on after one from 200 to 299 only.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub status: IndexMap<String, Handler>,
    /// What is done after any other status, or no answer; the handler ends.
    #[serde(default)]
    pub error: Option<Handler>,
}

/// An event for a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Template of the group.
    pub group: String,
    /// Expression: the event.
    pub event: String,
}

impl Listed for Publish {
    const EXPECTED: &str = "a table, or a list of tables";
}

/// How often something may happen, `5/1s`: five times at once, then one every 200 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many times.
    pub count: u32,
    /// In which time.
    pub per: Span,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per)
    }
}

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no rate; write how many in which time, \"5/1s\"");
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let (count, per) = (count.trim().parse::<u32>().map_err(|_| wrong())?, per.trim().parse::<Span>()?);
        if count == 0 || per.0 == Duration::ZERO { Err(wrong()) } else { Ok(Self { count, per }) }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Rate;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate such as \"5/1s\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}
