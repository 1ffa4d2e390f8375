//! Which nodes are live, and where they are: a heartbeat of this node, and the other nodes' heartbeats.
//!
//! In: this node's facts, every heartbeat. Out: the live nodes. Requests are answered from memory, so that invented ids
//! cost Redis nothing.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::{Script, aio::MultiplexedConnection};
use tokio::{
    sync::{RwLock, watch},
    time::sleep,
};

use super::{ClusterError, Listening, NodeFacts, NodeId};
use crate::{
    redis::{Lease, RedisPool, beats, exchange, millis, one_line, query},
    telemetry::Metrics,
    warn_bounded,
};

/// The nodes, sorted by the end of their lease.
const NODES: &str = "channelgate:nodes";

/// Prefix of a node's facts, before its id.
const NODE: &str = "channelgate:node:";

/// Unknown ids are looked up in Redis at most this often, with one look-up for all requests meanwhile.
const LOOK_UP: Duration = Duration::from_millis(250);

pub(super) struct Membership {
    pub lease: Lease,
    pool: Arc<RedisPool>,
    beat: Script,
    known: Mutex<KnownNodes>,
    joined: watch::Sender<Joined>,
    /// Read while a heartbeat is under way.
    beating: RwLock<()>,
    /// Its holder looks up unknown ids; the others wait for the result.
    look_up: tokio::sync::Mutex<LookUp>,
}

/// How this node has become one of the live nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Joined {
    /// Whether it has tried.
    pub tried: bool,
    /// How often: others do not ask a node whose lease has ended.
    pub times: u64,
}

/// The last look-up: when it began, and its error.
#[derive(Default)]
struct LookUp(Option<(Instant, Result<(), ClusterError>)>);

#[derive(Default)]
struct KnownNodes {
    facts: Option<NodeFacts>,
    nodes: BTreeMap<NodeId, NodeFacts>,
    at: Option<Instant>,
    /// Other nodes at this node's address, since when.
    doubles: BTreeMap<NodeId, Instant>,
    /// Why the last heartbeat failed.
    failure: Option<String>,
    /// Set when this node has left, so that a running heartbeat does not register it again.
    resigned: bool,
}

impl Membership {
    pub fn new(lease: Lease, pool: Arc<RedisPool>) -> Self {
        Self {
            lease,
            pool,
            beat: Script::new(include_str!("beat.lua")),
            known: Mutex::default(),
            joined: watch::Sender::default(),
            beating: RwLock::default(),
            look_up: tokio::sync::Mutex::default(),
        }
    }

    /// Sends heartbeats forever. It is not an actor like those of presence and user limits: a heartbeat contains
    /// everything, so none has to wait for another, and a request may send one, too.
    pub async fn run(
        self: Arc<Self>,
        (mut address, listening): (Option<Arc<str>>, Listening),
        started: u64,
        metrics: Metrics,
    ) {
        let mut beats = beats(self.lease.heartbeat);
        loop {
            beats.tick().await;
            let sent = async {
                let address = match &address {
                    Some(address) => Arc::clone(address),
                    None => Arc::clone(address.insert(self.reachable(&listening).await?)),
                };
                self.beat(NodeFacts { address, started, connections: metrics.connections.get() }).await.map(drop)
            };
            let failure = sent.await.err().map(|error| error.to_string());
            if let Some(error) = &failure {
                warn_bounded!("the heartbeat failed: {error}");
            }
            self.with(|known| known.failure = failure);
            self.joined.send_if_modified(|joined| !std::mem::replace(&mut joined.tried, true));
            if let Some(double) = self.double() {
                warn_bounded!("{double}");
            }
        }
    }

    /// The address that this node tells the others.
    pub fn address(&self) -> Option<Arc<str>> {
        self.with(|known| known.facts.as_ref().map(|facts| Arc::clone(&facts.address)))
    }

    /// Changes when this node has become one of the live nodes.
    pub fn joined(&self) -> watch::Receiver<Joined> {
        self.joined.subscribe()
    }

    /// What keeps the nodes from working together, although this one may serve its clients.
    pub fn trouble(&self) -> Option<String> {
        let failure = self.with(|known| known.failure.clone());
        failure.map(|error| format!("the heartbeat failed: {error}")).or_else(|| self.double())
    }

    /// Another live node at this node's address. One that ended without a word is still listed until its lease ends,
    /// and does not count.
    fn double(&self) -> Option<String> {
        let patience = self.lease.length() + self.lease.heartbeat;
        self.with(|known| {
            let (id, _) = known.doubles.iter().find(|(_, since)| since.elapsed() > patience)?;
            let address = known.facts.as_ref().map_or("", |facts| &facts.address);
            Some(format!(
                "the node {id} has the address {address} of this node {}, so requests for one may reach the other; give \
                 each its own cluster.address",
                self.lease.node
            ))
        })
    }

    /// The address at which others reach a node that listens on every address: the one that Redis sees.
    async fn reachable(&self, listening: &Listening) -> Result<Arc<str>, ClusterError> {
        let listening = match listening {
            Listening::Tcp(address) => address,
            Listening::Unix(_) => {
                log::info!(
                    "only nodes on this machine reach this one, at {listening}; set cluster.address to change that"
                );
                return Ok(listening.to_string().into());
            }
        };
        if !listening.ip().is_unspecified() {
            return Ok(listening.to_string().into());
        }
        let work = async |connection: &mut MultiplexedConnection| {
            match query::<String>(connection, redis::cmd("CLIENT").arg("INFO")).await {
                // Before Redis 6.2, or not permitted: as little is known as over a unix socket.
                Err(error) if error.code().is_some() => {
                    log::warn!(
                        "Redis does not report this node's address, so other nodes will look for it on their own machine; set \
                         cluster.address: {}",
                        one_line(&error)
                    );
                    Ok(String::new())
                }
                other => other,
            }
        };
        let info = self.pool.within(work).await?;
        let seen = info.split(' ').find_map(|part| part.strip_prefix("addr=")?.parse::<SocketAddr>().ok());
        // Over a unix socket Redis sees no address, and is on this machine.
        let ip = seen.map_or(Ipv4Addr::LOCALHOST.into(), |seen| seen.ip());
        log::info!("other nodes reach this one at {ip}:{}; set cluster.address to change that", listening.port());
        Ok(SocketAddr::new(ip, listening.port()).to_string().into())
    }

    /// Sends this node's heartbeat with these facts, and returns the live nodes as of it.
    async fn beat(&self, facts: NodeFacts) -> Result<BTreeMap<NodeId, NodeFacts>, ClusterError> {
        let _beating = self.beating.read().await;
        if self.with(|known| known.resigned) {
            return Err(left());
        }
        let text = serde_json::to_string(&facts).map_err(|error| ClusterError(error.to_string()))?;
        self.with(|known| known.facts = Some(facts));
        let (id, lease) = (&self.lease.node, millis(self.lease.length()));
        let mut call = self.beat.prepare_invoke();
        call.key(NODES).key(format!("{NODE}{id}")).arg(id).arg(lease).arg(text).arg(NODE);
        let answer: Vec<String> = self.pool.invoke(&call).await?;
        let (is_new, listed) = answer.split_first().map_or((false, &[][..]), |(first, rest)| (first == "1", rest));
        let nodes = listed.chunks_exact(2).filter_map(|pair| {
            // A node of another version may have more fields, but not fewer.
            Some((NodeId::from(pair[0].as_str()), serde_json::from_str(&pair[1]).ok()?))
        });
        let nodes: BTreeMap<NodeId, NodeFacts> = nodes.collect();
        self.with(|known| {
            let mine = known.facts.as_ref().map(|facts| &facts.address);
            let is_double = |id: &NodeId| {
                id.as_str() != self.lease.node && nodes.get(id).is_some_and(|facts| Some(&facts.address) == mine)
            };
            known.doubles.retain(|id, _| is_double(id));
            for id in nodes.keys().filter(|id| is_double(id)) {
                known.doubles.entry(id.clone()).or_insert_with(Instant::now);
            }
            known.nodes.clone_from(&nodes);
            known.at = Some(Instant::now());
        });
        if is_new {
            self.joined.send_modify(|joined| joined.times += 1);
        }
        Ok(nodes)
    }

    /// The live nodes.
    pub async fn nodes(&self) -> Result<BTreeMap<NodeId, NodeFacts>, ClusterError> {
        // Not those of another heartbeat, which may be answered late and know less.
        self.refresh().await
    }

    /// The live nodes as of the last heartbeat that Redis answered.
    pub fn known_nodes(&self) -> BTreeMap<NodeId, NodeFacts> {
        self.with(|known| known.nodes.clone())
    }

    /// The addresses of the live nodes, for a program outside the cluster.
    pub async fn addresses(&self) -> Result<Vec<Arc<str>>, ClusterError> {
        let work = async |connection: &mut MultiplexedConnection| {
            let ids: Vec<String> = query(connection, redis::cmd("ZRANGE").arg(NODES).arg(0).arg(-1)).await?;
            let mut facts = redis::pipe();
            for id in &ids {
                facts.get(format!("{NODE}{id}"));
            }
            if ids.is_empty() { Ok(Vec::new()) } else { exchange::<Vec<Option<String>>>(connection, &facts).await }
        };
        let facts = self.pool.within(work).await?;
        // The facts of a node that has gone have expired.
        let facts = facts.iter().flatten().filter_map(|text| serde_json::from_str::<NodeFacts>(text).ok());
        Ok(facts.map(|facts| facts.address).collect())
    }

    /// The address of a node; `None` if no such node is live.
    pub async fn address_of(&self, id: &str) -> Result<Option<Arc<str>>, ClusterError> {
        let asked = Instant::now();
        let address = |known: &KnownNodes| known.nodes.get(id).map(|facts| Arc::clone(&facts.address));
        // If heartbeats fail for longer than a lease, the live nodes are unknown.
        let known =
            self.with(|known| known.at.filter(|at| at.elapsed() <= self.lease.length()).and_then(|_| address(known)));
        if known.is_some() {
            return Ok(known);
        }
        let mut look_up = self.look_up.lock().await;
        if let Some((began, result)) = &look_up.0 {
            if *began >= asked {
                return result.clone().map(|()| self.with(|known| address(known)));
            }
            sleep(LOOK_UP.saturating_sub(began.elapsed())).await;
        }
        let began = Instant::now();
        let result = self.refresh().await.map(drop);
        look_up.0 = Some((began, result.clone()));
        result.map(|()| self.with(|known| address(known)))
    }

    async fn refresh(&self) -> Result<BTreeMap<NodeId, NodeFacts>, ClusterError> {
        match self.with(|known| known.facts.clone()) {
            Some(facts) => self.beat(facts).await,
            None => Err(left()),
        }
    }

    /// Removes this node from the live nodes.
    pub async fn resign(&self) -> Result<(), ClusterError> {
        self.with(|known| known.resigned = true);
        // A heartbeat on its way would register it again. It is bounded in time.
        drop(self.beating.write().await);
        let (mut commands, id) = (redis::pipe(), &self.lease.node);
        commands.zrem(NODES, id).ignore().del(format!("{NODE}{id}")).ignore();
        Ok(self.pool.exchange(&commands).await?)
    }

    fn with<T>(&self, work: impl FnOnce(&mut KnownNodes) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn left() -> ClusterError {
    ClusterError("this node is not part of the cluster now".to_owned())
}
