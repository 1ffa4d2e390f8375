//! The one task that owns the ledger: only it talks to Redis about presence, one exchange after the other.
//!
//! In: commands of the node's connections. Out: answers to them, and changes for the listener. While Redis is
//! unreachable, connections continue, and their changes are written when it is back. Its loop takes commands during an
//! exchange, unlike that of user limits, because a member may come and go faster than Redis answers.

use std::{
    collections::VecDeque,
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep_until, timeout},
};

use super::{
    GracePeriods, Listener, PresenceMember,
    ledger::{Announcement, ChangeResult, Ledger, MemberChange, RejoinReason},
    listing::Listing,
    store::{HeartbeatResult, PresenceStore, TakeoverResult},
};
use crate::{
    event::Value,
    redis::{KEEP, PoolError, beats},
    telemetry::Metrics,
};

/// Maximum number of steps per exchange.
const STEPS: usize = 200;

/// Deadline of a clean stop.
const STOP: Duration = Duration::from_secs(3);

pub(super) enum PresenceCommand {
    Enter(PresenceMember, Value, oneshot::Sender<bool>),
    Leave(PresenceMember),
    /// The number of ids present on this node.
    Count(oneshot::Sender<usize>),
    /// The moment at which a member arrived.
    Moment(PresenceMember, oneshot::Sender<u64>),
    /// The members of a scope on this node, at most so many.
    Present(Arc<str>, usize, oneshot::Sender<Listing>),
    /// Redis lists nobody in this scope, as of a read that began then: the epoch of its data, if it has lost some.
    Missing(Arc<str>, Instant, oneshot::Sender<Option<String>>),
    Stop(oneshot::Sender<()>),
}

/// The result of an exchange with Redis.
enum Exchange {
    Beat(Result<HeartbeatResult, PoolError>),
    Change(Vec<MemberChange>, Result<Option<(Vec<ChangeResult>, u64)>, PoolError>),
    Take(String, Result<TakeoverResult, PoolError>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// Redis has not answered yet.
    Unknown,
    Up,
    Down,
}

pub(super) struct PresenceActor {
    ledger: Ledger,
    listener: Listener,
    graces: GracePeriods,
    metrics: Metrics,
    redis: Option<Redis>,
}

/// The node's part in the cluster; none with the embedded layer.
struct Redis {
    store: Arc<PresenceStore>,
    beat: Duration,
    link: Link,
    epoch: String,
    join: bool,
    /// Steps until the members that Redis has lost are written again.
    to_restore: usize,
    dead: VecDeque<String>,
    /// Until then no node counts as dead: if Redis was unreachable for this node, it was so for the others.
    hold: Instant,
    rewritten: Instant,
}

impl PresenceActor {
    /// A node of a cluster, or without a store a single node.
    pub fn new(store: Option<&Arc<PresenceStore>>, graces: GracePeriods, listener: Listener, metrics: Metrics) -> Self {
        let redis = store.map(|store| Redis {
            store: Arc::clone(store),
            // Three times as often as the lease requires, so that a dead node is found soon after its lease.
            beat: store.lease.heartbeat / 3,
            link: Link::Unknown,
            epoch: String::new(),
            join: true,
            to_restore: 0,
            dead: VecDeque::new(),
            hold: Instant::now(),
            rewritten: Instant::now(),
        });
        Self { ledger: Ledger::default(), listener, graces, metrics, redis }
    }

    /// Runs until it is stopped or every handle is dropped.
    pub async fn run(mut self, mut commands: mpsc::UnboundedReceiver<PresenceCommand>) {
        let mut exchange: Option<BoxFuture<'static, Exchange>> = None;
        let mut beat = beats(self.redis.as_ref().map_or(KEEP, |redis| redis.beat));
        let mut beat_due = false;
        loop {
            self.ledger.end_graces(Instant::now());
            if exchange.is_none() {
                exchange = self.next(&mut beat_due);
            }
            let grace = self.ledger.next_end();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(PresenceCommand::Stop(done)) => {
                        if timeout(STOP, self.stop(exchange)).await.is_err() {
                            log::warn!("presence: Redis does not answer; the other nodes will take over the members of this node after its lease");
                        }
                        // The caller may be gone.
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.obey(command),
                    None => return,
                },
                done = async { match &mut exchange { Some(exchange) => exchange.await, None => pending().await } } => {
                    exchange = None;
                    self.after(done, &mut beat_due);
                }
                _ = beat.tick() => beat_due = true,
                () = async { match grace { Some(end) => sleep_until(end.into()).await, None => pending().await } } => {}
            }
        }
    }

    fn obey(&mut self, command: PresenceCommand) {
        match command {
            PresenceCommand::Enter(member, facts, waiter) => {
                if self.redis.as_ref().is_some_and(|redis| redis.link == Link::Down) {
                    self.metrics.presence_failed(1);
                    // No connection waits for an unreachable Redis; the listener gets the arrival when it is back.
                    let _ = waiter.send(false);
                    self.ledger.enter(&member, facts, oneshot::channel().0);
                } else {
                    self.ledger.enter(&member, facts, waiter);
                }
            }
            PresenceCommand::Leave(member) => {
                let until = Instant::now() + self.graces.of(member.consumer());
                self.ledger.leave(&member, until);
            }
            PresenceCommand::Count(answer) => drop(answer.send(self.ledger.count())),
            PresenceCommand::Moment(member, answer) => {
                let _ = answer.send(self.ledger.moment_of(&member).unwrap_or(u64::MAX));
            }
            PresenceCommand::Present(scope, most, answer) => {
                let (members, count) = self.ledger.present(&scope, most);
                // With a Redis, the members of the other nodes are not known here.
                let alone = self.redis.is_none();
                let complete = alone && members.len() == count;
                let at = if alone { self.ledger.moment() } else { 0 };
                let _ = answer.send(Listing { members, count, complete, at });
            }
            PresenceCommand::Missing(scope, began, answer) => {
                let redis = self.redis.as_ref().filter(|redis| redis.link == Link::Up && !redis.join);
                let lost = redis.filter(|_| self.ledger.must_be_listed(&scope, began));
                let _ = answer.send(lost.map(|redis| redis.epoch.clone()));
            }
            PresenceCommand::Stop(_) => {}
        }
    }

    /// The next exchange with Redis; without Redis it completes at once.
    fn next(&mut self, beat_due: &mut bool) -> Option<BoxFuture<'static, Exchange>> {
        let Some(redis) = &mut self.redis else {
            while self.ledger.has_steps() {
                let steps = self.ledger.steps(STEPS);
                let done = vec![ChangeResult::Changed; steps.len()];
                self.ledger.set_moment(self.ledger.moment() + 1);
                let announcements = self.ledger.done(steps, &done, Instant::now());
                self.announce(announcements);
            }
            return None;
        };
        let (store, epoch) = (Arc::clone(&redis.store), redis.epoch.clone());
        if std::mem::take(beat_due) {
            if !self.ledger.has_steps() {
                redis.to_restore = 0;
            }
            let (join, restoring) = (redis.join, redis.to_restore > 0);
            return Some(async move { Exchange::Beat(store.beat(&epoch, join, restoring).await) }.boxed());
        }
        if redis.link != Link::Up {
            return None;
        }
        if let Some(dead) = redis.dead.pop_front() {
            return Some(
                async move {
                    let taken = store.take(&dead).await;
                    Exchange::Take(dead, taken)
                }
                .boxed(),
            );
        }
        let steps = self.ledger.steps(STEPS);
        (!steps.is_empty()).then(|| {
            async move {
                let done = store.change(&epoch, &steps).await;
                Exchange::Change(steps, done)
            }
            .boxed()
        })
    }

    fn after(&mut self, exchange: Exchange, beat_due: &mut bool) {
        let now = Instant::now();
        match exchange {
            Exchange::Beat(Ok(beat)) => self.beaten(beat, now, beat_due),
            Exchange::Change(steps, Ok(Some((done, at)))) => {
                self.ledger.set_moment(at);
                if let Some(redis) = &mut self.redis {
                    redis.to_restore = redis.to_restore.saturating_sub(steps.len());
                }
                let announcements = self.ledger.done(steps, &done, now);
                self.announce(announcements);
            }
            Exchange::Change(steps, Ok(None)) => {
                self.ledger.put_back(&steps);
                // A heartbeat determines the kind of loss.
                *beat_due = true;
            }
            Exchange::Take(dead, Ok(taken)) => self.taken(dead, taken, now),
            Exchange::Change(steps, Err(error)) => {
                self.ledger.failed(&steps);
                self.metrics.presence_failed(steps.len() as u64);
                self.down(&error);
            }
            Exchange::Beat(Err(error)) | Exchange::Take(_, Err(error)) => self.down(&error),
        }
    }

    fn beaten(&mut self, beat: HeartbeatResult, now: Instant, beat_due: &mut bool) {
        let Some(redis) = &mut self.redis else { return };
        match beat {
            HeartbeatResult::Lost(loss) => {
                let why = match loss {
                    RejoinReason::Lease => "this node was silent for too long and counted as dead",
                    RejoinReason::Data => "Redis has lost its data",
                };
                log::warn!("presence: {why}; writing {} members again", self.ledger.count());
                self.ledger.lost(loss);
                if loss == RejoinReason::Data {
                    // What changes meanwhile is queued behind them.
                    redis.to_restore = self.ledger.queued();
                }
                redis.join = true;
                *beat_due = true;
            }
            HeartbeatResult::Alive { epoch, dead } => {
                if redis.link == Link::Down {
                    log::info!("presence: Redis {} is back", redis.store.label());
                }
                if redis.link != Link::Up || redis.join {
                    redis.hold = now + redis.store.settle();
                }
                redis.link = Link::Up;
                redis.epoch = epoch;
                redis.join = false;
                redis.dead = if now < redis.hold { VecDeque::new() } else { dead.into() };
                if now.duration_since(redis.rewritten) >= KEEP / 30 {
                    redis.rewritten = now;
                    self.ledger.rewrite(now, KEEP / 3);
                }
            }
        }
    }

    fn taken(&mut self, dead: String, taken: TakeoverResult, now: Instant) {
        let Some(redis) = &mut self.redis else { return };
        let silent = if taken.goodbye { Duration::ZERO } else { redis.store.silence(redis.beat) };
        for (member, facts) in taken.members {
            let grace = self.graces.of(member.consumer()).saturating_sub(silent);
            self.ledger.adopt(&member, facts, now, now + grace);
        }
        if !taken.complete {
            redis.dead.push_front(dead);
        }
    }

    fn down(&mut self, error: &PoolError) {
        let Some(redis) = &mut self.redis else { return };
        if redis.link != Link::Down {
            log::warn!("presence: {error}; connections continue, and their changes are written when it is back");
        }
        redis.link = Link::Down;
        let waited = self.ledger.answer_all();
        self.metrics.presence_failed(waited);
    }

    /// Leaves all members to the other nodes, including those with an expired grace: a departure reported here now
    /// might not be sent any more.
    async fn stop(&mut self, exchange: Option<BoxFuture<'static, Exchange>>) {
        if let Some(exchange) = exchange {
            let done = exchange.await;
            self.after(done, &mut false);
        }
        if let Some(redis) = &self.redis
            && let Err(error) = redis.store.goodbye().await
        {
            log::warn!("presence: {error}; the other nodes will take over the members of this node after its lease");
        }
    }

    fn announce(&self, announcements: Vec<Announcement>) {
        for (change, member, facts, at) in announcements {
            (self.listener)(change, member, facts, at);
        }
    }
}
