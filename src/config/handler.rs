//! The language of handlers as written in the file: steps, emits, calls. `crate::consumer` compiles them.

use std::{fmt, time::Duration};

use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor, value::MapAccessDeserializer},
};

use super::{Close, OneOrMany, Refuse, Span, list::Listed};

/// Steps, run one after the other.
pub type Handler = OneOrMany<Step>;

/// Emits, sent one after the other.
pub type Emits = OneOrMany<Emit>;

/// One step of a handler; its keys run in the order of these fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Expression: the step is skipped unless it is true.
    pub when: Option<String>,
    /// Expression: the handler ends here unless it is true.
    pub require: Option<String>,
    /// What is sent to the client then, or when a room is not allowed.
    pub denied: Option<Emits>,
    /// How often a connection may run this step; beyond the limit the handler ends.
    pub limit: Option<Rate>,
    /// What is sent to the client then.
    pub limited: Option<Emits>,
    /// What is sent to the client when a room cannot be joined or an event not published because Redis is unreachable.
    pub failed: Option<Emits>,
    /// Expression: another token of the same user; the handler ends here unless the token is valid.
    pub refresh: Option<String>,
    /// Connection variables: names to expressions.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub set: IndexMap<String, String>,
    /// Expression: the user, from here on.
    pub user: Option<String>,
    /// Refuses the connection with this text.
    pub refuse: Option<Refuse>,
    /// Templates of the rooms to leave.
    pub leave: Option<OneOrMany>,
    /// Templates of the rooms to join.
    pub join: Option<OneOrMany>,
    /// Expression: a token, or a list of tokens, that Django has signed, each for a group to join.
    pub join_token: Option<String>,
    /// Patterns: the rooms that a client may name in this step.
    pub allow: Option<OneOrMany>,
    /// Expression: a name or list of names of topics to subscribe to.
    pub subscribe: Option<String>,
    /// Expression: a name or list of names of topics to unsubscribe from.
    pub unsubscribe: Option<String>,
    /// Calls the backend.
    pub call: Option<Box<Call>>,
    /// Expression: a list; what this step sends is sent once per item.
    pub each: Option<String>,
    /// To this connection.
    pub reply: Option<Emits>,
    /// Expression; its text or bytes are sent back unchanged.
    pub reply_raw: Option<String>,
    /// Expression: the one argument of the acknowledgement.
    pub ack: Option<String>,
    /// Expression: the list of the acknowledgement's arguments.
    pub ack_args: Option<String>,
    /// To every connection in a room except this one.
    pub others: Option<Emits>,
    /// To every connection in a room.
    pub room: Option<Emits>,
    /// To the group `user_<to>`.
    pub to_user: Option<Emits>,
    /// To the group `role_<to>`.
    pub to_role: Option<Emits>,
    /// To every connection in the namespace.
    pub all: Option<Emits>,
    /// Events for groups, as `group_send` writes them.
    pub publish: Option<OneOrMany<Publish>>,
    /// Closes the connection with this code and reason.
    pub close: Option<Close>,
    /// Disconnects the client.
    pub disconnect: bool,
}

impl Handler {
    /// All its steps, with those after an answer.
    pub fn steps(&self) -> Vec<&Step> {
        let mut steps = Vec::new();
        self.collect(&mut steps);
        steps
    }

    fn collect<'a>(&'a self, steps: &mut Vec<&'a Step>) {
        for step in self.as_slice() {
            steps.push(step);
            step.branches().for_each(|branch| branch.collect(steps));
        }
    }
}

impl Step {
    /// The steps after the answers that it waits for.
    pub fn branches(&self) -> impl Iterator<Item = &Handler> {
        let of_call = self
            .call
            .iter()
            .flat_map(|call| call.ok.iter().chain(call.status.values()).chain(&call.unavailable).chain(&call.error));
        let expects = self.reply.iter().flat_map(|reply| reply.as_slice()).filter_map(|reply| reply.expect.as_ref());
        of_call.chain(expects.flat_map(|expect| expect.ok.iter().chain(&expect.error)))
    }
}

impl Listed for Step {
    const EXPECTED: &str = "a table, or a list of tables";
}

/// Something to send.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Emit {
    /// Template of the room, or the value that completes its name.
    pub to: Option<String>,
    /// Template of a Socket.IO event's name.
    pub event: Option<String>,
    /// Expression: its only argument.
    pub data: Option<String>,
    /// Expression: the list of its arguments.
    pub args: Option<String>,
    /// Expression: the frame, for clients that speak plain JSON.
    pub send: Option<String>,
    /// Dropped for slow clients.
    pub volatile: bool,
    /// Expression: sent only if it is true.
    pub when: Option<String>,
    /// Asks the client for an acknowledgement.
    pub expect: Option<Box<Expect>>,
}

impl Emit {
    /// `"expression"` is short for `{ send = "expression" }`.
    fn short(send: &str) -> Self {
        Self { send: Some(send.to_owned()), ..Self::default() }
    }

    /// Whether it can be written as a bare expression.
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
        struct EmitVisitor;
        impl<'de> Visitor<'de> for EmitVisitor {
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
        deserializer.deserialize_any(EmitVisitor)
    }
}

/// What happens after the client's acknowledgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// How long the client has.
    pub timeout: Span,
    /// Runs when it has acknowledged; `result.args` are the acknowledgement's arguments.
    pub ok: Option<Handler>,
    /// Runs when it has not; `result.error` is the reason.
    pub error: Option<Handler>,
}

impl Default for Expect {
    fn default() -> Self {
        Self { timeout: Span::seconds(5), ok: None, error: None }
    }
}

/// A call of the backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Its name, the last part of the URL.
    pub action: String,
    /// Expression: the data of the call; unset: null.
    #[serde(default)]
    pub data: Option<String>,
    /// Whether the call may be repeated safely.
    #[serde(default)]
    pub idempotent: bool,
    /// Maximum time for the answer; unset: `backend.timeout`.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// Runs after a status from 200 to 299, before the handler continues.
    #[serde(default)]
    pub ok: Option<Handler>,
    /// Runs after exactly this status; the handler continues only after one from 200 to 299.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub status: IndexMap<String, Handler>,
    /// Runs without an answer in time, or if the backend is too busy to give one; the handler ends.
    #[serde(default)]
    pub unavailable: Option<Handler>,
    /// Runs after any other status; the handler ends.
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
    /// Within which time.
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
        let wrong = || format!("{text:?} is not a rate; write a number and a time, such as \"5/1s\"");
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
