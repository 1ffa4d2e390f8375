//! The one task that keeps the ledger: it alone talks to Redis about presence, one exchange after the other.
//!
//! In: commands of the node's connections. Out: answers to them, and news for the listener. Redis away is a state: connections
//! go on, and what they did is written when it is back. Its loop takes commands while an exchange is under way, unlike that
//! of the limit per user, because a member may come and go faster than Redis answers.

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
    Graces, Listener, Member,
    ledger::{Done, Ledger, Loss, News, Step},
    store::{Beat, PresenceStore, Taken},
};
use crate::{
    event::Value,
    redis::{KEEP, PoolError, beats},
    telemetry::Metrics,
};

/// Steps of one exchange.
const STEPS: usize = 200;

/// Deadline of a clean stop.
const STOP: Duration = Duration::from_secs(3);

pub(super) enum PresenceCommand {
    Enter(Member, Value, oneshot::Sender<bool>),
    Leave(Member),
    /// How many ids are present on this node.
    Count(oneshot::Sender<usize>),
    Stop(oneshot::Sender<()>),
}

/// What was done in Redis.
enum Exchange {
    Beat(Result<Beat, PoolError>),
    Change(Vec<Step>, Result<Option<Vec<Done>>, PoolError>),
    Take(String, Result<Taken, PoolError>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// Nothing was heard of Redis yet.
    Unknown,
    Up,
    Down,
}

pub(super) struct PresenceActor {
    ledger: Ledger,
    listener: Listener,
    graces: Graces,
    metrics: Metrics,
    redis: Option<Redis>,
}

/// The node's place among the others; none with the embedded layer.
struct Redis {
    store: Arc<PresenceStore>,
    beat: Duration,
    link: Link,
    epoch: String,
    join: bool,
    dead: VecDeque<String>,
    /// Until then nobody counts as dead: where Redis was away for this node, it was so for the others.
    hold: Instant,
    rewritten: Instant,
}

impl PresenceActor {
    /// A node among others, or without a store a node of its own.
    pub fn new(store: Option<&Arc<PresenceStore>>, graces: Graces, listener: Listener, metrics: Metrics) -> Self {
        let redis = store.map(|store| Redis {
            store: Arc::clone(store),
            // Thrice as often as the lease asks for, so that a dead node is found soon after its lease.
            beat: store.lease.heartbeat / 3,
            link: Link::Unknown,
            epoch: String::new(),
            join: true,
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
                            log::warn!("presence: Redis does not answer; the members of this node are found in time");
                        }
                        // Whoever asked may have gone.
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
                    // Nobody waits for a Redis that is away; the listener is told when it is back.
                    let _ = waiter.send(false);
                    self.ledger.enter(&member, facts, oneshot::channel().0);
                } else {
                    self.ledger.enter(&member, facts, waiter);
                }
            }
            PresenceCommand::Leave(member) => {
                let until = Instant::now() + self.graces.of(&member.scope);
                self.ledger.leave(&member, until);
            }
            PresenceCommand::Count(answer) => drop(answer.send(self.ledger.count())),
            PresenceCommand::Stop(_) => {}
        }
    }

    /// What is to be done in Redis next; without Redis it is done at once.
    fn next(&mut self, beat_due: &mut bool) -> Option<BoxFuture<'static, Exchange>> {
        let Some(redis) = &mut self.redis else {
            while self.ledger.has_steps() {
                let steps = self.ledger.steps(STEPS);
                let done = vec![Done::Changed; steps.len()];
                let news = self.ledger.done(steps, &done, Instant::now());
                self.tell(news);
            }
            return None;
        };
        let (store, epoch) = (Arc::clone(&redis.store), redis.epoch.clone());
        if std::mem::take(beat_due) {
            let join = redis.join;
            return Some(async move { Exchange::Beat(store.beat(&epoch, join).await) }.boxed());
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
            Exchange::Change(steps, Ok(Some(done))) => {
                let news = self.ledger.done(steps, &done, now);
                self.tell(news);
            }
            Exchange::Change(steps, Ok(None)) => {
                self.ledger.put_back(&steps);
                // Which loss it was, a heartbeat says.
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

    fn beaten(&mut self, beat: Beat, now: Instant, beat_due: &mut bool) {
        let Some(redis) = &mut self.redis else { return };
        match beat {
            Beat::Lost(loss) => {
                let why = match loss {
                    Loss::Lease => "this node was silent for too long and counted as dead",
                    Loss::Data => "Redis has lost its data",
                };
                log::warn!("presence: {why}; {} members are written again", self.ledger.count());
                self.ledger.lost(loss);
                redis.join = true;
                *beat_due = true;
            }
            Beat::Alive { epoch, dead } => {
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

    fn taken(&mut self, dead: String, taken: Taken, now: Instant) {
        let Some(redis) = &mut self.redis else { return };
        let silent = if taken.goodbye { Duration::ZERO } else { redis.store.silence(redis.beat) };
        for (member, facts) in taken.members {
            let grace = self.graces.of(&member.scope).saturating_sub(silent);
            self.ledger.adopt(&member, facts, now, now + grace);
        }
        if !taken.complete {
            redis.dead.push_front(dead);
        }
    }

    fn down(&mut self, error: &PoolError) {
        let Some(redis) = &mut self.redis else { return };
        if redis.link != Link::Down {
            log::warn!("presence: {error}; connections go on, and what they do is written when it is back");
        }
        redis.link = Link::Down;
        let waited = self.ledger.answer_all();
        self.metrics.presence_failed(waited);
    }

    /// Leaves everybody to the others, those too whose grace is over: what was told here now might not get out any more.
    async fn stop(&mut self, exchange: Option<BoxFuture<'static, Exchange>>) {
        if let Some(exchange) = exchange {
            let done = exchange.await;
            self.after(done, &mut false);
        }
        if let Some(redis) = &self.redis
            && let Err(error) = redis.store.goodbye().await
        {
            log::warn!("presence: {error}; the members of this node are found when its lease is over");
        }
    }

    fn tell(&self, news: Vec<News>) {
        for (change, member, facts) in news {
            (self.listener)(change, member, facts);
        }
    }
}
