//! Group events for several connections share a request.
//!
//! In: calls of the same moment. Out: requests of up to 64 calls. A call waits a moment for others, and while all turns are taken
//! those that arrive meanwhile join it: the busier Django is, the larger the batches.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout_at},
};

use super::{
    exchange::exchange,
    item::Item,
    report::Kind,
    request::FRAME,
    services::{BATCH, CallServices},
};

/// How long a call waits for others.
const MOMENT: Duration = Duration::from_millis(1);

/// Makes batches.
pub(super) struct Collector {
    services: Arc<CallServices>,
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: Vec<Item>,
    /// Whether a task sends them.
    is_running: bool,
}

impl Collector {
    pub fn new(services: &Arc<CallServices>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self { services: Arc::clone(services), runtime, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a call with others.
    pub fn add(self: &Arc<Self>, item: Item) {
        let mut state = self.state();
        state.items.push(item);
        self.services.log.metrics.bridge.waiting.inc();
        if !mem::replace(&mut state.is_running, true) {
            self.runtime.spawn(Arc::clone(self).run());
        }
    }

    async fn run(self: Arc<Self>) {
        sleep(MOMENT).await;
        while let Some(until) = self.first() {
            let granted = timeout_at(until, async {
                self.services.reach.pass().await;
                self.services.turns_of(Kind::Event).turn().await
            });
            let Ok(Ok(turn)) = granted.await else {
                self.expire();
                continue;
            };
            let (services, mut items) = (Arc::clone(&self.services), self.take());
            if !items.is_empty() {
                self.runtime.spawn(async move { exchange(&services, &mut items, Some(turn)).await });
            }
        }
    }

    /// Until when the first call waits; `None` ends the task.
    fn first(&self) -> Option<Instant> {
        let mut state = self.state();
        let first = state.items.first().map(|item| self.services.wait_until(Kind::Event, item.report.began()));
        state.is_running = first.is_some();
        first
    }

    /// Calls that have waited long enough fail.
    fn expire(&self) {
        let now = Instant::now();
        let is_late = |item: &mut Item| self.services.wait_until(Kind::Event, item.report.began()) <= now;
        let late: Vec<Item> = self.state().items.extract_if(.., is_late).collect();
        self.left(late.len());
        for mut item in late {
            item.fail(self.services.not_now());
        }
    }

    /// The calls of the next request: of different connections, and no more than fit.
    fn take(&self) -> Vec<Item> {
        let mut state = self.state();
        let before = state.items.len();
        state.items.retain(|item| !item.sender.is_closed());
        let (mut taken, mut size) = (Vec::<Item>::new(), FRAME);
        for item in mem::take(&mut state.items) {
            let is_other = || taken.iter().all(|one| one.report.connection != item.report.connection);
            let fits = taken.is_empty() || size + item.encoded.size() <= self.services.max_request;
            if taken.len() < BATCH && fits && is_other() {
                size += item.encoded.size();
                taken.push(item);
            } else {
                state.items.push(item);
            }
        }
        self.left(before - state.items.len());
        taken
    }

    fn left(&self, count: usize) {
        self.services.log.metrics.bridge.waiting.dec_by(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
