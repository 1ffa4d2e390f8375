//! Messages for one member alone, in order with those of its groups: a message to its own channel, and what its session
//! sends for one.

use std::{rc::Rc, sync::Arc, time::Instant};

use super::Shard;
use crate::{
    consumer::{Consumer, ConsumerId, MapError, Mapped, MappedCall},
    event::{ConnectionId, Event, Payload},
    hub::{
        delivery::{Queued, Rules, loss, unanswered, unanswered_by},
        member::Member,
        registry::AudienceId,
        tally::Tally,
        throttle::ThrottledEvent,
        topics::matching_names,
        trace,
        variants::Variants,
        work::MemberWork,
    },
    socket::{close::Ending, frame::Frame},
    telemetry::DropReason,
};

/// What is delivered to one member.
#[derive(Clone, Debug)]
pub enum ForMember {
    /// A message.
    Frame(Payload),
    /// A call of its consumer's own method.
    Call(Arc<Event>),
    /// The end of its connection, as with a consumer of Channels that raises an exception.
    Close(Ending),
}

fn topic_names(consumer: &Consumer, topic: &Arc<str>) -> Arc<[Arc<str>]> {
    matching_names(topic, consumer.topics().matching)
}

impl Shard {
    /// A message for the member with this id.
    pub(super) fn direct(&self, id: ConnectionId, event: Arc<Event>) {
        self.done(event.body.weight());
        let member = self.groups.borrow().by_id.get(id).cloned();
        let Some(member) = member else { return self.undelivered(&event, "gone") };
        if let Some(handler) = member.handler().filter(|handler| handler.takes_messages()) {
            self.metrics.direct_message("reached");
            trace::direct(&self.metrics.tail, &event, "reached");
            return handler.direct(event);
        }
        let audience = member.slots.borrow().first().map(|slot| slot.audience);
        let groups = self.groups.borrow();
        let consumer = audience.and_then(|audience| groups.by_audience.get(&audience)).map(|group| group.consumer);
        drop(groups);
        let consumers = self.consumers.now();
        match consumer.and_then(|of| Some((of, consumers.get(of)?))) {
            Some((of, consumer)) => {
                self.metrics.direct_message("reached");
                trace::direct(&self.metrics.tail, &event, "reached");
                self.react_as(&member, consumer, of, &event);
            }
            None => self.undelivered(&event, "unhandled"),
        }
    }

    /// Counts a message for a connection that does not get it.
    fn undelivered(&self, event: &Event, outcome: &'static str) {
        self.metrics.direct_message(outcome);
        trace::direct(&self.metrics.tail, event, outcome);
    }

    /// A message for one member alone, as its consumer handles an event: with the frames of `on_event`, or by a call if
    /// Django runs the consumer.
    pub fn react_for(&self, member: &Rc<Member>, consumer: &Arc<Consumer>, event: &Arc<Event>) {
        self.react_as(member, consumer, consumer.id(), event);
    }

    fn react_as(&self, member: &Rc<Member>, consumer: &Arc<Consumer>, of: ConsumerId, event: &Arc<Event>) {
        let in_django = consumer.spec().django.is_any();
        match consumer.on_event(event) {
            Ok(Mapped { python: Some(MappedCall { topic, .. }), throttle, selection, .. }) => {
                let names = topic.map(|topic| topic_names(consumer, &topic));
                let throttle = throttle.map(|rate| ThrottledEvent::new(&rate, event, consumer, &self.metrics));
                let work = Some(Arc::new(MemberWork::Call(Arc::clone(event))));
                let unanswered = selection.as_ref().and_then(|_| unanswered_by(consumer));
                let rules = Rules { selection, unanswered, work, names, throttle, ..Rules::default() };
                self.deliver(member, Frame::empty(), rules, event.received);
            }
            Ok(mapped) => {
                trace::mapped(&self.metrics.tail, event, consumer, mapped.messages.len());
                let throttle = mapped.throttle.as_ref();
                let throttle = throttle.map(|rate| ThrottledEvent::new(rate, event, consumer, &self.metrics));
                let work = MemberWork::after(&mapped, consumer);
                let work = work.map(|(work, topic)| (work, topic.map(|topic| topic_names(consumer, topic))));
                let namespace = self.consumers.now().namespace(of);
                let is_alone = mapped.messages.is_empty();
                // A message to the members of other rooms is not for this connection.
                for message in mapped.messages.into_iter().filter(|message| message.to.is_none()) {
                    let names = message.topic.as_ref().map(|topic| topic_names(consumer, topic));
                    let (throttle, unanswered) = (throttle.clone(), unanswered(consumer, &message));
                    let loss = loss(consumer, AudienceId(0), message.key.as_deref());
                    let of = (consumer, namespace.as_ref());
                    let variants = message.personal.map(|one| Variants::new(one, of, loss.clone(), &self.metrics));
                    let frame = match variants {
                        Some(_) => Frame::empty(),
                        None => Frame::new(&consumer.within(message.payload, namespace.as_deref())).losable(loss),
                    };
                    let (selection, volatile, variants) = (message.selection, message.volatile, variants.map(Arc::new));
                    let rules =
                        Rules { selection, unanswered, names, volatile, variants, throttle, ..Rules::default() };
                    self.deliver(member, frame, rules, event.received);
                }
                if let Some((work, names)) = work {
                    let (selection, work) = (mapped.selection.clone(), Some(Arc::new(work)));
                    let unanswered = if selection.is_some() && is_alone { unanswered_by(consumer) } else { None };
                    let rules = Rules { selection, unanswered, names, work, throttle, ..Rules::default() };
                    self.deliver(member, Frame::empty(), rules, event.received);
                }
                for reason in mapped.unsent.iter().chain(mapped.outcome.iter().filter_map(|one| one.as_ref().err())) {
                    trace::partly_mapped(&self.metrics, consumer, event, reason);
                }
            }
            Err(MapError::NoHandler) if in_django => self.deliver_to(member, ForMember::Call(Arc::clone(event))),
            Err(MapError::NoHandler) => trace::no_handler(&self.metrics, consumer, event),
            Err(reason) => {
                trace::not_mapped(&self.metrics, consumer, event, &reason);
                if in_django {
                    self.deliver_to(member, ForMember::Close(Ending::event_failed()));
                }
            }
        }
    }

    /// Delivers to one member, after all that its groups sent before.
    pub fn deliver_to(&self, member: &Rc<Member>, what: ForMember) {
        let now = Instant::now();
        let work = match what {
            ForMember::Frame(payload) => return self.deliver(member, Frame::new(&payload), Rules::default(), now),
            ForMember::Call(event) => MemberWork::Call(event),
            ForMember::Close(ending) => MemberWork::Close(ending),
        };
        self.deliver(member, Frame::empty(), Rules { work: Some(Arc::new(work)), ..Rules::default() }, now);
    }

    fn deliver(&self, member: &Rc<Member>, frame: Frame, rules: Rules, received: Instant) {
        if member.is_gone() {
            return self.metrics.dropped(DropReason::Closed, 1);
        }
        let groups = &mut *self.groups.borrow_mut();
        let rules = rules.shared().map(|rules| self.applied(&groups.by_id, rules));
        let queued = Queued::new(groups.order.next(), Arc::new(frame), rules, received);
        let mut served = Tally::default();
        groups.order.catch_up(&groups.by_audience, member, Some(&queued), &mut served);
        groups.order.rest();
        self.tally(&served);
        self.nudge();
    }

    /// Members have new work: their handlers are called with the next slice, which comes soon.
    fn nudge(&self) {
        if !self.woken.borrow().is_empty()
            && let Some(sender) = self.sender.get().and_then(|sender| sender.upgrade())
        {
            // It is lost only with the worker.
            let _ = sender.send(super::ShardMessage::Question(Box::new(|_| {})));
        }
    }
}
