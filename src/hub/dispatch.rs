//! Passes events from the layer's thread to the workers: each event is mapped once per consumer, its frames are encoded
//! once, and one job goes to each worker with members.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    calls::EventCalls,
    delivery::{Delivery, Rules, Union, loss, unanswered, unanswered_by},
    missed::Missed,
    registry::{AudienceId, GroupAudience, Registry},
    shard::{Receiver, Shard, ShardMessage},
    snapshots::PresenceMoment,
    throttle::ThrottledEvent,
    topics::matching_names,
    trace,
    variants::Variants,
    work::MemberWork,
    workers::{LaterAnswer, WorkerAnswers, Workers},
};
use crate::{
    config::PythonPer,
    consumer::{Consumer, ConsumerId, Consumers, MapError, Mapped, MappedCall, Outgoing, Snapshot},
    event::{self, ConnectionId, Emission, Event, Eviction, Gap, GapReason, GroupName, Source, Value},
    layer::Signal,
    socket::{close::Ending, frame::Frame},
    telemetry::{DropReason, Metrics},
    warn_bounded,
};

/// Passes a layer's signals to the workers.
pub struct Dispatcher {
    registry: Arc<Registry>,
    consumers: Consumers,
    workers: Workers,
    metrics: Metrics,
    /// Maximum number of calls for one event.
    max_calls: usize,
}

impl Dispatcher {
    /// A dispatcher without workers yet; one event makes at most `max_calls` calls of Django's consumers.
    pub fn new(registry: Arc<Registry>, consumers: Consumers, max_calls: usize, metrics: Metrics) -> Self {
        Self { registry, consumers, workers: Workers::default(), metrics, max_calls }
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

    /// Asks every worker something that takes it some time.
    pub async fn ask_workers_later<T: Send + 'static>(
        &self,
        question: impl Fn(&Shard) -> LaterAnswer<T> + Send + Sync + 'static,
        deadline: Duration,
    ) -> WorkerAnswers<T> {
        self.workers.ask_later(question, deadline).await
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
            Signal::Direct { id, body, source } => self.direct(&id, body, source),
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
        let mut forms: Vec<(ConsumerId, Mapped, Occasion)> = Vec::new();
        for audience in audiences {
            let Some(consumer) = now.get(audience.consumer) else { continue };
            let namespace = now.namespace(audience.consumer);
            if let Some(namespace) = &namespace
                && let Some((_, mapped, of)) = forms.iter().find(|(known, ..)| *known == consumer.id())
            {
                mapped.messages.iter().for_each(|one| self.send_within(audience, one, (consumer, namespace), of));
                self.outcome(audience, mapped, consumer, of);
                continue;
            }
            match consumer.on_event(event) {
                Ok(Mapped { python: Some(python), throttle, selection, .. }) => {
                    handled = true;
                    let throttle = throttle.map(|rate| ThrottledEvent::new(&rate, event, consumer, &self.metrics));
                    let unanswered = selection.as_ref().and_then(|_| unanswered_by(consumer));
                    let rules = Rules { selection, unanswered, throttle, ..Rules::default() };
                    self.call(audience, (event, consumer), python, rules);
                }
                Ok(mapped) => {
                    handled = true;
                    let Mapped { messages, unsent, throttle, outcome, .. } = &mapped;
                    trace::mapped(&self.metrics.tail, event, consumer, messages.len());
                    let throttle = throttle.as_ref();
                    let throttle = throttle.map(|rate| ThrottledEvent::new(rate, event, consumer, &self.metrics));
                    let of = Occasion { received: event.received, throttle };
                    match &namespace {
                        None => messages.iter().for_each(|one| self.send(audience, one, (consumer, None), &of)),
                        Some(name) => {
                            let of_namespace = (consumer, name);
                            messages.iter().for_each(|one| self.send_within(audience, one, of_namespace, &of));
                        }
                    }
                    self.outcome(audience, &mapped, consumer, &of);
                    for reason in unsent.iter().chain(outcome.iter().filter_map(|outcome| outcome.as_ref().err())) {
                        trace::partly_mapped(&self.metrics, consumer, event, reason);
                    }
                    forms.extend(namespace.map(|_| (consumer.id(), mapped, of)));
                }
                Err(MapError::NoHandler) if consumer.spec().django.is_any() => {
                    handled = true;
                    let python = MappedCall { per: PythonPer::Connection, topic: None };
                    self.call(audience, (event, consumer), python, Rules::default());
                }
                Err(MapError::NoHandler) if consumer.namespace().is_some() => unhandled = Some(consumer),
                Err(MapError::NoHandler) => trace::no_handler(&self.metrics, consumer, event),
                Err(reason @ (MapError::Mapping(_) | MapError::TooLarge(_))) => {
                    handled = true;
                    trace::not_mapped(&self.metrics, consumer, event, &reason);
                    if consumer.spec().django.is_any() {
                        self.work(
                            audience,
                            MemberWork::Close(Ending::event_failed()),
                            Rules::default(),
                            event.received,
                        );
                    }
                    let of = Occasion { received: event.received, throttle: None };
                    forms.extend(namespace.map(|_| (consumer.id(), Mapped::default(), of)));
                }
            }
        }
        if let (false, Some(consumer)) = (handled, unhandled) {
            trace::no_handler(&self.metrics, consumer, event);
        }
    }

    /// Asks of each member of an audience, after the messages, what the event asks.
    fn outcome(&self, audience: GroupAudience, mapped: &Mapped, consumer: &Consumer, of: &Occasion) {
        if let Some((work, topic)) = MemberWork::after(mapped, consumer) {
            let names = topic.map(|topic| matching_names(topic, consumer.topics().matching));
            let (selection, throttle) = (mapped.selection.clone(), of.throttle.clone());
            // Without an answer for a message the connection ends by that.
            let is_first = mapped.messages.is_empty() && selection.is_some();
            let unanswered = if is_first { unanswered_by(consumer) } else { None };
            let work = Some(Arc::new(work));
            let rules = Rules { selection, unanswered, names, work, throttle, ..Rules::default() };
            self.deliver(audience, Arc::new(Frame::empty()), rules.shared(), of.received);
        }
    }

    /// Has the consumer's own method called for the members of an audience.
    fn call(
        &self,
        audience: GroupAudience,
        (event, consumer): (&Arc<Event>, &Arc<Consumer>),
        call: MappedCall,
        rules: Rules,
    ) {
        let calls = EventCalls::new(event, consumer, call.per, self.max_calls, &self.metrics);
        let names = call.topic.map(|topic| matching_names(&topic, consumer.topics().matching));
        self.work(audience, MemberWork::Calls(calls), Rules { names, ..rules }, event.received);
    }

    /// Gives each member of an audience work, as far as the rules let it have some.
    fn work(&self, audience: GroupAudience, work: MemberWork, rules: Rules, received: Instant) {
        let rules = Rules { work: Some(Arc::new(work)), ..rules };
        self.deliver(audience, Arc::new(Frame::empty()), rules.shared(), received);
    }

    /// A message for one connection.
    fn direct(&self, id: &str, body: Value, source: Source) {
        // Ids are valid names of groups, so another name is not the id of a connection.
        let Ok(group) = GroupName::new(id) else { return self.metrics.direct_message("gone") };
        let event = Arc::new(Event { group, body, source, received: Instant::now() });
        trace::received(&self.metrics.tail, &event);
        let Some((id, worker)) = self.registry.find(id) else {
            self.metrics.direct_message("gone");
            return trace::direct(&self.metrics.tail, &event, "gone");
        };
        self.give(1 << worker, event.body.weight(), || ShardMessage::Direct(id, Arc::clone(&event)));
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
        (consumer, namespace): (&Arc<Consumer>, &Arc<str>),
        of: &Occasion,
    ) {
        let payload = match message.personal {
            Some(_) => message.payload.clone(),
            None => consumer.within(message.payload.clone(), Some(namespace)),
        };
        self.send(own, &Outgoing { payload, ..message.clone() }, (consumer, Some(namespace)), of);
    }

    fn send(&self, own: GroupAudience, message: &Outgoing, sender: (&Arc<Consumer>, Option<&Arc<str>>), of: &Occasion) {
        let (consumer, _) = sender;
        let mut targets = Targets::default();
        for room in message.to.iter().flatten() {
            targets.add(self.audiences(room).into_iter().filter(|other| other.consumer == own.consumer));
        }
        let audience = match (&message.to, targets.audiences.as_slice()) {
            (None, _) => own,
            (Some(_), []) => return,
            (Some(_), [first, ..]) => *first,
        };
        let loss = loss(consumer, audience.id, message.key.as_deref());
        let variants = message.personal.clone();
        let variants = variants.map(|one| Arc::new(Variants::new(one, sender, loss.clone(), &self.metrics)));
        let rules = Rules {
            variants,
            selection: message.selection.clone(),
            unanswered: unanswered(consumer, message),
            names: message.topic.as_ref().map(|topic| matching_names(topic, consumer.topics().matching)),
            volatile: message.volatile,
            throttle: of.throttle.clone(),
            ..Rules::default()
        };
        let frame = Arc::new(match message.personal {
            Some(_) => Frame::empty(),
            None => Frame::new(&message.payload).losable(loss),
        });
        match targets.audiences.len() {
            0 | 1 => self.deliver(audience, frame, rules.shared(), of.received),
            _ => self.unite(targets, [own.consumer].into(), frame, rules.shared(), of.received),
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
        let size = frame.size() + rules.as_ref().map_or(0, |rules| rules.weight());
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
        let id = eviction.id.as_deref().map(ConnectionId::parse);
        if id == Some(None) {
            return; // No connection has such an id.
        }
        let consumers = audiences_of(&now, &eviction.target, served(&now, &eviction.target));
        let concerned = self.audiences(&group).into_iter().filter(|audience| consumers.contains(&audience.consumer));
        let mut mask = 0;
        let consumers: Arc<[ConsumerId]> =
            concerned.inspect(|one| mask |= one.workers).map(|one| one.consumer).collect();
        self.give(mask, 0, || {
            let (group, consumers, id) = (group.clone(), Arc::clone(&consumers), id.flatten());
            ShardMessage::Question(Box::new(move |shard| shard.evict(&group, &consumers, id)))
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
                && let Some((id, worker)) = self.registry.find(room)
                && !targets.ids.iter().any(|(known, _)| *known == id)
            {
                targets.ids.push((id, worker));
            }
        }
        targets
    }

    fn exceptions(&self, emission: &Emission, now: &Snapshot, consumers: &[ConsumerId]) -> Rules {
        let presence = emission.presence.clone().map(|(scope, at)| PresenceMoment { scope, at });
        let mut rules = Rules { volatile: emission.volatile, presence, ..Rules::default() };
        for except in &emission.except {
            rules.except_ids.extend(self.registry.find(except).map(|(id, _)| id));
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

/// The event behind messages of one handler.
struct Occasion {
    received: Instant,
    /// How often one connection gets them.
    throttle: Option<Arc<ThrottledEvent>>,
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
    ids: Vec<(ConnectionId, usize)>,
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
