//! The records of the tail for one live stream: those of this node, and those of every other one, over HTTP and with a
//! ticket of this node (decision 0046).
//!
//! In: a filter, and the live nodes from time to time. Out: records, at most [`WAITING`] at once. It never waits for
//! the page: a record that finds no room, or is too long, is counted instead.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_rt::task::JoinHandle;
use reqwest::Response;
use serde_json::{Map, Value as Json, json};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use url::Url;

use super::super::TICKET;
use crate::{
    auth::Authenticator,
    backend::NodeClients,
    cluster::{NodeFacts, NodeId},
    telemetry::{
        Metrics,
        tail::{TailFilter, TailWatcher},
    },
    warn_bounded,
};

/// Records that may wait for the page.
const WAITING: usize = 512;

/// Records of this node that are taken at once, and the pause after them.
const BATCH: usize = 64;
const PAUSE: Duration = Duration::from_millis(50);

/// How long another node has to answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// Another node sends at least an empty line every two seconds.
const SILENCE: Duration = Duration::from_secs(15);

/// The pause before another attempt.
const AGAIN: Duration = Duration::from_secs(2);

/// The longest record that is passed on, in bytes.
const MAX_RECORD: usize = 64 << 10;

/// Whether the records of a node arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Trying,
    Following,
    Silent,
}

/// What the sources of a feed share.
struct Shared {
    records: mpsc::Sender<String>,
    dropped: AtomicU64,
    states: Mutex<BTreeMap<NodeId, State>>,
    changed: Notify,
}

/// Who follows a node, and at which address.
struct Source {
    address: Arc<str>,
    task: JoinHandle<()>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The records of all nodes.
pub struct Feed {
    filter: TailFilter,
    authenticator: Arc<Authenticator>,
    clients: Rc<NodeClients>,
    here: NodeId,
    shared: Arc<Shared>,
    records: mpsc::Receiver<String>,
    sources: HashMap<NodeId, Source>,
    /// The silent nodes as the page knows them; `None` at first, since it may know those of an earlier feed.
    last_sent: Option<Vec<NodeId>>,
}

impl Feed {
    /// Follows this node; the others follow with [`Self::follow`]. The authenticator makes the tickets for them.
    pub fn new(
        filter: TailFilter,
        authenticator: Arc<Authenticator>,
        clients: Rc<NodeClients>,
        here: NodeId,
        metrics: &Metrics,
    ) -> Self {
        let (sender, records) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared {
            records: sender,
            dropped: AtomicU64::new(0),
            states: Mutex::default(),
            changed: Notify::new(),
        });
        shared.set(&here, State::Trying);
        let task = actix_rt::spawn(local(Arc::clone(&shared), here.clone(), filter.clone(), metrics.clone()));
        let sources = HashMap::from([(here.clone(), Source { address: "".into(), task })]);
        Self { filter, authenticator, clients, here, shared, records, sources, last_sent: None }
    }

    /// These nodes are alive: each that is new, or has another address now, is followed there; and each that has gone
    /// is not any more.
    pub fn follow(&mut self, nodes: &BTreeMap<NodeId, NodeFacts>) {
        let here = self.here.clone();
        let is_there =
            |id: &NodeId, source: &Source| nodes.get(id).is_some_and(|facts| facts.address == source.address);
        self.sources.retain(|id, source| *id == here || is_there(id, source));
        self.shared.with(|states| states.retain(|id, _| *id == here || nodes.contains_key(id)));
        for (id, facts) in nodes.iter().filter(|(id, _)| **id != here) {
            if !self.sources.contains_key(id) {
                self.shared.set(id, State::Trying);
                let address = Arc::clone(&facts.address);
                let source = Remote {
                    node: id.clone(),
                    address: Arc::clone(&address),
                    query: query(&self.filter),
                    authenticator: Arc::clone(&self.authenticator),
                    clients: Rc::clone(&self.clients),
                    shared: Arc::clone(&self.shared),
                };
                self.sources.insert(id.clone(), Source { address, task: actix_rt::spawn(source.run()) });
            }
        }
        self.shared.changed.notify_one();
    }

    /// The next messages for the page.
    pub async fn next(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        tokio::select! {
            _ = self.records.recv_many(&mut texts, BATCH) => {}
            () = self.shared.changed.notified() => {}
        }
        let dropped = self.shared.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            texts.push(json!({ "type": "tail_dropped", "count": dropped }).to_string());
        }
        let silent = Some(self.shared.silent());
        if silent != self.last_sent {
            texts.push(json!({ "type": "tail_silent", "nodes": silent }).to_string());
            self.last_sent = silent;
        }
        texts
    }
}

impl Shared {
    /// Passes one line of a node on, or counts it.
    fn offer(&self, node: &NodeId, line: &str) {
        if line.len() > MAX_RECORD {
            return self.count(1);
        }
        // Parsed as a whole: what another program sends in the place of a record may nest as deep as it is long.
        let Ok(record) = serde_json::from_str::<Map<String, Json>>(line) else { return };
        let Some(kind) = record.get("kind").and_then(Json::as_str) else { return };
        if kind == "missed" {
            let lines = record.get("lines").and_then(Json::as_u64).unwrap_or(0);
            return self.count(lines);
        }
        let text = format!(r#"{{"type":"tail","node":{},"record":{line}}}"#, json!(node));
        if self.records.try_send(text).is_err() {
            self.count(1);
        }
    }

    /// Counts records that the page does not get.
    fn count(&self, dropped: u64) {
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.changed.notify_one();
    }

    fn set(&self, node: &NodeId, state: State) {
        self.with(|states| states.insert(node.clone(), state));
        self.changed.notify_one();
    }

    fn silent(&self) -> Vec<NodeId> {
        let silent = |states: &mut BTreeMap<NodeId, State>| {
            let silent = states.iter().filter(|(_, state)| **state == State::Silent);
            silent.map(|(id, _)| id.clone()).collect()
        };
        self.with(silent)
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<NodeId, State>) -> T) -> T {
        work(&mut self.states.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Follows this node, and tries again while it has too many watchers, until the task is aborted.
async fn local(shared: Arc<Shared>, node: NodeId, filter: TailFilter, metrics: Metrics) {
    loop {
        if let Some(watcher) = metrics.tail.watch(filter.clone()) {
            shared.set(&node, State::Following);
            pass_on(&shared, &node, watcher).await;
        }
        shared.set(&node, State::Silent);
        sleep(AGAIN).await;
    }
}

async fn pass_on(shared: &Shared, node: &NodeId, mut watcher: TailWatcher) {
    while let Some(mut text) = watcher.next().await {
        watcher.rest(BATCH, &mut text);
        text.lines().for_each(|line| shared.offer(node, line));
        sleep(PAUSE).await;
    }
}

/// The query of `GET /api/tail` for this filter.
fn query(filter: &TailFilter) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(filter.groups.iter().map(|group| ("group", group)));
    query.extend_pairs(filter.consumers.iter().map(|consumer| ("consumer", consumer)));
    query.extend_pairs(filter.losses.then_some(("drops", "1")));
    query.finish()
}

/// The tail of another node.
struct Remote {
    node: NodeId,
    address: Arc<str>,
    query: String,
    authenticator: Arc<Authenticator>,
    clients: Rc<NodeClients>,
    shared: Arc<Shared>,
}

impl Remote {
    /// Follows, and again when it has ended, until the task is aborted.
    async fn run(self) {
        loop {
            match self.connect().await {
                Ok(response) => {
                    self.shared.set(&self.node, State::Following);
                    self.read(response).await;
                }
                Err(reason) => {
                    warn_bounded!("the tail of node {} at {} cannot be followed: {reason}", self.node, self.address);
                }
            }
            self.shared.set(&self.node, State::Silent);
            sleep(AGAIN).await;
        }
    }

    async fn connect(&self) -> Result<Response, String> {
        let (client, host) = self.clients.client_for(&self.address).map_err(|error| error.to_string())?;
        let mut url = Url::parse(&format!("http://{host}/api/tail")).map_err(|error| error.to_string())?;
        url.set_query(Some(&self.query));
        let ticket = self.authenticator.ticket_for(self.node.as_str(), &self.address);
        let ticket = ticket.ok_or("this node has no secret to sign a ticket with")?;
        let sent = timeout(DEADLINE, client.get(url).header(TICKET, ticket).send()).await;
        let response = sent.map_err(|_| "no answer in time")?.map_err(|error| error.to_string())?;
        if response.status().is_success() { Ok(response) } else { Err(format!("it answers {}", response.status())) }
    }

    async fn read(&self, mut response: Response) {
        let mut lines = Lines::default();
        while let Ok(Ok(Some(chunk))) = timeout(SILENCE, response.chunk()).await {
            for part in chunk.split_inclusive(|byte| *byte == b'\n') {
                if let Some(line) = lines.add(part) {
                    self.shared.offer(&self.node, &String::from_utf8_lossy(&line));
                }
            }
        }
    }
}

/// The line that is being read. Of one that is too long only the beginning is kept, which is too long as well.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// Adds a part, which ends at the end of a line at the latest; returns the line then.
    fn add(&mut self, part: &[u8]) -> Option<Vec<u8>> {
        let (part, is_end) = part.strip_suffix(b"\n").map_or((part, false), |part| (part, true));
        let room = (MAX_RECORD + 1).saturating_sub(self.0.len());
        self.0.extend_from_slice(&part[..part.len().min(room)]);
        is_end.then(|| std::mem::take(&mut self.0))
    }
}

#[cfg(test)]
mod tests;
