//! What a consumer makes of an event, or why it sends nothing for it.

use std::sync::Arc;

use crate::{
    config::{PythonPer, Rate},
    consumer::{condition::Selection, effect::Outgoing, outcome::EventOutcome},
    limited::WriteError,
    telemetry::DropReason,
};

/// Why a consumer sends nothing for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// No handler matches events of this type.
    #[error("no handler matches events of this type")]
    NoHandler,
    /// An expression failed, for instance for a missing key.
    #[error("{0}")]
    Mapping(String),
    /// The message is larger than the limit.
    #[error("{0}")]
    TooLarge(WriteError),
}

/// What a consumer makes of an event.
#[derive(Debug, Default, PartialEq)]
pub struct Mapped {
    /// The messages, in order; at least one, unless `when` is false, a list of rooms is empty, or Python is called.
    pub messages: Vec<Outgoing>,
    /// Why another message is not sent: its room has no name, for instance for a missing value.
    pub unsent: Option<MapError>,
    /// How often one connection gets what its handler makes of events; its own for each handler.
    pub throttle: Option<Arc<Rate>>,
    /// The members that a call or an outcome is for; each message has its own.
    pub selection: Option<Selection>,
    /// What it asks of each connection after the messages, or why that cannot be said.
    pub outcome: Option<Result<EventOutcome, MapError>>,
    /// The consumer's own method in Django handles the event; there are no messages then.
    pub python: Option<MappedCall>,
}

/// The members of an event's group for which its consumer's own method is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedCall {
    /// Those who share a call.
    pub per: PythonPer,
    /// Only connections subscribed to this topic.
    pub topic: Option<Arc<str>>,
}

impl MapError {
    /// The reason under which it is counted.
    pub const fn drop_reason(&self) -> DropReason {
        match self {
            Self::NoHandler => DropReason::NoHandler,
            Self::Mapping(_) => DropReason::Mapping,
            Self::TooLarge(_) => DropReason::TooLarge,
        }
    }
}

impl From<String> for MapError {
    fn from(reason: String) -> Self {
        Self::Mapping(reason)
    }
}

impl From<WriteError> for MapError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge(_) => Self::TooLarge(error),
            WriteError::Invalid(reason) => Self::Mapping(reason),
        }
    }
}
