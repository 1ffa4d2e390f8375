//! Bytes of unhandled messages from all clients of a worker: how many there are, and how long they wait.
//!
//! In: incomplete messages, and messages that a session keeps until it handles them ([`Held`], which releases its bytes
//! on drop). Out: the holders that must release their bytes, because the node holds too much (the largest first) or
//! because a message exceeds its time. It never sees a message that arrives in one read and is handled at once.
//! `Connections` closes connections; this file does not.

use std::{
    cell::Cell,
    cmp::Reverse,
    rc::{Rc, Weak},
};

use super::budget::Budget;
use crate::{config, telemetry::Metrics};

/// Keeps complete messages until they are handled.
pub trait Keeper {
    /// The node holds too much: drops the kept messages and ends the connection.
    ///
    /// Returns whether the memory is free at its next turn. A publish on its way to Redis is not.
    fn let_go(&self) -> bool;
}

/// The holder of bytes.
#[derive(Clone)]
pub(super) enum Holder {
    /// The connection at this index in `Connections`; its message began in this second.
    Began { index: u32, since: u32 },
    /// A session, which may outlive its connection.
    Keeps(Weak<dyn Keeper>),
}

/// The bytes of one holder.
#[derive(Clone)]
pub(super) struct Portion {
    pub holder: Holder,
    pub bytes: usize,
    /// Bytes that no longer count, but stay in memory until the connection's next turn.
    leaving: usize,
    /// Bytes that no longer count, and stay until something outside of the node answers.
    stuck: usize,
}

/// The unhandled messages of one worker.
pub struct Inbox {
    portions: Budget<Portion>,
    leaving: Cell<usize>,
    stuck: Cell<usize>,
    max_stuck: usize,
    /// Bytes that one session may keep before reading from its client pauses.
    max_kept: usize,
    /// Seconds that a message may take; 0: no limit.
    timeout: u32,
}

impl Inbox {
    pub(super) fn new(socket: &config::Socket, server: &config::Server, metrics: &Metrics) -> Self {
        let timeout = socket.message_timeout.0.as_millis().div_ceil(1000);
        Self {
            portions: Budget::new(socket.inbox_total, server.worker_threads(), metrics.inbox_bytes.clone()),
            leaving: Cell::default(),
            stuck: Cell::default(),
            max_stuck: match socket.inbox_total / server.worker_threads() / 2 {
                0 => usize::MAX,
                half => half,
            },
            max_kept: if socket.inbox == 0 { usize::MAX } else { socket.inbox },
            timeout: u32::try_from(timeout).unwrap_or(u32::MAX),
        }
    }

    /// Updates the node's total; returns whether the worker must release some bytes.
    pub(super) fn must_shrink(&self) -> bool {
        self.portions.report();
        self.portions.take_over()
    }

    /// Whether the latest bytes exceeded the limit.
    pub(super) fn take_over(&self) -> bool {
        self.portions.take_over()
    }

    pub(super) fn is_relieved(&self) -> bool {
        self.portions.is_relieved()
    }

    /// All holders, the largest first.
    pub(super) fn greediest(&self) -> Vec<(usize, Portion)> {
        let mut portions = self.portions.holders();
        portions.sort_by_key(|(_, portion)| Reverse(portion.bytes));
        portions
    }

    /// The holders with an overdue message.
    pub(super) fn late(&self, now: u32) -> Vec<(usize, Portion)> {
        let mut portions = self.portions.holders();
        // The recorded start may be up to a second early, so the comparison is strict.
        portions.retain(|(_, portion)| match portion.holder {
            Holder::Began { since, .. } => self.timeout > 0 && now.saturating_sub(since) > self.timeout,
            Holder::Keeps(_) => false,
        });
        portions
    }

    /// Restarts a message's time, because the node had paused reading.
    pub(super) fn renew(&self, number: usize, now: u32) {
        self.portions.change(number, |portion| {
            if let Holder::Began { since, .. } = &mut portion.holder {
                *since = now;
            }
        });
    }

    /// Stops counting bytes that the connection drops at its next turn.
    pub(super) fn forget(&self, number: usize) {
        self.portions.change(number, |portion| {
            let bytes = std::mem::take(&mut portion.bytes);
            self.portions.less(bytes);
            portion.leaving += bytes;
            self.leaving.set(self.leaving.get() + bytes);
        });
    }

    /// Stops counting bytes that stay for a while, so that no other client is closed for them.
    pub(super) fn strand(&self, number: usize) {
        self.portions.change(number, |portion| {
            let bytes = std::mem::take(&mut portion.bytes);
            self.portions.less(bytes);
            portion.stuck += bytes;
            self.stuck.set(self.stuck.get() + bytes);
        });
    }

    /// Bytes that one session may keep before reading from its client pauses.
    pub fn max_kept(&self) -> usize {
        self.max_kept
    }

    /// Whether bytes that no longer count are still in memory: until they are gone, incomplete messages must not grow.
    pub(super) fn is_clearing(&self) -> bool {
        self.leaving.get() > 0
    }

    /// Whether another message can be decoded: its values may take many times its bytes.
    pub fn has_room(&self) -> bool {
        !self.is_clearing() && self.stuck.get() <= self.max_stuck && !self.portions.is_over()
    }

    /// Counts the messages that a session keeps; the session may outlive its connection.
    pub fn keep(self: &Rc<Self>, keeper: Weak<dyn Keeper>) -> Held {
        Held::new(self, Holder::Keeps(keeper))
    }
}

/// Bytes of one client. They count until the value is dropped.
pub struct Held {
    inbox: Rc<Inbox>,
    number: usize,
}

impl Held {
    pub(super) fn new(inbox: &Rc<Inbox>, holder: Holder) -> Self {
        let number = inbox.portions.enter(Portion { holder, bytes: 0, leaving: 0, stuck: 0 });
        Self { inbox: Rc::clone(inbox), number }
    }

    /// Sets their current number.
    pub fn set(&self, bytes: usize) {
        let portions = &self.inbox.portions;
        let mut before = bytes;
        portions.change(self.number, |portion| before = std::mem::replace(&mut portion.bytes, bytes));
        if bytes > before {
            portions.more(bytes - before);
        } else {
            portions.less(before - bytes);
        }
    }

    /// Starts another message in this second.
    pub(super) fn restart(&self, now: u32) {
        self.inbox.renew(self.number, now);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(portion) = self.inbox.portions.leave(self.number) {
            self.inbox.portions.less(portion.bytes);
            self.inbox.leaving.set(self.inbox.leaving.get() - portion.leaving);
            self.inbox.stuck.set(self.inbox.stuck.get() - portion.stuck);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(total: usize, metrics: &Metrics) -> Rc<Inbox> {
        let socket = config::Socket {
            inbox_total: total,
            message_timeout: config::Span::seconds(3),
            ..config::Socket::default()
        };
        let server = config::Server { workers: 1, ..config::Server::default() };
        Rc::new(Inbox::new(&socket, &server, metrics))
    }

    #[test]
    fn the_largest_holders_are_dropped_first_and_completely() {
        let metrics = Metrics::new();
        let inbox = inbox(1000, &metrics);
        let began = |index| Held::new(&inbox, Holder::Began { index, since: 0 });
        let all: Vec<Held> = (0..4).map(began).collect();
        for (held, bytes) in all.iter().zip([100, 400, 200, 290]) {
            held.set(bytes);
        }
        assert!(!inbox.must_shrink());
        all[0].set(150);
        assert!(inbox.must_shrink());
        let mut gone = Vec::new();
        for (number, portion) in inbox.greediest() {
            if inbox.is_relieved() {
                break;
            }
            inbox.forget(number);
            gone.extend(matches!(portion.holder, Holder::Began { index: 1, .. }).then_some(portion.bytes));
        }
        assert_eq!((gone, metrics.inbox_bytes.get()), (vec![400], 640));
        assert!(inbox.is_clearing());
        drop(all);
        assert!(!inbox.is_clearing());
        assert_eq!((metrics.inbox_bytes.get(), inbox.greediest().len()), (0, 0));
    }

    #[test]
    fn a_message_is_late_after_its_time_even_if_it_grows() {
        let metrics = Metrics::new();
        let inbox = inbox(1000, &metrics);
        let held = Held::new(&inbox, Holder::Began { index: 7, since: 10 });
        held.set(10);
        assert!(inbox.late(13).is_empty());
        held.set(20);
        assert_eq!(inbox.late(14).len(), 1);
        held.restart(14);
        assert!(inbox.late(17).is_empty());
    }

    #[test]
    fn bytes_that_stay_for_redis_delay_other_messages_only_if_they_are_many() {
        struct Publishing;
        impl Keeper for Publishing {
            fn let_go(&self) -> bool {
                false
            }
        }
        let metrics = Metrics::new();
        let inbox = inbox(1000, &metrics);
        let keeper: Rc<dyn Keeper> = Rc::new(Publishing);
        let all: Vec<Held> = (0..2).map(|_| inbox.keep(Rc::downgrade(&keeper))).collect();
        for (number, held) in all.iter().enumerate() {
            held.set(400);
            inbox.strand(held.number);
            assert_eq!(metrics.inbox_bytes.get(), 0, "another client is not closed for them");
            assert_eq!(inbox.has_room(), number == 0, "half of the limit at most stays beside it");
        }
        drop(all);
        assert!(inbox.has_room());
    }
}
