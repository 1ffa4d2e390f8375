//! What has arrived of messages that are not whole yet, of all clients of a worker: how much it is, and how long it waits.
//!
//! In: a message that began and is to go on ([`Begun`], which gives everything back when it is dropped). Out: those that
//! have to go, because the node holds too much (the greediest first) or because their time is over. A message that is
//! whole in one read is not seen here. It closes nobody: the roster does.

use std::{cell::Cell, cmp::Reverse, rc::Rc};

use super::budget::Budget;
use crate::{config, telemetry::Metrics};

/// What a connection has begun to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    /// The connection's place in the roster.
    pub place: u32,
    /// The second in which it began.
    pub since: u32,
    pub bytes: usize,
    /// What counts no more and is there until its connection's next turn.
    leaving: usize,
}

/// The messages of one worker that have begun.
pub struct Inbox {
    portions: Budget<Portion>,
    leaving: Cell<usize>,
    /// Seconds that a message may take; 0 is no limit.
    timeout: u32,
}

impl Inbox {
    pub(super) fn new(socket: &config::Socket, server: &config::Server, metrics: &Metrics) -> Self {
        let timeout = socket.message_timeout.0.as_millis().div_ceil(1000);
        Self {
            portions: Budget::new(socket.inbox_total, server.worker_threads(), metrics.inbox_bytes.clone()),
            leaving: Cell::default(),
            timeout: u32::try_from(timeout).unwrap_or(u32::MAX),
        }
    }

    /// Tells the node how much it is; whether some of it has to go.
    pub(super) fn is_over(&self) -> bool {
        self.portions.tell();
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
        portions.retain(|(_, portion)| self.timeout > 0 && now.saturating_sub(portion.since) > self.timeout);
        portions
    }

    /// It began only now: until now the node did not read.
    pub(super) fn renew(&self, number: usize, now: u32) {
        self.portions.change(number, |portion| portion.since = now);
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

    /// Whether some of what was forgotten is still there: until it is not, what has begun is not to grow.
    pub(super) fn is_clearing(&self) -> bool {
        self.leaving.get() > 0
    }
}

/// A message that began. What it holds counts until this is dropped.
pub struct Begun {
    inbox: Rc<Inbox>,
    number: usize,
}

impl Begun {
    /// Of a connection of this place, in this second.
    pub(super) fn new(inbox: &Rc<Inbox>, place: u32, since: u32) -> Self {
        let number = inbox.portions.enter(Portion { place, since, bytes: 0, leaving: 0 });
        Self { inbox: Rc::clone(inbox), number }
    }

    /// So much is there of it now.
    pub fn holds(&self, bytes: usize) {
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

impl Drop for Begun {
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
        let all: Vec<Begun> = (0..4).map(|place| Begun::new(&inbox, place, 0)).collect();
        for (begun, bytes) in all.iter().zip([100, 400, 200, 290]) {
            begun.holds(bytes);
        }
        assert!(!inbox.is_over());
        all[0].holds(150);
        assert!(inbox.is_over());
        let mut gone = Vec::new();
        for (number, portion) in inbox.greediest() {
            if inbox.is_relieved() {
                break;
            }
            inbox.forget(number);
            gone.push(portion.place);
        }
        assert_eq!((gone, metrics.inbox_bytes.get()), (vec![1], 640));
        assert!(inbox.is_clearing());
        drop(all);
        assert!(!inbox.is_clearing());
        assert_eq!((metrics.inbox_bytes.get(), inbox.greediest().len()), (0, 0));
    }

    #[test]
    fn a_message_is_late_when_its_time_is_over_however_it_grows() {
        let metrics = Metrics::new();
        let inbox = inbox(1000, &metrics);
        let begun = Begun::new(&inbox, 7, 10);
        begun.holds(10);
        assert!(inbox.late(13).is_empty());
        begun.holds(20);
        assert_eq!(inbox.late(14).len(), 1);
        begun.restart(14);
        assert!(inbox.late(17).is_empty());
    }
}
