//! Shows watchers (`channelgate tail`) what happens to events, live.
//!
//! In: what the layer, the hub and its workers report. Out: [`TailLine`]s to a bounded number of watchers. Without a
//! watcher it costs one relaxed load and makes nothing. It never waits: a watcher that is too slow misses lines and
//! gets their number. `line` is what one says.

mod line;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

pub use self::line::{CallTrace, TailEvent, TailLine};
use crate::event::json;

/// Lines that a watcher may be behind.
const BACKLOG: usize = 4096;

/// Maximum number of watchers.
pub const MAX_WATCHERS: usize = 16;

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
    /// Those that want more than losses.
    of_everything: AtomicUsize,
    of_payloads: AtomicUsize,
}

impl Tail {
    /// Whether a watcher wants more than losses. An open operators' page does not: it costs nothing for each event.
    pub fn is_watched(&self) -> bool {
        self.watchers.of_everything.load(Ordering::Relaxed) > 0
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

    /// Reports what happened in a group, if a watcher wants more than losses.
    pub fn tell<'a>(&self, groups: impl IntoIterator<Item = &'a str>, what: impl FnOnce() -> TailEvent) {
        if self.is_watched() {
            let what = what();
            debug_assert!(!what.is_loss(), "tell_loss reports losses");
            self.tell_now(groups, what);
        }
    }

    /// Reports what was lost, or may have been, if there is a watcher.
    pub fn tell_loss<'a>(&self, groups: impl IntoIterator<Item = &'a str>, what: impl FnOnce() -> TailEvent) {
        if self.watchers() > 0 {
            self.tell_now(groups, what());
        }
    }

    #[cold]
    fn tell_now<'a>(&self, groups: impl IntoIterator<Item = &'a str>, what: TailEvent) {
        if let Some(lines) = self.lines.get() {
            let groups = groups.into_iter().map(Arc::from).collect();
            // The last watcher may have gone this moment.
            let _ = lines.send(Arc::new(TailLine { time: SystemTime::now(), groups, what }));
        }
    }

    /// Watches from now on; `None` if there are too many watchers.
    pub fn watch(&self, filter: TailFilter) -> Option<TailWatcher> {
        let lines = self.lines.get_or_init(|| broadcast::Sender::new(BACKLOG)).subscribe();
        let watch = TailWatcher { lines, filter, watchers: Arc::clone(&self.watchers) };
        watch.watchers.of_payloads.fetch_add(watch.filter.payloads.into(), Ordering::Relaxed);
        watch.watchers.of_everything.fetch_add((!watch.filter.losses).into(), Ordering::Relaxed);
        // If it was one too many, dropping the watch counts down again.
        (watch.watchers.all.fetch_add(1, Ordering::Relaxed) < MAX_WATCHERS).then_some(watch)
    }
}

/// What a watcher wants to see.
#[derive(Clone, Debug, Default)]
pub struct TailFilter {
    /// Only these groups; empty means all. A line of an unknown group may concern a watched one, so it is included.
    pub groups: BTreeSet<String>,
    /// Only the calls of these connections, and messages to their channels; empty means everything.
    pub connections: BTreeSet<String>,
    /// Only what these consumers did, and losses that may concern them; empty means all.
    pub consumers: BTreeSet<String>,
    /// Only what was lost, or may have been: drops and gaps.
    pub losses: bool,
    /// The content of events, too.
    pub payloads: bool,
}

/// A watcher.
pub struct TailWatcher {
    lines: broadcast::Receiver<Arc<TailLine>>,
    filter: TailFilter,
    watchers: Arc<Watchers>,
}

impl TailWatcher {
    /// The next line; `None` at the end.
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
        let TailFilter { groups, connections, consumers, losses, .. } = &self.filter;
        let is_of_connection = connections.is_empty()
            || match &line.what {
                TailEvent::Call(call) => connections.contains(&*call.connection),
                TailEvent::Direct { .. } => line.groups.iter().any(|id| connections.contains(&**id)),
                _ => false,
            };
        let is_of_consumer = consumers.is_empty()
            || match line.what.consumer() {
                Some(name) => consumers.contains(name),
                None => line.what.is_loss(),
            };
        let is_wanted = !losses || line.what.is_loss();
        is_wanted
            && is_of_consumer
            && is_of_connection
            && (groups.is_empty()
                || line.groups.is_empty()
                || line.groups.iter().any(|group| groups.contains(&**group)))
    }

    fn written(&self, line: &TailLine) -> String {
        let mut line = line.clone();
        if let (false, Some(payload)) = (self.filter.payloads, line.what.payload()) {
            *payload = None;
        }
        json::text(&line) + "\n"
    }
}

impl Drop for TailWatcher {
    fn drop(&mut self) {
        self.watchers.all.fetch_sub(1, Ordering::Relaxed);
        self.watchers.of_payloads.fetch_sub(self.filter.payloads.into(), Ordering::Relaxed);
        self.watchers.of_everything.fetch_sub((!self.filter.losses).into(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
