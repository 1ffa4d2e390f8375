//! Which nodes live, and where they are: a heartbeat of this node, and the answers of the others' heartbeats.
//!
//! In: this node's facts, every heartbeat. Out: the live nodes. What a request asks is answered from memory, so that made-up
//! ids cost Redis nothing.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::{Script, aio::MultiplexedConnection};
use tokio::time::sleep;

use super::{ClusterError, NodeFacts, NodeId};
use crate::{
    redis::{Lease, RedisPool, beats, exchange, millis, one_line, query},
    telemetry::Metrics,
    warn_bounded,
};

/// The nodes, by the end of their lease.
const NODES: &str = "channelgate:nodes";

/// Before a node's id: its facts.
const NODE: &str = "channelgate:node:";

/// Unknown ids are looked up in Redis at most this often, all that are asked for meanwhile at once.
const LOOK_UP: Duration = Duration::from_millis(250);

pub(super) struct Membership {
    pub lease: Lease,
    pool: Arc<RedisPool>,
    beat: Script,
    known: Mutex<Known>,
    /// Whoever has it looks unknown ids up; the others wait for what it finds.
    look_up: tokio::sync::Mutex<LookUp>,
}

/// The last look-up: when it began, and what was wrong.
#[derive(Default)]
struct LookUp(Option<(Instant, Result<(), ClusterError>)>);

#[derive(Default)]
struct Known {
    facts: Option<NodeFacts>,
    nodes: BTreeMap<NodeId, NodeFacts>,
    at: Option<Instant>,
    /// A loop of heartbeats that ended may not write itself back.
    resigned: bool,
}

impl Membership {
    pub fn new(lease: Lease, pool: Arc<RedisPool>) -> Self {
        Self {
            lease,
            pool,
            beat: Script::new(include_str!("beat.lua")),
            known: Mutex::default(),
            look_up: tokio::sync::Mutex::default(),
        }
    }

    /// Heartbeats for ever. No actor as presence and the limit per user have: a heartbeat says all that there is to say, so
    /// nothing has to wait for another one, and a request may send one, too.
    pub async fn run(
        self: Arc<Self>,
        (mut address, listening): (Option<Arc<str>>, SocketAddr),
        started: u64,
        metrics: Metrics,
    ) {
        let mut beats = beats(self.lease.heartbeat);
        loop {
            beats.tick().await;
            let sent = async {
                let address = match &address {
                    Some(address) => Arc::clone(address),
                    None => Arc::clone(address.insert(self.reachable(listening).await?)),
                };
                self.beat(NodeFacts { address, started, connections: metrics.connections.get() }).await
            };
            if let Err(error) = sent.await {
                warn_bounded!("no heartbeat: {error}");
            }
        }
    }

    /// Where others reach a node that listens on every address: the address that Redis sees it come from.
    async fn reachable(&self, listening: SocketAddr) -> Result<Arc<str>, ClusterError> {
        if !listening.ip().is_unspecified() {
            return Ok(listening.to_string().into());
        }
        let work = async |connection: &mut MultiplexedConnection| {
            match query::<String>(connection, redis::cmd("CLIENT").arg("INFO")).await {
                // Before Redis 6.2, or not allowed: no more is known than over a unix socket.
                Err(error) if error.code().is_some() => {
                    log::warn!(
                        "Redis does not say where this node is, so that other nodes look for it on their own machine; set \
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
        log::info!("other nodes reach this one at {ip}:{}; cluster.address names another place", listening.port());
        Ok(SocketAddr::new(ip, listening.port()).to_string().into())
    }

    /// Says that this node lives, with these facts, and learns who else does.
    async fn beat(&self, facts: NodeFacts) -> Result<(), ClusterError> {
        let text = serde_json::to_string(&facts).map_err(|error| ClusterError(error.to_string()))?;
        self.with(|known| known.facts = Some(facts));
        let (id, lease) = (&self.lease.node, millis(self.lease.length()));
        let mut call = self.beat.prepare_invoke();
        call.key(NODES).key(format!("{NODE}{id}")).arg(id).arg(lease).arg(text).arg(NODE);
        let answer: Vec<(String, String)> = self.pool.invoke(&call).await?;
        let nodes = answer.into_iter().filter_map(|(id, facts)| {
            // A node of another version may say more, but nothing less.
            Some((NodeId::from(id.as_str()), serde_json::from_str(&facts).ok()?))
        });
        let nodes = nodes.collect();
        self.with(|known| {
            known.nodes = nodes;
            known.at = Some(Instant::now());
        });
        Ok(())
    }

    /// The nodes that live now.
    pub async fn nodes(&self) -> Result<BTreeMap<NodeId, NodeFacts>, ClusterError> {
        self.refresh().await?;
        Ok(self.with(|known| known.nodes.clone()))
    }

    /// Where the nodes are that live now, for somebody who is none of them.
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
        // Those of a node that has gone have expired.
        let facts = facts.iter().flatten().filter_map(|text| serde_json::from_str::<NodeFacts>(text).ok());
        Ok(facts.map(|facts| facts.address).collect())
    }

    /// Where a node is; `None` if no such node lives.
    pub async fn address_of(&self, id: &str) -> Result<Option<Arc<str>>, ClusterError> {
        let asked = Instant::now();
        let address = |known: &Known| known.nodes.get(id).map(|facts| Arc::clone(&facts.address));
        // Where heartbeats fail for longer than a lease, who lives is not known.
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
        let result = self.refresh().await;
        look_up.0 = Some((began, result.clone()));
        result.map(|()| self.with(|known| address(known)))
    }

    async fn refresh(&self) -> Result<(), ClusterError> {
        match self.with(|known| known.facts.clone().filter(|_| !known.resigned)) {
            Some(facts) => self.beat(facts).await,
            None => Err(ClusterError("this node is not part of the cluster now".to_owned())),
        }
    }

    /// Takes this node off the roll.
    pub async fn resign(&self) -> Result<(), ClusterError> {
        self.with(|known| known.resigned = true);
        let (mut commands, id) = (redis::pipe(), &self.lease.node);
        commands.zrem(NODES, id).ignore().del(format!("{NODE}{id}")).ignore();
        Ok(self.pool.exchange(&commands).await?)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
