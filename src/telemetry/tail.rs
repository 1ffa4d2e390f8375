//! Shows watchers (`channelgate tail`) what happens to events, live.
//!
//! In: what the layer, the hub and its workers report. Out: [`TailLine`]s to a bounded number of watchers. Without a
//! watcher it costs one relaxed load and makes nothing. It never waits: a watcher that is too slow misses lines and
//! gets their number.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

use super::{DropReason, logging::Rfc3339};
use crate::event::json;

/// Lines that a watcher may be behind.
const BACKLOG: usize = 4096;

/// Maximum number of watchers.
pub const MAX_WATCHERS: usize = 16;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
pub struct TailLine {
    /// When, in RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    /// The group; several if one message is for their union; empty if it is unknown or means all groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Arc<str>>,
    /// What happened.
    #[serde(flatten)]
    pub what: TailEvent,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TailEvent {
    /// The node received an event.
    Event {
        /// The source.
        source: &'static str,
        /// Its type, or the name of a Socket.IO event.
        #[serde(rename = "type")]
        of: String,
        /// Its length as JSON.
        bytes: usize,
        /// Its body, for watchers that ask for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Arc<str>>,
    },
    /// A consumer mapped it to messages.
    Mapped {
        /// The consumer.
        consumer: Arc<str>,
        /// The event's type.
        #[serde(rename = "type")]
        of: String,
        /// The number of messages.
        frames: usize,
    },
    /// A worker delivered.
    Delivered {
        /// The consumer of its members.
        consumer: Arc<str>,
        /// The worker.
        worker: usize,
        /// The number of events at once.
        events: usize,
        /// The number of members.
        members: u64,
        /// Bytes on the wire to all of them.
        bytes: u64,
        /// From the node's receipt of the first of the events to the last member's frame.
        us: u64,
    },
    /// Something was dropped.
    Dropped {
        /// Why, as in the metric.
        reason: &'static str,
        /// The number of drops.
        count: u64,
        /// The consumer.
        #[serde(skip_serializing_if = "Option::is_none")]
        consumer: Option<Arc<str>>,
        /// Further details.
        #[serde(skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// Events may have been missed.
    Gap {
        /// Why, as in the metric.
        reason: &'static str,
    },
    /// The watcher was too slow.
    Missed {
        /// The number of lines that are missing here.
        lines: u64,
    },
}

impl TailEvent {
    /// The line for a drop.
    pub fn dropped(reason: DropReason, count: u64, consumer: Option<&str>, detail: &dyn fmt::Display) -> Self {
        Self::Dropped { reason: reason.label(), count, consumer: consumer.map(Arc::from), detail: detail.to_string() }
    }

    fn payload(&mut self) -> Option<&mut Option<Arc<str>>> {
        match self {
            Self::Event { payload, .. } => Some(payload),
            _ => None,
        }
    }
}

/// Sends lines to the watchers.
#[derive(Default)]
pub struct Tail {
    watchers: Arc<Watchers>,
    lines: OnceLock<broadcast::Sender<Arc<TailLine>>>,
    /// Consumer names by number; used only while there is a watcher.
    consumers: Mutex<HashMap<u32, Arc<str>>>,
}

#[derive(Default)]
struct Watchers {
    all: AtomicUsize,
    of_payloads: AtomicUsize,
}

impl Tail {
    /// Whether there is a watcher.
    pub fn is_watched(&self) -> bool {
        self.watchers() > 0
    }

    /// The number of watchers.
    pub fn watchers(&self) -> usize {
        self.watchers.all.load(Ordering::Relaxed)
    }

    /// Whether a watcher wants the content of events.
    pub fn shows_payloads(&self) -> bool {
        self.watchers.of_payloads.load(Ordering::Relaxed) > 0
    }

    /// Adds names of consumers by number; earlier ones stay.
    pub fn name_consumers(&self, names: impl Iterator<Item = (u32, Arc<str>)>) {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    /// The name of a consumer.
    pub fn consumer(&self, number: u32) -> Arc<str> {
        let names = self.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(&number).map_or_else(|| format!("consumer[{number}]").into(), Arc::clone)
    }

    /// Reports what happened in a group, if there is a watcher.
    pub fn tell<'a>(&self, groups: impl IntoIterator<Item = &'a str>, what: impl FnOnce() -> TailEvent) {
        if self.is_watched() {
            self.tell_now(groups.into_iter().map(Arc::from).collect(), what());
        }
    }

    #[cold]
    fn tell_now(&self, groups: Vec<Arc<str>>, what: TailEvent) {
        if let Some(lines) = self.lines.get() {
            // The last watcher may have gone this moment.
            let _ = lines.send(Arc::new(TailLine { time: SystemTime::now(), groups, what }));
        }
    }

    /// Watches from now on; `None` if there are too many watchers.
    pub fn watch(&self, groups: BTreeSet<String>, payloads: bool) -> Option<TailWatcher> {
        let lines = self.lines.get_or_init(|| broadcast::Sender::new(BACKLOG)).subscribe();
        let watch = TailWatcher { lines, groups, payloads, watchers: Arc::clone(&self.watchers) };
        watch.watchers.of_payloads.fetch_add(payloads.into(), Ordering::Relaxed);
        // If it was one too many, dropping the watch counts down again.
        (watch.watchers.all.fetch_add(1, Ordering::Relaxed) < MAX_WATCHERS).then_some(watch)
    }
}

/// A watcher.
pub struct TailWatcher {
    lines: broadcast::Receiver<Arc<TailLine>>,
    /// Only these groups; empty means all.
    groups: BTreeSet<String>,
    payloads: bool,
    watchers: Arc<Watchers>,
}

impl TailWatcher {
    /// The next line; `None` at the end. A line of an unknown group may concern a watched one, so it is included.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            match self.lines.recv().await {
                Ok(line) if self.concerns(&line) => return Some(self.written(&line)),
                Ok(_) => {}
                Err(RecvError::Lagged(lines)) => return Some(self.missed(lines)),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Like [`Self::next`], for up to `patience`.
    pub async fn next_within(&mut self, patience: Duration) -> Result<Option<String>, tokio::time::error::Elapsed> {
        tokio::time::timeout(patience, self.next()).await
    }

    /// The lines of the backlog that are there now, at most `most`.
    pub fn rest(&mut self, most: usize, text: &mut String) {
        for _ in 0..most {
            match self.lines.try_recv() {
                Ok(line) if self.concerns(&line) => text.push_str(&self.written(&line)),
                Ok(_) => {}
                Err(TryRecvError::Lagged(lines)) => text.push_str(&self.missed(lines)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn missed(&self, lines: u64) -> String {
        self.written(&TailLine { time: SystemTime::now(), groups: Vec::new(), what: TailEvent::Missed { lines } })
    }

    fn concerns(&self, line: &TailLine) -> bool {
        self.groups.is_empty()
            || line.groups.is_empty()
            || line.groups.iter().any(|group| self.groups.contains(&**group))
    }

    fn written(&self, line: &TailLine) -> String {
        let mut line = line.clone();
        if let (false, Some(payload)) = (self.payloads, line.what.payload()) {
            *payload = None;
        }
        json::text(&line) + "\n"
    }
}

impl Drop for TailWatcher {
    fn drop(&mut self) {
        self.watchers.all.fetch_sub(1, Ordering::Relaxed);
        self.watchers.of_payloads.fetch_sub(self.payloads.into(), Ordering::Relaxed);
    }
}

fn rfc3339<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Rfc3339(*time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap() -> TailEvent {
        TailEvent::Gap { reason: "capacity" }
    }

    fn groups(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn kinds(text: &str) -> Vec<String> {
        let line =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().to_owned();
        text.lines().map(line).collect()
    }

    #[test]
    fn nothing_is_made_without_a_watcher() {
        let tail = Tail::default();
        tail.tell(["a"], || unreachable!("without a watcher"));
        drop(tail.watch(BTreeSet::new(), true));
        assert!(!tail.is_watched() && !tail.shows_payloads());
        tail.tell(["a"], || unreachable!("after the last watcher left"));
    }

    #[tokio::test]
    async fn a_slow_watcher_learns_how_many_lines_it_missed() {
        let tail = Tail::default();
        let mut watch = tail.watch(BTreeSet::new(), false).unwrap();
        for _ in 0..BACKLOG + 7 {
            tail.tell(["a"], gap);
        }
        let first: serde_json::Value = serde_json::from_str(&watch.next().await.unwrap()).unwrap();
        assert_eq!((&first["kind"], &first["lines"]), (&"missed".into(), &7.into()));
        let mut text = String::new();
        watch.rest(BACKLOG + 1, &mut text);
        assert_eq!(kinds(&text), vec!["gap"; BACKLOG]);
    }

    #[tokio::test]
    async fn a_line_that_may_concern_a_group_reaches_its_watchers() {
        let tail = Tail::default();
        let mut watch = tail.watch(groups(&["a"]), false).unwrap();
        tail.tell(["b"], gap);
        tail.tell(["b", "a"], gap);
        tail.tell(None, || TailEvent::dropped(DropReason::Decode, 1, None, &"of an unknown group"));
        let mut text = watch.next().await.unwrap();
        watch.rest(9, &mut text);
        assert_eq!(kinds(&text), ["gap", "dropped"]);
    }

    #[tokio::test]
    async fn payloads_are_sent_only_on_request() {
        let tail = Tail::default();
        let (mut plain, mut curious) =
            (tail.watch(BTreeSet::new(), false).unwrap(), tail.watch(BTreeSet::new(), true).unwrap());
        assert!(tail.shows_payloads());
        tail.tell(["a"], || TailEvent::Event {
            source: "core",
            of: "t".into(),
            bytes: 8,
            payload: Some("{\"k\": 1}".into()),
        });
        assert!(!plain.next().await.unwrap().contains("payload"));
        assert!(curious.next().await.unwrap().contains(r#""payload":"{\"k\": 1}""#));
    }
}
