//! What a worker can say of its members when the node is asked.

use std::{collections::HashSet, rc::Rc, sync::Arc};

use super::{group::Group, member::Member, shard::Shard};
use crate::{consumer::ConsumerId, event::GroupName};

/// One member that has an id, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its id.
    pub id: Arc<str>,
    /// Its groups, with the consumer through which it is in each.
    pub groups: Vec<(GroupName, ConsumerId)>,
}

impl Shard {
    /// The members of a consumer's group that have an id, and all groups they are in.
    pub fn whereabouts(&self, group: &GroupName, consumer: ConsumerId) -> Vec<Whereabouts> {
        let groups = self.groups.borrow();
        let of = |member: &Rc<Member>| {
            let places = member.places.borrow();
            let groups = places.iter().filter_map(|place| groups.by_audience.get(&place.audience));
            let groups = groups.map(|group| (group.name.clone(), group.consumer)).collect();
            Some(Whereabouts { id: Arc::clone(member.id()?), groups })
        };
        let found = groups.by_name.get(&(group.clone(), consumer));
        let found = found.and_then(|audience| groups.by_audience.get(audience));
        found.into_iter().flat_map(members).filter_map(of).collect()
    }

    /// How many members are in at least one of these groups, or known by one of these ids.
    pub fn reach(&self, named: &[(GroupName, ConsumerId)], ids: &[Arc<str>]) -> usize {
        let groups = self.groups.borrow();
        let mut reached: HashSet<*const Member> = HashSet::new();
        for key in named {
            let found = groups.by_name.get(key).and_then(|audience| groups.by_audience.get(audience));
            reached.extend(found.into_iter().flat_map(members).map(Rc::as_ptr));
        }
        reached.extend(ids.iter().filter_map(|id| groups.by_id.get(id)).map(Rc::as_ptr));
        reached.len()
    }
}

fn members(group: &Group) -> impl Iterator<Item = &Rc<Member>> {
    group.members.iter().flatten().map(|seat| &seat.member)
}
