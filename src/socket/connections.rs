//! All connections of one worker, its clock of seconds, and the sweep that replaces a timer per connection: pings to
//! silent clients, an end to dead connections and unanswered closes, and the spread closing of a drain.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use slab::Slab;
use tokio::time::MissedTickBehavior;

use super::{
    close::CloseCode,
    connection::{About, Connection},
    inbox::{Holder, Inbox},
    pressure::Pressure,
};
use crate::{config, telemetry::Metrics};

/// A connection whose client has not read everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowConnection {
    /// Whose it is.
    pub about: About,
    /// The bytes that wait in its outbox.
    pub waiting: usize,
}

/// Times of the sweep, in seconds.
#[derive(Clone, Copy, Debug)]
struct Times {
    ping_interval: u32,
    ping_timeout: u32,
    close_grace: u32,
}

/// The connections of one worker.
pub struct Connections {
    metrics: Metrics,
    pressure: Rc<Pressure>,
    inbox: Rc<Inbox>,
    times: Times,
    started: Instant,
    now: Cell<u32>,
    all: RefCell<Slab<Rc<Connection>>>,
    /// Connections with a sent Close, with the second at which they are dropped.
    closing: RefCell<Vec<(u32, Rc<Connection>)>>,
    draining: Cell<bool>,
    /// The intervals of the consumers' heartbeats, in seconds; empty if no consumer has one.
    heartbeats: RefCell<Vec<u32>>,
}

impl Connections {
    /// An empty roster with the configuration's times.
    pub fn new(socket: &config::Socket, server: &config::Server, metrics: Metrics) -> Rc<Self> {
        let whole = |span: config::Span| u32::try_from(span.0.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        Rc::new(Self {
            pressure: Rc::new(Pressure::new(socket, server, &metrics)),
            inbox: Rc::new(Inbox::new(socket, server, &metrics)),
            metrics,
            times: Times {
                ping_interval: whole(socket.ping_interval),
                ping_timeout: whole(socket.ping_timeout),
                close_grace: whole(server.drain_grace).max(1),
            },
            started: Instant::now(),
            now: Cell::new(0),
            all: RefCell::default(),
            closing: RefCell::default(),
            draining: Cell::new(false),
            heartbeats: RefCell::default(),
        })
    }

    /// Microseconds since the worker began.
    pub(super) fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn now(&self) -> u32 {
        self.now.get()
    }

    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The waiting bytes of all of them.
    pub(super) const fn pressure(&self) -> &Rc<Pressure> {
        &self.pressure
    }

    /// The incomplete messages of all of them.
    pub(super) const fn inbox(&self) -> &Rc<Inbox> {
        &self.inbox
    }

    /// Too much incomplete data on the node: the clients with the most are closed, until the rest fits.
    #[cold]
    pub(super) fn relieve_inbox(&self) {
        for (number, portion) in self.inbox.greediest() {
            if self.inbox.is_relieved() || portion.bytes == 0 {
                return;
            }
            match portion.holder {
                Holder::Began { index, .. } => {
                    self.inbox.forget(number);
                    self.at(index).iter().for_each(|connection| connection.overloads());
                }
                Holder::Keeps(keeper) => match keeper.upgrade().is_none_or(|keeper| keeper.let_go()) {
                    true => self.inbox.forget(number),
                    false => self.inbox.strand(number),
                },
            }
        }
    }

    /// Closes connections with a message that did not end in time.
    fn end_late_messages(&self) {
        let now = self.now.get();
        for (number, portion) in self.inbox.late(now) {
            let Holder::Began { index, .. } = portion.holder else { continue };
            match self.at(index) {
                // The node itself has paused reading.
                Some(connection) if connection.is_congested() || connection.is_throttled() => {
                    self.inbox.renew(number, now);
                }
                Some(connection) => {
                    connection.give_up("message_timeout", CloseCode::POLICY_VIOLATION, "a message did not end in time");
                }
                None => {}
            }
        }
    }

    fn at(&self, index: u32) -> Option<Rc<Connection>> {
        self.all.borrow().get(index as usize).cloned()
    }

    /// Too much data waits on the node: the connections with the highest cost lose it, until it is enough.
    pub(super) fn relieve(&self) {
        let indices = self.pressure.behind();
        let connections = self.all.borrow();
        let behind = indices.iter().filter_map(|index| connections.get(*index as usize));
        let mut costly: Vec<(usize, Rc<Connection>)> =
            behind.map(|connection| (connection.cost(), Rc::clone(connection))).collect();
        drop(connections);
        costly.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        for (_, connection) in costly.iter().filter(|(cost, _)| *cost > 0) {
            if self.pressure.is_relieved() {
                return;
            }
            connection.shed();
        }
    }

    /// Those for which most bytes wait, at most `most`. Of the others, which are nearly all, none is looked at; and clients
    /// that poll are not among them.
    pub fn slow(&self, most: usize) -> Vec<SlowConnection> {
        let connections = self.all.borrow();
        let behind = self.pressure.behind().into_iter().filter_map(|index| connections.get(index as usize));
        let mut slow: Vec<(usize, Rc<Connection>)> =
            behind.map(|connection| (connection.outbox_bytes(), Rc::clone(connection))).collect();
        drop(connections);
        slow.retain(|(waiting, _)| *waiting > 0);
        slow.sort_by_key(|(waiting, _)| std::cmp::Reverse(*waiting));
        slow.truncate(most);
        slow.into_iter().map(|(waiting, connection)| SlowConnection { about: connection.about(), waiting }).collect()
    }

    /// The number of open connections, including closing ones.
    pub fn len(&self) -> usize {
        self.all.borrow().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.all.borrow().is_empty()
    }

    pub(super) fn enter(&self, connection: Rc<Connection>) -> u32 {
        if let Some(heartbeat) = &connection.limits().heartbeat {
            let mut known = self.heartbeats.borrow_mut();
            if !known.contains(&heartbeat.every) {
                known.push(heartbeat.every);
            }
        }
        u32::try_from(self.all.borrow_mut().insert(connection)).unwrap_or(u32::MAX)
    }

    pub(super) fn leave(&self, index: u32) {
        let mut connections = self.all.borrow_mut();
        // One that never got its socket is not here.
        drop(connections.try_remove(index as usize));
        // Memory is returned after a storm; checked rarely, because checking walks over the slots.
        if connections.len().count_ones() <= 1 && connections.capacity() > 4 * connections.len().max(256) {
            connections.shrink_to_fit();
        }
    }

    pub(super) fn closing(&self, index: u32) {
        if let Some(connection) = self.all.borrow().get(index as usize) {
            let deadline = self.end_of_grace(self.started.elapsed());
            self.closing.borrow_mut().push((deadline, Rc::clone(connection)));
        }
    }

    /// The second in which a Close sent now is overdue. The sweep's clock stands still between its ticks and may be a
    /// second late: a Close queued right before a tick would have no time at all.
    fn end_of_grace(&self, now: Duration) -> u32 {
        let end = now.as_secs() + u64::from(self.times.close_grace) + 1;
        u32::try_from(end).unwrap_or(u32::MAX)
    }

    /// Sweeps once a second while the worker lives.
    pub async fn run(self: Rc<Self>) {
        let name = std::thread::current().name().unwrap_or("a worker").to_owned();
        let heartbeat = self.metrics.watchdog.start(name);
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            heartbeat.beat();
            let now = u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX);
            let passed = now - self.now.replace(now);
            self.end_overdue_closes();
            self.end_late_messages();
            if self.inbox.must_shrink() {
                self.relieve_inbox();
            }
            self.pressure.report();
            if self.pressure.take_over() {
                self.relieve();
            }
            // A late tick also handles the seconds that it missed.
            for second in now.saturating_sub(passed.saturating_sub(1))..=now {
                self.look_after(second);
            }
            self.beat(now, passed);
        }
    }

    fn end_overdue_closes(&self) {
        let now = self.now.get();
        let mut overdue = Vec::new();
        self.closing.borrow_mut().retain(|(deadline, connection)| {
            if connection.is_gone() {
                return false;
            }
            if *deadline > now {
                return true;
            }
            overdue.push(Rc::clone(connection));
            false
        });
        // Ending a connection may close others.
        for connection in overdue {
            connection.hang_up();
        }
    }

    /// Each connection's turn comes once per ping interval, spread over its seconds by index.
    fn look_after(&self, second: u32) {
        let Times { ping_interval, ping_timeout, .. } = self.times;
        if ping_interval == 0 {
            return;
        }
        let connections = self.all.borrow();
        let end = connections.capacity();
        let mut index = (second % ping_interval) as usize;
        while index < end {
            if let Some(connection) =
                connections.get(index).filter(|connection| connection.limits().pings && !connection.is_throttled())
            {
                let silence = connection.silence();
                if silence >= ping_interval + ping_timeout {
                    self.metrics.closed("ping_timeout");
                    connection.abort();
                } else if silence * 2 >= ping_interval {
                    connection.ping();
                }
            }
            index += ping_interval as usize;
        }
    }

    /// The consumers' heartbeats of the last seconds: like pings, each connection's turn comes once per interval, spread
    /// by index. After a tick that came late, answers may have arrived that this worker had no time to read.
    fn beat(&self, now: u32, passed: u32) {
        let is_late = passed > 1;
        for every in self.heartbeats.borrow().iter() {
            for second in (0..passed.min(*every)).map(|ago| now - ago) {
                let connections = self.all.borrow();
                let mut index = (second % every) as usize;
                while index < connections.capacity() {
                    if let Some(connection) = connections.get(index)
                        && let Some(heartbeat) =
                            connection.limits().heartbeat.as_ref().filter(|one| one.every == *every)
                    {
                        connection.beat(heartbeat, is_late);
                    }
                    index += *every as usize;
                }
            }
        }
    }

    /// Whether a connection that opens now is late: its handshake began before the drain.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Closes every connection with 1012, evenly over `period`.
    pub async fn drain(self: Rc<Self>, period: Duration) {
        self.draining.set(true);
        let all: Vec<Rc<Connection>> = self.all.borrow().iter().map(|(_, connection)| Rc::clone(connection)).collect();
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
        let started = tokio::time::Instant::now();
        for (index, connection) in (0u32..).zip(all) {
            tokio::time::sleep_until(started + period * index / count).await;
            connection.restart();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_has_its_full_grace_at_any_time() {
        let server = config::Server { drain_grace: config::Span::seconds(1), ..config::Server::default() };
        let connections = Connections::new(&config::Socket::default(), &server, Metrics::new());
        for millis in [0, 1, 500, 999, 1000, 2999] {
            let said = Duration::from_millis(millis);
            // The sweep works in whole seconds; the first in which it ends the connection begins here.
            let ends = Duration::from_secs(u64::from(connections.end_of_grace(said)));
            assert!(ends - said >= Duration::from_secs(1), "{millis} ms: only {:?}", ends - said);
            assert!(ends - said <= Duration::from_secs(2), "{millis} ms: {:?}", ends - said);
        }
    }
}
