//! Passes events from the layer's thread to the workers: each event is mapped once per consumer, its frames are encoded
//! once, and one job goes to each worker with members.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    delivery::{Delivery, Rules, Union},
    missed::Missed,
    registry::{AudienceId, GroupAudience, Registry},
    shard::{Receiver, Shard, ShardMessage},
    topics::matching_names,
    trace,
    workers::{WorkerAnswers, Workers},
};
use crate::{
    config::Slow,
    consumer::{Consumer, ConsumerId, Consumers, MapError, Mapped, Outgoing, Snapshot},
    event::{self, Emission, Event, Eviction, Gap, GapReason, GroupName},
    layer::Signal,
    socket::{Loss, frame::Frame},
    telemetry::{DropReason, Metrics},
    warn_bounded,
};

/// Passes a layer's signals to the workers.
pub struct Dispatcher {
    registry: Arc<Registry>,
    consumers: Consumers,
    workers: Workers,
    metrics: Metrics,
}

impl Dispatcher {
    /// A dispatcher without workers yet.
    pub fn new(registry: Arc<Registry>, consumers: Consumers, metrics: Metrics) -> Self {
        Self { registry, consumers, workers: Workers::default(), metrics }
    }

    /// Connects a new worker: its end of a new link, or `None` if there are too many workers.
    pub fn connect(&self) -> Option<Receiver> {
        self.workers.connect(&self.consumers)
    }

    /// Asks the worker threads, each about its own members; returns how many did not answer within `deadline`.
    pub async fn ask_workers<T: Send + 'static>(
        &self,
        question: impl Fn(&Shard) -> T + Send + Sync + 'static,
        deadline: Duration,
    ) -> WorkerAnswers<T> {
        self.workers.ask(question, deadline).await
    }

    /// Handles one signal of the layer; called on the layer's thread.
    pub fn take(&self, signal: Signal) {
        match signal {
            Signal::Event(event) => match Emission::from_event(&event) {
                Ok(None) => self.event(&Arc::new(event)),
                Ok(Some(emission)) => self.emission(&emission),
                Err(reason) => {
                    self.metrics.lost(DropReason::Decode, 1, Some(event.group.as_str()), None, &reason);
                    warn_bounded!("an emission to group {} is malformed and dropped: {reason}", event.group);
                }
            },
            Signal::Emission(emission) => self.emission(&emission),
            Signal::Eviction(eviction) => self.evict(&eviction),
            // Answers to the node's own questions; not for any connection.
            Signal::Message(_) => {}
            Signal::Gap(gap) => self.gap(&gap),
        }
    }

    fn event(&self, event: &Arc<Event>) {
        trace::received(&self.metrics.tail, event);
        // Consumers of one namespace share its rooms: an event that one of them handles is not lost for the others.
        let now = self.consumers.now();
        let mut handled = false;
        let mut unhandled: Option<&Consumer> = None;
        let audiences = self.audiences(&event.group);
        // The namespaces of one form get the same messages: they are mapped once, and each gets a copy that names it.
        let mut forms: Vec<(ConsumerId, Vec<Outgoing>)> = Vec::new();
        for audience in audiences {
            let Some(consumer) = now.get(audience.consumer) else { continue };
            let namespace = now.namespace(audience.consumer);
            if let Some(namespace) = &namespace
                && let Some((_, messages)) = forms.iter().find(|(known, _)| *known == consumer.id())
            {
                messages.iter().for_each(|one| self.send_within(audience, one, (consumer, namespace), event.received));
                continue;
            }
            match consumer.on_event(event) {
                Ok(Mapped { messages, unsent }) => {
                    handled = true;
                    trace::mapped(&self.metrics.tail, event, consumer, messages.len());
                    match &namespace {
                        None => messages.iter().for_each(|one| self.send(audience, one, consumer, event.received)),
                        Some(name) => {
                            let of = (&**consumer, name);
                            messages.iter().for_each(|one| self.send_within(audience, one, of, event.received));
                            forms.push((consumer.id(), messages));
                        }
                    }
                    if let Some(reason) = unsent {
                        self.not_mapped(consumer, event, &reason);
                    }
                }
                Err(MapError::NoHandler) if consumer.namespace().is_some() => unhandled = Some(consumer),
                Err(MapError::NoHandler) => self.no_handler(consumer, event),
                Err(reason @ (MapError::Mapping(_) | MapError::TooLarge(_))) => {
                    handled = true;
                    self.not_mapped(consumer, event, &reason);
                    forms.extend(namespace.map(|_| (consumer.id(), Vec::new())));
                }
            }
        }
        if let (false, Some(consumer)) = (handled, unhandled) {
            self.no_handler(consumer, event);
        }
    }

    fn not_mapped(&self, consumer: &Consumer, event: &Event, reason: &MapError) {
        let group = Some(event.group.as_str());
        self.metrics.lost(reason.drop_reason(), 1, group, Some(consumer.name()), reason);
        warn_bounded!(
            "{}: dropped an event of type {:?} in group {}: mapping failed: {reason}",
            consumer.name(),
            event.kind().unwrap_or_default(),
            event.group
        );
    }

    fn no_handler(&self, consumer: &Consumer, event: &Event) {
        let detail = format_args!("no handler for events of type {:?}", event.kind().unwrap_or_default());
        self.metrics.lost(DropReason::NoHandler, 1, Some(event.group.as_str()), Some(consumer.name()), &detail);
        warn_bounded!(
            "{}: no handler for events of type {:?} in group {}; dropped",
            consumer.name(),
            event.kind().unwrap_or_default(),
            event.group
        );
    }

    fn audiences(&self, group: &GroupName) -> Vec<GroupAudience> {
        let mut audiences = Vec::new();
        self.registry.audiences(group, |audience| audiences.push(audience));
        audiences
    }

    fn send_within(
        &self,
        own: GroupAudience,
        message: &Outgoing,
        (consumer, namespace): (&Consumer, &Arc<str>),
        received: Instant,
    ) {
        let payload = consumer.within(message.payload.clone(), Some(namespace));
        self.send(own, &Outgoing { payload, ..message.clone() }, consumer, received);
    }

    fn send(&self, own: GroupAudience, message: &Outgoing, consumer: &Consumer, received: Instant) {
        let mut targets = Targets::default();
        for room in message.to.iter().flatten() {
            targets.add(self.audiences(room).into_iter().filter(|other| other.consumer == own.consumer));
        }
        let audience = match (&message.to, targets.audiences.as_slice()) {
            (None, _) => own,
            (Some(_), []) => return,
            (Some(_), [first, ..]) => *first,
        };
        let rules = Rules {
            names: message.topic.as_ref().map(|topic| matching_names(topic, consumer.topics().matching)),
            volatile: message.volatile,
            ..Rules::default()
        };
        let loss = loss(consumer, audience.id, message.key.as_deref());
        let frame = Arc::new(Frame::new(&message.payload).losable(loss));
        match targets.audiences.len() {
            0 | 1 => self.deliver(audience, frame, rules.shared(), received),
            _ => self.unite(targets, [own.consumer].into(), frame, rules.shared(), received),
        }
    }

    fn unite(
        &self,
        targets: Targets,
        consumers: Arc<[ConsumerId]>,
        frame: Arc<Frame>,
        rules: Option<Arc<Rules>>,
        received: Instant,
    ) {
        let (mask, size) = (targets.mask(), frame.size());
        let ids = targets.ids.into_iter().map(|(id, _)| id).collect();
        let audiences = targets.audiences.iter().map(|audience| audience.id).collect();
        let union = Arc::new(Union { audiences, ids, consumers, frame, rules, received });
        self.give(mask, size, || ShardMessage::Union(Arc::clone(&union)));
    }

    fn deliver(&self, audience: GroupAudience, frame: Arc<Frame>, rules: Option<Arc<Rules>>, received: Instant) {
        let size = frame.size();
        let delivery = Delivery { audience: audience.id, frame, rules, received };
        self.give(audience.workers, size, || ShardMessage::Delivery(delivery.clone()));
    }

    fn give(&self, mask: u64, size: usize, work: impl Fn() -> ShardMessage) {
        let refused = self.workers.send(mask, size, work);
        if refused.workers > 0 {
            self.metrics.dropped(DropReason::Backlog, refused.workers);
        }
        // The worker itself sends the gap notice to its members once it has room again.
        if refused.newly > 0 {
            self.count(&Gap { groups: None, reason: GapReason::Backlog });
        }
    }

    fn emission(&self, emission: &Emission) {
        let now = self.consumers.now();
        trace::emitted(&self.metrics.tail, emission, &now);
        let mut served: Vec<&Consumer> = served(&now, &emission.target).collect();
        // A reload may have changed the protocol of a consumer's name while older connections still use the former.
        while let Some(protocol) = served.first().map(|consumer| consumer.protocol()) {
            let (alike, others): (Vec<_>, Vec<_>) =
                served.into_iter().partition(|consumer| consumer.protocol() == protocol);
            self.emission_to(emission, &now, &alike);
            served = others;
        }
    }

    /// An emission to consumers that encode it alike.
    fn emission_to(&self, emission: &Emission, now: &Snapshot, served: &[&Consumer]) {
        let consumers = audiences_of(now, &emission.target, served.iter().copied());
        let targets = self.targets(emission, now, served, &consumers);
        if targets.mask() == 0 {
            return;
        }
        // All consumers of a namespace encode the same.
        let Some(consumer) = served.first() else { return };
        let frame = match consumer.encode(&emission.content) {
            Ok(payload) => {
                Arc::new(Frame::new(&consumer.within(payload, namespace_of(&emission.target))).losable(loss(
                    consumer,
                    AudienceId(0),
                    None,
                )))
            }
            Err(reason) => {
                self.metrics.lost(reason.drop_reason(), 1, None, Some(consumer.name()), &reason);
                warn_bounded!("{}: dropped an emission that cannot be encoded: {reason}", consumer.name());
                return;
            }
        };
        let rules = self.exceptions(emission, now, &consumers).shared();
        match (targets.audiences.as_slice(), targets.ids.as_slice()) {
            (&[audience], []) => self.deliver(audience, frame, rules, emission.received),
            _ => self.unite(targets, consumers, frame, rules, emission.received),
        }
    }

    fn evict(&self, eviction: &Eviction) {
        let now = self.consumers.now();
        let Ok(group) = now.group(&eviction.target, &eviction.room) else { return };
        let consumers = audiences_of(&now, &eviction.target, served(&now, &eviction.target));
        let concerned = self.audiences(&group).into_iter().filter(|audience| consumers.contains(&audience.consumer));
        let mut mask = 0;
        let consumers: Arc<[ConsumerId]> =
            concerned.inspect(|one| mask |= one.workers).map(|one| one.consumer).collect();
        let id = eviction.id.clone();
        self.give(mask, 0, || {
            let (group, consumers, id) = (group.clone(), Arc::clone(&consumers), id.clone());
            ShardMessage::Question(Box::new(move |shard| shard.evict(&group, &consumers, id.as_deref())))
        });
    }

    fn targets(&self, emission: &Emission, now: &Snapshot, served: &[&Consumer], consumers: &[ConsumerId]) -> Targets {
        let mut targets = Targets::default();
        if emission.rooms.is_empty() {
            for consumer in served {
                if let Ok(Some(group)) = consumer.everybody(namespace_of(&emission.target).unwrap_or_default()) {
                    targets.add(self.audiences(&group).into_iter().filter(|one| consumers.contains(&one.consumer)));
                }
            }
            return targets;
        }
        for room in &emission.rooms {
            let mut is_room = false;
            match now.group(&emission.target, room) {
                Ok(group) => {
                    let of_room = self.audiences(&group).into_iter().filter(|one| consumers.contains(&one.consumer));
                    targets.add(of_room.inspect(|_| is_room = true));
                }
                Err(reason) => warn_bounded!("an emission to a room is not delivered: {reason}"),
            }
            // A name that is not a room of this node may be the id of a member.
            if !is_room
                && let Some(worker) = self.registry.worker_of(room)
                && !targets.ids.iter().any(|(known, _)| known == room)
            {
                targets.ids.push((Arc::clone(room), worker));
            }
        }
        targets
    }

    fn exceptions(&self, emission: &Emission, now: &Snapshot, consumers: &[ConsumerId]) -> Rules {
        let mut rules = Rules { volatile: emission.volatile, ..Rules::default() };
        for except in &emission.except {
            if self.registry.worker_of(except).is_some() {
                rules.except_ids.push(Arc::clone(except));
            }
            if let Ok(group) = now.group(&emission.target, except) {
                let of_consumers = self.audiences(&group).into_iter().filter(|one| consumers.contains(&one.consumer));
                rules.except_audiences.extend(of_consumers.map(|audience| audience.id));
            }
        }
        rules
    }

    fn gap(&self, gap: &Gap) {
        self.count(gap);
        if let Some(missed) = Missed::new(gap, &self.consumers.now()) {
            let missed = Arc::new(missed);
            self.workers.tell(|| ShardMessage::Gap(Arc::clone(&missed)));
        }
    }

    fn count(&self, gap: &Gap) {
        self.metrics.gap(gap.reason.label());
        trace::gap(&self.metrics.tail, gap);
        let groups =
            gap.groups.as_ref().map_or_else(|| "all groups".to_owned(), |groups| format!("{} groups", groups.len()));
        warn_bounded!("events may have been missed in {groups}: {}", gap.reason.label());
    }
}

/// How a consumer's message may be lost while it waits for a slow client. Keys of different groups are independent; a
/// message without a key is kept, even if others have keys.
fn loss(consumer: &Consumer, audience: AudienceId, key: Option<&str>) -> Loss {
    match (consumer.slow(), key) {
        (Slow::Close, _) | (Slow::Latest, None) => Loss::Never,
        (Slow::DropOldest, _) => Loss::Oldest,
        (Slow::Latest, Some(key)) => Loss::Superseded(format!("{}/{key}", audience.0).into()),
    }
}

/// The consumers in an audience.
fn served<'a>(now: &'a Snapshot, target: &'a event::EmissionTarget) -> impl Iterator<Item = &'a Consumer> {
    now.iter().map(Arc::as_ref).filter(move |consumer| match target {
        event::EmissionTarget::Namespace(namespace) => consumer.serves(namespace),
        event::EmissionTarget::Consumer(name) | event::EmissionTarget::ConsumerIn { consumer: name, .. } => {
            consumer.name() == &**name
        }
    })
}

/// The namespace of an audience, if it is one of a form.
fn namespace_of(target: &event::EmissionTarget) -> Option<&str> {
    match target {
        event::EmissionTarget::Namespace(namespace) | event::EmissionTarget::ConsumerIn { namespace, .. } => {
            Some(namespace)
        }
        event::EmissionTarget::Consumer(_) => None,
    }
}

/// The ids under which these consumers have the members of an audience.
fn audiences_of<'a>(
    now: &Snapshot,
    target: &event::EmissionTarget,
    served: impl Iterator<Item = &'a Consumer>,
) -> Arc<[ConsumerId]> {
    let namespace = namespace_of(target).unwrap_or_default();
    served.filter_map(|consumer| now.audience(consumer, namespace)).collect()
}

/// The receivers of an emission on this node.
#[derive(Default)]
struct Targets {
    audiences: Vec<GroupAudience>,
    /// Ids of members, with their workers.
    ids: Vec<(Arc<str>, usize)>,
}

impl Targets {
    fn add(&mut self, audiences: impl Iterator<Item = GroupAudience>) {
        for audience in audiences {
            if !self.audiences.iter().any(|known| known.id == audience.id) {
                self.audiences.push(audience);
            }
        }
    }

    /// The workers of these receivers.
    fn mask(&self) -> u64 {
        let of_audiences = self.audiences.iter().map(|audience| audience.workers);
        of_audiences.chain(self.ids.iter().map(|(_, worker)| 1 << worker)).fold(0, |mask, one| mask | one)
    }
}
