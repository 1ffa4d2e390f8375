//! One worker's members of one audience, and their pending deliveries.

use super::{delivery::Queued, job::Job, member::Seat, registry::AudienceId};
use crate::{consumer::ConsumerId, event::GroupName};

/// One worker's members of one audience.
pub(super) struct Group {
    pub name: GroupName,
    pub consumer: ConsumerId,
    pub audience: AudienceId,
    /// Holes are kept, so that a running job's position stays valid. An empty slot that is not free belongs to a
    /// member whose join is not confirmed yet.
    pub members: Vec<Option<Seat>>,
    free: Vec<u32>,
    pub pending: Vec<Queued>,
    /// Boxed, because there are many groups and most have nothing to deliver.
    pub job: Option<Box<Job>>,
    /// Whether it is in the ready queue.
    pub queued: bool,
    /// Members that joined while deliveries were pending, which are not for them.
    #[expect(clippy::box_collection, reason = "nearly all groups have none: 8 bytes instead of 24")]
    late: Option<Box<Vec<Late>>>,
}

/// A slot that was taken after the message with this number had arrived.
struct Late {
    index: usize,
    after: u64,
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
            late: None,
        }
    }

    /// Reserves a slot for one more member.
    pub fn reserve(&mut self) -> u32 {
        match self.free.pop() {
            Some(index) => index,
            None => {
                if self.members.is_empty() {
                    // There are many groups, and many have one member.
                    self.members.reserve_exact(1);
                }
                self.members.push(None);
                u32::try_from(self.members.len() - 1).unwrap_or(u32::MAX)
            }
        }
    }

    /// Seats a member in its slot. It gets the messages after the one with this number, the last that has arrived.
    pub fn seat(&mut self, index: usize, seat: Seat, last: u64) {
        self.members[index] = Some(seat);
        if self.queued {
            self.late.get_or_insert_default().push(Late { index, after: last });
        }
    }

    /// Frees a slot; returns whether the group is empty.
    pub fn give_back(&mut self, index: u32) -> bool {
        self.members[index as usize] = None;
        self.free.push(index);
        self.len() == 0
    }

    /// The number of members, including those whose join is not confirmed yet.
    pub const fn len(&self) -> usize {
        self.members.len() - self.free.len()
    }

    /// Makes a job of what is pending, if there is none.
    pub fn begin(&mut self) -> Option<&mut Job> {
        let first = self.pending.first().filter(|_| self.job.is_none())?.number;
        // A group that never rests would keep the joins of its whole life.
        self.late.take_if(|late| {
            late.retain(|one| one.after >= first);
            late.is_empty()
        });
        self.job = Some(Box::new(Job::new(std::mem::take(&mut self.pending))));
        self.job.as_deref_mut()
    }

    pub const fn has_more(&self) -> bool {
        self.job.is_some() || !self.pending.is_empty()
    }

    /// Everything is delivered.
    pub fn rest(&mut self) {
        self.queued = false;
        self.late = None;
    }

    /// Whether a member joined while deliveries were pending.
    pub const fn has_late(&self) -> bool {
        self.late.is_some()
    }

    /// The number of the last message that is not for this slot's member, because it joined later; 0 if there is none.
    pub fn late(&self, index: usize) -> u64 {
        let late = self.late.iter().flat_map(|all| all.iter()).filter(|late| late.index == index);
        late.map(|late| late.after).max().unwrap_or(0)
    }

    /// What is still to be delivered to the member in this slot.
    pub fn pending_for(&self, index: usize) -> impl Iterator<Item = &Queued> {
        let is_seated = self.members.get(index).is_some_and(Option::is_some);
        let after = if is_seated { self.late(index) } else { u64::MAX };
        let running = self.job.as_deref().filter(|job| job.position <= index);
        let running = running.map_or(&[][..], Job::deliveries);
        running.iter().chain(&self.pending).filter(move |queued| queued.number > after)
    }

    /// Bytes of the deliveries pending for its members.
    pub fn bytes(&self) -> usize {
        self.pending.iter().map(Queued::size).sum::<usize>() + self.job.as_ref().map_or(0, |job| job.bytes())
    }
}
