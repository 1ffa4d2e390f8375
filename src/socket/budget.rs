//! A kind of bytes that all clients of a worker hold together, and whether it is too much for the node.
//!
//! In: bytes that come to be held, or are no more, and what holds them. Out: the gauge of the node, exact to a lump per
//! worker, and the word that some of it must go. Nothing here is touched by what holds nothing.

use std::{
    cell::{Cell, RefCell},
    sync::atomic::AtomicI64,
};

use prometheus_client::metrics::gauge::Gauge;
use slab::Slab;

/// What a worker keeps to itself before it tells the node.
const LUMP: usize = 64 << 10;

/// Of the limit, in percent, what is left when enough has gone.
const RELIEVED: usize = 90;

/// The bytes of one worker, beside those of the node, and the list of those that hold them.
pub struct Budget<T> {
    /// Of the node.
    gauge: Gauge<i64, AtomicI64>,
    /// Of the node; 0 is none.
    limit: usize,
    /// The worker's even part of it: below that it takes nothing away for what others hold.
    share: usize,
    used: Cell<usize>,
    reported: Cell<usize>,
    over: Cell<bool>,
    holders: RefCell<Slab<T>>,
}

impl<T: Clone> Budget<T> {
    pub(super) fn new(limit: usize, workers: usize, gauge: Gauge<i64, AtomicI64>) -> Self {
        Self {
            gauge,
            limit,
            share: limit / workers,
            used: Cell::default(),
            reported: Cell::default(),
            over: Cell::default(),
            holders: RefCell::default(),
        }
    }

    fn lump(&self) -> usize {
        if self.limit == 0 { LUMP } else { (self.share / 16).min(LUMP) }
    }

    pub(super) fn more(&self, bytes: usize) {
        self.used.set(self.used.get() + bytes);
        if self.used.get() > self.reported.get() + self.lump() {
            self.report();
        }
    }

    pub(super) fn less(&self, bytes: usize) {
        self.used.set(self.used.get() - bytes);
        if self.used.get() == 0 || self.used.get() + self.lump() < self.reported.get() {
            self.report();
        }
    }

    /// Tells the node, and looks whether all of it is too much.
    pub(super) fn report(&self) {
        let (own, told) = (self.used.get(), self.reported.replace(self.used.get()));
        let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        if own != told {
            self.gauge.inc_by(signed(own) - signed(told));
        }
        self.over.set(self.is_over());
    }

    /// Whether it is too much for the node, and some of it is the worker's.
    pub(super) fn is_over(&self) -> bool {
        self.limit > 0 && self.used.get() > self.share && self.total() > self.limit
    }

    fn total(&self) -> usize {
        usize::try_from(self.gauge.get()).unwrap_or(0)
    }

    /// Whether the worker has to let some of it go. Once asked for, not again before more has come.
    pub(super) fn take_over(&self) -> bool {
        self.over.replace(false)
    }

    /// Whether enough has gone.
    pub(super) fn is_relieved(&self) -> bool {
        self.report();
        self.over.set(false);
        let part = |limit: usize| limit / 100 * RELIEVED;
        self.total() <= part(self.limit) || self.used.get() <= part(self.share)
    }

    /// Something holds bytes; gives the number under which it is listed.
    pub(super) fn enter(&self, holder: T) -> usize {
        self.holders.borrow_mut().insert(holder)
    }

    /// Changes what is listed under a number.
    pub(super) fn change(&self, number: usize, change: impl FnOnce(&mut T)) {
        if let Some(holder) = self.holders.borrow_mut().get_mut(number) {
            change(holder);
        }
    }

    pub(super) fn leave(&self, number: usize) -> Option<T> {
        let mut holders = self.holders.borrow_mut();
        let holder = holders.try_remove(number);
        if holders.is_empty() {
            holders.shrink_to_fit();
        }
        holder
    }

    /// Those that hold something, with their numbers.
    pub(super) fn holders(&self) -> Vec<(usize, T)> {
        self.holders.borrow().iter().map(|(number, holder)| (number, holder.clone())).collect()
    }
}
