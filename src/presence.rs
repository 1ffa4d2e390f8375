//! Presence: counts connections per member over the whole cluster.
//!
//! In: connections that open and close on this node. Out: a member's first arrival and last departure, each reported on
//! one node.

mod actor;
mod grace;
mod ledger;
mod listing;
mod store;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{self, BoxFuture, FutureExt as _};
use tokio::sync::mpsc;

use self::{
    actor::{PresenceActor, PresenceCommand},
    listing::Readings,
    store::PresenceStore,
};
use crate::{
    event::Value,
    redis::{Host, HostError, Lease, ask},
    telemetry::Metrics,
    warn_bounded,
};

pub use grace::GracePeriods;
pub use listing::Listing;

/// Longest wait for an answer of [`Presence::enter`]; two exchanges with a slow Redis.
const ANSWER: Duration = Duration::from_secs(5);

/// Longest wait for a clean stop.
const STOP: Duration = Duration::from_secs(4);

/// Longer ids are not counted, in bytes: they come from tokens, and each is a key in Redis.
const MAX_ID: usize = 256;

/// A member of a scope, such as the user 7 of a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PresenceMember {
    /// The scope: a consumer's name, or one of its rooms; see [`scope`].
    pub scope: Arc<str>,
    /// The id: the value of the consumer's `presence.member`, as text.
    pub id: Arc<str>,
}

/// Between the name of a consumer and that of a room, which cannot have it.
const BEFORE_ROOM: char = '\u{1f}';

/// The scope of a consumer, or of one of its rooms.
pub fn scope(consumer: &str, room: Option<&str>) -> Arc<str> {
    match room {
        None => consumer.into(),
        Some(room) => format!("{consumer}{BEFORE_ROOM}{room}").into(),
    }
}

impl PresenceMember {
    /// The name of the consumer.
    pub fn consumer(&self) -> &str {
        self.scope.rsplit_once(BEFORE_ROOM).map_or(&self.scope, |(consumer, _)| consumer)
    }

    /// The room in which it is counted, if the consumer counts per room.
    pub fn room(&self) -> Option<&str> {
        self.scope.rsplit_once(BEFORE_ROOM).map(|(_, room)| room)
    }
}

/// Counts connections per member.
pub trait Presence: Send + Sync + 'static {
    /// A connection of the member has opened. The single connection that makes it present in the cluster gets the moment
    /// of that, comparable with a [`Listing`]'s.
    /// `facts` is stored with the member and passed to the listener when it leaves, on whichever node notices that. It
    /// counts from the call on, awaited or not, and every call is followed by one [`Self::leave`].
    ///
    /// While Redis is unreachable the result is `None`, and the listener gets the arrival once Redis has accepted it.
    fn enter<'a>(&'a self, member: &'a PresenceMember, facts: &'a Value) -> BoxFuture<'a, Option<u64>>;

    /// A connection of the member has closed. If no other opens on any node during the grace, the listener gets the
    /// departure.
    fn leave(&self, member: &PresenceMember);

    /// The number of members present in the whole cluster, over all scopes, each id once.
    fn count(&self) -> BoxFuture<'_, usize>;

    /// The members of a scope in the whole cluster, at most `most` of them, as they are after this call.
    fn present<'a>(&'a self, scope: &'a Arc<str>, most: usize) -> BoxFuture<'a, Arc<Listing>>;

    /// Leaves the members that are still here to the other nodes, which wait for their return as long as the grace.
    /// Bounded in time.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// A change of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceChange {
    /// It is present, but the arrival could not be reported at once: Redis was unreachable.
    Arrived,
    /// Its last connection in the cluster has closed.
    Departed,
}

/// Called for a change on one node of the cluster, with the facts of [`Presence::enter`] and its moment. It must not
/// block.
pub type Listener = Arc<dyn Fn(PresenceChange, PresenceMember, Value, u64) + Send + Sync>;

/// Presence as this node counts it.
pub struct NodePresence {
    actor: mpsc::UnboundedSender<PresenceCommand>,
    store: Option<Arc<PresenceStore>>,
    readings: Readings,
}

impl NodePresence {
    /// Counts in the memory of this node, on the caller's runtime.
    pub fn alone(graces: GracePeriods, listener: Listener, metrics: Metrics) -> Self {
        Self::start(PresenceActor::new(None, graces, listener, metrics), None)
    }

    /// Counts over all nodes on one Redis, which gets only a member's first and last connection on each node; on the
    /// caller's runtime. `node` is the id of this start of this node.
    ///
    /// # Errors
    /// The URL is not valid. Redis need not be reachable.
    pub fn shared(
        url: &str,
        node: &str,
        heartbeat: Duration,
        graces: GracePeriods,
        listener: Listener,
        metrics: Metrics,
    ) -> Result<Self, HostError> {
        let lease = Lease { node: node.to_owned(), heartbeat };
        let store = Arc::new(PresenceStore::new(Host::parse(url)?, lease));
        Ok(Self::start(PresenceActor::new(Some(&store), graces, listener, metrics), Some(store)))
    }

    fn start(actor: PresenceActor, store: Option<Arc<PresenceStore>>) -> Self {
        let (sender, commands) = mpsc::unbounded_channel();
        tokio::spawn(actor.run(commands));
        Self { actor: sender, store, readings: Readings::default() }
    }
}

impl NodePresence {
    /// Whether a scope that Redis does not list has members of this node: its key was evicted or deleted. All nodes then
    /// write their members again, as after a loss of all data.
    async fn has_lost(&self, store: &PresenceStore, scope: &Arc<str>, began: Instant) -> bool {
        let missing = |answer| PresenceCommand::Missing(Arc::clone(scope), began, answer);
        let Some(epoch) = ask(&self.actor, missing, ANSWER).await.flatten() else { return false };
        warn_bounded!("presence: Redis has lost the list of members of {scope:?}; the nodes write theirs again");
        if let Err(error) = store.lose(&epoch).await {
            warn_bounded!("presence: the nodes do not know yet that they have to write their members again: {error}");
        }
        true
    }
}

impl Presence for NodePresence {
    fn enter<'a>(&'a self, member: &'a PresenceMember, facts: &'a Value) -> BoxFuture<'a, Option<u64>> {
        if member.id.len() > MAX_ID {
            return future::ready(None).boxed();
        }
        let enter = |waiter| PresenceCommand::Enter(member.clone(), facts.clone(), waiter);
        // At once: it counts from the call on.
        let entered = ask(&self.actor, enter, ANSWER);
        Box::pin(async move {
            if entered.await != Some(true) {
                return None;
            }
            let moment = |answer| PresenceCommand::Moment(member.clone(), answer);
            Some(ask(&self.actor, moment, ANSWER).await.unwrap_or(u64::MAX))
        })
    }

    fn leave(&self, member: &PresenceMember) {
        // After the stop the actor has ended.
        let _ = self.actor.send(PresenceCommand::Leave(member.clone()));
    }

    /// If Redis is unreachable, the members of this node.
    fn count(&self) -> BoxFuture<'_, usize> {
        Box::pin(async {
            if let Some(store) = &self.store
                && let Ok(count) = store.count().await
            {
                return count;
            }
            ask(&self.actor, PresenceCommand::Count, ANSWER).await.unwrap_or_default()
        })
    }

    /// If Redis is unreachable, the members of this node.
    fn present<'a>(&'a self, scope: &'a Arc<str>, most: usize) -> BoxFuture<'a, Arc<Listing>> {
        Box::pin(self.readings.read(scope, async move {
            if let Some(store) = &self.store {
                let began = Instant::now();
                match store.present(scope, most).await {
                    Ok(listing) if listing.count > 0 || !self.has_lost(store, scope, began).await => return listing,
                    Ok(_) => {}
                    Err(error) => warn_bounded!("presence: only the members of this node are known: {error}"),
                }
            }
            let here = |answer| PresenceCommand::Present(Arc::clone(scope), most, answer);
            ask(&self.actor, here, ANSWER).await.unwrap_or_default()
        }))
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(ask(&self.actor, PresenceCommand::Stop, STOP).map(|_| ()))
    }
}
