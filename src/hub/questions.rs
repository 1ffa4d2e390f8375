//! Answers questions about a worker's members.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
    rc::Rc,
    sync::Arc,
};

use super::{group::Group, member::Member, shard::Shard};
use crate::{consumer::ConsumerId, event::GroupName};

/// A member with an id, and its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its id.
    pub id: Arc<str>,
    /// Its groups, each with the consumer through which it is a member.
    pub groups: Vec<(GroupName, ConsumerId)>,
}

impl Shard {
    /// The members of a consumer's group that have an id, with all their groups.
    pub fn locations(&self, group: &GroupName, consumer: ConsumerId) -> Vec<Location> {
        let groups = self.groups.borrow();
        let of = |member: &Rc<Member>| {
            let slots = member.slots.borrow();
            let groups = slots.iter().filter_map(|slot| groups.by_audience.get(&slot.audience));
            let groups = groups.map(|group| (group.name.clone(), group.consumer)).collect();
            Some(Location { id: Arc::from(&*member.id()?.text()), groups })
        };
        let found = groups.by_name.get(&(group.clone(), consumer));
        let found = found.and_then(|audience| groups.by_audience.get(audience));
        found.into_iter().flat_map(members).filter_map(of).collect()
    }

    /// The number of members that are in at least one of these groups or have one of these ids.
    pub fn reach(&self, named: &[(GroupName, ConsumerId)], ids: &[Arc<str>]) -> usize {
        let groups = self.groups.borrow();
        let mut reached: HashSet<*const Member> = HashSet::new();
        for key in named {
            let found = groups.by_name.get(key).and_then(|audience| groups.by_audience.get(audience));
            reached.extend(found.into_iter().flat_map(members).map(Rc::as_ptr));
        }
        reached.extend(ids.iter().filter_map(|id| groups.by_id.find(id)).map(Rc::as_ptr));
        reached.len()
    }
}

impl Shard {
    /// The names of this worker's largest groups, at most `most`, of those that `which` accepts. It walks over all groups
    /// of the worker, and looks at no member.
    pub fn largest_groups(&self, most: usize, which: impl Fn(&GroupName) -> bool) -> Vec<GroupName> {
        let groups = self.groups.borrow();
        let mut largest = BinaryHeap::with_capacity(most + 1);
        for group in groups.by_audience.values().filter(|group| which(&group.name)) {
            let entry = Reverse((group.len(), group.audience));
            if largest.len() < most {
                largest.push(entry);
            } else if let Some(mut smallest) = largest.peek_mut()
                && entry < *smallest
            {
                *smallest = entry;
            }
        }
        let named = largest.iter().filter_map(|Reverse((_, audience))| groups.by_audience.get(audience));
        named.map(|group| group.name.clone()).collect()
    }

    /// The number of this worker's members in each of these groups. One who is in a group through several consumers counts
    /// once.
    pub fn sizes(&self, names: &[GroupName]) -> Vec<u64> {
        let groups = self.groups.borrow();
        let size = |name: &GroupName| {
            let mut consumers = Vec::new();
            self.registry().audiences(name, |audience| consumers.push(audience.consumer));
            let audiences = consumers.iter().filter_map(|consumer| groups.by_name.get(&(name.clone(), *consumer)));
            let found: Vec<&Group> = audiences.filter_map(|audience| groups.by_audience.get(audience)).collect();
            match found.as_slice() {
                [one] => one.len() as u64,
                several => {
                    let distinct: HashSet<*const Member> =
                        several.iter().copied().flat_map(members).map(Rc::as_ptr).collect();
                    distinct.len() as u64
                }
            }
        };
        names.iter().map(size).collect()
    }
}

fn members(group: &Group) -> impl Iterator<Item = &Rc<Member>> {
    group.members.iter().flatten().map(|one| &one.member)
}
