//! An order of another program that the connections of a user join or leave a group, and its result.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Fingerprint;

/// An order as nodes send it to each other and record it: `{"user": "7", "leave": "board.7", "id": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOrder {
    /// The user, by the text of its id.
    pub user: Box<str>,
    /// What its connections do.
    #[serde(flatten)]
    pub change: GroupChange,
    /// The only consumer concerned; unset: see [`Self::joins`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Box<str>>,
    /// Its own id: a node carries an order out once.
    pub id: Box<str>,
}

/// The change, with the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupChange {
    /// Join it.
    Join(Box<str>),
    /// Leave it.
    Leave(Box<str>),
}

impl GroupOrder {
    /// The group, or the Socket.IO room.
    pub fn room(&self) -> &str {
        match &self.change {
            GroupChange::Join(room) | GroupChange::Leave(room) => room,
        }
    }

    /// Whether connections join. Without a consumer, those that could have the group do so; a group is left in all.
    pub const fn joins(&self) -> bool {
        matches!(self.change, GroupChange::Join(_))
    }
}

/// An order that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedOrder {
    /// The order.
    pub order: GroupOrder,
    /// Its user.
    pub user: Fingerprint,
    /// When it was given. It is for the connections whose authentication began before.
    pub at: Instant,
    /// Whether the node could not hear it when it was given.
    pub late: bool,
}

impl ReceivedOrder {
    /// An order that is given now.
    pub fn now(order: GroupOrder) -> Self {
        Self { user: Fingerprint::of_user(&order.user), order, at: Instant::now(), late: false }
    }

    /// An order that was given at this time, and read in the record.
    pub fn recorded(order: GroupOrder, at: Instant) -> Self {
        Self { at, late: true, ..Self::now(order) }
    }
}

/// What an order did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOrderResult {
    /// Connections of the user.
    pub connections: u64,
    /// Those of them that are in the group now, or that were in it.
    pub changed: u64,
    /// Those of them that could not join.
    pub failed: u64,
}

impl std::iter::Sum for GroupOrderResult {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            connections: sum.connections + one.connections,
            changed: sum.changed + one.changed,
            failed: sum.failed + one.failed,
        })
    }
}

impl GroupOrderResult {
    /// What the parts of one connection did, together.
    pub fn of_connection(parts: impl IntoIterator<Item = Self>) -> Self {
        let sum: Self = parts.into_iter().sum();
        Self { connections: 1, changed: sum.changed.min(1), failed: sum.failed.min(1) }
    }
}
