//! A connection as the hub sees it: its slots, its subscriptions, its id.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use super::{
    hold::Hold,
    registry::AudienceId,
    topics::{TooManyTopics, TopicSubscriptions},
};
use crate::{
    config::BeforeSubscribe,
    consumer::ConsumerId,
    socket::{Connection, EncodedMessage},
};

/// The state of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberState {
    /// It gets the messages of its groups.
    Receiving,
    /// The messages of its groups are kept for it; see [`hold`](super::hold).
    Held,
    /// It left for good.
    Gone,
}

/// The slot of a member in one audience of its worker.
#[derive(Clone, Copy)]
pub(super) struct GroupSlot {
    pub audience: AudienceId,
    pub index: u32,
}

/// A member's seat in a group. It contains the connection, so that a delivery to all members touches nothing else of
/// the member.
pub(super) struct Seat {
    /// `None` while the member is held.
    pub connection: Option<Rc<Connection>>,
    pub member: Rc<Member>,
}

impl Seat {
    pub fn of(member: &Rc<Member>) -> Self {
        let connection = (!member.is_held()).then(|| Rc::clone(&member.connection));
        Self { connection, member: Rc::clone(member) }
    }
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
    /// What is kept for it while it is held.
    pub(super) kept: Cell<Option<Box<Hold>>>,
    /// It has got every message of its groups up to this number; see [`order`](super::order).
    pub(super) up_to: Cell<u64>,
}

/// Not a valid consumer id.
const NOBODY: u32 = u32::MAX;

impl Member {
    /// A connection without groups, known to others by `id`, if it has one.
    pub fn new(connection: Rc<Connection>, id: Option<Arc<str>>, before_subscribe: BeforeSubscribe) -> Rc<Self> {
        Rc::new(Self {
            connection,
            slots: RefCell::default(),
            subscriptions: RefCell::default(),
            id,
            before_subscribe,
            gap_consumer: Cell::new(NOBODY),
            state: Cell::new(MemberState::Receiving),
            kept: Cell::default(),
            up_to: Cell::default(),
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

    /// Whether the messages of its groups are kept for it.
    pub fn is_held(&self) -> bool {
        self.state.get() == MemberState::Held
    }

    /// Whether it has left for good.
    pub(super) fn is_gone(&self) -> bool {
        self.state.get() == MemberState::Gone
    }

    /// Sends messages, or keeps them while it is held; `each` has the parts of `whole`, in case they must wait
    /// separately. Returns how many messages were accepted.
    pub(super) fn deliver(&self, whole: &EncodedMessage, each: &[EncodedMessage]) -> u32 {
        match self.is_held() {
            true => self.keep(whole, each),
            false => self.connection.deliver(whole, each),
        }
    }

    #[cold]
    pub(super) fn keep(&self, whole: &EncodedMessage, each: &[EncodedMessage]) -> u32 {
        let mut hold = self.kept.take().unwrap_or_default();
        let each = if each.is_empty() { std::slice::from_ref(whole) } else { each };
        let taken = hold.push(&self.connection, each, self.gap_consumer().is_some());
        self.kept.set(Some(hold));
        taken
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
