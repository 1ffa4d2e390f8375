//! One worker's members of one audience, and their pending deliveries.

use super::{delivery::Queued, job::Job, member::Seat, registry::AudienceId};
use crate::{
    consumer::{ConsumerId, MemberIndex},
    event::GroupName,
};

/// In a group with fewer members each is asked: an index would not pay.
const INDEXED: usize = 16;

/// One worker's members of one audience.
pub(super) struct Group {
    pub name: GroupName,
    pub consumer: ConsumerId,
    pub audience: AudienceId,
    /// Holes are kept, so that a running job's position stays valid. An empty slot that is not free belongs to a
    /// member whose join is not confirmed yet.
    pub members: Vec<Option<Seat>>,
    /// Seats without a connection: of members that are held, or that serve calls.
    apart: u32,
    free: Vec<u32>,
    pub pending: Vec<Queued>,
    /// Boxed, because there are many groups and most have nothing to deliver.
    pub job: Option<Box<Job>>,
    /// Whether it is in the ready queue.
    pub queued: bool,
    /// Boxed, because nearly all groups have nothing of it.
    more: Option<Box<More>>,
}

/// What few groups have.
#[derive(Default)]
struct More {
    /// Members that joined while deliveries were pending, which are not for them.
    late: Vec<Late>,
    /// The members' values, once an event with a condition has come.
    index: Option<MemberIndex>,
}

/// A job whose conditions an index of the members' values answers.
pub(super) struct Selected<'a> {
    pub job: &'a mut Job,
    pub members: &'a [Option<Seat>],
    /// Whether seats lack their connection.
    pub some_are_apart: bool,
    pub index: &'a mut MemberIndex,
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
            apart: 0,
            free: Vec::new(),
            pending: Vec::new(),
            job: None,
            queued: false,
            more: None,
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
        self.set(index, Some(seat));
        self.forget(index);
        if self.queued {
            self.more.get_or_insert_default().late.push(Late { index, after: last });
        }
    }

    /// Seats the member of this slot again, which is held from now on, or is not held any more.
    pub fn reseat(&mut self, index: usize, seat: impl FnOnce() -> Seat) {
        if self.members.get(index).is_some_and(Option::is_some) {
            self.set(index, Some(seat()));
        }
    }

    fn set(&mut self, index: usize, seat: Option<Seat>) {
        let is_apart = |seat: &Option<Seat>| u32::from(seat.as_ref().is_some_and(|seat| seat.connection.is_none()));
        self.apart = self.apart + is_apart(&seat) - is_apart(&self.members[index]);
        self.members[index] = seat;
    }

    /// The values of the member in this slot have changed.
    pub fn forget(&mut self, index: usize) {
        if let Some(known) = self.more.as_mut().and_then(|more| more.index.as_mut()) {
            known.forget(index);
        }
    }

    /// What an index answers for, if conditions say who gets what.
    pub fn selected(&mut self) -> Option<Selected<'_>> {
        let job = self.job.as_deref_mut().filter(|job| job.is_selective)?;
        let consumer = job.selections().next()?.consumer();
        if self.members.len() < INDEXED {
            return None;
        }
        let index = self.more.get_or_insert_default().index.get_or_insert_with(|| MemberIndex::new(consumer));
        Some(Selected { job, members: &self.members, some_are_apart: self.apart > 0, index })
    }

    /// Frees a slot; returns whether the group is empty.
    pub fn give_back(&mut self, index: u32) -> bool {
        self.set(index as usize, None);
        self.forget(index as usize);
        self.free.push(index);
        self.len() == 0
    }

    /// The number of members, including those whose join is not confirmed yet.
    pub const fn len(&self) -> usize {
        self.members.len() - self.free.len()
    }

    /// Makes a job of what is pending, unless one is running.
    pub fn begin(&mut self) -> Option<&mut Job> {
        if self.job.is_some() || self.pending.is_empty() {
            return None;
        }
        let job = Job::new(std::mem::take(&mut self.pending));
        // Those who joined before all of it need no record any more: a busy group may have new deliveries for ever.
        if let Some(more) = &mut self.more {
            more.late.retain(|late| late.after >= job.numbers().0);
            self.tidy();
        }
        self.job = Some(Box::new(job));
        self.job.as_deref_mut()
    }

    pub const fn has_more(&self) -> bool {
        self.job.is_some() || !self.pending.is_empty()
    }

    /// Everything is delivered.
    pub fn rest(&mut self) {
        self.queued = false;
        if let Some(more) = &mut self.more {
            more.late = Vec::new();
            self.tidy();
        }
    }

    fn tidy(&mut self) {
        self.more.take_if(|more| more.late.is_empty() && more.index.is_none());
    }

    /// Whether a member joined while deliveries were pending.
    pub fn has_late(&self) -> bool {
        self.more.as_ref().is_some_and(|more| !more.late.is_empty())
    }

    /// The number of the last message that is not for this slot's member, because it joined later, or 0.
    pub fn late(&self, index: usize) -> u64 {
        let late = self.more.iter().flat_map(|more| &more.late).filter(|late| late.index == index);
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

    /// Bytes of the deliveries for its members in the worker's backlog.
    pub fn backlog(&self) -> usize {
        let pending = self.pending.iter().map(|queued| queued.backlog).sum::<usize>();
        pending + self.job.as_ref().map_or(0, |job| job.backlog())
    }
}
