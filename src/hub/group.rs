//! One worker's members of one audience, and their pending deliveries.

use std::rc::Rc;

use super::{delivery::Queued, job::Job, member::Member, registry::AudienceId};
use crate::{consumer::ConsumerId, event::GroupName, socket::Connection};

/// The id of a multi-group delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct MultiGroupId(pub u64);

/// One worker's members of one audience.
pub(super) struct Group {
    pub name: GroupName,
    pub consumer: ConsumerId,
    pub audience: AudienceId,
    /// Holes are kept, so that a running job's position stays valid. An empty slot that is not free belongs to a
    /// waiting member.
    pub members: Vec<Option<GroupMember>>,
    free: Vec<u32>,
    pub pending: Vec<Queued>,
    /// Boxed, because there are many groups and most have nothing to deliver.
    pub job: Option<Box<Job>>,
    /// Whether it is in the ready queue, or held at a barrier.
    pub queued: bool,
    /// The barriers between pending deliveries; nearly always none.
    #[expect(clippy::box_collection, reason = "nearly all groups have none: 8 bytes instead of 24")]
    barriers: Option<Box<Vec<Barrier>>>,
}

/// A member's slot in a group. It contains the connection, so that a delivery to all members touches nothing else of
/// the member.
pub(super) struct GroupMember {
    pub connection: Rc<Connection>,
    pub member: Rc<Member>,
}

impl GroupMember {
    pub fn of(member: &Rc<Member>) -> Self {
        Self { connection: Rc::clone(&member.connection), member: Rc::clone(member) }
    }
}

/// A multi-group delivery in the queue of a group, after this many of its pending deliveries.
struct Barrier {
    behind: usize,
    delivery: MultiGroupId,
    reached: bool,
}

/// The next action of a group.
pub(super) enum Next {
    /// Deliver.
    Job(Job),
    /// Wait for this multi-group delivery, which it has just reached.
    MultiGroup(MultiGroupId),
    Nothing,
}

impl Group {
    pub fn new(name: GroupName, consumer: ConsumerId, audience: AudienceId) -> Self {
        Self {
            name,
            consumer,
            audience,
            members: Vec::new(),
            free: Vec::new(),
            pending: Vec::new(),
            job: None,
            queued: false,
            barriers: None,
        }
    }

    /// A slot for one more member, occupied or reserved.
    pub fn take_slot(&mut self, one: Option<GroupMember>) -> u32 {
        match self.free.pop() {
            Some(index) => {
                self.members[index as usize] = one;
                index
            }
            None => {
                if self.members.is_empty() {
                    // There are many groups, and many have one member.
                    self.members.reserve_exact(1);
                }
                self.members.push(one);
                u32::try_from(self.members.len() - 1).unwrap_or(u32::MAX)
            }
        }
    }

    /// Frees a slot; returns whether the group is empty.
    pub fn give_back(&mut self, index: u32) -> bool {
        self.members[index as usize] = None;
        self.free.push(index);
        self.len() == 0
    }

    /// The number of members, waiting ones included.
    pub const fn len(&self) -> usize {
        self.members.len() - self.free.len()
    }

    /// Inserts a multi-group delivery after all current pending deliveries and before later ones.
    pub fn hold_for(&mut self, id: MultiGroupId) {
        let barrier = Barrier { behind: self.pending.len(), delivery: id, reached: false };
        self.barriers.get_or_insert_default().push(barrier);
    }

    /// The multi-group delivery at the end of its queue, with nothing after it.
    pub fn tail(&self) -> Option<MultiGroupId> {
        let last = self.barriers.as_ref()?.last()?;
        (last.behind == self.pending.len()).then_some(last.delivery)
    }

    /// The next deliveries up to a barrier, if no job is running.
    pub fn next(&mut self) -> Next {
        let Some(barriers) = &mut self.barriers else {
            return if self.pending.is_empty() {
                Next::Nothing
            } else {
                Next::Job(Job::new(std::mem::take(&mut self.pending)))
            };
        };
        let Some(first) = barriers.first_mut() else { return Next::Nothing };
        if first.behind == 0 {
            first.reached = true;
            return Next::MultiGroup(first.delivery);
        }
        let count = first.behind;
        for barrier in barriers.iter_mut() {
            barrier.behind -= count;
        }
        Next::Job(Job::new(self.pending.drain(..count).collect()))
    }

    /// A multi-group delivery is finished: continues after it. Returns whether the group waited for this multi-group
    /// delivery; a group created since did not.
    pub fn release(&mut self, id: MultiGroupId) -> bool {
        let Some(barriers) = &mut self.barriers else { return false };
        let before = barriers.len();
        barriers.retain(|barrier| barrier.delivery != id);
        let waited = barriers.len() < before;
        if barriers.is_empty() {
            self.barriers = None;
        }
        waited
    }

    pub fn has_more(&self) -> bool {
        self.job.is_some() || !self.pending.is_empty() || self.barriers.is_some()
    }

    /// The multi-group deliveries that still wait for this group.
    pub fn awaited_by(&self) -> impl Iterator<Item = MultiGroupId> {
        self.barriers.iter().flat_map(|all| all.iter()).filter(|one| !one.reached).map(|barrier| barrier.delivery)
    }

    /// Bytes of the deliveries pending for its members.
    pub fn bytes(&self) -> usize {
        self.pending.iter().map(Queued::size).sum::<usize>() + self.job.as_ref().map_or(0, |job| job.bytes())
    }
}
