//! Delivers to one worker's members, in slices.
//!
//! A slice serves at most [`SLICE`] members, groups in turn, so that a large group does not delay a small one. While a
//! group's slices run, newly arrived events of that group accumulate and become one write per member: bursts cost
//! little more than single events.

use std::{
    collections::HashMap,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use super::{Groups, Receiver, Shard, ShardMessage};
use crate::{
    hub::{
        delivery::{Applied, Delivery, Queued, Rules, Union},
        group::{Group, Next},
        job::{Job, Tally},
        member::Member,
        multi_group::{Finished, Turn},
        registry::AudienceId,
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
        self.inbox.get_or_init(|| receiver.sender.clone());
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
            ShardMessage::Question(question) => question(self),
        }
    }

    fn accept_delivery(&self, Delivery { audience, frame, rules, received }: Delivery) {
        let groups = &mut *self.groups.borrow_mut();
        let rules = rules.map(|rules| applied(&groups.by_id, rules));
        self.enqueue(groups, audience, Queued { frame, rules, received });
    }

    fn enqueue(&self, groups: &mut Groups, audience: AudienceId, waiting: Queued) {
        let Groups { by_audience, ready, .. } = groups;
        let Some(group) = by_audience.get_mut(&audience) else {
            return self.done(waiting.size());
        };
        if !group.queued {
            group.queued = true;
            ready.push_back(Turn::Group(audience));
        }
        group.pending.push(waiting);
    }

    /// Queues a notice after everything that waits for the members of these audiences; each member gets it once.
    pub(in crate::hub) fn enqueue_notice(&self, groups: &mut Groups, audiences: Vec<AudienceId>, waiting: Queued) {
        self.backlog.fetch_add(waiting.size(), Ordering::Relaxed);
        match audiences.as_slice() {
            [] => self.done(waiting.size()),
            &[audience] => self.enqueue(groups, audience, waiting),
            _ => {
                let Groups { by_audience, multi_group, ready, .. } = groups;
                multi_group.add(by_audience, audiences, Vec::new(), waiting, ready);
            }
        }
    }

    fn accept_union(&self, union: &Union) {
        let mut groups = self.groups.borrow_mut();
        let here = |audience: &&AudienceId| groups.by_audience.contains_key(*audience);
        let audiences: Vec<AudienceId> = union.audiences.iter().filter(here).copied().collect();
        let named = union.ids.iter().filter_map(|id| groups.by_id.get(id));
        let is_of = |member: &&Rc<Member>| {
            let slots = member.slots.borrow();
            let mut own = slots.iter().filter_map(|slot| groups.by_audience.get(&slot.audience));
            own.any(|group| union.consumers.contains(&group.consumer))
        };
        let single: Vec<Rc<Member>> = named.filter(is_of).cloned().collect();
        let (frame, rules, received) = (Arc::clone(&union.frame), union.rules.clone(), union.received);
        match (audiences.as_slice(), single.as_slice()) {
            ([], []) => self.done(frame.size()),
            (&[audience], []) => {
                drop(groups);
                self.accept_delivery(Delivery { audience, frame, rules, received });
            }
            _ => {
                let Groups { by_audience, by_id, multi_group, ready, .. } = &mut *groups;
                let waiting = Queued { frame, rules: rules.map(|rules| applied(by_id, rules)), received };
                multi_group.add(by_audience, audiences, single, waiting, ready);
            }
        }
    }

    /// Serves up to [`SLICE`] members. Nothing here calls back into the shard: a connection only writes, or queues.
    pub(in crate::hub) fn slice(&self) {
        self.serve();
        self.tell_of_backlog();
    }

    fn serve(&self) {
        let Groups { by_audience, multi_group, ready, .. } = &mut *self.groups.borrow_mut();
        let mut budget = SLICE;
        let mut served = Tally::default();
        while budget > 0
            && let Some(turn) = ready.pop_front()
        {
            let audience = match turn {
                Turn::Group(audience) => audience,
                Turn::MultiGroup(id) => {
                    if let Some(Finished { audiences, job }) =
                        multi_group.serve(id, by_audience, &mut budget, &mut served, ready)
                    {
                        let groups = audiences.iter().filter_map(|audience| by_audience.get(audience));
                        self.delivered(groups, &job);
                        self.done(job.bytes());
                    }
                    continue;
                }
            };
            let Some(group) = by_audience.get_mut(&audience) else { continue };
            let mut awaits_first = false;
            if group.job.is_none() {
                match group.next() {
                    Next::Job(job) => {
                        let mut job = Box::new(job);
                        job.is_timed = self.is_timed(group.len());
                        awaits_first = job.is_timed;
                        group.job = Some(job);
                    }
                    // Until the multi-group delivery is finished the group is not ready, whatever arrives.
                    Next::MultiGroup(id) => {
                        multi_group.reached(id, ready);
                        continue;
                    }
                    Next::Nothing => {}
                }
            }
            if let Some(job) = &mut group.job {
                let before = job.served;
                while budget > 0 && job.position < group.members.len() {
                    if let Some(one) = &group.members[job.position] {
                        job.serve(&one.connection, &one.member);
                        budget -= 1;
                        if awaits_first && job.served.members > 0 {
                            awaits_first = false;
                            observe(&self.metrics.durations.first_write, job);
                        }
                    }
                    job.position += 1;
                }
                served.add_since(before, job.served);
                if job.position >= group.members.len()
                    && let Some(job) = group.job.take()
                {
                    self.delivered(std::iter::once(&*group), &job);
                    self.done(job.bytes());
                }
            }
            if group.has_more() {
                ready.push_back(turn);
            } else {
                group.queued = false;
            }
        }
        self.tally(&served);
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
    fn delivered<'a>(&self, groups: impl Iterator<Item = &'a Group>, job: &Job) {
        if job.is_timed && job.served.members > 0 {
            observe(&self.metrics.durations.fanout, job);
        }
        let tail = &self.metrics.tail;
        if !tail.is_watched() {
            return;
        }
        let groups: Vec<&Group> = groups.collect();
        let Some(consumer) = groups.first().map(|group| tail.consumer(group.consumer.0)) else { return };
        let names = || groups.iter().map(|group| group.name.as_str());
        tail.tell(names(), || TailEvent::Delivered {
            consumer: Arc::clone(&consumer),
            worker: self.worker,
            events: job.len(),
            members: job.served.members,
            bytes: job.served.bytes,
            us: job.received().map_or(0, |received| u64::try_from(received.elapsed().as_micros()).unwrap_or(u64::MAX)),
        });
        if job.served.volatile > 0 {
            tail.tell(names(), || TailEvent::dropped(DropReason::Volatile, job.served.volatile, Some(&consumer), &""));
        }
    }

    fn tally(&self, served: &Tally) {
        if served.delivered > 0 {
            self.metrics.deliveries.inc_by(served.delivered);
            self.metrics.delivered_bytes.inc_by(served.bytes);
        }
        // The trace of these, with their group, is sent when the delivery is finished.
        self.metrics.count_drops(DropReason::Volatile, served.volatile);
    }
}

/// Observes the time since the node received the first of these messages.
fn observe(histogram: &Histogram, job: &Job) {
    if let Some(received) = job.received() {
        histogram.observe(received.elapsed().as_secs_f64());
    }
}

fn applied(by_id: &HashMap<Arc<str>, Rc<Member>>, rules: Arc<Rules>) -> Box<Applied> {
    let except = rules.except_ids.iter().filter_map(|id| by_id.get(id)).cloned().collect();
    Box::new(Applied { rules, except, notice: None })
}
