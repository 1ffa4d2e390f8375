//! The one task of a node that counts users in Redis, one exchange after the other, with many users in each.
//!
//! In: commands of the node's connections. Out: permits. An exchange sends the current number and not a change, so the
//! next one corrects an exchange with a lost answer. While Redis is unreachable no permit is given and none is lost.
//! Unlike the presence actor, its loop takes no command during an exchange, because the numbers sent must be those that
//! are answered.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    Count, UserCountPermit,
    store::{UserGrants, UserLimitStore, UserRequest},
};
use crate::{
    redis::{KEEP, PoolError, beats},
    warn_bounded,
};

/// Maximum number of users per exchange.
const STEPS: usize = 200;

pub(super) enum UserLimitCommand {
    /// A permit for one more connection; the answer is `None` at the limit, and the channel closes if the count is
    /// unknown.
    Take(Arc<str>, oneshot::Sender<Option<UserCountPermit>>),
    GiveBack(Arc<str>),
    Stop(oneshot::Sender<()>),
}

struct UserCount {
    open: u32,
    written: Instant,
}

pub(super) struct UserLimitActor {
    store: UserLimitStore,
    commands: mpsc::WeakUnboundedSender<UserLimitCommand>,
    most: u32,
    held: HashMap<Arc<str>, UserCount>,
    /// Users with changes to send to Redis.
    changed: HashSet<Arc<str>>,
    /// Requests that wait for a permit.
    waiting: HashMap<Arc<str>, Vec<oneshot::Sender<Option<UserCountPermit>>>>,
}

impl UserLimitActor {
    pub fn new(store: UserLimitStore, commands: mpsc::WeakUnboundedSender<UserLimitCommand>, most: u32) -> Self {
        Self { store, commands, most, held: HashMap::new(), changed: HashSet::new(), waiting: HashMap::new() }
    }

    /// Runs until the node stops.
    pub async fn run(mut self, mut commands: mpsc::UnboundedReceiver<UserLimitCommand>) {
        let heartbeat = self.store.lease.heartbeat;
        let mut beat = beats(heartbeat);
        let (mut some, mut reminded, mut away) = (Vec::new(), Instant::now(), false);
        loop {
            if away || (self.waiting.is_empty() && self.changed.is_empty()) {
                tokio::select! {
                    biased;
                    count = commands.recv_many(&mut some, STEPS) => {
                        if count == 0 {
                            return;
                        }
                    }
                    _ = beat.tick() => {}
                }
            } else {
                while some.len() < STEPS
                    && let Ok(command) = commands.try_recv()
                {
                    some.push(command);
                }
            }
            for command in some.drain(..) {
                match command {
                    UserLimitCommand::Take(user, waiter) => self.want(user, waiter),
                    UserLimitCommand::GiveBack(user) => self.give_back(user),
                    UserLimitCommand::Stop(done) => return self.stop(done).await,
                }
            }
            let due = reminded.elapsed() >= heartbeat;
            if due {
                reminded = Instant::now();
                self.remind();
            }
            away = !self.tell(due).await;
        }
    }

    async fn stop(self, done: oneshot::Sender<()>) {
        if let Err(error) = self.store.goodbye().await {
            log::warn!("the users of this node stay counted until its lease ends: {error}");
        }
        let _ = done.send(());
    }

    fn want(&mut self, user: Arc<str>, waiter: oneshot::Sender<Option<UserCountPermit>>) {
        // This node's own connections are known without asking.
        if self.held.get(&user).is_some_and(|held| held.open >= self.most) {
            let _ = waiter.send(None);
        } else {
            self.waiting.entry(user).or_default().push(waiter);
        }
    }

    fn give_back(&mut self, user: Arc<str>) {
        if let Some(held) = self.held.get_mut(&user) {
            held.open = held.open.saturating_sub(1);
        }
        self.changed.insert(user);
    }

    /// Sends permits again before they expire in Redis.
    fn remind(&mut self) {
        let old = self.held.iter().filter(|(_, held)| held.written.elapsed() > KEEP / 3);
        self.changed.extend(old.map(|(user, _)| Arc::clone(user)));
        if self.held.capacity() > 4 * self.held.len().max(STEPS) {
            self.held.shrink_to_fit();
        }
    }

    /// Sends pending changes to Redis, and at a heartbeat at least a sign of life. Returns whether Redis answered.
    async fn tell(&mut self, due: bool) -> bool {
        let steps = self.steps();
        let beats = due && !self.held.is_empty();
        if steps.is_empty() && !beats {
            return true;
        }
        match self.store.exchange(&steps).await {
            Ok(done) => self.done(&steps, done),
            Err(error) => {
                self.failed(&steps, &error);
                return false;
            }
        }
        true
    }

    fn steps(&mut self) -> Vec<UserRequest> {
        let mut steps = Vec::new();
        self.waiting.retain(|user, waiters| {
            // A requester that stopped waiting needs no permit.
            waiters.retain(|waiter| !waiter.is_closed());
            if !waiters.is_empty() && steps.len() < STEPS {
                let (open, want) = (0, u32::try_from(waiters.len()).unwrap_or(u32::MAX));
                steps.push(UserRequest { user: Arc::clone(user), open, want });
            }
            !waiters.is_empty()
        });
        let others = self.changed.iter().filter(|user| !self.waiting.contains_key(*user));
        let room = STEPS - steps.len();
        steps.extend(others.take(room).map(|user| UserRequest { user: Arc::clone(user), open: 0, want: 0 }));
        for step in &mut steps {
            self.changed.remove(&step.user);
            step.open = self.held.get(&step.user).map_or(0, |held| held.open);
        }
        steps
    }

    fn done(&mut self, steps: &[UserRequest], done: UserGrants) {
        if done.lapsed {
            self.changed.extend(self.held.keys().cloned());
        }
        let Some(commands) = self.commands.upgrade() else { return };
        for (step, granted) in steps.iter().zip(done.granted) {
            self.changed.remove(&step.user);
            let mut waiters = self.waiting.remove(&step.user).unwrap_or_default().into_iter();
            if step.open + granted == 0 {
                self.held.remove(&step.user);
            } else {
                let open = step.open + granted;
                self.held.insert(Arc::clone(&step.user), UserCount { open, written: Instant::now() });
            }
            for _ in 0..granted {
                // Dropping it gives it back if the requester is gone.
                let permit = UserCountPermit { user: Arc::clone(&step.user), count: Count::Shared(commands.clone()) };
                match waiters.next() {
                    Some(waiter) => drop(waiter.send(Some(permit))),
                    None => drop(permit),
                }
            }
            for waiter in waiters {
                let _ = waiter.send(None);
            }
        }
    }

    fn failed(&mut self, steps: &[UserRequest], error: &PoolError) {
        warn_bounded!("cannot count the connections of users: {error}");
        // The exchange may have taken effect or not; the next one sends the current numbers.
        self.changed.extend(steps.iter().map(|step| Arc::clone(&step.user)));
        self.waiting.clear();
    }
}
