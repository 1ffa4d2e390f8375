//! What waits for all clients of a worker together, and whether it is too much for the node.
//!
//! In: bytes that come to wait, or wait no more. Out: the gauge of the node, exact to a lump per worker, and the word that
//! some outboxes must go. A frame that waits in many outboxes of a worker is counted once, as it is in memory once. Nothing
//! here is touched by a delivery that the kernel takes at once.

use std::cell::{Cell, RefCell};

use slab::Slab;

use crate::{
    config,
    telemetry::{DropCounter, DropReason, Metrics},
};

/// What a worker keeps to itself before it tells the node.
const LUMP: usize = 64 << 10;

/// Of the limit, in percent, what is left when enough has gone.
const RELIEVED: usize = 90;

/// The waiting bytes of one worker, beside those of the node.
pub struct Pressure {
    metrics: Metrics,
    /// Of the node; 0 is none.
    limit: usize,
    /// The worker's even part of it: below that it closes nobody for what others hold.
    share: usize,
    own: Cell<usize>,
    told: Cell<usize>,
    over: Cell<bool>,
    /// Places in the roster of the connections that are behind.
    behind: RefCell<Slab<u32>>,
    pub(super) oldest: DropCounter,
    pub(super) superseded: DropCounter,
}

impl Pressure {
    pub(super) fn new(socket: &config::Socket, server: &config::Server, metrics: Metrics) -> Self {
        Self {
            limit: socket.outbox_total,
            share: socket.outbox_total / server.worker_threads(),
            own: Cell::default(),
            told: Cell::default(),
            over: Cell::default(),
            behind: RefCell::default(),
            oldest: metrics.drop_counter(DropReason::Oldest),
            superseded: metrics.drop_counter(DropReason::Superseded),
            metrics,
        }
    }

    fn lump(&self) -> usize {
        if self.limit == 0 { LUMP } else { (self.share / 16).min(LUMP) }
    }

    pub(super) fn more(&self, bytes: usize) {
        self.own.set(self.own.get() + bytes);
        if self.own.get() > self.told.get() + self.lump() {
            self.tell();
        }
    }

    pub(super) fn less(&self, bytes: usize) {
        self.own.set(self.own.get() - bytes);
        if self.own.get() == 0 || self.own.get() + self.lump() < self.told.get() {
            self.tell();
        }
    }

    /// Tells the node, and looks whether all of it is too much.
    pub(super) fn tell(&self) {
        let (own, told) = (self.own.get(), self.told.replace(self.own.get()));
        let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.metrics.outbox_bytes.inc_by(signed(own) - signed(told));
        self.over.set(self.limit > 0 && own > self.share && self.total() > self.limit);
    }

    fn total(&self) -> usize {
        usize::try_from(self.metrics.outbox_bytes.get()).unwrap_or(0)
    }

    /// Whether the worker has to let some of what waits go. Once asked for, not again before more has come.
    pub(super) fn take_over(&self) -> bool {
        self.over.replace(false)
    }

    /// Whether enough has gone.
    pub(super) fn is_relieved(&self) -> bool {
        self.tell();
        self.over.set(false);
        let part = |limit: usize| limit / 100 * RELIEVED;
        self.total() <= part(self.limit) || self.own.get() <= part(self.share)
    }

    /// A connection of this place is behind; gives the number under which it is listed.
    pub(super) fn enter(&self, place: u32) -> usize {
        self.behind.borrow_mut().insert(place)
    }

    /// Its place, where it has one only now.
    pub(super) fn place(&self, number: usize, place: u32) {
        if let Some(known) = self.behind.borrow_mut().get_mut(number) {
            *known = place;
        }
    }

    pub(super) fn leave(&self, number: usize) {
        let mut behind = self.behind.borrow_mut();
        behind.try_remove(number);
        if behind.is_empty() {
            behind.shrink_to_fit();
        }
    }

    /// The places of those that are behind.
    pub(super) fn behind(&self) -> Vec<u32> {
        self.behind.borrow().iter().map(|(_, place)| *place).collect()
    }
}
