//! Indexes the users of one worker's connections: by user, token or id, to disconnect them, and by token expiry, to end
//! them.
//!
//! In: each connection that has a user, and [`Disconnection`]s. Out: closed connections. Connections without a user
//! are not indexed and cost nothing. It stores no token, only its [`Fingerprint`].

mod by_number;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;

use self::by_number::ByNumber;
use crate::{
    event::{Fingerprint, Proof, WatchedToken},
    socket::{Connection, close::Ending},
};

/// How long a disconnection is remembered for handshakes that began before it; no handshake takes longer to
/// authenticate.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The longest sleep before a look at the wall clock, while a connection has a deadline.
const LOOK: Duration = Duration::from_secs(1);

/// The target of a disconnect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisconnectTarget {
    /// A user, or the connections that used a token.
    Principal(Fingerprint),
    /// The connection with this id.
    Socket(Arc<str>),
}

/// An order to disconnect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnection {
    /// The target.
    pub target: DisconnectTarget,
    /// Only connections with an authentication that began before this time.
    pub until: Instant,
    /// How the connection ends.
    pub ending: Ending,
}

/// A watched token, and the fingerprint by which its principals are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The cache entry to watch.
    pub watch: WatchedToken,
    /// The fingerprint of the token.
    pub token: Fingerprint,
    /// When the client sent it.
    pub began: Instant,
}

/// The principal of a connection; dropping it removes it from the index.
pub struct Principal {
    principals: Rc<PrincipalIndex>,
    connection: Rc<Connection>,
    /// The current user, which a handler may have changed.
    user: Cell<Fingerprint>,
    token: Cell<Option<Fingerprint>>,
    /// In milliseconds of the worker's clock.
    began: Cell<u64>,
    /// When it ends, in milliseconds since 1970; [`NEVER`] if it does not. Most have one: a login expires.
    deadline: Cell<u64>,
    /// Most have nothing of it.
    extra: Cell<Option<Box<Extra>>>,
}

/// No time that the clock can have.
const NEVER: u64 = u64::MAX;

#[derive(Clone, Default, PartialEq, Eq)]
struct Extra {
    watch: Option<WatchedToken>,
    /// The user named by its token, if it is not the current one.
    subject: Option<Fingerprint>,
}

impl Extra {
    fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// The principals of one worker.
pub struct PrincipalIndex {
    epoch: Instant,
    /// The wall clock.
    clock: fn() -> SystemTime,
    index: RefCell<Index>,
    /// The next deadline has moved closer.
    sooner: Notify,
}

#[derive(Default)]
struct Index {
    /// By user, and by token.
    known: ByNumber,
    /// By the millisecond since 1970 at which they end.
    ending: ByNumber,
    /// Those with a token to watch; by address.
    watched: BTreeMap<usize, Weak<Principal>>,
    /// The latest disconnections, for handshakes in progress.
    recent: VecDeque<(Fingerprint, Instant)>,
}

impl PrincipalIndex {
    /// An empty index.
    pub fn new() -> Rc<Self> {
        Self::with_clock(SystemTime::now)
    }

    /// The same with another wall clock.
    pub fn with_clock(clock: fn() -> SystemTime) -> Rc<Self> {
        Rc::new(Self { epoch: Instant::now(), clock, index: RefCell::default(), sooner: Notify::new() })
    }

    /// Adds an authenticated client. `None` if it was disconnected during its authentication.
    pub fn enter(self: &Rc<Self>, connection: &Rc<Connection>, proof: Proof) -> Option<Rc<Principal>> {
        let user = proof.user;
        self.enter_as(connection, proof, user)
    }

    /// The same, if a consumer set another `user` than the token names.
    pub fn enter_as(
        self: &Rc<Self>,
        connection: &Rc<Connection>,
        proof: Proof,
        user: Fingerprint,
    ) -> Option<Rc<Principal>> {
        if self.was_disconnected(user, proof.token, proof.began) {
            return None;
        }
        let principal = Rc::new(Principal {
            principals: Rc::clone(self),
            connection: Rc::clone(connection),
            user: Cell::new(user),
            token: Cell::new(proof.token),
            began: Cell::new(self.millis(proof.began)),
            deadline: Cell::new(NEVER),
            extra: Cell::default(),
        });
        self.add(&principal, proof);
        Some(principal)
    }

    /// Whether a disconnection came after the authentication began.
    fn was_disconnected(&self, user: Fingerprint, token: Option<Fingerprint>, began: Instant) -> bool {
        let index = self.index.borrow();
        let mut since = index.recent.iter().rev().take_while(|(_, at)| *at >= began);
        since.any(|(fingerprint, _)| *fingerprint == user || Some(*fingerprint) == token)
    }

    fn add(&self, principal: &Rc<Principal>, proof: Proof) {
        let mut index = self.index.borrow_mut();
        let (address, weak) = (Rc::as_ptr(principal).addr(), Rc::downgrade(principal));
        index.known.insert(principal.user().get(), Weak::clone(&weak));
        if let Some(token) = proof.token {
            index.known.insert(token.get(), Weak::clone(&weak));
        }
        let deadline = proof.deadline.map_or(NEVER, since_1970);
        principal.deadline.set(deadline);
        if deadline != NEVER {
            if index.ending.first().is_none_or(|first| deadline < first) {
                self.sooner.notify_one();
            }
            index.ending.insert(deadline, Weak::clone(&weak));
        }
        if proof.watch.is_some() {
            index.watched.insert(address, weak);
        }
        let subject = Some(proof.user).filter(|subject| *subject != principal.user());
        principal.extra.set(Extra { watch: proof.watch, subject }.boxed());
    }

    /// Disconnects; returns the number of connections.
    pub fn disconnect(&self, orders: &[Disconnection], by_id: impl Fn(&str) -> Option<Rc<Connection>>) -> usize {
        let mut ended = 0;
        for order in orders {
            match &order.target {
                DisconnectTarget::Socket(id) => {
                    ended += usize::from(by_id(id).is_some_and(|connection| connection.end(&order.ending)));
                }
                DisconnectTarget::Principal(fingerprint) => {
                    self.remember(*fingerprint, order.until);
                    let until = self.millis(order.until);
                    // Collected first: ending a connection may remove others from the index.
                    let index = self.index.borrow();
                    let principals: Vec<_> = index.known.with(fingerprint.get()).collect();
                    drop(index);
                    let meant = principals.iter().filter(|principal| principal.began.get() <= until);
                    ended += meant.filter(|principal| principal.connection.end(&order.ending)).count();
                }
            }
        }
        ended
    }

    /// The connections of a user whose authentication began before this time.
    pub fn connections_of(&self, user: Fingerprint, until: Instant) -> Vec<Rc<Connection>> {
        let until = self.millis(until);
        let index = self.index.borrow();
        let principals = index.known.with(user.get());
        let mut connections: Vec<Rc<Connection>> = Vec::new();
        for principal in principals.filter(|one| one.began.get() <= until) {
            // A connection has one for each of its users; several may be the same.
            if !connections.iter().any(|known| Rc::ptr_eq(known, &principal.connection)) {
                connections.push(Rc::clone(&principal.connection));
            }
        }
        connections
    }

    fn remember(&self, fingerprint: Fingerprint, until: Instant) {
        let recent = &mut self.index.borrow_mut().recent;
        while recent.front().is_some_and(|(_, at)| at.elapsed() > REMEMBERED) {
            recent.pop_front();
        }
        if until.elapsed() <= REMEMBERED {
            // In order of time, even for a disconnection that arrives late.
            let slot = recent.partition_point(|(_, at)| *at <= until);
            recent.insert(slot, (fingerprint, until));
        }
    }

    /// The tokens to watch. Expired ones are removed.
    pub fn watched(&self, now: Instant) -> Vec<Watched> {
        let principals: Vec<Rc<Principal>> = self.index.borrow().watched.values().filter_map(Weak::upgrade).collect();
        let mut watched = Vec::with_capacity(principals.len());
        for principal in principals {
            let Some(extra) = principal.extra() else { continue };
            let (Some(watch), Some(token)) = (extra.watch, principal.token.get()) else { continue };
            if watch.end.is_some_and(|end| end <= now) {
                self.index.borrow_mut().watched.remove(&Rc::as_ptr(&principal).addr());
                principal.extra.set(Extra { watch: None, ..extra }.boxed());
                continue;
            }
            watched.push(Watched { watch, token, began: principal.began() });
        }
        watched
    }

    /// Ends connections at their deadlines while the worker lives.
    pub async fn run(self: Rc<Self>) {
        loop {
            let next = self.index.borrow().ending.first();
            let due = async {
                match next {
                    Some(next) => {
                        // A deadline in a millisecond is due when that millisecond is over. The timer does not follow a
                        // wall clock that is set, nor runs while the machine sleeps: another look is due soon.
                        let left = (next + 1).saturating_sub(since_1970((self.clock)()));
                        tokio::time::sleep(Duration::from_millis(left).min(LOOK)).await;
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
        let now = since_1970((self.clock)());
        let mut due = Vec::new();
        {
            let ending = &mut self.index.borrow_mut().ending;
            while ending.first().is_some_and(|first| first < now) {
                due.extend(ending.pop_first());
            }
        }
        for principal in due {
            principal.connection.end(&Ending::expired());
        }
    }

    /// The number of principals.
    pub fn len(&self) -> usize {
        self.index.borrow().known.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Milliseconds up to the year 9999 are fewer than 2^48; later deadlines never come.
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).min(1 << 48)
}

impl Principal {
    /// Whether a token named its user.
    pub fn has_token(&self) -> bool {
        self.token.get().is_some()
    }

    /// The current user.
    pub const fn user(&self) -> Fingerprint {
        self.user.get()
    }

    /// When its authentication began.
    pub fn began(&self) -> Instant {
        self.principals.epoch + Duration::from_millis(self.began.get())
    }

    /// The user named by its token.
    pub fn subject(&self) -> Fingerprint {
        self.extra().and_then(|extra| extra.subject).unwrap_or_else(|| self.user())
    }

    /// Changes the user to `user`; `false` if that user was disconnected since `began`, when the change was requested.
    pub fn become_user(self: &Rc<Self>, user: Fingerprint, began: Instant) -> bool {
        if self.principals.was_disconnected(user, None, began) {
            return false;
        }
        let subject = Some(self.subject()).filter(|subject| *subject != user);
        self.extra.set(Extra { subject, ..self.extra().unwrap_or_default() }.boxed());
        let mut index = self.principals.index.borrow_mut();
        let address = Rc::as_ptr(self).addr();
        index.known.remove(self.user.replace(user).get(), address);
        index.known.insert(user.get(), Rc::downgrade(self));
        true
    }

    /// The same client with the same token, as another `user` that one of its consumers set. `None` if that user was
    /// disconnected since `began`.
    pub fn also_user(&self, user: Fingerprint, began: Instant) -> Option<Rc<Self>> {
        if self.principals.was_disconnected(user, None, began) {
            return None;
        }
        let watch = self.extra().and_then(|extra| extra.watch);
        let deadline = Some(self.deadline.get()).filter(|deadline| *deadline != NEVER);
        let proof = Proof {
            user: self.subject(),
            token: self.token.get(),
            began: self.began(),
            deadline: deadline.map(|millis| UNIX_EPOCH + Duration::from_millis(millis)),
            watch,
        };
        self.principals.enter_as(&self.connection, proof, user)
    }

    /// Its subject has sent another token; `false` if it was disconnected meanwhile.
    pub fn renew(self: &Rc<Self>, proof: Proof) -> bool {
        if self.principals.was_disconnected(self.user(), proof.token, proof.began) {
            return false;
        }
        self.withdraw();
        self.token.set(proof.token);
        self.began.set(self.principals.millis(proof.began));
        self.principals.add(self, proof);
        true
    }

    /// Whether it has more than every principal has.
    #[cfg(test)]
    pub fn has_extra(&self) -> bool {
        self.extra().is_some()
    }

    fn extra(&self) -> Option<Extra> {
        let extra = self.extra.take();
        let copy = extra.as_deref().cloned();
        self.extra.set(extra);
        copy
    }

    /// Removes it from the index.
    fn withdraw(&self) {
        let mut index = self.principals.index.borrow_mut();
        let address = std::ptr::from_ref(self).addr();
        index.known.remove(self.user.get().get(), address);
        if let Some(token) = self.token.get() {
            index.known.remove(token.get(), address);
        }
        if self.deadline.get() != NEVER {
            index.ending.remove(self.deadline.get(), address);
        }
        if self.extra.take().is_some_and(|extra| extra.watch.is_some()) {
            index.watched.remove(&address);
        }
    }
}

impl Drop for Principal {
    fn drop(&mut self) {
        self.withdraw();
    }
}
