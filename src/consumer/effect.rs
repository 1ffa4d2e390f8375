//! The effects that consumers request, and the outcomes that come back to them.

use std::{sync::Arc, time::Duration};

use super::{
    condition::Selection, expression::present::Room, groups::GroupError, input::KeptInput, personal::Personal,
};
use crate::{
    config::Secret,
    event::{Emission, GroupName, Payload, Value},
    limited::WriteError,
};

/// One message for the members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What is sent, unless it contains values of the connection.
    pub payload: Payload,
    /// What is sent, if it does.
    pub personal: Option<Personal>,
    /// Only to connections for which the condition is true.
    pub selection: Option<Selection>,
    /// Only to connections subscribed to this topic.
    pub topic: Option<Arc<str>>,
    /// To the consumer's members of these groups, each of them once, instead of those of the event's own.
    pub to: Option<Box<[GroupName]>>,
    /// Dropped for slow clients.
    pub volatile: bool,
    /// Of several with the same key, only the newest waits for a slow client.
    pub key: Option<Arc<str>>,
}

/// What a consumer requests for one connection, in order. Each effect is carried out after the previous one is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send to this connection.
    Reply(Payload),
    /// Send a Socket.IO event to this connection that asks for an acknowledgement, and continue with `then` when it
    /// arrives.
    Ask {
        /// The event's name, then its arguments.
        args: Vec<Value>,
        /// How long the client has.
        timeout: Duration,
        /// The continuation.
        then: Continuation,
    },
    /// Add topics.
    Subscribe(Vec<Arc<str>>),
    /// Remove topics.
    Unsubscribe(Vec<Arc<str>>),
    /// Join groups; effective before the next effect.
    Join {
        /// The groups.
        groups: Vec<GroupName>,
        /// Sent to the client if that fails; the handler ends then.
        failed: Option<Arc<[Payload]>>,
    },
    /// Join the groups of signed tokens; effective before the next effect.
    JoinSigned {
        /// The tokens; an empty one if the client sent none.
        tokens: Vec<Secret>,
        /// Sent to the client if one of them is not valid; the handler ends then.
        denied: Option<Arc<[Payload]>>,
        /// Sent to the client if it cannot join; the handler ends then.
        failed: Option<Arc<[Payload]>>,
    },
    /// Leave groups.
    Leave(Vec<GroupName>),
    /// Publish an event to a group on every node, as `group_send` does.
    Publish {
        /// The group.
        group: GroupName,
        /// The event, which several groups may share.
        body: Arc<Value>,
        /// Sent to the client if that fails; the handler ends then.
        failed: Option<Arc<[Payload]>>,
    },
    /// Send a message to a channel, as `channel_layer.send` does.
    Send {
        /// The channel.
        channel: String,
        /// The message.
        body: Value,
    },
    /// Send an emission to the union of groups on every node.
    Emit {
        /// The groups.
        groups: Vec<GroupName>,
        /// The emission, as [`Emission::relay_body`](crate::event::Emission::relay_body) writes it.
        body: Box<Value>,
        /// Sent to the client if that fails; the handler ends then.
        failed: Option<Arc<[Payload]>>,
    },
    /// Set connection variables: [`Context::vars`] is replaced.
    Set(Value),
    /// Replace the user by the one that the backend returned: [`Context::user`].
    User(Value),
    /// Call the backend, and continue with `then` when it has answered.
    Call {
        /// The call.
        request: Box<CallRequest>,
        /// The continuation.
        then: Continuation,
    },
    /// List the members who are present, and continue with `then`.
    Present {
        /// The room; `None` for that of the connection, or the whole consumer.
        room: Option<Arc<str>>,
        /// The continuation.
        then: Continuation,
    },
    /// Check another token of the same user, and continue with `then`.
    Refresh {
        /// The token; empty if the client sent none.
        token: Secret,
        /// The continuation.
        then: Continuation,
        /// Sent to the client if the token is not valid; the handler ends then.
        denied: Option<Arc<[Payload]>>,
        /// Sent to the client if the token cannot be checked now; the handler ends then.
        failed: Option<Arc<[Payload]>>,
    },
    /// Refuse the connection that is being admitted.
    Refuse(Denial),
    /// Close the connection (Socket.IO: disconnect it from the namespace).
    Close {
        /// Close code.
        code: u16,
        /// Close reason.
        reason: String,
    },
}

impl Effect {
    /// The approximate number of bytes that it sends.
    pub(super) fn sent_bytes(&self) -> usize {
        match self {
            Self::Reply(payload) => payload.size(),
            Self::Emit { body, .. } => body.weight(),
            Self::Publish { body, .. } => body.weight(),
            _ => 0,
        }
    }
}

/// A refusal by `on_admit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denial {
    /// The text for the client.
    pub text: Box<str>,
    /// The close code of a plain WebSocket, which is accepted for that; unset: as the consumer's `reject` says.
    pub code: Option<u16>,
    /// The HTTP status; unset: 403, or 503 if it is `away`.
    pub status: Option<u16>,
    /// Whether the handler refuses because the backend is away: the client is not at fault.
    pub away: bool,
    /// When a retry makes sense, if the backend said so.
    pub retry_after: Option<Duration>,
}

/// The result of a message or another occurrence: what to do now, and the problem, if any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reaction {
    /// Effects, in order; after a problem, those of the consumer's policy.
    pub effects: Vec<Effect>,
    /// For metrics and, at a bounded rate, for the log.
    pub problem: Option<MessageProblem>,
}

impl Reaction {
    /// Marks what it sends to rooms as the report of a change of presence: who knows the change already does not get it.
    pub fn report(&mut self, scope: &str, at: u64) {
        for effect in &mut self.effects {
            if let Effect::Emit { body, .. } = effect {
                Emission::report(body, scope, at);
            }
        }
    }
}

impl From<MessageProblem> for Reaction {
    fn from(problem: MessageProblem) -> Self {
        Self { effects: Vec::new(), problem: Some(problem) }
    }
}

/// A problem with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageProblem {
    /// Not JSON, or binary where JSON is expected.
    #[error("the message is not JSON: {0}")]
    BadJson(String),
    /// No handler matches it.
    #[error("no handler matches the message")]
    Unknown,
    /// Its handler failed on it, for instance for a missing key.
    #[error("the message's handler failed: {0}")]
    Failed(String),
    /// Its handler sets a user that could not be disconnected by its id.
    #[error("the message's handler failed: {0}")]
    User(String),
    /// The message that its handler sends is too large.
    #[error("the message's handler sends too much: {0}")]
    TooLarge(WriteError),
    /// Its handler would exceed the limit of the connection's state.
    #[error("the connection's variables would exceed limits.connection_state")]
    State,
    /// The room's name is too long, or could be the name of another room.
    #[error("the message's handler failed: {0}")]
    Room(String),
    /// `require` or `allow` forbids it.
    #[error("the message is not allowed")]
    Denied,
    /// It exceeds a rate limit.
    #[error("the client sends too fast")]
    Limited,
    /// The backend answered with a status that the handler does not handle.
    #[error("the backend call failed: {0}")]
    Unanswered(String),
    /// The backend did not answer, or is too busy, and the handler does not handle that.
    #[error("the backend is not available: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
        /// When a retry makes sense, if the backend said so.
        retry_after: Option<Duration>,
    },
}

impl From<GroupError> for MessageProblem {
    fn from(error: GroupError) -> Self {
        match error {
            GroupError::Value(reason) => Self::Failed(reason),
            GroupError::NotAllowed(_) => Self::Denied,
            GroupError::Name { .. } | GroupError::Ambiguous(_) | GroupError::TooMany(_) => {
                Self::Room(error.to_string())
            }
        }
    }
}

impl MessageProblem {
    /// The metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::BadJson(_) => "bad_json",
            Self::Unknown => "unknown_message",
            Self::Failed(_) | Self::User(_) | Self::Room(_) => "failed_message",
            Self::TooLarge(_) => "too_large",
            Self::State => "state_too_large",
            Self::Denied => "denied_message",
            Self::Limited => "limited_message",
            Self::Unanswered(_) | Self::Unavailable { .. } => "unanswered_call",
        }
    }
}

impl From<String> for MessageProblem {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

impl From<WriteError> for MessageProblem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge(_) => Self::TooLarge(error),
            WriteError::Invalid(reason) => Self::Failed(reason),
        }
    }
}

/// A call of the backend.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRequest {
    /// The name of the action, `markAttendance`.
    pub action: Arc<str>,
    /// The data from the configuration.
    pub data: Value,
    /// The user of the connection; null if anonymous.
    pub user: Value,
    /// The connection's public id.
    pub connection: Arc<str>,
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// Whether the call may be repeated safely.
    pub idempotent: bool,
    /// Maximum time for the answer; unset: the backend's default.
    pub timeout: Option<Duration>,
}

/// What the body of a backend's answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// JSON.
    Json,
    /// Nothing.
    Empty,
    /// Something else, such as a page.
    Other,
}

/// The outcome of a call or question.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The backend answered.
    Answer {
        /// Its status, as in HTTP.
        status: u16,
        /// Its body; null if that is not JSON.
        body: Value,
        /// What the body was.
        kind: BodyKind,
        /// `Retry-After`, if it has one.
        retry_after: Option<Duration>,
    },
    /// The client acknowledged, with these arguments.
    Acknowledged(Value),
    /// The members who are present in the room that was asked for.
    Present(Option<Arc<str>>, Arc<Value>),
    /// No answer in time, or none at all, for this reason.
    Failed(String),
    /// The answer is too large.
    Unusable(String),
    /// The question is too large, so it was not asked.
    NotAsked(String),
}

/// Where a handler continues after an [`Outcome`]; made and read by the consumer only.
#[derive(Clone, Debug, PartialEq)]
pub struct Continuation(pub(super) Box<Suspended>);

impl Continuation {
    /// A handler that holds nothing.
    #[cfg(test)]
    pub fn empty() -> Self {
        Self(Box::new(Suspended {
            position: 0,
            input: KeptInput::None,
            ack: None,
            results: Vec::new(),
            present: Vec::new(),
        }))
    }

    /// The approximate number of bytes held.
    pub fn weight(&self) -> usize {
        self.0.input.weight() + self.0.results.iter().map(|result| result.weight()).sum::<usize>()
    }
}

impl Outcome {
    /// The approximate number of bytes from the client.
    pub fn weight(&self) -> usize {
        if let Self::Acknowledged(args) = self { args.weight() } else { 0 }
    }
}

/// The state of a waiting handler.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Suspended {
    /// The operation that waits.
    pub position: u32,
    pub input: KeptInput,
    /// The id of the acknowledgement that the client waits for.
    pub ack: Option<u64>,
    /// The answers so far.
    pub results: Vec<Arc<Value>>,
    /// The members of rooms that its operation asks for.
    pub present: Vec<(Room, Arc<Value>)>,
}
