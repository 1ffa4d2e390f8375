//! The cluster: which nodes there are, where they are reached, and questions to all of them.
//!
//! In: questions of the admin API. Out: answers, with the names of the nodes that did not answer in time. With the
//! embedded layer a node is a cluster by itself. It does not know how a node answers a question.
//!
//! - `membership`: heartbeats in Redis, and the live nodes; `control`: the channel for questions and answers
//! - `query`: the questions and answers; `overview`: what the operators' page asks
//! - `disconnect`: orders to disconnect; `group_order`: orders to join and leave groups; `record`: orders kept in Redis for
//!   nodes that could not hear

mod control;
mod disconnect;
mod group_order;
mod membership;
mod node;
mod overview;
mod query;
mod record;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{task::JoinHandle, time::timeout};

use self::{control::Control, membership::Membership, record::Record};
use crate::{
    config::Config,
    event::Value,
    redis::{Host, HostError, Lease, PoolError, RedisPool},
    telemetry::Metrics,
};

pub use disconnect::{Disconnect, InvalidOrder, Target};
pub use group_order::read as read_group_order;
pub use node::{Listening, NodeFacts, NodeId};
pub use overview::{ConsumerConnections, NodeOverview, NodeStats, RoomMembers, SlowClient};
pub use query::{Answer, Answers, EmitOrder, Query, Responder, SocketRooms};
pub use record::Recorded;

/// Connections to Redis for heartbeats and questions.
const CONNECTIONS: usize = 2;

/// Deadline of one exchange with Redis; not that of the lease, because questions to the nodes use the same connections.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Why the live nodes cannot be determined or asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ClusterError(String);

impl From<PoolError> for ClusterError {
    fn from(error: PoolError) -> Self {
        Self(error.to_string())
    }
}

/// Why an order is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It is not valid.
    #[error(transparent)]
    Invalid(#[from] InvalidOrder),
    /// The nodes cannot be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// This node in the cluster. One per node.
pub struct Cluster {
    id: NodeId,
    address: Option<Arc<str>>,
    metrics: Metrics,
    started: u64,
    /// Without Redis: the facts and answers of the only node.
    alone: OnceLock<(NodeFacts, Arc<dyn Responder>)>,
    redis: Option<Redis>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

struct Redis {
    membership: Arc<Membership>,
    control: Arc<Control>,
    record: Arc<Record>,
}

impl Cluster {
    /// A node with a new id, not yet known to the others.
    ///
    /// # Errors
    /// The Redis URL is not valid.
    pub fn new(config: &Config, metrics: Metrics) -> Result<Self, HostError> {
        let id = NodeId::random();
        let redis = match config.redis_url() {
            Some(url) => {
                let pool = Arc::new(RedisPool::new(Host::parse(url.expose())?, CONNECTIONS, TIMEOUT));
                let record = Arc::new(Record::new(Arc::clone(&pool), metrics.clone()));
                let control = Control::new(id.clone(), Arc::clone(&pool), Arc::clone(&record), metrics.clone());
                let lease = Lease { node: id.to_string(), heartbeat: config.cluster.heartbeat.0 };
                Some(Redis { membership: Arc::new(Membership::new(lease, pool)), control: Arc::new(control), record })
            }
            None => None,
        };
        Ok(Self {
            id,
            address: config.cluster.address.as_deref().map(Arc::from),
            metrics,
            started: node::unix_now(),
            alone: OnceLock::new(),
            redis,
            tasks: Mutex::default(),
        })
    }

    /// The id of this node.
    pub const fn id(&self) -> &NodeId {
        &self.id
    }

    /// The address at which the others find this node; `None` before its first heartbeat.
    pub fn address(&self) -> Option<Arc<str>> {
        match &self.redis {
            Some(redis) => redis.membership.address(),
            None => self.alone.get().map(|(facts, _)| Arc::clone(&facts.address)),
        }
    }

    /// Registers this node and answers the others from now on. Runs on the caller's runtime.
    pub fn start(&self, listening: Listening, responder: Arc<dyn Responder>) {
        let address = self.address.clone();
        let Some(redis) = &self.redis else {
            let address = address.unwrap_or_else(|| listening.to_string().into());
            let facts = NodeFacts { address, started: self.started, connections: 0 };
            // A second start changes nothing.
            let _ = self.alone.set((facts, responder));
            return;
        };
        let heartbeat = redis.membership.lease.heartbeat;
        let beats = Arc::clone(&redis.membership).run((address, listening), self.started, self.metrics.clone());
        let questions = Arc::clone(&redis.control).listen(heartbeat, responder, Arc::clone(&redis.membership));
        let tasks = [tokio::spawn(beats), tokio::spawn(questions)];
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(tasks);
    }

    /// Whether this node is not part of the cluster yet: others cannot ask it, or it does not know the orders of before its
    /// start, and refuses tokens.
    pub fn is_starting(&self) -> bool {
        match &self.redis {
            Some(redis) => !redis.control.has_caught_up(),
            None => self.alone.get().is_none(),
        }
    }

    /// What keeps the nodes from working together: heartbeats that Redis refuses, or another node at this one's
    /// address.
    pub fn trouble(&self) -> Option<String> {
        self.redis.as_ref()?.membership.trouble()
    }

    /// The live nodes.
    ///
    /// # Errors
    /// Redis is unreachable.
    pub async fn nodes(&self) -> Result<BTreeMap<NodeId, NodeFacts>, ClusterError> {
        match &self.redis {
            Some(redis) => redis.membership.nodes().await,
            None => Ok(self.known_nodes()),
        }
    }

    /// The live nodes as of the last heartbeat that Redis answered: also while it does not.
    pub fn known_nodes(&self) -> BTreeMap<NodeId, NodeFacts> {
        match &self.redis {
            Some(redis) => redis.membership.known_nodes(),
            None => {
                let facts = self.alone.get().map(|(facts, _)| facts.clone());
                let connections = self.metrics.connections.get();
                facts.map(|facts| (self.id.clone(), NodeFacts { connections, ..facts })).into_iter().collect()
            }
        }
    }

    /// The addresses of the live nodes, for a program outside the cluster; empty without Redis.
    ///
    /// # Errors
    /// Redis is unreachable.
    pub async fn addresses(&self) -> Result<Vec<Arc<str>>, ClusterError> {
        match &self.redis {
            Some(redis) => redis.membership.addresses().await,
            None => Ok(Vec::new()),
        }
    }

    /// The address of a node; `None` if no such node is live.
    ///
    /// # Errors
    /// Redis is unreachable.
    pub async fn address_of(&self, node: &str) -> Result<Option<Arc<str>>, ClusterError> {
        match (&self.redis, self.alone.get()) {
            (Some(redis), _) => redis.membership.address_of(node).await,
            (None, Some((facts, _))) if node == self.id.as_str() => Ok(Some(Arc::clone(&facts.address))),
            _ => Ok(None),
        }
    }

    /// Asks every live node, this one included, and waits at most until the deadline.
    ///
    /// # Errors
    /// Redis is unreachable, so the live nodes are unknown.
    pub async fn ask(&self, query: Query, deadline: Duration) -> Result<Answers, ClusterError> {
        let live = match &self.redis {
            Some(redis) => redis.membership.nodes().await?.into_keys().collect(),
            None => BTreeSet::from([self.id.clone()]),
        };
        self.ask_nodes(live, query, deadline).await
    }

    /// Asks only these nodes.
    ///
    /// # Errors
    /// Redis is unreachable.
    pub async fn ask_nodes(
        &self,
        nodes: BTreeSet<NodeId>,
        query: Query,
        deadline: Duration,
    ) -> Result<Answers, ClusterError> {
        match (&self.redis, self.alone.get()) {
            (Some(redis), _) => redis.control.ask(nodes, &query, deadline).await,
            (None, Some((_, responder))) => {
                let mut answers = Answers::default();
                match timeout(deadline, responder.answer(query)).await {
                    Ok(answer) => drop(answers.by_node.insert(self.id.clone(), answer)),
                    Err(_) => answers.silent.push(self.id.clone()),
                }
                Ok(answers)
            }
            (None, None) => Err(ClusterError("this node is starting".to_owned())),
        }
    }

    /// Disconnects on every node; unreachable nodes learn of the order later.
    ///
    /// # Errors
    /// Redis is unreachable.
    pub async fn disconnect(&self, order: Disconnect, deadline: Duration) -> Result<Answers, ClusterError> {
        if let Some(redis) = &self.redis {
            // First, so that no node that comes back meanwhile misses it.
            redis.record.write(&order).await?;
        }
        self.ask(Query::Disconnect(order), deadline).await
    }

    /// Lets the connections of a user join or leave a group on every node; unreachable nodes learn of the order later.
    ///
    /// # Errors
    /// The order is not valid, or Redis is unreachable.
    pub async fn regroup(&self, order: &Value, deadline: Duration) -> Result<Answers, OrderError> {
        let alone = self.alone.get().map(|(_, responder)| responder);
        let responder = alone.or_else(|| self.redis.as_ref()?.control.responder());
        let starting = || ClusterError("this node is starting".to_owned());
        let order = responder.ok_or_else(starting)?.group_order(order)?;
        if let Some(redis) = &self.redis {
            // First, so that no node that comes back meanwhile misses it.
            redis.record.write_group_order(&order).await?;
        }
        Ok(self.ask(Query::Regroup(order), deadline).await?)
    }

    /// Leaves the cluster; bounded in time.
    pub async fn stop(&self) {
        // First: a heartbeat that is aborted on its way may still arrive.
        if let Some(redis) = &self.redis
            && let Err(error) = redis.membership.resign().await
        {
            log::warn!("this node stays registered until its lease ends: {error}");
        }
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}
