//! One worker's part of the hub: its members by group. `serve` delivers to them.
//!
//! In: joins and leaves of the worker's connections. Out: what the registry must know of them, and who is where.

mod inbox;
mod serve;

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures_util::future::try_join_all;
use scopeguard::{ScopeGuard, guard};

use super::{
    crossing::{Crossings, Turn},
    group::{Group, Seat},
    member::{Member, Place, State},
    missed::Missed,
    principals::{Kick, PrincipalIndex},
    registry::{AudienceId, Registry},
};
use crate::{
    consumer::{ConsumerId, Consumers},
    event::{Gap, GapReason, GroupName},
    layer::LayerError,
    sparse,
    telemetry::Metrics,
};

pub use inbox::Inbox;
pub(super) use inbox::{MAX_BACKLOG, Work};

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
    /// The backlog was full, and nobody has been told yet.
    overrun: Arc<AtomicBool>,
    consumers: Consumers,
    pub(super) groups: RefCell<Groups>,
    /// Deliveries to small groups that were begun.
    begun: Cell<u32>,
    principals: Rc<PrincipalIndex>,
}

impl Shard {
    /// The part of the worker that `inbox` belongs to.
    pub fn new(inbox: &Inbox, registry: Arc<Registry>, metrics: Metrics) -> Rc<Self> {
        Rc::new(Self {
            worker: inbox.worker,
            registry,
            metrics,
            backlog: Arc::clone(&inbox.backlog),
            overrun: Arc::clone(&inbox.overrun),
            consumers: inbox.consumers.clone(),
            groups: RefCell::default(),
            begun: Cell::default(),
            principals: PrincipalIndex::new(),
        })
    }

    /// The registry of the node.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Who is behind its connections.
    pub const fn principals(&self) -> &Rc<PrincipalIndex> {
        &self.principals
    }

    /// Disconnects; how many connections it were.
    pub fn kick(&self, kicks: &[Kick]) -> usize {
        self.principals.kick(kicks, |id| {
            let groups = self.groups.borrow();
            groups.by_id.get(id).map(|member| Rc::clone(&member.connection))
        })
    }

    /// Makes a member that joins no group known by its id.
    pub fn announce(&self, member: &Rc<Member>) {
        self.introduce(&mut self.groups.borrow_mut().by_id, member);
    }

    /// Puts a member into a group. When it resolves with `Ok`, every event published from then on reaches it, or does from
    /// its [`Self::seat`] on. On an error, or where nobody waits for the end of it, the member is not in the group.
    pub async fn join(&self, member: &Rc<Member>, group: &GroupName, consumer: ConsumerId) -> Result<(), LayerError> {
        if member.state.get() == State::Gone {
            return Ok(());
        }
        let added = self.add(member, group, consumer);
        let undo = guard(added, |added| {
            if added {
                self.leave(member, group, consumer);
            }
        });
        self.registry.joined(group).await?;
        ScopeGuard::into_inner(undo);
        Ok(())
    }

    /// Puts a member into several groups, as [`Self::join`] does. On an error, or where nobody waits for the end of it, the
    /// member has left the hub for good.
    pub async fn join_all(&self, member: &Rc<Member>, groups: &[(GroupName, ConsumerId)]) -> Result<(), LayerError> {
        let undo = guard((), |()| self.leave_all(member));
        try_join_all(groups.iter().map(|(group, consumer)| self.join(member, group, *consumer))).await?;
        ScopeGuard::into_inner(undo);
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
        if places.is_empty() {
            self.introduce(&mut groups.by_id, member);
        }
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
        self.introduce(&mut groups.by_id, member);
    }

    /// Makes a member known by its id: also before it is seated, or what excepts it could reach it right after.
    fn introduce(&self, by_id: &mut HashMap<Arc<str>, Rc<Member>>, member: &Rc<Member>) {
        if let Some(id) = member.id() {
            by_id.insert(Arc::clone(id), Rc::clone(member));
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

    /// Whether a member is in a group, or about to be.
    pub fn holds(&self, member: &Member, group: &GroupName, consumer: ConsumerId) -> bool {
        let audience = self.groups.borrow().by_name.get(&(group.clone(), consumer)).copied();
        audience.is_some_and(|audience| member.places.borrow().iter().any(|place| place.audience == audience))
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
            sparse::give_back(&mut groups.by_id);
            self.registry.unname(id, self.worker);
        }
    }

    /// Takes the seated members of a group out of it, or the one with this id, once they have what was sent to them before.
    pub(super) fn evict(&self, group: &GroupName, consumers: &[ConsumerId], id: Option<&str>) {
        for consumer in consumers {
            let key = (group.clone(), *consumer);
            let Some(audience) = self.groups.borrow().by_name.get(&key).copied() else { continue };
            let waits = || self.groups.borrow().by_audience.get(&audience).is_some_and(Group::has_more);
            while waits() && self.is_busy() {
                self.slice();
            }
            let groups = self.groups.borrow();
            let seats = groups.by_audience.get(&audience).map_or(&[][..], |group| &group.members).iter().flatten();
            let is_meant = |member: &&Rc<Member>| id.is_none() || member.id().map(|own| &**own) == id;
            let members: Vec<Rc<Member>> = seats.map(|seat| &seat.member).filter(is_meant).cloned().collect();
            drop(groups);
            for member in members {
                self.leave(&member, group, *consumer);
            }
        }
    }

    /// Tells the members that asked for it of a gap, in order with what is delivered to them.
    pub(super) fn missed(&self, missed: &Missed) {
        let groups = &mut *self.groups.borrow_mut();
        for (audiences, waiting) in missed.waiting(&groups.by_name) {
            self.enqueue_notice(groups, audiences, waiting);
        }
    }

    /// Once there is room again: everything that was dropped before is told of.
    fn tell_of_backlog(&self) {
        if self.overrun.load(Ordering::Relaxed)
            && self.backlog.load(Ordering::Relaxed) < MAX_BACKLOG / 2
            && self.overrun.swap(false, Ordering::Relaxed)
            && let Some(missed) = Missed::new(&Gap { groups: None, reason: GapReason::Backlog }, &self.consumers.now())
        {
            self.missed(&missed);
        }
    }

    fn give_back(&self, groups: &mut Groups, place: Place) {
        let Some(group) = groups.by_audience.get_mut(&place.audience) else { return };
        if group.give_back(place.index)
            && let Some(group) = groups.by_audience.remove(&place.audience)
        {
            sparse::give_back(&mut groups.by_audience);
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
        sparse::give_back(&mut groups.by_name);
    }
}
