//! A connection as the hub sees it: its slots, its subscriptions, its id.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
};

use super::{
    hold::{HeldWork, Hold, Undecided},
    registry::AudienceId,
    topics::{TooManyTopics, TopicSubscriptions},
};
use crate::{
    config::BeforeSubscribe,
    consumer::{ConsumerId, Personal, Selection, Traits, Verdict},
    event::ConnectionId,
    socket::{Connection, ConnectionHandler, EncodedMessage, Outbox},
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
    /// `None` while the member is held, and always if it serves calls: then its state alone decides.
    pub connection: Option<Rc<Connection>>,
    pub member: Rc<Member>,
}

impl Seat {
    pub fn of(member: &Rc<Member>) -> Self {
        let connection = (!member.is_held() && !member.serves.get()).then(|| Rc::clone(&member.connection));
        Self { connection, member: Rc::clone(member) }
    }
}

/// A connection as the hub sees it.
pub struct Member {
    pub(super) connection: Rc<Connection>,
    pub(super) slots: RefCell<Box<[GroupSlot]>>,
    subscriptions: RefCell<TopicSubscriptions>,
    pub(super) id: Option<ConnectionId>,
    before_subscribe: BeforeSubscribe,
    /// The consumer that sends gap notices to the client; [`NOBODY`] if it wants none.
    gap_consumer: Cell<u32>,
    pub(super) state: Cell<MemberState>,
    /// The handler of its connection carries out its work.
    pub(super) serves: Cell<bool>,
    /// What is kept for it while it is held.
    pub(super) kept: Cell<Option<Box<Hold>>>,
    /// What conditions compare of it.
    traits: OnceCell<Box<Traits>>,
    /// It has got every message of its groups up to this number; see [`order`](super::order).
    pub(super) up_to: Cell<u64>,
}

/// Not a valid consumer id.
const NOBODY: u32 = u32::MAX;

impl Member {
    /// A connection without groups, known to others by `id`, if it has one.
    pub fn new(connection: Rc<Connection>, id: Option<ConnectionId>, before_subscribe: BeforeSubscribe) -> Rc<Self> {
        Rc::new(Self {
            connection,
            slots: RefCell::default(),
            subscriptions: RefCell::default(),
            id,
            before_subscribe,
            gap_consumer: Cell::new(NOBODY),
            state: Cell::new(MemberState::Receiving),
            serves: Cell::default(),
            kept: Cell::default(),
            traits: OnceCell::new(),
            up_to: Cell::default(),
        })
    }

    /// The connection itself.
    pub const fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// The id by which emissions may name it.
    pub const fn id(&self) -> Option<ConnectionId> {
        self.id
    }

    /// This consumer sends gap notices to the client from now on.
    pub fn tell_gaps(&self, consumer: ConsumerId) {
        self.gap_consumer.set(consumer.0);
    }

    /// The consumer that sends gap notices to the client, if it wants them.
    pub fn gap_consumer(&self) -> Option<ConsumerId> {
        Some(ConsumerId(self.gap_consumer.get())).filter(|consumer| consumer.0 != NOBODY)
    }

    /// Conditions compare these values of it. Call it once.
    pub fn set_traits(&self, traits: Option<Box<Traits>>) {
        if let Some(traits) = traits {
            self.traits.get_or_init(|| traits);
        }
    }

    /// Some of the values that conditions compare have changed; see [`Shard::change_traits`](super::Shard::change_traits).
    pub(super) fn change_traits(&self, new: Traits) {
        if let Some(traits) = self.traits.get() {
            traits.replace(new);
        }
    }

    /// The values that conditions compare.
    #[inline]
    pub(super) fn traits(&self) -> Option<&Traits> {
        self.traits.get().map(|traits| &**traits)
    }

    /// The values that a message contains of it.
    pub(super) fn values(&self, personal: &Personal) -> Option<Arc<str>> {
        personal.values(self.traits.get()?)
    }

    /// Whether a message with this condition is for it.
    #[inline]
    pub(super) fn meets(&self, selection: &Selection) -> Verdict {
        selection.is_for(self.traits())
    }

    /// Whether the messages of its groups are kept for it.
    pub fn is_held(&self) -> bool {
        self.state.get() == MemberState::Held
    }

    /// From now on the handler of its connection carries out its work, which [`Shard::release`](super::Shard::release)
    /// hands out: a handler that is busy releases the member when it is done. Nothing of the shard is borrowed when the
    /// handler is called. Call it once, while the member is held.
    pub fn serves_calls(&self) {
        debug_assert!(self.is_held(), "its seats have no connection yet");
        self.serves.set(true);
    }

    /// The handler of its work, while it lives.
    pub(super) fn handler(&self) -> Option<Rc<dyn ConnectionHandler>> {
        if self.serves.get() { self.connection.handler() } else { None }
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
    fn keep(&self, whole: &EncodedMessage, each: &[EncodedMessage]) -> u32 {
        let mut hold = self.kept.take().unwrap_or_default();
        let each = if each.is_empty() { std::slice::from_ref(whole) } else { each };
        let taken = hold.push(&self.connection, each, self.gap_consumer().is_some());
        self.kept.set(Some(hold));
        taken
    }

    /// Takes work in its place among the messages; returns whether it waits, and its handler does not know that yet.
    pub(super) fn take_work(&self, work: HeldWork) -> bool {
        let is_new = match self.state.get() {
            MemberState::Held => false,
            MemberState::Receiving if self.serves.get() => {
                self.state.set(MemberState::Held);
                true
            }
            MemberState::Receiving | MemberState::Gone => {
                match work {
                    HeldWork::Close(ending) => drop(self.connection.end(&ending)),
                    _ => self.connection.discard_kept(Outbox::default(), 1),
                }
                return false;
            }
        };
        self.keep_work(work);
        is_new
    }

    /// Keeps a message until it is known whether it is for this member, which is held.
    pub(super) fn keep_undecided(&self, message: Box<dyn Undecided>) {
        self.keep_work(HeldWork::Undecided(message));
    }

    fn keep_work(&self, work: HeldWork) {
        let mut hold = self.kept.take().unwrap_or_default();
        hold.push_work(&self.connection, work, self.gap_consumer().is_some());
        self.kept.set(Some(hold));
    }

    /// Does something of which the messages are sent at once, although the member is held.
    pub(super) fn meanwhile<T>(&self, act: impl FnOnce() -> T) -> T {
        let state = self.state.replace(MemberState::Receiving);
        let done = act();
        self.state.set(state);
        done
    }

    /// Whether a handler may still change what conditions compare of it.
    pub(super) fn may_change(&self) -> bool {
        self.traits.get().is_some_and(|traits| traits.may_change())
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
