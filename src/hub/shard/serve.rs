//! Delivers to one worker's members, in slices.
//!
//! A slice serves at most [`SLICE`] members, groups in turn, so that a large group does not delay a small one. While a
//! group's slices run, newly arrived events of that group accumulate and become one write per member: bursts cost
//! little more than single events.

use std::{
    cell::OnceCell,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use super::{Groups, Receiver, Shard, ShardMessage, selected};
use crate::{
    hub::{
        delivery::{Applied, Delivery, Queued, Rules, Union},
        directory::Directory,
        group::Group,
        job::Job,
        member::{GroupSlot, Member},
        registry::AudienceId,
        tally::Tally,
        throttle::ThrottleHere,
        variants::VariantsHere,
        work::{MemberWork, WorkHere},
    },
    telemetry::{DropReason, Histogram, tail::TailEvent},
};

/// Members served before other groups, and other connections, get their turn.
const SLICE: usize = 256;

/// Deliveries to at least this many members of a worker are always timed.
const MANY: usize = 64;

/// Of the others, one in this many.
const TIMED: u32 = 8;

/// Deliveries taken from the layer at once.
const BATCH: usize = 1024;

impl Shard {
    pub(super) fn done(&self, bytes: usize) {
        self.backlog.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Delivers while the node lives.
    pub async fn run(self: Rc<Self>, mut receiver: Receiver) {
        self.sender.get_or_init(|| receiver.sender.clone());
        let mut batch = Vec::new();
        loop {
            if !self.is_busy() {
                if receiver.work.recv_many(&mut batch, BATCH).await == 0 {
                    return;
                }
            } else {
                while batch.len() < BATCH
                    && let Ok(work) = receiver.work.try_recv()
                {
                    batch.push(work);
                }
            }
            for work in batch.drain(..) {
                self.accept(work);
            }
            self.slice();
            tokio::task::yield_now().await;
        }
    }

    pub(in crate::hub) fn is_busy(&self) -> bool {
        !self.groups.borrow().ready.is_empty()
    }

    pub(in crate::hub) fn accept(&self, work: ShardMessage) {
        match work {
            ShardMessage::Delivery(delivery) => self.accept_delivery(delivery),
            ShardMessage::Union(union) => self.accept_union(&union),
            ShardMessage::Gap(missed) => self.missed(&missed),
            ShardMessage::Direct(id, event) => self.direct(id, event),
            ShardMessage::Question(question) => question(self),
        }
    }

    fn accept_delivery(&self, Delivery { audience, frame, rules, received }: Delivery) {
        let groups = &mut *self.groups.borrow_mut();
        let rules = rules.map(|rules| self.applied(&groups.by_id, rules));
        let queued = Queued::new(groups.order.next(), frame, rules, received);
        self.enqueue_one(groups, audience, queued);
    }

    fn enqueue_one(&self, Groups { by_audience, ready, .. }: &mut Groups, audience: AudienceId, queued: Queued) {
        let Some(group) = by_audience.get_mut(&audience) else {
            return self.done(queued.backlog);
        };
        if !group.queued {
            group.queued = true;
            ready.push_back(audience);
        }
        group.pending.push(queued);
    }

    /// Queues a message in each of these groups; a member of several gets it once.
    pub(super) fn enqueue(&self, groups: &mut Groups, audiences: &[AudienceId], queued: &Queued) {
        let share = queued.backlog / audiences.len().max(1);
        let mut rest = queued.backlog;
        for audience in audiences {
            rest -= share;
            self.enqueue_one(groups, *audience, Queued { backlog: share, ..queued.clone() });
        }
        self.done(rest);
    }

    fn accept_union(&self, union: &Union) {
        let groups = &mut *self.groups.borrow_mut();
        let here = |audience: &&AudienceId| groups.by_audience.contains_key(*audience);
        let audiences: Vec<AudienceId> = union.audiences.iter().filter(here).copied().collect();
        let named = union.ids.iter().filter_map(|id| groups.by_id.get(*id));
        let is_of = |member: &&Rc<Member>| {
            let slots = member.slots.borrow();
            let mut own = slots.iter().filter_map(|slot| groups.by_audience.get(&slot.audience));
            own.any(|group| union.consumers.contains(&group.consumer))
        };
        let single: Vec<Rc<Member>> = named.filter(is_of).cloned().collect();
        let rules = union.rules.clone().map(|rules| self.applied(&groups.by_id, rules));
        let queued = Queued::new(groups.order.next(), Arc::clone(&union.frame), rules, union.received);
        self.enqueue(groups, &audiences, &queued);
        let mut served = Tally::default();
        for member in single.iter().filter(|member| member.up_to.get() < queued.number) {
            groups.order.catch_up(&groups.by_audience, member, Some(&queued), &mut served);
        }
        self.tally(&served);
    }

    /// Serves up to [`SLICE`] members; then the handlers of those with new work are called.
    pub(in crate::hub) fn slice(&self) {
        self.serve();
        self.tell_of_backlog();
        self.wake();
    }

    /// Nothing here calls back into the shard: a connection only writes, or queues.
    fn serve(&self) {
        let groups = &mut *self.groups.borrow_mut();
        let mut budget = SLICE;
        let mut served = Tally::default();
        while budget > 0
            && let Some(audience) = groups.ready.pop_front()
        {
            let Some(group) = groups.by_audience.get_mut(&audience) else { continue };
            let mut awaits_first = false;
            let members = group.len();
            if let Some(job) = group.begin() {
                job.is_timed = self.is_timed(members);
                awaits_first = job.is_timed;
            }
            let is_alone = groups.ready.is_empty() && !group.has_late();
            let ahead = groups.order.ahead;
            let is_next = is_alone && group.job.as_ref().is_some_and(|job| job.numbers().0 > ahead);
            let mut then = |job: &Job| {
                if awaits_first && job.served.members > 0 {
                    awaits_first = false;
                    observe(&self.metrics.durations.first_write, job);
                }
            };
            if is_next && let Some(mut selected) = group.selected() {
                let before = selected.job.served;
                selected::serve(&mut selected, &mut budget, then);
                served.add_since(before, selected.job.served);
            } else if is_next && let Some(job) = &mut group.job {
                let before = job.served;
                while budget > 0 && job.position < group.members.len() {
                    if let Some(seat) = &group.members[job.position] {
                        job.serve(seat);
                        budget -= 1;
                        then(job);
                    }
                    job.position += 1;
                }
                served.add_since(before, job.served);
            } else {
                groups.serve_in_order(audience, &mut budget, &mut served);
            }
            let Some(group) = groups.by_audience.get_mut(&audience) else { continue };
            if let Some(job) = group.job.take_if(|job| job.position >= group.members.len()) {
                if awaits_first && job.reached().0 > 0 {
                    observe(&self.metrics.durations.first_write, &job);
                }
                self.delivered(group, &job);
                self.done(job.backlog());
            }
            if group.has_more() {
                groups.ready.push_back(audience);
            } else {
                group.rest();
            }
        }
        groups.order.rest();
        self.tally(&served);
    }

    /// Calls the handlers of the members with new work.
    fn wake(&self) {
        if self.woken.borrow().is_empty() {
            return;
        }
        for member in self.woken.take() {
            if let Some(handler) = member.handler() {
                handler.work_waits(member.id());
            }
        }
    }

    /// Rules resolved on this worker.
    pub(super) fn applied(&self, by_id: &Directory, rules: Arc<Rules>) -> Applied {
        let except = rules.except_ids.iter().filter_map(|id| by_id.get(*id)).cloned().collect();
        let here = |work: &Arc<MemberWork>| WorkHere::new(work, &self.woken);
        let (work, unanswered) = (rules.work.as_ref().map(here), rules.unanswered.as_ref().map(here));
        let variants = rules.variants.as_ref().map(VariantsHere::new);
        let snapshots = rules.presence.as_ref().map(|_| Rc::clone(&self.snapshots));
        let throttle = rules.throttle.as_ref().map(|event| ThrottleHere::new(event, &self.throttles));
        Applied { rules, except, notice: None, work, snapshots, throttle, unanswered, variants, kept: OnceCell::new() }
    }

    /// Whether a delivery to this many members is timed: always for many, else one in a few, so that small groups do
    /// not pay for the clock.
    fn is_timed(&self, members: usize) -> bool {
        if members >= MANY {
            return true;
        }
        let begun = self.begun.get();
        self.begun.set(begun.wrapping_add(1));
        begun.is_multiple_of(TIMED)
    }

    /// All members on this worker have received it.
    fn delivered(&self, group: &Group, job: &Job) {
        let (members, bytes) = if job.is_timed || self.metrics.tail.is_watched() { job.reached() } else { (0, 0) };
        if job.is_timed && members > 0 {
            observe(&self.metrics.durations.fanout, job);
        }
        let tail = &self.metrics.tail;
        let consumer = || tail.consumer(self.consumers.now().base(group.consumer).0);
        let names = || std::iter::once(group.name.as_str());
        tail.tell(names(), || TailEvent::Delivered {
            consumer: consumer(),
            worker: self.worker,
            events: job.deliveries().len(),
            members,
            bytes,
            us: job.received().map_or(0, |received| u64::try_from(received.elapsed().as_micros()).unwrap_or(u64::MAX)),
        });
        if job.served.volatile > 0 {
            let volatile = || TailEvent::dropped(DropReason::Volatile, job.served.volatile, Some(&consumer()), &"");
            tail.tell_loss(names(), volatile);
        }
        let unanswered = job.served.unanswered;
        if unanswered > 0 {
            let detail = "the condition has no answer for the member";
            tail.tell_loss(names(), || TailEvent::dropped(DropReason::Mapping, unanswered, Some(&consumer()), &detail));
        }
    }

    pub(super) fn tally(&self, served: &Tally) {
        if served.delivered > 0 {
            self.metrics.deliveries.inc_by(served.delivered);
            self.metrics.delivered_bytes.inc_by(served.bytes);
        }
        // The trace of these, with their group, is sent when the delivery is finished.
        self.metrics.count_drops(DropReason::Volatile, served.volatile);
        self.metrics.count_drops(DropReason::Mapping, served.unanswered);
    }
}

/// Observes the time since the node received the first of these messages.
fn observe(histogram: &Histogram, job: &Job) {
    if let Some(received) = job.received() {
        histogram.observe(received.elapsed().as_secs_f64());
    }
}

impl Groups {
    /// Serves a group while others may have messages for its members.
    fn serve_in_order(&mut self, audience: AudienceId, budget: &mut usize, served: &mut Tally) {
        let Some(mut job) = self.take_job(audience) else { return };
        let before = job.served;
        while let Some(member) = self.serve_until(audience, &mut job, budget) {
            self.put_job(audience, job);
            self.order.catch_up(&self.by_audience, &member, None, served);
            *budget -= 1;
            let Some(same) = self.take_job(audience) else { return };
            job = same;
            job.position += 1;
        }
        served.add_since(before, job.served);
        self.put_job(audience, job);
    }

    /// Serves up to the next member that has messages in other groups, too.
    fn serve_until(&self, audience: AudienceId, job: &mut Job, budget: &mut usize) -> Option<Rc<Member>> {
        let group = self.by_audience.get(&audience)?;
        while *budget > 0 && job.position < group.members.len() {
            if let Some(seat) = &group.members[job.position] {
                let up_to = seat.member.up_to.get();
                if up_to < job.numbers().1 && self.is_busy_elsewhere(&seat.member, audience) {
                    return Some(Rc::clone(&seat.member));
                }
                let late = if group.has_late() { group.late(job.position) } else { 0 };
                job.serve_after(up_to.max(late), seat);
                *budget -= 1;
            }
            job.position += 1;
        }
        None
    }

    fn is_busy_elsewhere(&self, member: &Member, audience: AudienceId) -> bool {
        let slots = member.slots.borrow();
        let is_busy = |slot: &GroupSlot| self.by_audience.get(&slot.audience).is_some_and(|group| group.queued);
        slots.len() > 1 && slots.iter().any(|slot| slot.audience != audience && is_busy(slot))
    }

    fn take_job(&mut self, audience: AudienceId) -> Option<Box<Job>> {
        self.by_audience.get_mut(&audience)?.job.take()
    }

    fn put_job(&mut self, audience: AudienceId, job: Box<Job>) {
        if let Some(group) = self.by_audience.get_mut(&audience) {
            group.job = Some(job);
        }
    }
}
