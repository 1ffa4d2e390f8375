//! Who is behind the connections of one worker: found by user, by token or by id when they are to be disconnected, and
//! ended when their token does.
//!
//! In: each connection that has a user, and [`Kick`]s. Out: closed connections. Connections without a user are not here and
//! cost nothing. It knows no token: a [`Fingerprint`] stands for it.

use std::{
    borrow::Borrow,
    cell::{Cell, RefCell},
    cmp::Ordering,
    collections::{BTreeSet, VecDeque},
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    event::{Fingerprint, Proof, Watch},
    socket::{Connection, close::Ending},
};

/// How long a kick is remembered for handshakes that had begun before it; none takes longer to find out who asks.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Who is to be disconnected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// A user, or whoever came in with a token.
    Bearer(Fingerprint),
    /// The connection that is known by this id.
    Socket(Arc<str>),
}

/// An order to disconnect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kick {
    /// Whom.
    pub whom: Whom,
    /// Only who began to come in until then.
    pub until: Instant,
    /// What the client is told.
    pub ending: Ending,
}

/// A watched token, and by which fingerprint its bearers are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// What to look after.
    pub watch: Watch,
    /// Whose it is.
    pub token: Fingerprint,
    /// When it was shown.
    pub began: Instant,
}

/// Somebody behind a connection; gone from the index when it is dropped.
pub struct Bearer {
    bearers: Rc<Bearers>,
    connection: Rc<Connection>,
    user: Cell<Fingerprint>,
    token: Cell<Option<Fingerprint>>,
    /// In milliseconds of the worker's clock.
    began: Cell<u64>,
    /// Most have neither.
    extra: Cell<Option<Box<Extra>>>,
}

#[derive(Clone)]
struct Extra {
    deadline: Option<u64>,
    watch: Option<Watch>,
}

/// The bearers of one worker.
pub struct Bearers {
    epoch: Instant,
    sets: RefCell<Sets>,
    /// The next deadline is sooner than it was.
    sooner: Notify,
}

#[derive(Default)]
struct Sets {
    /// By user, and by token.
    known: BTreeSet<Slot>,
    /// By the millisecond at which they end.
    ending: BTreeSet<Slot>,
    /// With a token to look after.
    watched: BTreeSet<Slot>,
    /// The latest kicks, for handshakes that are under way.
    recent: VecDeque<(Fingerprint, Instant)>,
}

/// A place in a set: sixteen bytes, because there are many.
struct Slot {
    key: u64,
    bearer: Weak<Bearer>,
}

/// Where a slot is, as it can be said without one.
trait At {
    fn at(&self) -> (u64, *const Bearer);
}

impl At for Slot {
    fn at(&self) -> (u64, *const Bearer) {
        (self.key, self.bearer.as_ptr())
    }
}

impl At for (u64, *const Bearer) {
    fn at(&self) -> Self {
        *self
    }
}

impl PartialEq for dyn At + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.at() == other.at()
    }
}

impl Eq for dyn At + '_ {}

impl PartialOrd for dyn At + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn At + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at().cmp(&other.at())
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.at() == other.at()
    }
}

impl Eq for Slot {}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slot {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at().cmp(&other.at())
    }
}

impl<'a> Borrow<dyn At + 'a> for Slot {
    fn borrow(&self) -> &(dyn At + 'a) {
        self
    }
}

fn remove(set: &mut BTreeSet<Slot>, key: u64, bearer: *const Bearer) {
    let at = (key, bearer);
    let at: &dyn At = &at;
    set.remove(at);
}

/// The bearers under one key.
fn under(set: &BTreeSet<Slot>, key: u64) -> Vec<Rc<Bearer>> {
    let first = (key, std::ptr::null::<Bearer>());
    let first: &dyn At = &first;
    let rest = set.range::<dyn At, _>((std::ops::Bound::Included(first), std::ops::Bound::Unbounded));
    rest.take_while(|slot| slot.key == key).filter_map(|slot| slot.bearer.upgrade()).collect()
}

impl Bearers {
    /// Nobody yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { epoch: Instant::now(), sets: RefCell::default(), sooner: Notify::new() })
    }

    /// Somebody has proven who it is. `None` where it was disconnected while it did.
    pub fn enter(self: &Rc<Self>, connection: &Rc<Connection>, proof: Proof) -> Option<Rc<Bearer>> {
        if self.was_kicked(&proof) {
            return None;
        }
        let bearer = Rc::new(Bearer {
            bearers: Rc::clone(self),
            connection: Rc::clone(connection),
            user: Cell::new(proof.user),
            token: Cell::new(proof.token),
            began: Cell::new(self.millis(proof.began)),
            extra: Cell::default(),
        });
        self.add(&bearer, proof);
        Some(bearer)
    }

    /// Whether a kick came after the look at the token had begun.
    fn was_kicked(&self, proof: &Proof) -> bool {
        let sets = self.sets.borrow();
        let mut since = sets.recent.iter().rev().take_while(|(_, at)| *at >= proof.began);
        since.any(|(whom, _)| *whom == proof.user || Some(*whom) == proof.token)
    }

    fn add(&self, bearer: &Rc<Bearer>, proof: Proof) {
        let mut sets = self.sets.borrow_mut();
        let slot = |key| Slot { key, bearer: Rc::downgrade(bearer) };
        sets.known.insert(slot(proof.user.get()));
        if let Some(token) = proof.token {
            sets.known.insert(slot(token.get()));
        }
        if proof.deadline.is_none() && proof.watch.is_none() {
            return;
        }
        let deadline = proof.deadline.map(|deadline| self.millis(deadline));
        if let Some(deadline) = deadline {
            if sets.ending.first().is_none_or(|first| deadline < first.key) {
                self.sooner.notify_one();
            }
            sets.ending.insert(slot(deadline));
        }
        if proof.watch.is_some() {
            sets.watched.insert(slot(0));
        }
        bearer.extra.set(Some(Box::new(Extra { deadline, watch: proof.watch })));
    }

    /// Disconnects; how many connections it were.
    pub fn kick(&self, kicks: &[Kick], by_id: impl Fn(&str) -> Option<Rc<Connection>>) -> usize {
        let mut ended = 0;
        for kick in kicks {
            match &kick.whom {
                Whom::Socket(id) => {
                    ended += usize::from(by_id(id).is_some_and(|connection| connection.end(&kick.ending)));
                }
                Whom::Bearer(whom) => {
                    self.remember(*whom, kick.until);
                    let until = self.millis(kick.until);
                    let bearers = under(&self.sets.borrow().known, whom.get());
                    let meant = bearers.iter().filter(|bearer| bearer.began.get() <= until);
                    ended += meant.filter(|bearer| bearer.connection.end(&kick.ending)).count();
                }
            }
        }
        ended
    }

    fn remember(&self, whom: Fingerprint, until: Instant) {
        let recent = &mut self.sets.borrow_mut().recent;
        while recent.front().is_some_and(|(_, at)| at.elapsed() > REMEMBERED) {
            recent.pop_front();
        }
        if until.elapsed() <= REMEMBERED {
            // In order of time, also where one is learned of late.
            let place = recent.partition_point(|(_, at)| *at <= until);
            recent.insert(place, (whom, until));
        }
    }

    /// The tokens to look after. Those whose time is over are forgotten.
    pub fn watched(&self, now: Instant) -> Vec<Watched> {
        let bearers: Vec<Rc<Bearer>> =
            self.sets.borrow().watched.iter().filter_map(|slot| slot.bearer.upgrade()).collect();
        let mut watched = Vec::with_capacity(bearers.len());
        for bearer in bearers {
            let Some(extra) = bearer.extra() else { continue };
            let (Some(watch), Some(token)) = (extra.watch, bearer.token.get()) else { continue };
            if watch.end.is_some_and(|end| end <= now) {
                remove(&mut self.sets.borrow_mut().watched, 0, Rc::as_ptr(&bearer));
                let rest = extra.deadline.map(|_| Box::new(Extra { watch: None, ..extra }));
                bearer.extra.set(rest);
                continue;
            }
            watched.push(Watched { watch, token, began: self.epoch + Duration::from_millis(bearer.began.get()) });
        }
        watched
    }

    /// Ends connections at their deadlines, for as long as the worker lives.
    pub async fn run(self: Rc<Self>) {
        loop {
            let next = self.sets.borrow().ending.first().map(|slot| slot.key);
            let due = async {
                match next {
                    Some(next) => {
                        // What is due at a millisecond is due when it is over.
                        let at = self.epoch + Duration::from_millis(next + 1);
                        tokio::time::sleep_until(at.into()).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.end_due(),
                () = self.sooner.notified() => {}
            }
        }
    }

    fn end_due(&self) {
        let now = self.millis(Instant::now());
        let mut due = Vec::new();
        {
            let ending = &mut self.sets.borrow_mut().ending;
            while ending.first().is_some_and(|slot| slot.key < now) {
                due.extend(ending.pop_first().and_then(|slot| slot.bearer.upgrade()));
            }
        }
        for bearer in due {
            bearer.connection.end(&Ending::expired());
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sets.borrow().known.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Bearer {
    /// Who it is.
    pub const fn user(&self) -> Fingerprint {
        self.user.get()
    }

    /// The same user has shown another token; `false` where it was disconnected while it did.
    pub fn renew(self: &Rc<Self>, proof: Proof) -> bool {
        if self.bearers.was_kicked(&proof) {
            return false;
        }
        self.withdraw();
        self.user.set(proof.user);
        self.token.set(proof.token);
        self.began.set(self.bearers.millis(proof.began));
        self.bearers.add(self, proof);
        true
    }

    fn extra(&self) -> Option<Extra> {
        let extra = self.extra.take();
        let copy = extra.as_deref().cloned();
        self.extra.set(extra);
        copy
    }

    /// Takes it out of all sets.
    fn withdraw(&self) {
        let mut sets = self.bearers.sets.borrow_mut();
        let own: *const Self = self;
        remove(&mut sets.known, self.user.get().get(), own);
        if let Some(token) = self.token.get() {
            remove(&mut sets.known, token.get(), own);
        }
        if let Some(extra) = self.extra.take() {
            if let Some(deadline) = extra.deadline {
                remove(&mut sets.ending, deadline, own);
            }
            if extra.watch.is_some() {
                remove(&mut sets.watched, 0, own);
            }
        }
    }
}

impl Drop for Bearer {
    fn drop(&mut self) {
        self.withdraw();
    }
}
