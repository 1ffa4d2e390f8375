//! Who is there: connections counted per member over the whole cluster.
//!
//! In: connections that come and go on this node. Out: a member's first arrival and last departure, each told on one node.

mod grace;
mod keeper;
mod ledger;
mod store;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use self::{
    keeper::{Keeper, Order},
    store::Store,
};
use crate::{
    event::Value,
    redis::{Host, HostError},
    telemetry::Metrics,
};

pub use grace::Graces;

/// Longest wait for an answer of [`Presence::enter`]; two exchanges with a Redis that is slow.
const ANSWER: Duration = Duration::from_secs(5);

/// Longest wait for a clean stop.
const STOP: Duration = Duration::from_secs(4);

/// Longer ids than this are not counted, in bytes: they come from tokens, and each is a key in Redis.
const MAX_ID: usize = 256;

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
    /// It counts from the call on, awaited or not, and every call is followed by one [`Self::leave`].
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

/// Presence on one node, in its memory.
pub struct LocalPresence(Orders);

/// Presence over all nodes on one Redis, which hears only of a member's first and last connection on each node.
pub struct RedisPresence {
    orders: Orders,
    store: Arc<Store>,
}

struct Orders(mpsc::UnboundedSender<Order>);

impl LocalPresence {
    /// Starts counting, on the runtime of the caller.
    pub fn start(graces: Graces, listener: Listener, metrics: Metrics) -> Self {
        Self(Orders::start(Keeper::alone(graces, listener, metrics)))
    }
}

impl RedisPresence {
    /// Starts counting as this node, on the runtime of the caller. `node` is the id of this start of this node.
    ///
    /// # Errors
    /// A URL that is none. Redis need not be there.
    pub fn start(
        url: &str,
        node: &str,
        heartbeat: Duration,
        graces: Graces,
        listener: Listener,
        metrics: Metrics,
    ) -> Result<Self, HostError> {
        let store = Arc::new(Store::new(Host::parse(url)?, node, heartbeat));
        let keeper = Keeper::shared(Arc::clone(&store), heartbeat, graces, listener, metrics);
        Ok(Self { orders: Orders::start(keeper), store })
    }
}

impl Orders {
    fn start(keeper: Keeper) -> Self {
        let (sender, orders) = mpsc::unbounded_channel();
        tokio::spawn(keeper.run(orders));
        Self(sender)
    }

    fn enter(&self, member: &Member, facts: &Value) -> BoxFuture<'static, bool> {
        let (waiter, answer) = oneshot::channel();
        // After the stop nobody is there to count.
        if member.id.len() <= MAX_ID {
            let _ = self.0.send(Order::Enter(member.clone(), facts.clone(), waiter));
        }
        Box::pin(async { matches!(timeout(ANSWER, answer).await, Ok(Ok(true))) })
    }

    fn leave(&self, member: &Member) {
        let _ = self.0.send(Order::Leave(member.clone()));
    }

    async fn count(&self) -> usize {
        let (sender, answer) = oneshot::channel();
        let _ = self.0.send(Order::Count(sender));
        timeout(ANSWER, answer).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.0.send(Order::Stop(done)).is_ok() {
            let _ = timeout(STOP, stopped).await;
        }
    }
}

impl Presence for LocalPresence {
    fn enter<'a>(&'a self, member: &'a Member, facts: &'a Value) -> BoxFuture<'a, bool> {
        self.0.enter(member, facts)
    }

    fn leave(&self, member: &Member) {
        self.0.leave(member);
    }

    fn count(&self) -> BoxFuture<'_, usize> {
        Box::pin(self.0.count())
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.stop())
    }
}

impl Presence for RedisPresence {
    fn enter<'a>(&'a self, member: &'a Member, facts: &'a Value) -> BoxFuture<'a, bool> {
        self.orders.enter(member, facts)
    }

    fn leave(&self, member: &Member) {
        self.orders.leave(member);
    }

    /// Where Redis is away, those of this node.
    fn count(&self) -> BoxFuture<'_, usize> {
        Box::pin(async {
            match self.store.count().await {
                Ok(count) => count,
                Err(_) => self.orders.count().await,
            }
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.orders.stop())
    }
}
