//! The records of the tail for one live stream: those of this node, and those of every other one, over HTTP and with a ticket
//! of this node (decision 0046).
//!
//! In: a filter, and the live nodes from time to time. Out: records, at most [`WAITING`] at once. It never waits for the
//! page: a record that finds no room is counted instead.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_rt::task::JoinHandle;
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use url::Url;

use super::super::TICKET;
use crate::{
    auth::Authenticator,
    backend::{http_client, unix_client},
    cluster::{NodeFacts, NodeId},
    telemetry::tail::{Tail, TailFilter, TailWatcher},
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

/// The longest record that is accepted.
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

/// The records of all nodes.
pub struct Feed {
    filter: TailFilter,
    authenticator: Arc<Authenticator>,
    here: NodeId,
    shared: Arc<Shared>,
    records: mpsc::Receiver<String>,
    sources: HashMap<NodeId, JoinHandle<()>>,
    told: Vec<NodeId>,
}

impl Feed {
    /// Follows this node; the others follow with [`Self::follow`]. The authenticator makes the tickets for them.
    pub fn new(filter: TailFilter, authenticator: Arc<Authenticator>, here: NodeId, tail: &Tail) -> Self {
        let (sender, records) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared {
            records: sender,
            dropped: AtomicU64::new(0),
            states: Mutex::default(),
            changed: Notify::new(),
        });
        let mut sources = HashMap::new();
        match tail.watch(filter.clone()) {
            Some(watcher) => {
                shared.set(&here, State::Following);
                sources.insert(here.clone(), actix_rt::spawn(local(Arc::clone(&shared), here.clone(), watcher)));
            }
            None => shared.set(&here, State::Silent),
        }
        Self { filter, authenticator, here, shared, records, sources, told: Vec::new() }
    }

    /// These nodes are alive: each that is new is followed, and each that has gone is not any more.
    pub fn follow(&mut self, nodes: &BTreeMap<NodeId, NodeFacts>) {
        let here = self.here.clone();
        self.sources.retain(|id, source| {
            let stays = *id == here || nodes.contains_key(id);
            if !stays {
                source.abort();
            }
            stays
        });
        self.shared.with(|states| states.retain(|id, _| *id == here || nodes.contains_key(id)));
        for (id, facts) in nodes.iter().filter(|(id, _)| **id != here) {
            if !self.sources.contains_key(id) {
                self.shared.set(id, State::Trying);
                let source = Remote {
                    node: id.clone(),
                    address: Arc::clone(&facts.address),
                    query: query(&self.filter),
                    authenticator: Arc::clone(&self.authenticator),
                    shared: Arc::clone(&self.shared),
                };
                self.sources.insert(id.clone(), actix_rt::spawn(source.run()));
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
        let silent = self.shared.silent();
        if silent != self.told {
            texts.push(json!({ "type": "tail_silent", "nodes": silent }).to_string());
            self.told = silent;
        }
        texts
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.sources.values().for_each(JoinHandle::abort);
    }
}

impl Shared {
    /// Passes one line of a node on, or counts it.
    fn offer(&self, node: &NodeId, line: &str) {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            kind: std::borrow::Cow<'a, str>,
            #[serde(default)]
            lines: u64,
        }
        let Ok(Kind { kind, lines }) = serde_json::from_str(line) else { return };
        if kind == "missed" {
            self.dropped.fetch_add(lines, Ordering::Relaxed);
            return self.changed.notify_one();
        }
        let text = format!(r#"{{"type":"tail","node":{},"record":{line}}}"#, json!(node));
        if self.records.try_send(text).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
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

async fn local(shared: Arc<Shared>, node: NodeId, mut watcher: TailWatcher) {
    while let Some(mut text) = watcher.next().await {
        watcher.rest(BATCH, &mut text);
        text.lines().for_each(|line| shared.offer(&node, line));
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
    shared: Arc<Shared>,
}

impl Remote {
    /// Follows, and again when it has ended, until the task is aborted.
    async fn run(self) {
        loop {
            if let Some(response) = self.connect().await {
                self.shared.set(&self.node, State::Following);
                self.read(response).await;
            }
            self.shared.set(&self.node, State::Silent);
            sleep(AGAIN).await;
        }
    }

    async fn connect(&self) -> Option<Response> {
        let (client, host) = client(&self.address)?;
        let mut url = Url::parse(&format!("http://{host}/api/tail")).ok()?;
        url.set_query(Some(&self.query));
        let ticket = self.authenticator.ticket_for(self.node.as_str())?;
        let sent = client.get(url).header(TICKET, ticket).send();
        let response = timeout(DEADLINE, sent).await.ok()?;
        let response = response.inspect_err(|error| log::debug!("the tail of {}: {error}", self.node)).ok()?;
        response.status().is_success().then_some(response)
    }

    async fn read(&self, mut response: Response) {
        let mut rest = Vec::new();
        while let Ok(Ok(Some(chunk))) = timeout(SILENCE, response.chunk()).await {
            rest.extend_from_slice(&chunk);
            let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let after = rest.split_off(whole);
            for line in String::from_utf8_lossy(&rest).lines().filter(|line| !line.is_empty()) {
                self.shared.offer(&self.node, line);
            }
            rest = after;
            if rest.len() > MAX_RECORD {
                return;
            }
        }
    }
}

/// The client for a node's address, and the host of its URLs.
fn client(address: &Arc<str>) -> Option<(Client, &str)> {
    let (client, host) = match address.strip_prefix("unix:") {
        Some(path) => (unix_client(Path::new(path)), "localhost"),
        None => (http_client(), &**address),
    };
    client.ok().map(|client| (client, host))
}
