//! What an event asks of each member besides frames and calls: to leave groups, to join groups, to close.
//!
//! In: an event that a consumer maps. Out: work for the sessions of the members, which carry it out
//! ([`Released::Outcome`](super::Released::Outcome)).

use std::sync::Arc;

use crate::{
    consumer::{Consumer, ConsumerId, EventOutcome},
    socket::{Charge, Connection},
};

/// What an event asks of the members of one consumer.
#[derive(Debug)]
pub struct MemberOutcome {
    /// Their consumer.
    pub consumer: ConsumerId,
    /// The event's outcome.
    pub outcome: EventOutcome,
}

impl MemberOutcome {
    pub(super) fn new(consumer: &Consumer, outcome: EventOutcome) -> Self {
        Self { consumer: consumer.id(), outcome }
    }

    /// Its bytes in a backlog, and in the outbox of a member.
    pub(super) fn weight(&self) -> usize {
        self.outcome.weight()
    }
}

/// An outcome that waits, shared by the members of a worker; its bytes are counted once.
pub(super) struct HeldOutcome {
    pub outcome: Arc<MemberOutcome>,
    _charge: Charge,
}

impl HeldOutcome {
    /// An outcome that waits for this client, among others of its worker.
    pub fn new(outcome: &Arc<MemberOutcome>, connection: &Connection) -> Self {
        Self { outcome: Arc::clone(outcome), _charge: connection.charge(outcome.weight()) }
    }
}
