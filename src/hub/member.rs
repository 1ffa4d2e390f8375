//! A connection as the hub sees it: its slots, its subscriptions, its id.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use super::{
    registry::AudienceId,
    topics::{TooManyTopics, TopicSubscriptions},
};
use crate::{config::BeforeSubscribe, consumer::ConsumerId, socket::Connection};

/// The state of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberState {
    /// Its slots are reserved, but nothing is delivered yet.
    Waiting,
    /// It gets the events of its groups.
    Receiving,
    /// It left for good.
    Gone,
}

/// The slot of a member in one audience of its worker.
#[derive(Clone, Copy)]
pub(super) struct GroupSlot {
    pub audience: AudienceId,
    pub index: u32,
}

/// A connection as the hub sees it.
pub struct Member {
    pub(super) connection: Rc<Connection>,
    pub(super) slots: RefCell<Vec<GroupSlot>>,
    subscriptions: RefCell<TopicSubscriptions>,
    id: Option<Arc<str>>,
    before_subscribe: BeforeSubscribe,
    /// The consumer that sends gap notices to the client; [`NOBODY`] if it wants none.
    gap_consumer: Cell<u32>,
    pub(super) state: Cell<MemberState>,
}

/// Not a valid consumer id.
const NOBODY: u32 = u32::MAX;

impl Member {
    /// A connection without groups, which gets the events of its groups from its first join on.
    pub fn new(connection: Rc<Connection>, before_subscribe: BeforeSubscribe) -> Rc<Self> {
        Self::with(connection, None, before_subscribe, MemberState::Receiving)
    }

    /// Like [`Self::new`], known to others by `id`.
    pub fn named(connection: Rc<Connection>, id: Arc<str>, before_subscribe: BeforeSubscribe) -> Rc<Self> {
        Self::with(connection, Some(id), before_subscribe, MemberState::Receiving)
    }

    /// A connection known to others by `id`, which gets nothing before
    /// [`Shard::start_receiving`](super::Shard::start_receiving): the packet that confirms the connection must come
    /// first.
    pub fn waiting(connection: Rc<Connection>, id: Arc<str>, before_subscribe: BeforeSubscribe) -> Rc<Self> {
        Self::with(connection, Some(id), before_subscribe, MemberState::Waiting)
    }

    fn with(
        connection: Rc<Connection>,
        id: Option<Arc<str>>,
        before_subscribe: BeforeSubscribe,
        state: MemberState,
    ) -> Rc<Self> {
        Rc::new(Self {
            connection,
            slots: RefCell::default(),
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

    /// This consumer sends gap notices to the client from now on.
    pub fn tell_gaps(&self, consumer: ConsumerId) {
        self.gap_consumer.set(consumer.0);
    }

    /// The consumer that sends gap notices to the client, if it wants them.
    pub fn gap_consumer(&self) -> Option<ConsumerId> {
        Some(ConsumerId(self.gap_consumer.get())).filter(|consumer| consumer.0 != NOBODY)
    }

    /// Whether it gets the events of its groups.
    pub(super) fn is_receiving(&self) -> bool {
        self.state.get() == MemberState::Receiving
    }

    /// The number of its groups.
    pub fn groups(&self) -> usize {
        self.slots.borrow().len()
    }

    /// Adds topics.
    pub fn subscribe(&self, names: Vec<Arc<str>>, max: usize) -> Result<(), TooManyTopics> {
        self.subscriptions.borrow_mut().add(names, max)
    }

    /// Removes topics.
    pub fn unsubscribe(&self, names: &[Arc<str>]) {
        self.subscriptions.borrow_mut().remove(names);
    }

    /// Whether it subscribed to a topic with one of these names.
    pub(super) fn wants(&self, names: &[Arc<str>]) -> bool {
        let subscriptions = self.subscriptions.borrow();
        if subscriptions.any_ever() {
            subscriptions.wants(names)
        } else {
            self.before_subscribe == BeforeSubscribe::All
        }
    }

    /// Whether it has a slot in one of these audiences.
    pub(super) fn is_in(&self, audiences: &[AudienceId]) -> bool {
        !audiences.is_empty() && self.slots.borrow().iter().any(|slot| audiences.contains(&slot.audience))
    }
}
