//! What this node tells the operators' page about itself, and the task that takes its samples.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use crate::{
    cluster::{Answer, Cluster, ConsumerConnections, NodeOverview, NodeStats, RoomMembers, SlowClient},
    event::GroupName,
    http::health::{self, Draining},
    hub::{Dispatcher, Registry},
    socket::SlowConnection,
    telemetry::{Metrics, history},
    warn_bounded,
};

/// How long the worker threads have; the cluster's question waits longer.
pub const PATIENCE: Duration = Duration::from_millis(800);

/// Prefix of the group that every namespace has; these groups are not rooms.
pub const NAMESPACE: &str = "namespace.";

/// The rooms that a node names. A room counts for the cluster with the members of those nodes that name it; only the
/// largest of all are shown, so few of them can be missing somewhere.
const ROOMS: usize = 256;

/// The slow clients that a node names, as many as are shown of all.
const SLOW: usize = 20;

/// A sample is taken this long after its step has ended, so that no clock that goes a little wrong takes it twice.
const AFTER: Duration = Duration::from_millis(5);

/// Makes the overviews of this node.
pub struct Overviews {
    pub dispatcher: Arc<Dispatcher>,
    pub registry: Arc<Registry>,
    pub metrics: Metrics,
    /// Its name in expressions.
    pub name: Arc<str>,
    /// The cluster, which has the responder that has this.
    pub cluster: Weak<Cluster>,
    pub draining: Draining,
}

/// Takes a sample of the counters at the end of each step.
pub async fn keep_history(metrics: Metrics) {
    loop {
        tokio::time::sleep(history::until_next(SystemTime::now()) + AFTER).await;
        metrics.history.take(SystemTime::now(), metrics.totals());
    }
}

impl Overviews {
    /// The figures of this node in detail, with its last samples. A worker that does not answer in time has no part in
    /// `rooms` and `slow`; nothing else waits for the workers.
    pub async fn overview(&self, stats: NodeStats, samples: usize) -> Answer {
        let (rooms, slow) = tokio::join!(self.largest_rooms(), self.slow_clients());
        let (ready, reason) = match self.cluster.upgrade() {
            Some(cluster) => {
                let (ready, _, reason) = health::state(&self.registry, &self.draining, &cluster);
                (ready, reason)
            }
            None => (false, Some("the node is stopping".to_owned())),
        };
        let consumers = self.metrics.open_by_consumer().into_iter().map(|open| ConsumerConnections {
            consumer: open.consumer.into(),
            protocol: open.protocol.into(),
            connections: open.connections,
        });
        Answer::Overview(Box::new(NodeOverview {
            stats,
            name: Arc::clone(&self.name),
            version: env!("CARGO_PKG_VERSION").into(),
            ready,
            reason: reason.map(Arc::from),
            consumers: consumers.collect(),
            rooms,
            slow,
            samples: self.metrics.history.latest(samples),
        }))
    }

    /// The largest rooms. Each worker names its own largest, then all of them count the members of all that were named.
    async fn largest_rooms(&self) -> Vec<RoomMembers> {
        let is_room = |name: &GroupName| !name.as_str().starts_with(NAMESPACE);
        let named = self.dispatcher.ask_workers(move |shard| shard.largest_groups(ROOMS, is_room), PATIENCE / 2).await;
        let names: BTreeSet<GroupName> = named.answers.into_iter().flatten().collect();
        let names: Arc<[GroupName]> = names.into_iter().collect();
        let asked = Arc::clone(&names);
        let sizes = self.dispatcher.ask_workers(move |shard| shard.sizes(&asked), PATIENCE / 2).await;
        if sizes.silent > 0 {
            warn_bounded!("the largest rooms lack the members of {} worker threads: no answer in time", sizes.silent);
        }
        let members = |index: usize| sizes.answers.iter().filter_map(|sizes| sizes.get(index)).sum();
        let rooms = names.iter().enumerate().map(|(index, name)| (members(index), name));
        let mut rooms: Vec<(u64, &GroupName)> = rooms.filter(|(members, _)| *members > 0).collect();
        rooms.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(other.1)));
        rooms.truncate(ROOMS);
        rooms.into_iter().map(|(members, name)| RoomMembers { room: name.as_str().into(), members }).collect()
    }

    /// The clients for which most bytes wait.
    async fn slow_clients(&self) -> Vec<SlowClient> {
        let found = self.dispatcher.ask_workers(|shard| shard.slow(SLOW), PATIENCE / 2).await;
        let mut slow: Vec<_> = found.answers.into_iter().flatten().collect();
        slow.sort_by_key(|one| std::cmp::Reverse(one.waiting));
        slow.truncate(SLOW);
        let client = |one: SlowConnection| SlowClient {
            consumer: one.about.consumer.into(),
            user: one.about.user.map(Arc::from),
            socket: one.about.socket.map(Arc::from),
            waiting: one.waiting as u64,
        };
        slow.into_iter().map(client).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        consumer::{ConsumerSet, Consumers},
        layer::memory::MemoryLayer,
    };

    #[tokio::test(start_paused = true)]
    async fn a_busy_worker_hides_nothing_that_needs_no_worker() {
        let metrics = Metrics::new();
        let registry = Arc::new(Registry::new(Arc::new(MemoryLayer::new(metrics.clone()))));
        let set = ConsumerSet::compile(&Config::default()).unwrap_or_else(|errors| panic!("{errors}"));
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&registry), Consumers::new(set), 1, metrics.clone()));
        let _busy = dispatcher.connect().unwrap();
        metrics.history.take(SystemTime::now(), metrics.totals());
        let overviews = Overviews {
            dispatcher,
            registry,
            metrics,
            name: "one".into(),
            cluster: Weak::new(),
            draining: Draining::default(),
        };
        let began = tokio::time::Instant::now();
        let Answer::Overview(overview) = overviews.overview(NodeStats::default(), 12).await else {
            panic!("no overview");
        };
        assert_eq!((&*overview.name, overview.samples.len()), ("one", 1));
        assert!(overview.rooms.is_empty() && overview.slow.is_empty());
        assert!(began.elapsed() <= PATIENCE, "{:?}", began.elapsed());
    }
}
