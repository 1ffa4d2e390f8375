//! What consumers ask for, and what comes back to them: the language between them and whoever carries it out.

use std::{sync::Arc, time::Duration};

use super::{form::GroupError, message::Kept};
use crate::{
    config::Secret,
    event::{GroupName, Payload, Value},
    limited::WriteError,
};

/// One message for the members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What is sent.
    pub payload: Payload,
    /// Only to connections subscribed to this topic.
    pub topic: Option<Arc<str>>,
    /// To the consumer's members of this group instead of the event's own.
    pub to: Option<GroupName>,
    /// Dropped for clients that are behind with reading.
    pub volatile: bool,
    /// Of several with the same, only the newest waits for such clients.
    pub key: Option<Arc<str>>,
}

/// What a consumer asks for, in order, for one connection. The next one is carried out when the one before is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send to this connection.
    Reply(Payload),
    /// Send a Socket.IO event to this connection that asks for an acknowledgement, and go on with `then` when it comes.
    Ask {
        /// The event's name, then its arguments.
        args: Vec<Value>,
        /// How long the client has.
        timeout: Duration,
        /// What follows.
        then: Continuation,
    },
    /// Add topics.
    Subscribe(Vec<Arc<str>>),
    /// Take topics away.
    Unsubscribe(Vec<Arc<str>>),
    /// Join groups; effective before the next effect.
    Join {
        /// The groups.
        groups: Vec<GroupName>,
        /// What the client is told if that fails; the handler ends then.
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
        /// What the client is told if that fails; the handler ends then.
        failed: Option<Arc<[Payload]>>,
    },
    /// Set connection variables: [`Context::vars`] is replaced.
    Set(Value),
    /// Replace the user, as the backend knows it: [`Context::user`].
    User(Value),
    /// Ask the backend, and go on with `then` when it has answered.
    Call {
        /// What is asked.
        request: Box<CallRequest>,
        /// What follows.
        then: Continuation,
    },
    /// Take another token of the same user, and go on with `then`.
    Refresh {
        /// The token; empty where the client sent none.
        token: Secret,
        /// What follows.
        then: Continuation,
        /// What the client is told if the token is not good; the handler ends then.
        denied: Option<Arc<[Payload]>>,
        /// What the client is told if that cannot be known now; the handler ends then.
        failed: Option<Arc<[Payload]>>,
    },
    /// Refuse the connection that is being made.
    Refuse {
        /// The reason for the client.
        message: String,
    },
    /// Close the connection (Socket.IO: disconnect it from the namespace).
    Close {
        /// Close code.
        code: u16,
        /// Close reason.
        reason: String,
    },
}

/// What came of a message, or of what else happened: what to do now, and what was wrong with it, if anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reaction {
    /// What to do, in order; in answer to a problem, what the consumer's policy says.
    pub effects: Vec<Effect>,
    /// For counting and, at a bounded rate, for the log.
    pub problem: Option<MessageProblem>,
}

impl From<MessageProblem> for Reaction {
    fn from(problem: MessageProblem) -> Self {
        Self { effects: Vec::new(), problem: Some(problem) }
    }
}

/// What was wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageProblem {
    /// No JSON, or binary where JSON is spoken.
    #[error("the message is no JSON: {0}")]
    BadJson(String),
    /// No handler takes it.
    #[error("no handler takes the message")]
    Unknown,
    /// Its handler failed on it, for instance for a missing key.
    #[error("the message's handler failed: {0}")]
    Failed(String),
    /// What its handler sends is larger than a message may be.
    #[error("what the message's handler sends: {0}")]
    TooLarge(WriteError),
    /// Its handler would keep more of the connection than may be kept.
    #[error("the variables of the connection would take more than limits.connection_state")]
    State,
    /// It names a room whose name is too long, or could be that of another.
    #[error("the message's handler failed: {0}")]
    Room(String),
    /// What `require` or `allow` says stands against it.
    #[error("the message is not allowed")]
    Denied,
    /// It came too soon after others.
    #[error("the client sends too fast")]
    Limited,
    /// The backend did not answer, or with a status that the handler does not know.
    #[error("the backend did not help: {0}")]
    Unanswered(String),
}

impl From<GroupError> for MessageProblem {
    fn from(error: GroupError) -> Self {
        match error {
            GroupError::Value(reason) => Self::Failed(reason),
            GroupError::NotAllowed(_) => Self::Denied,
            GroupError::Name { .. } | GroupError::Ambiguous(_) => Self::Room(error.to_string()),
        }
    }
}

impl MessageProblem {
    /// The metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::BadJson(_) => "bad_json",
            Self::Unknown => "unknown_message",
            Self::Failed(_) | Self::Room(_) => "failed_message",
            Self::TooLarge(_) => "too_large",
            Self::State => "state_too_large",
            Self::Denied => "denied_message",
            Self::Limited => "limited_message",
            Self::Unanswered(_) => "unanswered_call",
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

/// A question to the backend.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRequest {
    /// The name of the action, `markAttendance`.
    pub action: Arc<str>,
    /// What the configuration sends along.
    pub data: Value,
    /// The user that the connection belongs to; null for the anonymous.
    pub user: Value,
    /// The connection's public id.
    pub connection: Arc<str>,
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// Whether asking twice does no harm.
    pub idempotent: bool,
    /// How long the answer may take; unset: the backend's default.
    pub timeout: Option<Duration>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The backend answered.
    Answer {
        /// Its status, as in HTTP.
        status: u16,
        /// Its body.
        body: Value,
    },
    /// The client acknowledged, with these arguments.
    Acknowledged(Value),
    /// No answer in time, or none at all, for this reason.
    Failed(String),
}

/// Where a handler goes on after an [`Outcome`]; made and read by the consumer alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Continuation(pub(super) Box<Held>);

impl Continuation {
    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        self.0.message.weight() + self.0.results.iter().map(|result| result.weight()).sum::<usize>()
    }
}

impl Outcome {
    /// About how many bytes of the client's it holds.
    pub fn weight(&self) -> usize {
        if let Self::Acknowledged(args) = self { args.weight() } else { 0 }
    }
}

/// What a handler holds while it waits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    /// The operation that waits.
    pub place: u32,
    pub message: Kept,
    /// The id of the acknowledgement that the client waits for.
    pub ack: Option<u64>,
    /// The answers so far.
    pub results: Vec<Arc<Value>>,
}
