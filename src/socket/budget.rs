//! Counts bytes that all clients of a worker hold together, and detects when the node's total exceeds its limit.
//!
//! In: added and released bytes, and their holders. Out: the node's gauge, exact to one lump per worker, and whether
//! some bytes must be released. Connections that hold no bytes cost nothing here.

use std::{
    cell::{Cell, RefCell},
    sync::atomic::AtomicI64,
};

use prometheus_client::metrics::gauge::Gauge;
use slab::Slab;

/// Bytes that may change before a worker updates the node's gauge.
const LUMP: usize = 64 << 10;

/// Percentage of the limit that remains after relief.
const RELIEVED: usize = 90;

/// The bytes of one worker, the node's total, and the list of holders.
pub struct Budget<T> {
    /// The node's total.
    gauge: Gauge<i64, AtomicI64>,
    /// The node's limit; 0: no limit.
    limit: usize,
    /// The worker's even share: below it the worker releases nothing because of others.
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

    /// Updates the node's gauge, and checks the total.
    pub(super) fn report(&self) {
        let (own, reported) = (self.used.get(), self.reported.replace(self.used.get()));
        let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        if own != reported {
            self.gauge.inc_by(signed(own) - signed(reported));
        }
        self.over.set(self.is_over());
    }

    /// Whether the node's total exceeds its limit, and the worker exceeds its share.
    pub(super) fn is_over(&self) -> bool {
        self.limit > 0 && self.used.get() > self.share && self.total() > self.limit
    }

    fn total(&self) -> usize {
        usize::try_from(self.gauge.get()).unwrap_or(0)
    }

    /// Whether the worker must release some bytes. True once, and again only after more bytes were added.
    pub(super) fn take_over(&self) -> bool {
        self.over.replace(false)
    }

    /// Whether enough was released.
    pub(super) fn is_relieved(&self) -> bool {
        self.report();
        self.over.set(false);
        let part = |limit: usize| limit / 100 * RELIEVED;
        self.total() <= part(self.limit) || self.used.get() <= part(self.share)
    }

    /// Adds a holder; returns its number.
    pub(super) fn enter(&self, holder: T) -> usize {
        self.holders.borrow_mut().insert(holder)
    }

    /// Changes the holder with this number.
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

    /// All holders, with their numbers.
    pub(super) fn holders(&self) -> Vec<(usize, T)> {
        self.holders.borrow().iter().map(|(number, holder)| (number, holder.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_above_its_share_releases_and_ninety_percent_are_left() {
        let gauge = Gauge::<i64, AtomicI64>::default();
        let [small, large] = [1, 2].map(|_| Budget::<()>::new(100 << 20, 2, gauge.clone()));
        small.more(45 << 20);
        large.more(54 << 20);
        assert!(!small.take_over() && !large.take_over());
        large.more(2 << 20);
        small.report();
        assert!(!small.take_over() && large.take_over() && !large.take_over(), "the larger one, once");
        large.less(5 << 20);
        assert!(!large.is_relieved(), "96 % are left");
        large.less(7 << 20);
        assert!(large.is_relieved() && small.is_relieved(), "89 % are left");
        // The gauge is exact to 64 KiB per worker.
        let known = gauge.get();
        large.more(64 << 10);
        assert_eq!(gauge.get(), known);
        large.more(1);
        assert_eq!(gauge.get(), known + (64 << 10) + 1);
    }
}
