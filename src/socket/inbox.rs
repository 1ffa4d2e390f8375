//! What has arrived of messages that are not handled yet, of all clients of a worker: how much it is, and how long it waits.
//!
//! In: a message that is to go on, and what a session keeps until it is handled ([`Held`], which gives everything back when
//! it is dropped). Out: those that have to go, because the node holds too much (the greediest first) or because a message
//! does not end in time. A message that is whole in one read and handled at once is not seen here. `Connections` closes
//! connections; this file does not.

use std::{
    cell::Cell,
    cmp::Reverse,
    rc::{Rc, Weak},
};

use super::budget::Budget;
use crate::{config, telemetry::Metrics};

/// Keeps messages that are whole until they are handled.
pub trait Keeper {
    /// The node holds too much: what is kept is dropped, and its connection ends.
    fn let_go(&self);
}

/// Who holds bytes.
#[derive(Clone)]
pub(super) enum Holder {
    /// The connection at this index in `Connections`, whose message began in this second.
    Began { index: u32, since: u32 },
    /// A session, which may outlive its connection.
    Keeps(Weak<dyn Keeper>),
}

/// What one of them holds.
#[derive(Clone)]
pub(super) struct Portion {
    pub holder: Holder,
    pub bytes: usize,
    /// What counts no more and is there until its connection's next turn.
    leaving: usize,
}

/// The messages of one worker that have begun.
pub struct Inbox {
    portions: Budget<Portion>,
    leaving: Cell<usize>,
    /// Bytes that one session may keep before its client is read no further.
    max_kept: usize,
    /// Seconds that a message may take; 0 is no limit.
    timeout: u32,
}

impl Inbox {
    pub(super) fn new(socket: &config::Socket, server: &config::Server, metrics: &Metrics) -> Self {
        let timeout = socket.message_timeout.0.as_millis().div_ceil(1000);
        Self {
            portions: Budget::new(socket.inbox_total, server.worker_threads(), metrics.inbox_bytes.clone()),
            leaving: Cell::default(),
            max_kept: if socket.inbox == 0 { usize::MAX } else { socket.inbox },
            timeout: u32::try_from(timeout).unwrap_or(u32::MAX),
        }
    }

    /// Tells the node how much it is; whether some of it has to go.
    pub(super) fn must_shrink(&self) -> bool {
        self.portions.report();
        self.portions.take_over()
    }

    /// Whether what came last was too much.
    pub(super) fn take_over(&self) -> bool {
        self.portions.take_over()
    }

    pub(super) fn is_relieved(&self) -> bool {
        self.portions.is_relieved()
    }

    /// Those that hold something, the greediest first.
    pub(super) fn greediest(&self) -> Vec<(usize, Portion)> {
        let mut portions = self.portions.holders();
        portions.sort_by_key(|(_, portion)| Reverse(portion.bytes));
        portions
    }

    /// Those whose time is over.
    pub(super) fn late(&self, now: u32) -> Vec<(usize, Portion)> {
        let mut portions = self.portions.holders();
        // The clock of seconds may have been a second old when it began.
        portions.retain(|(_, portion)| match portion.holder {
            Holder::Began { since, .. } => self.timeout > 0 && now.saturating_sub(since) > self.timeout,
            Holder::Keeps(_) => false,
        });
        portions
    }

    /// It began only now: until now the node did not read.
    pub(super) fn renew(&self, number: usize, now: u32) {
        self.portions.change(number, |portion| {
            if let Holder::Began { since, .. } = &mut portion.holder {
                *since = now;
            }
        });
    }

    /// Its connection lets it go at its next turn, so it counts no more.
    pub(super) fn forget(&self, number: usize) {
        self.portions.change(number, |portion| {
            let bytes = std::mem::take(&mut portion.bytes);
            self.portions.less(bytes);
            portion.leaving += bytes;
            self.leaving.set(self.leaving.get() + bytes);
        });
    }

    /// Bytes that one session may keep before its client is read no further.
    pub fn max_kept(&self) -> usize {
        self.max_kept
    }

    /// Whether some of what was forgotten is still there: until it is not, what has begun is not to grow.
    pub(super) fn is_clearing(&self) -> bool {
        self.leaving.get() > 0
    }

    /// Whether another message can be read: its values may take many times its bytes.
    pub fn has_room(&self) -> bool {
        !self.is_clearing() && !self.portions.is_over()
    }

    /// A session keeps messages, and may outlive its connection.
    pub fn keep(self: &Rc<Self>, keeper: Weak<dyn Keeper>) -> Held {
        Held::new(self, Holder::Keeps(keeper))
    }
}

/// Bytes of one client. They count until this is dropped.
pub struct Held {
    inbox: Rc<Inbox>,
    number: usize,
}

impl Held {
    pub(super) fn new(inbox: &Rc<Inbox>, holder: Holder) -> Self {
        let number = inbox.portions.enter(Portion { holder, bytes: 0, leaving: 0 });
        Self { inbox: Rc::clone(inbox), number }
    }

    /// Sets how many there are now.
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

    /// Another message, which began in this second.
    pub(super) fn restart(&self, now: u32) {
        self.inbox.renew(self.number, now);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(portion) = self.inbox.portions.leave(self.number) {
            self.inbox.portions.less(portion.bytes);
            self.inbox.leaving.set(self.inbox.leaving.get() - portion.leaving);
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
    fn the_greediest_go_until_it_is_enough_and_nothing_is_left_of_what_is_dropped() {
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
    fn a_message_is_late_when_its_time_is_over_however_it_grows() {
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
}
