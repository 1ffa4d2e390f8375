//! One worker's part of the hub: its members by group, and the delivery in slices.
//!
//! A slice serves at most [`SLICE`] members, groups in turn, so that a large group does not hold up a small one. While
//! a group's slices run, newly arrived events of that group pile up and become one write per member: bursts cost little
//! more than single events.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    AudienceId, Delivery, Inbox, Registry, Rules, Union, Work,
    crossing::{Crossings, Turn},
    group::{Applied, Group, Next, Seat, Served, Waiting},
    member::{Member, Place, State},
    size,
};
use crate::{
    consumer::ConsumerId,
    event::GroupName,
    layer::LayerError,
    telemetry::{DropReason, Metrics},
};

/// Members served before other groups, and other connections, get their turn.
const SLICE: usize = 256;

/// Deliveries taken from the layer at once.
const BATCH: usize = 1024;

#[derive(Default)]
pub(super) struct Groups {
    pub(super) by_name: HashMap<(GroupName, ConsumerId), AudienceId>,
    pub(super) by_audience: HashMap<AudienceId, Group>,
    /// Members that emissions may name.
    pub(super) by_id: HashMap<Arc<str>, Rc<Member>>,
    crossings: Crossings,
    /// Who has something to deliver, in turn.
    ready: VecDeque<Turn>,
}

/// One worker's members and deliveries.
pub struct Shard {
    worker: usize,
    registry: Arc<Registry>,
    metrics: Metrics,
    backlog: Arc<AtomicUsize>,
    pub(super) groups: RefCell<Groups>,
}

impl Shard {
    /// The part of the worker that `inbox` belongs to.
    pub fn new(inbox: &Inbox, registry: Arc<Registry>, metrics: Metrics) -> Rc<Self> {
        Rc::new(Self {
            worker: inbox.worker,
            registry,
            metrics,
            backlog: Arc::clone(&inbox.backlog),
            groups: RefCell::default(),
        })
    }

    /// The registry of the node.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Puts a member into a group. When it resolves with `Ok`, every event published from then on reaches it, or does from
    /// its [`Self::seat`] on. On an error, or where nobody waits for the end of it, the member is not in the group.
    pub async fn join(&self, member: &Rc<Member>, group: &GroupName, consumer: ConsumerId) -> Result<(), LayerError> {
        if member.state.get() == State::Gone {
            return Ok(());
        }
        let added = self.add(member, group, consumer);
        let undo = Undo { shard: self, member, group, consumer, armed: added };
        self.registry.joined(group).await?;
        undo.disarm();
        Ok(())
    }

    /// Whether it was not in the group before.
    fn add(&self, member: &Rc<Member>, name: &GroupName, consumer: ConsumerId) -> bool {
        let mut groups = self.groups.borrow_mut();
        let groups = &mut *groups;
        let audience = *groups
            .by_name
            .entry((name.clone(), consumer))
            .or_insert_with(|| self.registry.interest(name, consumer, self.worker));
        let mut places = member.places.borrow_mut();
        if places.iter().any(|place| place.audience == audience) {
            return false;
        }
        let group = groups.by_audience.entry(audience).or_insert_with(|| Group::new(name.clone(), consumer, audience));
        let index = group.take_place(member.is_seated().then(|| Seat::of(member)));
        // Most connections are in one group, and there are many connections.
        places.reserve_exact(1);
        places.push(Place { audience, index });
        true
    }

    /// Seats a waiting member in all its groups at once: everything published from now on reaches it.
    pub fn seat(&self, member: &Rc<Member>) {
        if member.state.get() != State::Waiting {
            return;
        }
        member.state.set(State::Seated);
        let mut groups = self.groups.borrow_mut();
        for place in member.places.borrow().iter() {
            if let Some(group) = groups.by_audience.get_mut(&place.audience) {
                group.members[place.index as usize] = Some(Seat::of(member));
            }
        }
        if let Some(id) = member.id() {
            groups.by_id.insert(Arc::clone(id), Rc::clone(member));
            self.registry.name(id, self.worker);
        }
    }

    /// Takes a member out of one group.
    pub fn leave(&self, member: &Member, group: &GroupName, consumer: ConsumerId) {
        let mut groups = self.groups.borrow_mut();
        let Some(audience) = groups.by_name.get(&(group.clone(), consumer)).copied() else { return };
        let mut places = member.places.borrow_mut();
        if let Some(at) = places.iter().position(|place| place.audience == audience) {
            let place = places.swap_remove(at);
            self.give_back(&mut groups, place);
        }
    }

    /// Takes a member out of all its groups, for good.
    pub fn leave_all(&self, member: &Member) {
        member.state.set(State::Gone);
        let places = std::mem::take(&mut *member.places.borrow_mut());
        let mut groups = self.groups.borrow_mut();
        for place in places {
            self.give_back(&mut groups, place);
        }
        if let Some(id) = member.id()
            && groups.by_id.get(id).is_some_and(|known| std::ptr::eq(&raw const **known, member))
        {
            groups.by_id.remove(id);
            self.registry.unname(id, self.worker);
        }
    }

    fn give_back(&self, groups: &mut Groups, place: Place) {
        let Some(group) = groups.by_audience.get_mut(&place.audience) else { return };
        if group.give_back(place.index)
            && let Some(group) = groups.by_audience.remove(&place.audience)
        {
            self.end(groups, group);
        }
    }

    fn end(&self, groups: &mut Groups, group: Group) {
        self.done(group.bytes());
        groups.ready.retain(|turn| *turn != Turn::Group(group.audience));
        for crossing in group.awaited_by() {
            groups.crossings.reached(crossing, &mut groups.ready);
        }
        self.registry.no_interest(&group.name, group.consumer, self.worker);
        groups.by_name.remove(&(group.name, group.consumer));
    }

    /// How many members a consumer has in a group here.
    pub fn count(&self, group: &GroupName, consumer: ConsumerId) -> usize {
        let groups = self.groups.borrow();
        let audience = groups.by_name.get(&(group.clone(), consumer));
        audience.and_then(|audience| groups.by_audience.get(audience)).map_or(0, Group::len)
    }

    /// All groups of the consumer in which members of `group` are, each once.
    pub fn groups_of(&self, group: &GroupName, consumer: ConsumerId) -> Vec<GroupName> {
        let groups = self.groups.borrow();
        let Some(audience) = groups.by_name.get(&(group.clone(), consumer)) else { return Vec::new() };
        let members = groups.by_audience.get(audience).map_or(&[][..], |group| &group.members);
        let mut audiences: Vec<AudienceId> = Vec::new();
        for seat in members.iter().flatten() {
            audiences.extend(seat.member.places.borrow().iter().map(|place| place.audience));
        }
        audiences.sort_unstable();
        audiences.dedup();
        let of_consumer = audiences.iter().filter_map(|audience| groups.by_audience.get(audience));
        of_consumer.filter(|group| group.consumer == consumer).map(|group| group.name.clone()).collect()
    }

    fn done(&self, bytes: usize) {
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

    pub(super) fn is_busy(&self) -> bool {
        !self.groups.borrow().ready.is_empty()
    }

    pub(super) fn accept(&self, work: Work) {
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
    pub(super) fn slice(&self) {
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
        for (reason, count) in [(DropReason::SlowClient, served.overflowed), (DropReason::Volatile, served.volatile)] {
            if count > 0 {
                self.metrics.dropped(reason, count);
            }
        }
    }
}

fn applied(by_id: &HashMap<Arc<str>, Rc<Member>>, rules: Arc<Rules>) -> Box<Applied> {
    let except = rules.except_ids.iter().filter_map(|id| by_id.get(id)).cloned().collect();
    Box::new(Applied { rules, except })
}

/// Takes a member out of a group again, unless its join came to a good end.
struct Undo<'a> {
    shard: &'a Shard,
    member: &'a Member,
    group: &'a GroupName,
    consumer: ConsumerId,
    armed: bool,
}

impl Undo<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.shard.leave(self.member, self.group, self.consumer);
        }
    }
}
