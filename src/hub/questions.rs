//! Answers questions about a worker's members.

use std::{collections::HashSet, rc::Rc, sync::Arc};

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

fn members(group: &Group) -> impl Iterator<Item = &Rc<Member>> {
    group.members.iter().flatten().map(|one| &one.member)
}
