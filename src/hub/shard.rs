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

use bytes::{Bytes, BytesMut};

use super::{
    AudienceId, Delivery, Registry,
    dispatch::Inbox,
    topics::{Subscriptions, TooManyTopics},
};
use crate::{
    config::{BeforeSubscribe, Compression},
    consumer::ConsumerId,
    event::GroupName,
    layer::LayerError,
    socket::{Connection, connection, negotiate::Deflate},
    telemetry::Metrics,
};

/// Members served before other groups, and other connections, get their turn.
const SLICE: usize = 256;

/// Deliveries taken from the layer at once.
const BATCH: usize = 1024;

/// A connection as the hub sees it.
pub struct Member {
    connection: Rc<Connection>,
    subscriptions: RefCell<Subscriptions>,
    before_subscribe: BeforeSubscribe,
    /// Where it stands in each group.
    places: RefCell<Vec<Place>>,
}

#[derive(Clone, Copy)]
struct Place {
    audience: AudienceId,
    index: u32,
}

impl Member {
    /// A connection that is in no group yet.
    pub fn new(connection: Rc<Connection>, before_subscribe: BeforeSubscribe) -> Rc<Self> {
        Rc::new(Self { connection, subscriptions: RefCell::default(), before_subscribe, places: RefCell::default() })
    }

    /// Adds topics.
    pub fn subscribe(&self, names: Vec<Arc<str>>, max: usize) -> Result<(), TooManyTopics> {
        self.subscriptions.borrow_mut().add(names, max)
    }

    /// Takes topics away.
    pub fn unsubscribe(&self, names: &[Arc<str>]) {
        self.subscriptions.borrow_mut().remove(names);
    }

    fn wants(&self, delivery: &Delivery) -> bool {
        let Some(names) = &delivery.names else { return true };
        let subscriptions = self.subscriptions.borrow();
        if subscriptions.any_ever() {
            subscriptions.wants(names)
        } else {
            self.before_subscribe == BeforeSubscribe::All
        }
    }
}

/// This worker's members of one audience.
struct Group {
    name: GroupName,
    consumer: ConsumerId,
    audience: AudienceId,
    /// Holes are kept, so that a running job's position stays right.
    members: Vec<Option<Seat>>,
    free: Vec<u32>,
    pending: Vec<Delivery>,
    job: Option<Job>,
    queued: bool,
}

/// A member's place in a group. The connection stands here too: where everybody gets everything, delivering touches nothing
/// else of the member.
struct Seat {
    connection: Rc<Connection>,
    member: Rc<Member>,
}

/// Deliveries on their way through the members of a group.
struct Job {
    deliveries: Vec<Delivery>,
    position: usize,
    /// Whether every member gets all of it.
    for_all: bool,
    /// The frames as one piece, per compression.
    joined: Vec<(Option<Deflate>, Bytes)>,
}

impl Job {
    fn new(deliveries: Vec<Delivery>) -> Self {
        let for_all = deliveries.iter().all(|delivery| delivery.names.is_none());
        Self { deliveries, position: 0, for_all, joined: Vec::with_capacity(1) }
    }

    fn bytes(&self) -> usize {
        self.deliveries.iter().map(Delivery::size).sum()
    }

    /// All frames as one piece.
    fn joined(&mut self, deflate: Option<Deflate>, compression: &Compression) -> &Bytes {
        let index = match self.joined.iter().position(|(kind, _)| *kind == deflate) {
            Some(index) => index,
            None => {
                let piece = match self.deliveries.as_slice() {
                    [one] => one.frame.bytes(deflate, compression).clone(),
                    many => {
                        let mut piece = BytesMut::with_capacity(self.bytes());
                        for delivery in many {
                            piece.extend_from_slice(delivery.frame.bytes(deflate, compression));
                        }
                        piece.freeze()
                    }
                };
                self.joined.push((deflate, piece));
                self.joined.len() - 1
            }
        };
        &self.joined[index].1
    }

    fn serve(&mut self, Seat { connection, member }: &Seat, served: &mut Served) {
        let (deflate, compression) = (connection.deflate(), &connection.limits().compression);
        if self.for_all || self.deliveries.iter().all(|delivery| member.wants(delivery)) {
            let frames = self.deliveries.len();
            served.add(connection.deliver(self.joined(deflate, compression)), frames);
        } else {
            for delivery in self.deliveries.iter().filter(|delivery| member.wants(delivery)) {
                served.add(connection.deliver(delivery.frame.bytes(deflate, compression)), 1);
            }
        }
    }
}

/// What a slice did, for the counters.
#[derive(Default)]
struct Served {
    delivered: u64,
    overflowed: u64,
}

impl Served {
    fn add(&mut self, delivery: connection::Delivery, frames: usize) {
        match delivery {
            connection::Delivery::Sent | connection::Delivery::Queued => self.delivered += frames as u64,
            connection::Delivery::Overflow => self.overflowed += frames as u64,
            connection::Delivery::Refused => {}
        }
    }
}

#[derive(Default)]
struct Groups {
    by_name: HashMap<(GroupName, ConsumerId), AudienceId>,
    by_audience: HashMap<AudienceId, Group>,
    /// Groups with something to deliver, in turn.
    ready: VecDeque<AudienceId>,
}

/// One worker's members and deliveries.
pub struct Shard {
    worker: usize,
    registry: Arc<Registry>,
    metrics: Metrics,
    backlog: Arc<AtomicUsize>,
    groups: RefCell<Groups>,
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

    /// Puts a member into a group. When it resolves with `Ok`, every event published from then on reaches it.
    pub async fn join(&self, member: &Rc<Member>, group: &GroupName, consumer: ConsumerId) -> Result<(), LayerError> {
        self.add(member, group, consumer);
        self.registry.joined(group).await
    }

    fn add(&self, member: &Rc<Member>, name: &GroupName, consumer: ConsumerId) {
        let mut groups = self.groups.borrow_mut();
        let groups = &mut *groups;
        let audience = *groups
            .by_name
            .entry((name.clone(), consumer))
            .or_insert_with(|| self.registry.interest(name, consumer, self.worker));
        let mut places = member.places.borrow_mut();
        if places.iter().any(|place| place.audience == audience) {
            return;
        }
        let group = groups.by_audience.entry(audience).or_insert_with(|| Group {
            name: name.clone(),
            consumer,
            audience,
            members: Vec::new(),
            free: Vec::new(),
            pending: Vec::new(),
            job: None,
            queued: false,
        });
        let seat = Seat { connection: Rc::clone(&member.connection), member: Rc::clone(member) };
        let index = match group.free.pop() {
            Some(index) => {
                group.members[index as usize] = Some(seat);
                index
            }
            None => {
                group.members.push(Some(seat));
                u32::try_from(group.members.len() - 1).unwrap_or(u32::MAX)
            }
        };
        // Most connections are in one group, and there are many connections.
        places.reserve_exact(1);
        places.push(Place { audience, index });
    }

    /// Takes a member out of all its groups.
    pub fn leave_all(&self, member: &Member) {
        let places = std::mem::take(&mut *member.places.borrow_mut());
        let mut groups = self.groups.borrow_mut();
        for place in places {
            let Some(group) = groups.by_audience.get_mut(&place.audience) else { continue };
            group.members[place.index as usize] = None;
            group.free.push(place.index);
            if group.free.len() == group.members.len()
                && let Some(group) = groups.by_audience.remove(&place.audience)
            {
                self.end(&mut groups, group);
            }
        }
    }

    fn end(&self, groups: &mut Groups, group: Group) {
        let waiting: usize = group.pending.iter().map(Delivery::size).sum();
        self.done(waiting + group.job.as_ref().map_or(0, Job::bytes));
        groups.ready.retain(|audience| *audience != group.audience);
        self.registry.no_interest(&group.name, group.consumer, self.worker);
        groups.by_name.remove(&(group.name, group.consumer));
    }

    fn done(&self, bytes: usize) {
        self.backlog.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Delivers for as long as the node lives.
    pub async fn run(self: Rc<Self>, mut inbox: Inbox) {
        let mut batch = Vec::new();
        loop {
            if self.groups.borrow().ready.is_empty() {
                if inbox.deliveries.recv_many(&mut batch, BATCH).await == 0 {
                    return;
                }
            } else {
                while batch.len() < BATCH
                    && let Ok(delivery) = inbox.deliveries.try_recv()
                {
                    batch.push(delivery);
                }
            }
            self.accept(batch.drain(..));
            self.slice();
            tokio::task::yield_now().await;
        }
    }

    fn accept(&self, deliveries: impl Iterator<Item = Delivery>) {
        let mut groups = self.groups.borrow_mut();
        let Groups { by_audience, ready, .. } = &mut *groups;
        for delivery in deliveries {
            let Some(group) = by_audience.get_mut(&delivery.audience) else {
                self.done(delivery.size());
                continue;
            };
            if !group.queued {
                group.queued = true;
                ready.push_back(group.audience);
            }
            group.pending.push(delivery);
        }
    }

    /// Serves up to [`SLICE`] members. Nothing here calls back into the shard: a connection only writes, or queues.
    fn slice(&self) {
        let mut groups = self.groups.borrow_mut();
        let Groups { by_audience, ready, .. } = &mut *groups;
        let mut budget = SLICE;
        let mut served = Served::default();
        while budget > 0
            && let Some(audience) = ready.pop_front()
        {
            let Some(group) = by_audience.get_mut(&audience) else { continue };
            let job = group.job.get_or_insert_with(|| Job::new(std::mem::take(&mut group.pending)));
            while budget > 0 && job.position < group.members.len() {
                if let Some(seat) = &group.members[job.position] {
                    job.serve(seat, &mut served);
                    budget -= 1;
                }
                job.position += 1;
            }
            if job.position >= group.members.len() {
                let bytes = job.bytes();
                group.job = None;
                self.done(bytes);
            }
            if group.job.is_some() || !group.pending.is_empty() {
                ready.push_back(audience);
            } else {
                group.queued = false;
            }
        }
        self.count(&served);
    }

    fn count(&self, served: &Served) {
        if served.delivered > 0 {
            self.metrics.deliveries.inc_by(served.delivered);
        }
        if served.overflowed > 0 {
            self.metrics.dropped(crate::telemetry::DropReason::SlowClient, served.overflowed);
        }
    }
}
