//! One worker's part of the hub: its members by group. `serve` delivers to them.
//!
//! In: joins and leaves of the worker's connections. Out: changes for the registry, and answers about its members.

mod personal;
mod receiver;
mod regroup;
mod selected;
mod serve;

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures_util::future::try_join_all;
use scopeguard::{ScopeGuard, guard};
use tokio::sync::mpsc::WeakUnboundedSender;

use super::{
    directory::Directory,
    group::Group,
    group_orders::GroupOrders,
    hold::Released,
    member::{GroupSlot, Member, MemberState, Seat},
    missed::Missed,
    order::Order,
    principals::{Disconnection, PrincipalIndex},
    registry::{AudienceId, Registry},
    snapshots::Snapshots,
    tally::Tally,
    throttle::Throttles,
    work::Woken,
};
use crate::{
    consumer::{Consumer, ConsumerId, Consumers, Snapshot, Traits},
    event::{ConnectionId, Gap, GapReason, GroupName},
    layer::LayerError,
    socket::{Connections, SlowConnection},
    sparse,
    telemetry::Metrics,
};

pub use personal::ForMember;
pub use receiver::Receiver;
pub(super) use receiver::{MAX_BACKLOG, ShardMessage};

#[derive(Default)]
pub(super) struct Groups {
    pub(super) by_name: HashMap<(GroupName, ConsumerId), AudienceId>,
    pub(super) by_audience: HashMap<AudienceId, Group>,
    /// Members that emissions may name.
    pub(super) by_id: Directory,
    /// Groups with pending deliveries, in turn.
    ready: VecDeque<AudienceId>,
    order: Order,
}

/// One worker's members and deliveries.
pub struct Shard {
    worker: usize,
    registry: Arc<Registry>,
    metrics: Metrics,
    backlog: Arc<AtomicUsize>,
    /// The backlog was full, and no gap notice has been sent yet.
    overrun: Arc<AtomicBool>,
    /// To this worker's own receiver, once the worker runs.
    sender: OnceCell<WeakUnboundedSender<ShardMessage>>,
    consumers: Consumers,
    pub(super) groups: RefCell<Groups>,
    /// Number of deliveries to small groups so far.
    begun: Cell<u32>,
    principals: Rc<PrincipalIndex>,
    group_orders: Rc<GroupOrders>,
    /// Members with new work, whose handlers are to be called.
    woken: Woken,
    snapshots: Rc<Snapshots>,
    pub(super) throttles: Rc<Throttles>,
    /// All connections of the worker, once it runs.
    connections: OnceCell<Rc<Connections>>,
}

impl Shard {
    /// Sets the connections of the worker, about which it is asked.
    pub fn set_connections(&self, connections: Rc<Connections>) {
        // A second call changes nothing.
        let _ = self.connections.set(connections);
    }

    /// The worker's connections for which most bytes wait, at most `most`.
    pub fn slow(&self, most: usize) -> Vec<SlowConnection> {
        self.connections.get().map_or_else(Vec::new, |connections| connections.slow(most))
    }

    /// The snapshots of presence that this worker's connections have.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// The shard of the worker that owns `receiver`.
    pub fn new(receiver: &Receiver, registry: Arc<Registry>, metrics: Metrics) -> Rc<Self> {
        Rc::new(Self {
            worker: receiver.worker,
            registry,
            metrics,
            backlog: Arc::clone(&receiver.backlog),
            overrun: Arc::clone(&receiver.overrun),
            sender: OnceCell::new(),
            consumers: receiver.consumers.clone(),
            groups: RefCell::default(),
            begun: Cell::default(),
            principals: PrincipalIndex::new(),
            group_orders: Rc::default(),
            woken: Woken::default(),
            snapshots: Rc::default(),
            throttles: Rc::default(),
            connections: OnceCell::new(),
        })
    }

    /// The registry of the node.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The consumers of the node.
    pub fn consumers(&self) -> Arc<Snapshot> {
        self.consumers.now()
    }

    /// The id under which a consumer has its members of a namespace.
    pub fn audience(&self, consumer: &Consumer, namespace: Option<&str>) -> ConsumerId {
        let of_namespace = namespace.filter(|_| consumer.has_namespaces());
        let known = of_namespace.and_then(|namespace| self.consumers.now().audience(consumer, namespace));
        known.unwrap_or_else(|| consumer.id())
    }

    /// The users of its connections.
    pub const fn principals(&self) -> &Rc<PrincipalIndex> {
        &self.principals
    }

    /// Disconnects; returns the number of connections.
    pub fn disconnect(&self, orders: &[Disconnection]) -> usize {
        self.principals.disconnect(orders, |id| {
            let groups = self.groups.borrow();
            groups.by_id.find(id).map(|member| Rc::clone(&member.connection))
        })
    }

    /// What other programs ordered for the users of its connections.
    pub const fn group_orders(&self) -> &Rc<GroupOrders> {
        &self.group_orders
    }

    /// Registers a member without groups under its id.
    pub fn announce(&self, member: &Rc<Member>) {
        self.introduce(&mut self.groups.borrow_mut().by_id, member);
    }

    /// Adds a member to a group. When it resolves with `Ok`, every event published from then on reaches it, and no
    /// earlier one. On an error, or if the future is dropped, the member is not in the group.
    pub async fn join(&self, member: &Rc<Member>, group: &GroupName, consumer: ConsumerId) -> Result<(), LayerError> {
        if member.is_gone() {
            return Ok(());
        }
        let added = self.reserve(member, group, consumer);
        let undo = guard(added, |added| {
            if added {
                self.leave(member, group, consumer);
            }
        });
        self.joined(group).await?;
        ScopeGuard::into_inner(undo);
        self.seat(member, group, consumer);
        Ok(())
    }

    /// Adds a member to several groups, like [`Self::join`]. On an error, or if the future is dropped, the member has
    /// left the hub for good.
    pub async fn join_all(&self, member: &Rc<Member>, groups: &[(GroupName, ConsumerId)]) -> Result<(), LayerError> {
        let undo = guard((), |()| self.leave_all(member));
        try_join_all(groups.iter().map(|(group, consumer)| self.join(member, group, *consumer))).await?;
        ScopeGuard::into_inner(undo);
        Ok(())
    }

    /// Reserves a slot in the group; returns whether the member had none.
    fn reserve(&self, member: &Rc<Member>, name: &GroupName, consumer: ConsumerId) -> bool {
        let mut groups = self.groups.borrow_mut();
        let groups = &mut *groups;
        let audience = *groups
            .by_name
            .entry((name.clone(), consumer))
            .or_insert_with(|| self.registry.interest(name, consumer, self.worker));
        let mut slots = member.slots.borrow_mut();
        if slots.iter().any(|slot| slot.audience == audience) {
            return false;
        }
        let group = groups.by_audience.entry(audience).or_insert_with(|| Group::new(name.clone(), consumer, audience));
        let index = group.reserve();
        if slots.is_empty() {
            self.introduce(&mut groups.by_id, member);
        }
        let mut more = Vec::from(std::mem::take(&mut *slots));
        // Most connections are in one group, and there are many connections.
        more.reserve_exact(1);
        more.push(GroupSlot { audience, index });
        *slots = more.into();
        true
    }

    /// The join is confirmed: the member gets the messages of the group that arrive from now on.
    fn seat(&self, member: &Rc<Member>, name: &GroupName, consumer: ConsumerId) {
        let groups = &mut *self.groups.borrow_mut();
        let Some(audience) = groups.by_name.get(&(name.clone(), consumer)) else { return };
        let Some(group) = groups.by_audience.get_mut(audience) else { return };
        let slots = member.slots.borrow();
        if let Some(slot) = slots.iter().find(|slot| slot.audience == *audience)
            && group.members[slot.index as usize].is_none()
        {
            group.seat(slot.index as usize, Seat::of(member), groups.order.last);
        }
    }

    /// From now on the messages of a member's groups are kept for it; see [`hold`](super::hold).
    pub fn hold(&self, member: &Rc<Member>) {
        if member.state.get() == MemberState::Receiving {
            member.state.set(MemberState::Held);
            self.reseat(member);
        }
    }

    /// Sends a held member what was kept, and everything that arrives from now on; or, if it has work, what comes before
    /// the work, which is handed out: then it stays held until the next release.
    pub fn release(&self, member: &Rc<Member>) -> Released {
        if !member.is_held() {
            return Released::Complete;
        }
        let Some(mut hold) = member.kept.take() else {
            member.state.set(MemberState::Receiving);
            self.reseat(member);
            return Released::Complete;
        };
        let mut served = Tally::default();
        let released = hold.release(&member.connection, &mut served);
        self.tally(&served);
        let goes_on = matches!(released, Released::Call(_) | Released::Outcome(_) | Released::Close(_));
        if goes_on {
            member.kept.set(Some(hold));
        } else {
            member.state.set(MemberState::Receiving);
            self.reseat(member);
        }
        released
    }

    fn reseat(&self, member: &Rc<Member>) {
        if member.serves.get() {
            return;
        }
        let mut groups = self.groups.borrow_mut();
        for slot in member.slots.borrow().iter() {
            if let Some(group) = groups.by_audience.get_mut(&slot.audience) {
                group.reseat(slot.index as usize, || Seat::of(member));
            }
        }
    }

    /// Some of the values that conditions compare of a member have changed.
    pub fn change_traits(&self, member: &Member, new: Traits) {
        member.change_traits(new);
        let by_audience = &mut self.groups.borrow_mut().by_audience;
        for slot in member.slots.borrow().iter() {
            if let Some(group) = by_audience.get_mut(&slot.audience) {
                group.forget(slot.index as usize);
            }
        }
    }

    /// Registers a member under its id, even before its join is confirmed: otherwise an emission that excludes it could
    /// reach it just after.
    fn introduce(&self, by_id: &mut Directory, member: &Rc<Member>) {
        if let Some(id) = member.id() {
            by_id.add(member);
            self.registry.name(id, self.worker);
        }
    }

    /// Removes a member from one group.
    pub fn leave(&self, member: &Member, group: &GroupName, consumer: ConsumerId) {
        let mut groups = self.groups.borrow_mut();
        let Some(audience) = groups.by_name.get(&(group.clone(), consumer)).copied() else { return };
        let mut slots = member.slots.borrow_mut();
        if let Some(at) = slots.iter().position(|slot| slot.audience == audience) {
            let mut fewer = Vec::from(std::mem::take(&mut *slots));
            let slot = fewer.swap_remove(at);
            *slots = fewer.into();
            self.free(&mut groups, slot);
        }
    }

    /// Removes a member from one group, after the messages that were sent to the group before.
    pub fn leave_after(&self, member: &Rc<Member>, group: &GroupName, consumer: ConsumerId) {
        if !self.holds(member, group, consumer) {
            return;
        }
        let mut served = Tally::default();
        {
            let Groups { by_audience, order, .. } = &mut *self.groups.borrow_mut();
            order.catch_up(by_audience, member, None, &mut served);
            order.rest();
        }
        self.tally(&served);
        self.leave(member, group, consumer);
    }

    /// The same, once everything that was published to the group before has arrived at this worker. On an error it may
    /// not have.
    pub async fn depart(&self, member: &Rc<Member>, group: &GroupName, consumer: ConsumerId) -> Result<(), LayerError> {
        if !self.holds(member, group, consumer) {
            return Ok(());
        }
        let arrived = self.joined(group).await;
        self.leave_after(member, group, consumer);
        arrived
    }

    /// Whether a member is in a group, or about to be.
    pub fn holds(&self, member: &Member, group: &GroupName, consumer: ConsumerId) -> bool {
        let audience = self.groups.borrow().by_name.get(&(group.clone(), consumer)).copied();
        audience.is_some_and(|audience| member.slots.borrow().iter().any(|slot| slot.audience == audience))
    }

    /// Removes a member from all its groups, for good.
    pub fn leave_all(&self, member: &Member) {
        member.state.set(MemberState::Gone);
        if let Some(hold) = member.kept.take() {
            hold.discard(&member.connection);
        }
        self.throttles.forget(member);
        let slots = std::mem::take(&mut *member.slots.borrow_mut());
        let mut groups = self.groups.borrow_mut();
        for slot in slots {
            self.free(&mut groups, slot);
        }
        if let Some(id) = member.id()
            && groups.by_id.remove(member)
        {
            self.registry.unname(id, self.worker);
        }
    }

    /// Removes the members of a group, or the one with this id, after the messages sent to them before.
    pub(super) fn evict(&self, group: &GroupName, consumers: &[ConsumerId], id: Option<ConnectionId>) {
        for consumer in consumers {
            let key = (group.clone(), *consumer);
            let Some(audience) = self.groups.borrow().by_name.get(&key).copied() else { continue };
            let mut groups = self.groups.borrow_mut();
            let Groups { by_audience, order, .. } = &mut *groups;
            let seated = by_audience.get(&audience).map_or(&[][..], |group| &group.members).iter().flatten();
            let is_meant = |member: &&Rc<Member>| id.is_none() || member.id() == id;
            let members: Vec<Rc<Member>> = seated.map(|one| &one.member).filter(is_meant).cloned().collect();
            let mut served = Tally::default();
            for member in &members {
                order.catch_up(by_audience, member, None, &mut served);
            }
            self.tally(&served);
            drop(groups);
            for member in members {
                self.leave(&member, group, *consumer);
            }
        }
    }

    /// Sends gap notices to the members that want them, in order with their deliveries.
    pub(super) fn missed(&self, missed: &Missed) {
        let groups = &mut *self.groups.borrow_mut();
        for (audiences, waiting) in missed.waiting(&groups.by_name, &mut groups.order, &self.consumers.now()) {
            self.backlog.fetch_add(waiting.size(), Ordering::Relaxed);
            self.enqueue(groups, &audiences, &waiting);
        }
    }

    /// Once there is room again: sends the notice about everything that was dropped.
    fn tell_of_backlog(&self) {
        if self.overrun.load(Ordering::Relaxed)
            && self.backlog.load(Ordering::Relaxed) < MAX_BACKLOG / 2
            && self.overrun.swap(false, Ordering::Relaxed)
            && let Some(missed) = Missed::new(&Gap { groups: None, reason: GapReason::Backlog }, &self.consumers.now())
        {
            self.missed(&missed);
        }
    }

    fn free(&self, groups: &mut Groups, slot: GroupSlot) {
        let Some(group) = groups.by_audience.get_mut(&slot.audience) else { return };
        if group.give_back(slot.index)
            && let Some(group) = groups.by_audience.remove(&slot.audience)
        {
            sparse::give_back(&mut groups.by_audience);
            self.end(groups, group);
        }
    }

    fn end(&self, groups: &mut Groups, group: Group) {
        self.done(group.backlog());
        groups.ready.retain(|audience| *audience != group.audience);
        self.registry.no_interest(&group.name, group.consumer, self.worker);
        groups.by_name.remove(&(group.name, group.consumer));
        sparse::give_back(&mut groups.by_name);
    }
}
