//! The members of a worker by their ids.
//!
//! There are many: an entry is one pointer, and its key is the id in the member itself.

use std::{
    borrow::Borrow,
    collections::HashSet,
    hash::{Hash, Hasher},
    rc::Rc,
};

use super::member::Member;
use crate::{event::ConnectionId, sparse};

/// The members of a worker that have an id.
#[derive(Default)]
pub(super) struct Directory(HashSet<Entry>);

/// A member, known by its id.
struct Entry(Rc<Member>);

impl Borrow<Option<ConnectionId>> for Entry {
    fn borrow(&self) -> &Option<ConnectionId> {
        &self.0.id
    }
}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Entry {}

impl Directory {
    /// The member with this id.
    pub fn get(&self, id: ConnectionId) -> Option<&Rc<Member>> {
        self.0.get(&Some(id)).map(|entry| &entry.0)
    }

    /// The member with the id of this text.
    pub fn find(&self, id: &str) -> Option<&Rc<Member>> {
        self.get(ConnectionId::parse(id)?)
    }

    /// Adds a member, if it has an id.
    pub fn add(&mut self, member: &Rc<Member>) {
        if member.id.is_some() {
            self.0.replace(Entry(Rc::clone(member)));
        }
    }

    /// Removes this very member; returns whether it was known.
    pub fn remove(&mut self, member: &Member) -> bool {
        let is_known = self.0.get(&member.id).is_some_and(|known| std::ptr::eq(&raw const *known.0, member));
        if is_known {
            self.0.remove(&member.id);
            sparse::give_back_set(&mut self.0);
        }
        is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_pointer() {
        assert_eq!(size_of::<Entry>(), size_of::<usize>());
    }
}
