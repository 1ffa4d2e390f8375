//! Nodes under test, with one diary of everything reported to their listeners.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use channelgate::{
    event::Value,
    presence::{GracePeriods, Listener, NodePresence, Presence, PresenceChange, PresenceMember},
    telemetry::Metrics,
};

use crate::redis_server::RedisServer;

pub const PATIENCE: Duration = Duration::from_secs(30);
pub const HEARTBEAT: Duration = Duration::from_millis(300);
/// The latest time at which a silent node counts as dead.
pub const LEASE: Duration = Duration::from_millis(900);

pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub fn member(id: &str) -> PresenceMember {
    PresenceMember { scope: "shop".into(), id: id.into() }
}

pub fn facts(id: &str) -> Value {
    [("id", Value::from(id)), ("name", Value::from(format!("Ann {id}")))].into_iter().collect()
}

/// The changes reported by any node.
#[derive(Clone, Default)]
pub struct Diary(Arc<Mutex<Vec<(PresenceChange, PresenceMember, Value)>>>);

impl Diary {
    pub fn listener(&self) -> Listener {
        let diary = Arc::clone(&self.0);
        Arc::new(move |change, member, facts, _| diary.lock().unwrap().push((change, member, facts)))
    }

    /// The number of reports of this change per id.
    pub fn told(&self, change: PresenceChange) -> BTreeMap<String, usize> {
        let mut told = BTreeMap::new();
        for (_, member, facts) in self.0.lock().unwrap().iter().filter(|news| news.0 == change) {
            assert_eq!(*facts, self::facts(&member.id), "the facts of {}", member.id);
            *told.entry(member.id.to_string()).or_default() += 1;
        }
        told
    }

    pub fn departed(&self, id: &str) -> usize {
        self.told(PresenceChange::Departed).get(id).copied().unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    pub fn text(&self) -> String {
        format!("{:?}", self.0.lock().unwrap())
    }
}

pub struct Cluster {
    pub redis: RedisServer,
    pub diary: Diary,
    pub grace: Duration,
    made: usize,
}

pub struct Node {
    pub presence: NodePresence,
    pub metrics: Metrics,
}

impl Cluster {
    pub fn new(grace: Duration) -> Self {
        Self { redis: RedisServer::start(), diary: Diary::default(), grace, made: 0 }
    }

    pub fn node(&mut self) -> Node {
        let url = self.redis.url();
        self.node_at(&url)
    }

    /// A node that reaches the Redis at this address.
    pub fn node_at(&mut self, url: &str) -> Node {
        self.made += 1;
        let metrics = Metrics::new();
        let presence = NodePresence::shared(
            url,
            &format!("node{}", self.made),
            HEARTBEAT,
            GracePeriods::new([("shop".into(), self.grace)], Duration::from_secs(60)),
            self.diary.listener(),
            metrics.clone(),
        );
        Node { presence: presence.unwrap(), metrics }
    }

    /// A node that has taken part for long enough to declare others dead.
    pub async fn settled(&mut self) -> Node {
        let node = self.node();
        let url = self.redis.url();
        let name = format!("node{}", self.made);
        eventually("a node on the roll", async || {
            let mut connection = redis::Client::open(&*url).unwrap().get_connection().unwrap();
            let score: Option<f64> =
                redis::cmd("ZSCORE").arg("channelgate:presence:nodes").arg(&name).query(&mut connection).unwrap();
            score.is_some()
        })
        .await;
        node
    }

    /// Waits long enough for any false report to arrive.
    pub async fn quiet(&self) {
        tokio::time::sleep(self.grace + 3 * LEASE).await;
    }

    /// Every key in Redis with its time to live in ms.
    pub fn keys(&self) -> BTreeMap<String, i64> {
        let mut connection = self.redis.connection();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        let ttl = |key: &String| redis::cmd("PTTL").arg(key).query(&mut connection).unwrap();
        let mut ttls = ttl;
        keys.into_iter().map(|key| (key.clone(), ttls(&key))).collect()
    }
}

impl Node {
    pub async fn enter(&self, id: &str) -> bool {
        self.presence.enter(&member(id), &facts(id)).await.is_some()
    }

    pub fn leave(&self, id: &str) {
        self.presence.leave(&member(id));
    }

    pub async fn count(&self) -> usize {
        self.presence.count().await
    }
}
