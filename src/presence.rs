//! Who is there: connections counted per member over the whole cluster.
//!
//! In: connections that come and go on this node. Out: a member's first arrival and last departure, each told on one node.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::event::Value;

/// A member of a scope, such as the user 7 of a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// What it is present in: a consumer's name.
    pub scope: Arc<str>,
    /// Who: the value of the consumer's `presence.member`, as text.
    pub id: Arc<str>,
}

/// Counts connections per member.
pub trait Presence: Send + Sync + 'static {
    /// A connection of the member came. `true` for the one connection that makes it present in the cluster.
    /// `facts` is kept with the member and given to the listener when it leaves, on whichever node that is noticed.
    ///
    /// Where Redis is away it is `false`, and the listener is told of the arrival once Redis has taken it.
    fn enter<'a>(&'a self, member: &'a Member, facts: &'a Value) -> BoxFuture<'a, bool>;

    /// A connection of the member went. After the grace, and if none came meanwhile on any node, the listener is told.
    fn leave(&self, member: &Member);

    /// How many members are present in the whole cluster, over all scopes, each id once.
    fn count(&self) -> BoxFuture<'_, usize>;

    /// Hands the members that are still here to the other nodes, which wait for their return as long as the grace says.
    /// Bounded in time.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is present, and nobody could be told when it came: Redis was away then.
    Arrived,
    /// Its last connection in the cluster is gone.
    Departed,
}

/// Told of a change on one node of the cluster, with the facts of [`Presence::enter`]. It must not block.
pub type Listener = Arc<dyn Fn(Change, Member, Value) + Send + Sync>;
