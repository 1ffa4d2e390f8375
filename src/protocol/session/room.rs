//! Room for what a client has sent: it is counted while it waits and is handled, and reading pauses when it is much.

use std::rc::Rc;

use super::{
    Agenda, Session,
    queue::{Buffered, Item, Queue, weight_of},
};
use crate::{
    event::Incoming,
    packet::RawEvent,
    socket::{Held, Inbox, Keeper, close::CloseCode},
};

/// Messages that may wait before reading from the client pauses.
const HOLD_AT: usize = 64;

/// The same if Django handles them, and their bytes.
const HOLD_BRIDGED_AT: usize = 16;
const HOLD_BRIDGED_BYTES: usize = 256 << 10;

/// Copies of a message on its way to Django: its own, its JSON, the request.
const PASSED_ON: usize = 4;

/// Maximum number of waiting messages: a polling client can send many at once.
const MAX_WAITING: usize = 4096;

impl Session {
    /// The approximate memory of a message while it is handled.
    pub(super) fn weight_of(&self, incoming: Incoming<'_>, source: Option<&RawEvent>) -> usize {
        let bytes = match incoming {
            Incoming::Text(text) => text.len(),
            Incoming::Binary(bytes) => bytes.len(),
            Incoming::Event { .. } => 0,
        };
        self.passed_on(bytes).unwrap_or_else(|| weight_of(incoming, source))
    }

    /// The same for a message of this size that Django gets as it is.
    pub(super) fn passed_on(&self, bytes: usize) -> Option<usize> {
        let is_passed_on = self.bindings.iter().all(|binding| binding.consumer.passes_messages_on());
        (is_passed_on && !self.bindings.is_empty()).then_some(bytes * PASSED_ON)
    }

    pub(super) fn inbox(&self) -> Option<Rc<Inbox>> {
        self.member().map(|member| Rc::clone(member.connection().inbox()))
    }

    pub(super) fn wait_for_room(self: &Rc<Self>, message: Buffered) {
        let mut queue = Queue::new(0, self.inbox());
        queue.push(Item::Message(message));
        *self.queue.borrow_mut() = Some(Box::new(queue));
        self.weigh();
        actix_rt::spawn(Rc::clone(self).go_on(None, Agenda::new()));
    }

    pub(super) fn bound(&self, waiting: usize) {
        if waiting == if self.is_bridged() { HOLD_BRIDGED_AT } else { HOLD_AT } {
            self.outlet.hold(true);
        } else if waiting > MAX_WAITING {
            self.services.metrics.closed("too_many_messages");
            self.outlet.close(CloseCode::POLICY_VIOLATION, "too many messages wait");
        }
    }

    /// Counts the kept bytes. Above the limit, reading from the client pauses.
    pub(super) fn weigh(self: &Rc<Self>) {
        let bytes = self.queue.borrow_mut().as_deref_mut().map_or(0, |queue| {
            let inbox = queue.inbox.clone();
            queue.counted.set(queue.bytes(), || self.held(inbox));
            queue.bytes()
        });
        if let Some(member) = self.member() {
            let most = member.connection().inbox().max_kept();
            if bytes > if self.is_bridged() { most.min(HOLD_BRIDGED_BYTES) } else { most } {
                self.outlet.hold(true);
            }
            member.connection().took_more();
        }
    }

    pub(super) fn held(self: &Rc<Self>, inbox: Option<Rc<Inbox>>) -> Option<Held> {
        let keeper = Rc::downgrade(self);
        inbox.map(|inbox| inbox.keep(keeper))
    }
}

impl Keeper for Session {
    fn let_go(&self) -> bool {
        *self.asks.borrow_mut() = None;
        let mut freed = true;
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.clear();
            queue.stop.notify_one();
            freed = queue.can_stop;
        }
        match self.member() {
            Some(member) => member.connection().overloads(),
            None => self.services.metrics.refused_message("overloaded"),
        }
        freed
    }
}
