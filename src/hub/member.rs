//! A connection as the hub sees it: where it sits, what it subscribed to, by which id it is known.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use super::{
    registry::AudienceId,
    topics::{Subscriptions, TooManyTopics},
};
use crate::{config::BeforeSubscribe, consumer::ConsumerId, socket::Connection};

/// How far a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its places are kept, but nothing is delivered yet.
    Waiting,
    /// It gets what its groups get.
    Seated,
    /// It left for good.
    Gone,
}

/// Where a member sits in one audience of its worker.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub audience: AudienceId,
    pub index: u32,
}

/// A connection as the hub sees it.
pub struct Member {
    pub(super) connection: Rc<Connection>,
    pub(super) places: RefCell<Vec<Place>>,
    subscriptions: RefCell<Subscriptions>,
    id: Option<Arc<str>>,
    before_subscribe: BeforeSubscribe,
    /// The consumer that tells the client of gaps; [`NOBODY`] where it did not ask.
    gap_consumer: Cell<u32>,
    pub(super) state: Cell<State>,
}

/// No consumer's number.
const NOBODY: u32 = u32::MAX;

impl Member {
    /// A connection that is in no group yet, and gets what its groups get from its first join on.
    pub fn new(connection: Rc<Connection>, before_subscribe: BeforeSubscribe) -> Rc<Self> {
        Self::with(connection, None, before_subscribe, State::Seated)
    }

    /// As [`Self::new`], known to others by `id`.
    pub fn named(connection: Rc<Connection>, id: Arc<str>, before_subscribe: BeforeSubscribe) -> Rc<Self> {
        Self::with(connection, Some(id), before_subscribe, State::Seated)
    }

    /// A connection known to others by `id`, which gets nothing before [`Shard::seat`](super::Shard::seat): what says that
    /// it is connected must come first.
    pub fn waiting(connection: Rc<Connection>, id: Arc<str>, before_subscribe: BeforeSubscribe) -> Rc<Self> {
        Self::with(connection, Some(id), before_subscribe, State::Waiting)
    }

    fn with(
        connection: Rc<Connection>,
        id: Option<Arc<str>>,
        before_subscribe: BeforeSubscribe,
        state: State,
    ) -> Rc<Self> {
        Rc::new(Self {
            connection,
            places: RefCell::default(),
            subscriptions: RefCell::default(),
            id,
            before_subscribe,
            gap_consumer: Cell::new(NOBODY),
            state: Cell::new(state),
        })
    }

    /// The connection itself.
    pub const fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// The id by which emissions may name it.
    pub const fn id(&self) -> Option<&Arc<str>> {
        self.id.as_ref()
    }

    /// From now on this consumer tells the client of gaps.
    pub fn tell_gaps(&self, consumer: ConsumerId) {
        self.gap_consumer.set(consumer.0);
    }

    /// Which consumer tells the client of gaps, if it asked for that.
    pub fn gap_consumer(&self) -> Option<ConsumerId> {
        Some(ConsumerId(self.gap_consumer.get())).filter(|consumer| consumer.0 != NOBODY)
    }

    /// Whether it gets what its groups get.
    pub(super) fn is_seated(&self) -> bool {
        self.state.get() == State::Seated
    }

    /// How many groups it is in.
    pub fn groups(&self) -> usize {
        self.places.borrow().len()
    }

    /// Adds topics.
    pub fn subscribe(&self, names: Vec<Arc<str>>, max: usize) -> Result<(), TooManyTopics> {
        self.subscriptions.borrow_mut().add(names, max)
    }

    /// Takes topics away.
    pub fn unsubscribe(&self, names: &[Arc<str>]) {
        self.subscriptions.borrow_mut().remove(names);
    }

    /// Whether it asked for a topic with one of these names.
    pub(super) fn wants(&self, names: &[Arc<str>]) -> bool {
        let subscriptions = self.subscriptions.borrow();
        if subscriptions.any_ever() {
            subscriptions.wants(names)
        } else {
            self.before_subscribe == BeforeSubscribe::All
        }
    }

    /// Whether it sits in one of these audiences.
    pub(super) fn is_in(&self, audiences: &[AudienceId]) -> bool {
        !audiences.is_empty() && self.places.borrow().iter().any(|place| audiences.contains(&place.audience))
    }
}
