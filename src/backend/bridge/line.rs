//! The lines of an answer: what a consumer does, in its order, and how its call ends.

use std::time::Duration;

use bytes::Bytes;

use crate::event::{GroupName, Payload, Value};

/// One line of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// The consumer does something.
    Command(Command),
    /// The call is over.
    End(End),
}

/// What a consumer does.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Accept the client.
    Accept {
        /// The subprotocol to echo.
        subprotocol: Option<String>,
        /// Further headers of the answer.
        headers: Vec<(String, String)>,
    },
    /// Send a frame to the client.
    Send(Payload),
    /// Close the connection, or, before it is accepted, refuse it.
    Close {
        /// The close code.
        code: u16,
        /// The close reason.
        reason: String,
    },
    /// Join a group.
    GroupAdd(GroupName),
    /// Leave a group.
    GroupDiscard(GroupName),
    /// Publish an event to a group.
    GroupSend {
        /// The group.
        group: GroupName,
        /// The event.
        message: Value,
    },
    /// Send a message to a channel.
    SendChannel {
        /// The channel.
        channel: String,
        /// The message.
        message: Value,
    },
    /// Refuse the client with this HTTP answer.
    Deny {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(String, String)>,
    },
    /// A piece of the body of that answer.
    DenyBody(Bytes),
}

/// How a call ends.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The connection goes on.
    Open {
        /// For the next call.
        state: Box<str>,
        /// The user; null if anonymous, `None` if it has not changed.
        user: Option<Value>,
        /// When the user's login expires, in seconds since 1970; `None` if that has not changed.
        expires: Option<Option<f64>>,
        /// The values of `export`.
        vars: Option<Value>,
        /// The class of the consumer and what its route gives it; only after a connect.
        class: Option<Box<str>>,
    },
    /// The consumer is called no more.
    Stopped,
    /// The consumer raised an exception.
    Error {
        /// The class of the exception.
        kind: String,
        /// Its text.
        text: String,
    },
    /// The consumer does what one call per event cannot do.
    Refused {
        /// The kind of the refusal.
        kind: String,
        /// What the operator reads.
        text: String,
    },
    /// The code that runs now cannot read the state: the client is to connect again.
    Restart(String),
    /// There is no complete answer.
    Failed(Failure),
}

/// Why there is no complete answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// Django was not reachable, or too busy, for as long as the connection may wait; it has seen nothing.
    Away {
        /// What happened.
        reason: String,
        /// When a retry makes sense, if Django said so.
        retry_after: Option<Duration>,
    },
    /// Too many calls wait already, for as long as the connection may wait.
    Overloaded,
    /// The answer broke off, is malformed, or did not come in time: Django may have done anything.
    Broken(String),
    /// Django refuses every call, for instance for a wrong secret.
    Misconfigured(String),
    /// The message is too large for a call.
    TooLarge(usize),
}
