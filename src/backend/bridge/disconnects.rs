//! `disconnect()` of connections that have gone: a bounded queue, sent in batches at a bounded rate.
//!
//! In: calls whose sessions have ended. Out: requests to Django, and what the consumers publish, to the channel layer.
//! Nobody waits for an answer. What does not reach Django is counted.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{join, join_all};
use rand::Rng as _;
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Lines,
    call::BridgeCall,
    exchange::exchange,
    line::{Command, End, Failure, Line},
    services::{BATCH, CallServices},
};
use crate::{config, layer::Layer, warn_bounded};

/// Disconnects that may wait.
const CAPACITY: usize = 16_384;

/// Bytes of their states: beyond it, none is taken either.
const MAX_BYTES: usize = 128 << 20;

/// The pauses before the second, third and fourth try.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];

/// The pause before another try while the node ends.
const HASTE: Duration = Duration::from_millis(200);

/// One in so many turns may be taken by disconnects.
const SHARE: usize = 8;

/// The queue.
pub(super) struct Disconnects {
    services: Arc<CallServices>,
    layer: Arc<dyn Layer>,
    runtime: Handle,
    /// The time of one disconnect, so that no second has too many.
    pace: Duration,
    at_once: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// Those that are tried again, and when; the same pauses keep them nearly in order.
    again: VecDeque<(Instant, Waiting)>,
    /// The bytes of the states in both.
    bytes: usize,
    /// Requests under way.
    under_way: usize,
    /// Disconnects in them.
    sent: usize,
    /// When the time of all that were sent is over. It outlives the task: those that come one after the other, each
    /// when the queue is empty, are no faster than a queue of them.
    free_at: Option<Instant>,
    /// Whether a task sends what waits.
    is_running: bool,
    /// Whether the node ends.
    is_ending: bool,
}

struct Waiting {
    call: BridgeCall,
    /// Tries that were made.
    tries: usize,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.call.state.as_deref().map_or(0, str::len)
    }
}

/// What the task does next.
enum Next {
    Send(Vec<Waiting>),
    WaitUntil(Instant),
    Wait,
    End,
}

impl State {
    fn len(&self) -> usize {
        self.waiting.len() + self.again.len()
    }

    /// Takes a batch of what is due.
    fn take(&mut self, now: Instant) -> Vec<Waiting> {
        while self.again.front().is_some_and(|(due, _)| *due <= now) {
            self.waiting.extend(self.again.pop_front().map(|(_, waiting)| waiting));
        }
        let count = self.waiting.len().min(BATCH);
        let taken: Vec<Waiting> = self.waiting.drain(..count).collect();
        self.bytes -= taken.iter().map(Waiting::bytes).sum::<usize>();
        taken
    }
}

impl Disconnects {
    pub fn new(
        services: &Arc<CallServices>,
        config: &config::Bridge,
        concurrency: usize,
        layer: &Arc<dyn Layer>,
        runtime: Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            services: Arc::clone(services),
            layer: Arc::clone(layer),
            runtime,
            pace: Duration::from_secs(1) / config.disconnects_per_second.max(1),
            at_once: (concurrency / SHARE).max(1),
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a disconnect into the queue.
    pub fn add(self: &Arc<Self>, call: BridgeCall) {
        let mut state = self.state();
        let waiting = Waiting { call, tries: 0 };
        if state.len() >= CAPACITY || state.bytes + waiting.bytes() > MAX_BYTES {
            drop(state);
            return self.lost("full", 1);
        }
        state.bytes += waiting.bytes();
        state.waiting.push_back(waiting);
        self.counted(&state);
        if !std::mem::replace(&mut state.is_running, true) {
            self.runtime.spawn(Arc::clone(self).run());
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Sends what waits, until nothing is left.
    async fn run(self: Arc<Self>) {
        loop {
            match self.next() {
                Next::Send(batch) => {
                    let one = Arc::clone(&self);
                    self.runtime.spawn(async move { one.send(batch).await });
                }
                Next::WaitUntil(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.changed.notified() => {}
                },
                Next::Wait => self.changed.notified().await,
                Next::End => return,
            }
        }
    }

    fn next(&self) -> Next {
        let now = Instant::now();
        let mut state = self.state();
        if state.len() == 0 {
            if state.under_way > 0 {
                return Next::Wait;
            }
            state.is_running = false;
            return Next::End;
        }
        if state.under_way >= self.at_once {
            return Next::Wait;
        }
        let free_at = state.free_at.map_or(now, |at| at.max(now));
        if free_at > now && !state.is_ending {
            return Next::WaitUntil(free_at);
        }
        let batch = state.take(now);
        self.counted(&state);
        match (batch.is_empty(), state.again.front()) {
            (true, Some((due, _))) => Next::WaitUntil(*due),
            (true, None) => Next::Wait,
            (false, _) => {
                state.under_way += 1;
                state.sent += batch.len();
                state.free_at = Some(free_at + self.pace * u32::try_from(batch.len()).unwrap_or(u32::MAX));
                Next::Send(batch)
            }
        }
    }

    /// One request, and what becomes of its disconnects.
    async fn send(&self, batch: Vec<Waiting>) {
        let count = batch.len();
        let (mut items, mut sessions) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        let mut too_large = 0;
        for waiting in batch {
            let (sender, lines) = Lines::new();
            match self.services.item(&waiting.call, sender) {
                Some(item) => {
                    items.push(item);
                    sessions.push(self.carried_out(waiting, lines));
                }
                None => too_large += 1,
            }
        }
        self.lost("too_large", too_large);
        let requests = async {
            // One after the other: each is as large as a request may be.
            for some in self.services.requests(&mut items) {
                exchange(&self.services, some, None).await;
            }
        };
        let ((), ended) = join(requests, join_all(sessions)).await;
        self.again(ended.into_iter().flatten());
        {
            let mut state = self.state();
            state.under_way -= 1;
            state.sent -= count;
        }
        self.changed.notify_one();
    }

    /// Publishes what a consumer publishes; returns the disconnect if it has to be tried again.
    async fn carried_out(&self, waiting: Waiting, mut lines: Lines) -> Option<Waiting> {
        loop {
            let published = match lines.next().await {
                Line::Command(Command::GroupSend { group, message }) => self.layer.publish(&group, &message).await,
                Line::Command(Command::SendChannel { channel, message }) => self.layer.send(&channel, &message).await,
                Line::Command(_) => Ok(()),
                Line::End(End::Failed(Failure::TooLarge(_))) => {
                    self.lost("too_large", 1);
                    return None;
                }
                Line::End(End::Failed(_)) => return Some(waiting),
                Line::End(_) => return None,
            };
            if let Err(error) = published {
                warn_bounded!("what disconnect() of {} published is lost: {error}", waiting.call.consumer);
            }
        }
    }

    /// Puts disconnects back that Django may not have seen.
    fn again(&self, failed: impl Iterator<Item = Waiting>) {
        let (mut state, now) = (self.state(), Instant::now());
        // One for all, so that they stay together.
        let jitter = rand::rng().random_range(0.8..1.2);
        let mut given_up = 0;
        for waiting in failed {
            let Some(pause) = PAUSES.get(waiting.tries) else {
                given_up += 1;
                continue;
            };
            let pause = if state.is_ending { HASTE } else { pause.mul_f64(jitter) };
            state.bytes += waiting.bytes();
            state.again.push_back((now + pause, Waiting { tries: waiting.tries + 1, ..waiting }));
        }
        self.counted(&state);
        drop(state);
        self.lost("failed", given_up);
    }

    /// Sends all that waits, without regard to the rate; what is left after `within` is lost.
    pub async fn drain(&self, within: Duration) {
        {
            let mut state = self.state();
            state.is_ending = true;
            let now = Instant::now();
            state.again.iter_mut().for_each(|(due, _)| *due = now.min(*due));
        }
        self.changed.notify_one();
        let _ = timeout(within, self.empty()).await;
        let left = {
            let mut state = self.state();
            // What is under way may still be carried out; nobody will learn of it.
            let left = state.len() + state.sent;
            state.waiting.clear();
            state.again.clear();
            state.bytes = 0;
            self.counted(&state);
            left
        };
        self.lost("stopped", u64::try_from(left).unwrap_or(u64::MAX));
    }

    async fn empty(&self) {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while self.state().is_running {
            look.tick().await;
        }
    }

    fn counted(&self, state: &State) {
        self.services.log.metrics.bridge.queued.set(i64::try_from(state.len()).unwrap_or(i64::MAX));
    }

    fn lost(&self, reason: &'static str, count: u64) {
        if count > 0 {
            self.services.log.metrics.bridge.lost(reason, count);
            warn_bounded!("{count} connections have gone, and disconnect() of their consumers is not called: {reason}");
        }
    }
}
