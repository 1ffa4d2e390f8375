//! Who is behind the connections of one worker: found by user, by token or by id when they are to be disconnected, and
//! ended when their token does.
//!
//! In: each connection that has a user, and [`Kick`]s. Out: closed connections. Connections without a user are not here and
//! cost nothing. It knows no token: a [`Fingerprint`] stands for it.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
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
    Principal(Fingerprint),
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

/// A watched token, and by which fingerprint its principals are found.
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
pub struct Principal {
    principals: Rc<PrincipalIndex>,
    connection: Rc<Connection>,
    /// Who it is now, which a handler may have changed.
    user: Cell<Fingerprint>,
    /// Who its token says it is.
    subject: Fingerprint,
    token: Cell<Option<Fingerprint>>,
    /// In milliseconds of the worker's clock.
    began: Cell<u64>,
    /// Most have neither.
    extra: Cell<Option<Box<Extra>>>,
}

#[derive(Clone, Default)]
struct Extra {
    deadline: Option<u64>,
    watch: Option<Watch>,
}

/// The principals of one worker.
pub struct PrincipalIndex {
    epoch: Instant,
    index: RefCell<Index>,
    /// The next deadline is sooner than it was.
    sooner: Notify,
}

/// By a number and, because several may have the same, by address.
type ByNumber = BTreeMap<(u64, usize), Weak<Principal>>;

#[derive(Default)]
struct Index {
    /// By user, and by token.
    known: ByNumber,
    /// By the millisecond at which they end.
    ending: ByNumber,
    /// With a token to look after; by address.
    watched: BTreeMap<usize, Weak<Principal>>,
    /// The latest kicks, for handshakes that are under way.
    recent: VecDeque<(Fingerprint, Instant)>,
}

impl PrincipalIndex {
    /// Nobody yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { epoch: Instant::now(), index: RefCell::default(), sooner: Notify::new() })
    }

    /// A client has proven who it is. `None` where it was disconnected while it did.
    pub fn enter(self: &Rc<Self>, connection: &Rc<Connection>, proof: Proof) -> Option<Rc<Principal>> {
        let user = proof.user;
        self.enter_as(connection, proof, user)
    }

    /// The same, where a consumer knows it as another `user` than its token does.
    pub fn enter_as(
        self: &Rc<Self>,
        connection: &Rc<Connection>,
        proof: Proof,
        user: Fingerprint,
    ) -> Option<Rc<Principal>> {
        if self.was_kicked(user, proof.token, proof.began) {
            return None;
        }
        let principal = Rc::new(Principal {
            principals: Rc::clone(self),
            connection: Rc::clone(connection),
            user: Cell::new(user),
            subject: proof.user,
            token: Cell::new(proof.token),
            began: Cell::new(self.millis(proof.began)),
            extra: Cell::default(),
        });
        self.add(&principal, proof);
        Some(principal)
    }

    /// Whether a kick came after the question who it is was asked.
    fn was_kicked(&self, user: Fingerprint, token: Option<Fingerprint>, began: Instant) -> bool {
        let index = self.index.borrow();
        let mut since = index.recent.iter().rev().take_while(|(_, at)| *at >= began);
        since.any(|(whom, _)| *whom == user || Some(*whom) == token)
    }

    fn add(&self, principal: &Rc<Principal>, proof: Proof) {
        let mut index = self.index.borrow_mut();
        let (address, weak) = (Rc::as_ptr(principal).addr(), Rc::downgrade(principal));
        index.known.insert((principal.user().get(), address), Weak::clone(&weak));
        if let Some(token) = proof.token {
            index.known.insert((token.get(), address), Weak::clone(&weak));
        }
        if proof.deadline.is_none() && proof.watch.is_none() {
            return;
        }
        let deadline = proof.deadline.map(|deadline| self.millis(deadline));
        if let Some(deadline) = deadline {
            if index.ending.first_key_value().is_none_or(|((first, _), _)| deadline < *first) {
                self.sooner.notify_one();
            }
            index.ending.insert((deadline, address), Weak::clone(&weak));
        }
        if proof.watch.is_some() {
            index.watched.insert(address, weak);
        }
        principal.extra.set(Some(Box::new(Extra { deadline, watch: proof.watch })));
    }

    /// Disconnects; how many connections it were.
    pub fn kick(&self, kicks: &[Kick], by_id: impl Fn(&str) -> Option<Rc<Connection>>) -> usize {
        let mut ended = 0;
        for kick in kicks {
            match &kick.whom {
                Whom::Socket(id) => {
                    ended += usize::from(by_id(id).is_some_and(|connection| connection.end(&kick.ending)));
                }
                Whom::Principal(whom) => {
                    self.remember(*whom, kick.until);
                    let until = self.millis(kick.until);
                    let range = (whom.get(), 0)..=(whom.get(), usize::MAX);
                    // Gathered first: the end of a connection may take others out of the index.
                    let index = self.index.borrow();
                    let principals: Vec<_> = index.known.range(range).filter_map(|(_, one)| one.upgrade()).collect();
                    drop(index);
                    let meant = principals.iter().filter(|principal| principal.began.get() <= until);
                    ended += meant.filter(|principal| principal.connection.end(&kick.ending)).count();
                }
            }
        }
        ended
    }

    fn remember(&self, whom: Fingerprint, until: Instant) {
        let recent = &mut self.index.borrow_mut().recent;
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
        let principals: Vec<Rc<Principal>> = self.index.borrow().watched.values().filter_map(Weak::upgrade).collect();
        let mut watched = Vec::with_capacity(principals.len());
        for principal in principals {
            let Some(extra) = principal.extra() else { continue };
            let (Some(watch), Some(token)) = (extra.watch, principal.token.get()) else { continue };
            if watch.end.is_some_and(|end| end <= now) {
                self.index.borrow_mut().watched.remove(&Rc::as_ptr(&principal).addr());
                let rest = extra.deadline.map(|_| Box::new(Extra { watch: None, ..extra }));
                principal.extra.set(rest);
                continue;
            }
            watched.push(Watched { watch, token, began: self.epoch + Duration::from_millis(principal.began.get()) });
        }
        watched
    }

    /// Ends connections at their deadlines, for as long as the worker lives.
    pub async fn run(self: Rc<Self>) {
        loop {
            let next = self.index.borrow().ending.first_key_value().map(|((first, _), _)| *first);
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
            let ending = &mut self.index.borrow_mut().ending;
            while let Some(first) = ending.first_entry().filter(|first| first.key().0 < now) {
                due.extend(first.remove().upgrade());
            }
        }
        for principal in due {
            principal.connection.end(&Ending::expired());
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.borrow().known.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Principal {
    /// Who it is.
    pub const fn user(&self) -> Fingerprint {
        self.user.get()
    }

    /// Who its token says it is.
    pub const fn subject(&self) -> Fingerprint {
        self.subject
    }

    /// From now on it is `user`; `false` where that one was disconnected since `began`, when the question was asked.
    pub fn become_user(self: &Rc<Self>, user: Fingerprint, began: Instant) -> bool {
        if self.principals.was_kicked(user, None, began) {
            return false;
        }
        let mut index = self.principals.index.borrow_mut();
        let address = Rc::as_ptr(self).addr();
        index.known.remove(&(self.user.replace(user).get(), address));
        index.known.insert((user.get(), address), Rc::downgrade(self));
        true
    }

    /// The same client with the same token, as another `user`: one of its consumers knows it by that. `None` where that
    /// one was disconnected since `began`.
    pub fn also_user(&self, user: Fingerprint, began: Instant) -> Option<Rc<Self>> {
        if self.principals.was_kicked(user, None, began) {
            return None;
        }
        let at = |millis| self.principals.epoch + Duration::from_millis(millis);
        let Extra { deadline, watch } = self.extra().unwrap_or_default();
        let proof = Proof {
            user: self.subject,
            token: self.token.get(),
            began: at(self.began.get()),
            deadline: deadline.map(at),
            watch,
        };
        self.principals.enter_as(&self.connection, proof, user)
    }

    /// Its subject has shown another token; `false` where it was disconnected while it did.
    pub fn renew(self: &Rc<Self>, proof: Proof) -> bool {
        if self.principals.was_kicked(self.user(), proof.token, proof.began) {
            return false;
        }
        self.withdraw();
        self.token.set(proof.token);
        self.began.set(self.principals.millis(proof.began));
        self.principals.add(self, proof);
        true
    }

    fn extra(&self) -> Option<Extra> {
        let extra = self.extra.take();
        let copy = extra.as_deref().cloned();
        self.extra.set(extra);
        copy
    }

    /// Takes it out of the index.
    fn withdraw(&self) {
        let mut index = self.principals.index.borrow_mut();
        let address = std::ptr::from_ref(self).addr();
        index.known.remove(&(self.user.get().get(), address));
        if let Some(token) = self.token.get() {
            index.known.remove(&(token.get(), address));
        }
        if let Some(extra) = self.extra.take() {
            if let Some(deadline) = extra.deadline {
                index.ending.remove(&(deadline, address));
            }
            if extra.watch.is_some() {
                index.watched.remove(&address);
            }
        }
    }
}

impl Drop for Principal {
    fn drop(&mut self) {
        self.withdraw();
    }
}
