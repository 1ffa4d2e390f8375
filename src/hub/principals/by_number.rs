//! Principals in the order of a number: a user, a token, or the end of a login.
//!
//! An entry is a number and a pointer. Because several principals may share a number, the pointer's address is a part of
//! the order; it is not kept a second time, since each principal has two entries.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::BTreeSet,
    ops::Bound,
    rc::{Rc, Weak},
};

use super::Principal;

/// Principals in the order of a number.
#[derive(Default)]
pub struct ByNumber(BTreeSet<Entry>);

impl ByNumber {
    pub fn insert(&mut self, number: u64, principal: Weak<Principal>) {
        self.0.insert(Entry(number, principal));
    }

    /// Removes the principal at this address.
    pub fn remove(&mut self, number: u64, address: usize) {
        self.0.remove(&(number, address) as &dyn Place);
    }

    /// All with a number.
    pub fn with(&self, number: u64) -> impl Iterator<Item = Rc<Principal>> + '_ {
        let (first, last) = ((number, 0), (number, usize::MAX));
        let range: (Bound<&dyn Place>, Bound<&dyn Place>) = (Bound::Included(&first), Bound::Included(&last));
        self.0.range::<dyn Place, _>(range).filter_map(|Entry(_, one)| one.upgrade())
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest number.
    pub fn first(&self) -> Option<u64> {
        self.0.first().map(|Entry(number, _)| *number)
    }

    /// Removes the first one, and returns it if it is still there.
    pub fn pop_first(&mut self) -> Option<Rc<Principal>> {
        self.0.pop_first().and_then(|Entry(_, one)| one.upgrade())
    }
}

/// A principal by one of its numbers.
struct Entry(u64, Weak<Principal>);

/// A number and an address. As a trait, so that an entry is found by its place without a pointer.
trait Place {
    fn place(&self) -> (u64, usize);
}

impl Place for (u64, usize) {
    fn place(&self) -> (u64, usize) {
        *self
    }
}

impl Place for Entry {
    fn place(&self) -> (u64, usize) {
        (self.0, self.1.as_ptr().addr())
    }
}

impl PartialEq for dyn Place + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for dyn Place + '_ {}

impl PartialOrd for dyn Place + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Place + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl<'a> Borrow<dyn Place + 'a> for Entry {
    fn borrow(&self) -> &(dyn Place + 'a) {
        self
    }
}
