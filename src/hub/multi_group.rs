//! Delivers one message to the union of several groups: each member gets it once, and in its right place among the
//! events of every group concerned.
//!
//! A multi-group delivery holds each of its groups at its position in that group's queue. When all of them have
//! reached it, it is delivered to all of them, and then they continue. All unions of a worker are accepted in one
//! order, so two can never wait for each other.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    rc::Rc,
};

use super::{
    delivery::Queued,
    group::{Group, MultiGroupId},
    job::{Job, Tally},
    member::Member,
    registry::AudienceId,
};

/// Messages for one union, one after the other.
pub(super) struct MultiGroupDelivery {
    /// The audiences that get them.
    audiences: Vec<AudienceId>,
    /// Members addressed individually.
    single: Vec<Rc<Member>>,
    /// The groups that are held: those of `audiences`, and those of the individual members that had pending deliveries.
    held: Vec<AudienceId>,
    /// How many of them have not reached it.
    awaited: usize,
    pending: Vec<Queued>,
    running: Option<Started>,
}

/// A finished multi-group delivery.
pub(super) struct Finished {
    pub audiences: Vec<AudienceId>,
    pub job: Job,
}

struct Started {
    job: Job,
    /// The audience being served; its members from the job's position on.
    audience: usize,
    /// The members served, by address. A member with the address of one that has gone meanwhile joined after these
    /// messages.
    seen: HashSet<*const Member>,
}

/// The multi-group deliveries of one worker.
#[derive(Default)]
pub(super) struct MultiGroupDeliveries {
    by_id: HashMap<MultiGroupId, MultiGroupDelivery>,
    next: u64,
}

type GroupsById = HashMap<AudienceId, Group>;

impl MultiGroupDeliveries {
    /// Queues a message in its groups; it is ready at once if no group is concerned.
    pub fn add(
        &mut self,
        groups: &mut GroupsById,
        audiences: Vec<AudienceId>,
        single: Vec<Rc<Member>>,
        waiting: Queued,
        ready: &mut VecDeque<Turn>,
    ) {
        if let Some(same) = self.same(groups, &audiences, &single) {
            same.pending.push(waiting);
            return;
        }
        let id = MultiGroupId(self.next);
        self.next += 1;
        let mut held = audiences.clone();
        for slot in single.iter().flat_map(|member| member.slots.borrow().clone()) {
            if !held.contains(&slot.audience) && groups.get(&slot.audience).is_some_and(|group| group.queued) {
                held.push(slot.audience);
            }
        }
        for audience in &held {
            let Some(group) = groups.get_mut(audience) else { continue };
            group.hold_for(id);
            if !group.queued {
                group.queued = true;
                ready.push_back(Turn::Group(*audience));
            }
        }
        let awaited = held.len();
        if awaited == 0 {
            ready.push_back(Turn::MultiGroup(id));
        }
        let delivery = MultiGroupDelivery { audiences, single, held, awaited, pending: vec![waiting], running: None };
        self.by_id.insert(id, delivery);
    }

    /// A multi-group delivery of the same union that has not begun and has nothing queued after it in any of its
    /// groups.
    fn same(
        &mut self,
        groups: &GroupsById,
        audiences: &[AudienceId],
        single: &[Rc<Member>],
    ) -> Option<&mut MultiGroupDelivery> {
        if !single.is_empty() {
            return None;
        }
        let tail = |audience: &AudienceId| groups.get(audience).and_then(Group::tail);
        let id = tail(audiences.first()?)?;
        let last_everywhere = audiences.iter().all(|audience| tail(audience) == Some(id));
        self.by_id.get_mut(&id).filter(|delivery| {
            last_everywhere
                && delivery.running.is_none()
                && delivery.audiences == audiences
                && delivery.single.is_empty()
        })
    }

    /// One more group has reached it, or is gone.
    pub fn reached(&mut self, id: MultiGroupId, ready: &mut VecDeque<Turn>) {
        let Some(delivery) = self.by_id.get_mut(&id) else { return };
        delivery.awaited -= 1;
        if delivery.awaited == 0 {
            ready.push_back(Turn::MultiGroup(id));
        }
    }

    /// Serves up to `budget` members; returns the multi-group delivery when it is finished.
    pub fn serve(
        &mut self,
        id: MultiGroupId,
        groups: &mut GroupsById,
        budget: &mut usize,
        served: &mut Tally,
        ready: &mut VecDeque<Turn>,
    ) -> Option<Finished> {
        let delivery = self.by_id.get_mut(&id)?;
        let before = delivery.served();
        let is_over = delivery.slice(groups, budget);
        served.add_since(before, delivery.served());
        if !is_over {
            ready.push_back(Turn::MultiGroup(id));
            return None;
        }
        let delivery = self.by_id.remove(&id)?;
        for audience in &delivery.held {
            let Some(group) = groups.get_mut(audience) else { continue };
            if !group.release(id) {
                continue;
            }
            group.queued = group.has_more();
            if group.queued {
                ready.push_back(Turn::Group(*audience));
            }
        }
        delivery.running.map(|running| Finished { audiences: delivery.audiences, job: running.job })
    }
}

impl MultiGroupDelivery {
    fn served(&self) -> Tally {
        self.running.as_ref().map_or_else(Tally::default, |running| running.job.served)
    }

    /// Whether every member was served.
    fn slice(&mut self, groups: &GroupsById, budget: &mut usize) -> bool {
        let Self { audiences, single, pending, running, .. } = self;
        let Started { job, audience, seen } = running.get_or_insert_with(|| {
            let job = Job::new(std::mem::take(pending));
            Started { job, audience: 0, seen: HashSet::new() }
        });
        for member in single.drain(..) {
            if member.is_receiving() && seen.insert(Rc::as_ptr(&member)) {
                job.serve(&member.connection, &member);
                *budget = budget.saturating_sub(1);
            }
        }
        while let Some(members) = audiences.get(*audience).map(|id| groups.get(id).map(|group| &group.members)) {
            let members = members.map_or(&[][..], Vec::as_slice);
            while job.position < members.len() {
                if *budget == 0 {
                    return false;
                }
                if let Some(one) = &members[job.position]
                    && seen.insert(Rc::as_ptr(&one.member))
                {
                    job.serve(&one.connection, &one.member);
                    *budget -= 1;
                }
                job.position += 1;
            }
            job.position = 0;
            *audience += 1;
        }
        true
    }
}

/// The next in the ready queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A group with pending deliveries.
    Group(AudienceId),
    /// A multi-group delivery that all its groups have reached.
    MultiGroup(MultiGroupId),
}
