//! The delivery to one worker's members, in slices.
//!
//! A slice serves at most [`SLICE`] members, groups in turn, so that a large group does not hold up a small one. While
//! a group's slices run, newly arrived events of that group pile up and become one write per member: bursts cost little
//! more than single events.

use std::{
    collections::HashMap,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use super::{Groups, Shard};
use crate::{
    hub::{
        AudienceId, Delivery, Inbox, Rules, Union, Work,
        crossing::Turn,
        group::Next,
        job::{Applied, Served, Waiting},
        member::Member,
        size,
    },
    telemetry::DropReason,
};

/// Members served before other groups, and other connections, get their turn.
const SLICE: usize = 256;

/// Deliveries taken from the layer at once.
const BATCH: usize = 1024;

impl Shard {
    pub(super) fn done(&self, bytes: usize) {
        self.backlog.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Delivers for as long as the node lives.
    pub async fn run(self: Rc<Self>, mut inbox: Inbox) {
        let mut batch = Vec::new();
        loop {
            if !self.is_busy() {
                if inbox.work.recv_many(&mut batch, BATCH).await == 0 {
                    return;
                }
            } else {
                while batch.len() < BATCH
                    && let Ok(work) = inbox.work.try_recv()
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

    pub(in crate::hub) fn accept(&self, work: Work) {
        match work {
            Work::Delivery(delivery) => self.accept_delivery(delivery),
            Work::Union(union) => self.accept_union(&union),
            Work::Question(question) => question(self),
        }
    }

    fn accept_delivery(&self, Delivery { audience, frame, rules }: Delivery) {
        let Groups { by_audience, by_id, ready, .. } = &mut *self.groups.borrow_mut();
        let Some(group) = by_audience.get_mut(&audience) else {
            return self.done(size(&frame));
        };
        if !group.queued {
            group.queued = true;
            ready.push_back(Turn::Group(audience));
        }
        let rules = rules.map(|rules| applied(by_id, rules));
        group.pending.push(Waiting { frame, rules });
    }

    fn accept_union(&self, union: &Union) {
        let mut groups = self.groups.borrow_mut();
        let here = |audience: &&AudienceId| groups.by_audience.contains_key(*audience);
        let audiences: Vec<AudienceId> = union.audiences.iter().filter(here).copied().collect();
        let named = union.ids.iter().filter_map(|id| groups.by_id.get(id));
        let is_of = |member: &&Rc<Member>| {
            let places = member.places.borrow();
            let mut own = places.iter().filter_map(|place| groups.by_audience.get(&place.audience));
            own.any(|group| union.consumers.contains(&group.consumer))
        };
        let single: Vec<Rc<Member>> = named.filter(is_of).cloned().collect();
        let (frame, rules) = (Arc::clone(&union.frame), union.rules.clone());
        match (audiences.as_slice(), single.as_slice()) {
            ([], []) => self.done(size(&frame)),
            (&[audience], []) => {
                drop(groups);
                self.accept_delivery(Delivery { audience, frame, rules });
            }
            _ => {
                let Groups { by_audience, by_id, crossings, ready, .. } = &mut *groups;
                let waiting = Waiting { frame, rules: rules.map(|rules| applied(by_id, rules)) };
                crossings.add(by_audience, audiences, single, waiting, ready);
            }
        }
    }

    /// Serves up to [`SLICE`] members. Nothing here calls back into the shard: a connection only writes, or queues.
    pub(in crate::hub) fn slice(&self) {
        let Groups { by_audience, crossings, ready, .. } = &mut *self.groups.borrow_mut();
        let mut budget = SLICE;
        let mut served = Served::default();
        while budget > 0
            && let Some(turn) = ready.pop_front()
        {
            let audience = match turn {
                Turn::Group(audience) => audience,
                Turn::Crossing(id) => {
                    self.done(crossings.serve(id, by_audience, &mut budget, &mut served, ready));
                    continue;
                }
            };
            let Some(group) = by_audience.get_mut(&audience) else { continue };
            if group.job.is_none() {
                match group.next() {
                    Next::Job(job) => group.job = Some(job),
                    // Until the crossing is over it is not ready, whatever comes.
                    Next::Crossing(id) => {
                        crossings.reached(id, ready);
                        continue;
                    }
                    Next::Nothing => {}
                }
            }
            if let Some(job) = &mut group.job {
                while budget > 0 && job.position < group.members.len() {
                    if let Some(seat) = &group.members[job.position] {
                        job.serve(&seat.connection, &seat.member, &mut served);
                        budget -= 1;
                    }
                    job.position += 1;
                }
                if job.position >= group.members.len() {
                    let bytes = job.bytes();
                    group.job = None;
                    self.done(bytes);
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

    fn tally(&self, served: &Served) {
        if served.delivered > 0 {
            self.metrics.deliveries.inc_by(served.delivered);
        }
        self.metrics.dropped(DropReason::Volatile, served.volatile);
    }
}

fn applied(by_id: &HashMap<Arc<str>, Rc<Member>>, rules: Arc<Rules>) -> Box<Applied> {
    let except = rules.except_ids.iter().filter_map(|id| by_id.get(id)).cloned().collect();
    Box::new(Applied { rules, except })
}
