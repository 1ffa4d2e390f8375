//! A node under test: its responder gives the answers of the test.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use channelgate::{
    cluster::{Answer, Answers, Cluster, ClusterError, Disconnect, Listening, Query, Recorded, Responder},
    config::{Config, Secret, Span},
    telemetry::Metrics,
};
use futures_util::future::BoxFuture;

pub const PATIENCE: Duration = Duration::from_secs(30);
pub const HEARTBEAT: Duration = Duration::from_millis(300);
pub const DEADLINE: Duration = Duration::from_secs(2);
/// For answers of which none may be missing, on a busy machine.
pub const AMPLE: Duration = Duration::from_secs(10);

pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Answers with the number of the node, after a pause.
pub struct Numbered {
    pub number: u64,
    pub pause_ms: AtomicU64,
    /// How long it takes to learn what is recorded.
    pub learning_ms: AtomicU64,
    pub asked: Mutex<Vec<Query>>,
    /// The content of the record, each time it was read.
    pub learned: Mutex<Vec<Vec<Recorded>>>,
}

impl Responder for Numbered {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        self.asked.lock().unwrap().push(query);
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(self.pause_ms.load(Ordering::SeqCst))).await;
            Answer::Reached(self.number)
        })
    }

    fn learn(&self, recorded: Vec<Recorded>) -> BoxFuture<'_, ()> {
        self.learned.lock().unwrap().push(recorded);
        Box::pin(tokio::time::sleep(Duration::from_millis(self.learning_ms.load(Ordering::SeqCst))))
    }

    fn order(&self, payload: &[u8]) -> Option<Disconnect> {
        serde_json::from_slice(payload).ok()
    }
}

pub struct Node {
    pub cluster: Cluster,
    pub responder: Arc<Numbered>,
    pub metrics: Metrics,
}

pub fn config(url: &str) -> Config {
    let mut config = Config::default();
    config.layer.url = Some(Secret::new(url));
    config.cluster.heartbeat = Span(HEARTBEAT);
    config
}

impl Node {
    pub fn start(url: &str, number: u64) -> Self {
        Self::with(&config(url), number, &format!("127.0.0.1:{}", 7000 + number))
    }

    pub fn with(config: &Config, number: u64, listening: &str) -> Self {
        Self::slow_to_learn(config, number, listening, Duration::ZERO)
    }

    /// One that takes so long to learn what is recorded.
    pub fn slow_to_learn(config: &Config, number: u64, listening: &str, learning: Duration) -> Self {
        let learning_ms = u64::try_from(learning.as_millis()).unwrap();
        let metrics = Metrics::new();
        let cluster = Cluster::new(config, metrics.clone()).unwrap();
        let responder = Arc::new(Numbered {
            number,
            pause_ms: AtomicU64::new(0),
            learning_ms: AtomicU64::new(learning_ms),
            asked: Mutex::default(),
            learned: Mutex::default(),
        });
        let given: Arc<dyn Responder> = responder.clone();
        cluster.start(Listening::Tcp(listening.parse().unwrap()), given);
        Self { cluster, responder, metrics }
    }

    pub fn id(&self) -> String {
        self.cluster.id().to_string()
    }

    /// Whether it has carried out this order.
    pub fn was_asked(&self, order: &Disconnect) -> bool {
        self.responder.asked.lock().unwrap().contains(&Query::Disconnect(order.clone()))
    }

    pub async fn ask(&self) -> Result<Answers, ClusterError> {
        self.cluster.ask(Query::Stats, DEADLINE).await
    }

    /// The answers of the nodes, and the number of silent ones.
    pub async fn numbers(&self) -> (Vec<u64>, usize) {
        self.numbers_within(DEADLINE).await
    }

    /// The same, with more time.
    pub async fn numbers_within(&self, wait: Duration) -> (Vec<u64>, usize) {
        let Ok(answers) = self.cluster.ask(Query::Stats, wait).await else { return (Vec::new(), 0) };
        let mut numbers: Vec<u64> = answers
            .by_node
            .values()
            .map(|answer| match answer {
                Answer::Reached(number) => *number,
                other => panic!("{other:?}"),
            })
            .collect();
        numbers.sort_unstable();
        (numbers, answers.silent.len())
    }

    pub async fn until(&self, numbers: &[u64]) {
        let what = format!("answers of {numbers:?}");
        eventually(&what, async || self.numbers().await == (numbers.to_vec(), 0)).await;
    }
}
