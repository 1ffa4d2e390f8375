//! Runs one effect at a time: at once, or with a wait.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{After, Binding, Session, queue::Item};
use crate::{
    backend::bridge::CallEvent,
    consumer::{Consumer, ConsumerId, Continuation, Effect, MessageProblem, Outcome, Reaction},
    event::{Emission, GroupName, Payload, Value, listed},
    hub::{EventCall, EventCalls, Member, shared::Sharer},
    protocol::bridged::RunningCall,
    protocol::effects::{Opened, Remaining, Stage, Wait, carry_out},
    warn_bounded,
};

/// Work for one binding.
pub(super) enum Work {
    Effect(Effect),
    /// The project's own consumer handles this.
    Call(CallEvent),
    /// What an event asks of the connection.
    Outcome(Vec<Effect>),
    /// The project's own consumer handles this event.
    Event(EventCall),
    /// Its call goes on.
    Follow(RunningCall),
    /// The consumer's `on_connect`.
    Connected,
    /// The connection's first handlers are done: its member is released.
    Release,
    /// Add the connection to the presence of its user.
    Enter,
    /// Remove it again.
    Exit,
}

/// What failed, and why.
pub(super) type Failed = (&'static str, String);

/// Work that needs a wait.
pub(super) enum Pending {
    Effect(Wait),
    /// A call of the project's own consumer.
    Call(RunningCall),
    /// What an event asks of the connection.
    Outcome(Vec<Effect>),
    /// A call that several connections share.
    Shared(Box<Sharer>, Arc<EventCalls>),
    Enter,
}

impl Pending {
    /// Whether it can be interrupted, which frees its memory. A publish cannot: it is on its way to Redis. A shared call
    /// decides for itself.
    pub const fn can_stop(&self) -> bool {
        matches!(self, Self::Effect(Wait::Call { .. }) | Self::Call(_))
    }
}

impl Session {
    /// Runs work that needs no wait; returns work that does.
    pub(super) fn at_once(self: &Rc<Self>, index: usize, work: Work) -> Option<Pending> {
        let binding = &self.bindings[index];
        let effect = match work {
            Work::Effect(effect) => effect,
            Work::Call(event) => return self.begin(index, event).map(Pending::Call),
            Work::Event(event) => return self.begin_event(index, event),
            Work::Follow(call) => return Some(Pending::Call(call)),
            Work::Outcome(effects) => return Some(Pending::Outcome(effects)),
            // What they are is planned when it is their turn.
            Work::Connected | Work::Release => return None,
            Work::Enter => return Some(Pending::Enter),
            Work::Exit => {
                if let Some(member) = binding.present.borrow_mut().take() {
                    self.services.presence.leave(&member);
                }
                return None;
            }
        };
        match carry_out(effect, &binding.consumer, Stage::Open(self.open(binding))) {
            Remaining::Wait(wait) => return Some(Pending::Effect(wait)),
            Remaining::Ask { args, timeout, then } => self.ask(index, &args, timeout, then),
            Remaining::Done | Remaining::Refuse(_) => {}
        }
        None
    }

    pub(super) fn open<'a>(&'a self, binding: &'a Binding) -> Opened<'a> {
        let (shard, metrics) = (&*self.services.shard, &self.services.metrics);
        Opened { binding, member: &self.member, outlet: &*self.outlet, shard, metrics }
    }

    /// Runs work that needs a wait.
    pub(super) async fn in_time(&self, index: usize, pending: Pending) -> After {
        let binding = &self.bindings[index];
        let reaction = match pending {
            // Boxed: most sessions have none.
            Pending::Call(call) => return Box::pin(self.follow(call)).await,
            Pending::Outcome(effects) => return Box::pin(self.carry_out_outcome(index, effects)).await,
            Pending::Shared(sharer, calls) => return Box::pin(self.share(index, *sharer, calls)).await,
            Pending::Effect(Wait::Join { groups, failed }) => {
                let joined = self.join(binding, &groups).await;
                return self.or_reply(binding, joined, failed.as_deref());
            }
            Pending::Effect(Wait::JoinSigned { tokens, replies }) => {
                return self.join_signed(binding, &tokens, &replies).await;
            }
            Pending::Effect(Wait::Publish { group, body, failed }) => {
                let published = self.services.shard.registry().layer().publish(&group, &body).await;
                let published = published.map_err(|error| ("not_published", format!("to group {group}: {error}")));
                return self.or_reply(binding, published, failed.as_deref());
            }
            Pending::Effect(Wait::Send { channel, body }) => {
                let sent = self.services.shard.registry().layer().send(&channel, &body).await;
                let sent = sent.map_err(|error| ("not_published", format!("to channel {channel}: {error}")));
                return self.or_reply(binding, sent, None);
            }
            Pending::Effect(Wait::Emit { groups, mut body, failed }) => {
                if let Some(namespace) = self.outlet.namespace() {
                    Emission::keep_in(&mut body, namespace);
                }
                let emitted = self.services.shard.registry().layer().emit(&groups, &body).await;
                let emitted = emitted.map_err(|error| ("not_published", format!("to {}: {error}", listed(&groups))));
                return self.or_reply(binding, emitted, failed.as_deref());
            }
            Pending::Effect(Wait::BecomeUser(user)) => return self.become_user(binding, user).await,
            Pending::Effect(Wait::Call { request, then }) => {
                self.set_asked(Some(Instant::now()));
                let outcome = self.services.backend.call(*request).await;
                binding.with_context(|context| binding.consumer.resume(context, &then, outcome))
            }
            Pending::Effect(Wait::Present { room, then }) => {
                let members = self.present(binding, room.as_deref()).await;
                let outcome = Outcome::Present(room, members);
                binding.with_context(|context| binding.consumer.resume(context, &then, outcome))
            }
            Pending::Effect(Wait::Refresh { token, then, replies }) => {
                return self.refresh(index, token.expose(), &then, &replies).await;
            }
            Pending::Enter => {
                let Some(arrival) = self.enter(binding).await else { return After::More(Vec::new()) };
                let mut reaction = binding.with_context(|context| binding.consumer.on_online(context));
                reaction.report(&arrival.scope, arrival.at);
                reaction
            }
        };
        self.go_on_with(index, reaction)
    }

    pub(super) fn go_on_with(&self, index: usize, reaction: Reaction) -> After {
        self.note(index, &reaction, "an answer");
        After::More(reaction.effects.into_iter().map(Work::Effect).collect())
    }

    /// If Redis did not accept it, the client gets the handler's replies for a failure, and the handler ends.
    pub(super) fn or_reply(&self, binding: &Binding, done: Result<(), Failed>, failed: Option<&[Payload]>) -> After {
        let Err((label, reason)) = done else { return After::More(Vec::new()) };
        self.services.metrics.refused_message(label);
        warn_bounded!("{}: {label}: {reason}", binding.consumer.name());
        failed.into_iter().flatten().for_each(|payload| self.outlet.send(payload));
        After::End
    }

    /// The id under which a consumer has this connection.
    pub(super) fn audience(&self, consumer: &Consumer) -> ConsumerId {
        self.services.shard.audience(consumer, self.outlet.namespace().map(|name| &**name))
    }

    pub(super) async fn join(&self, binding: &Binding, groups: &[GroupName]) -> Result<(), Failed> {
        let (shard, consumer) = (&self.services.shard, self.audience(&binding.consumer));
        let asked = self.asked();
        for group in groups {
            self.after_orders(binding, group).await;
            if self.has_joined() {
                self.hold();
            }
            // A gone connection joins no group.
            let Some(member) = self.member() else { return Ok(()) };
            self.check_limits(binding, &member, group)?;
            let joined = shard.join(&member, group, consumer).await;
            joined.map_err(|error| ("not_joined", format!("group {group}: {error}")))?;
            if self.had_to_leave(binding, group, asked) {
                shard.leave(&member, group, consumer);
                if binding.bridged.is_some() {
                    // As if the consumer had been discarded from the group just after it was added.
                    continue;
                }
                return Err(("not_joined", format!("group {group}: the user had to leave it meanwhile")));
            }
            if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
                queue.has_joined = true;
            }
        }
        Ok(())
    }

    /// Whether the connection may be in one more group.
    pub(super) fn check_limits(&self, binding: &Binding, member: &Member, group: &GroupName) -> Result<(), Failed> {
        let (shard, consumer) = (&self.services.shard, self.audience(&binding.consumer));
        // Django's own code names the groups of a bridged consumer, not the client.
        let max_rooms = if binding.bridged.is_some() { usize::MAX } else { binding.consumer.max_rooms() };
        let most = usize::from(self.own_groups.get()).saturating_add(max_rooms);
        if member.groups() >= most && !shard.holds(member, group, consumer) {
            let reason = format!("the connection would exceed its limit of {} rooms", binding.consumer.max_rooms());
            return Err(("too_many_rooms", reason));
        }
        if shard.registry().groups() >= self.services.control.max_groups() && !shard.registry().has(group) {
            let reason = "the node has reached limits.groups".to_owned();
            return Err(("too_many_groups", reason));
        }
        Ok(())
    }

    fn ask(self: &Rc<Self>, index: usize, args: &[Value], timeout: Duration, then: Continuation) {
        let Some(member) = self.member() else { return };
        let inbox = Rc::clone(member.connection().inbox());
        let id = {
            let mut asks = self.asks.borrow_mut();
            let asks = asks.get_or_insert_default();
            let id = asks.add(index, then, inbox.max_kept());
            asks.counted.set(asks.bytes(), || self.held(Some(inbox)));
            id
        };
        member.connection().took_more();
        match self.bindings[index].consumer.question(id, args) {
            Ok(payload) => self.outlet.send(&payload),
            Err(error) => {
                self.services.metrics.refused_message(MessageProblem::from(error.clone()).label());
                return self.resolve(id, Outcome::Failed(error.to_string()));
            }
        }
        let session = Rc::downgrade(self);
        let timer = actix_rt::spawn(async move {
            tokio::time::sleep(timeout).await;
            if let Some(session) = session.upgrade() {
                session.resolve(id, Outcome::Failed("the client did not acknowledge in time".to_owned()));
            }
        });
        if let Some(asks) = self.asks.borrow_mut().as_deref_mut() {
            asks.set_timer(id, timer.abort_handle());
        }
    }

    pub(super) fn resolve(self: &Rc<Self>, id: u64, outcome: Outcome) {
        let asked = self.asks.borrow_mut().as_deref_mut().and_then(|asks| asks.take(id));
        let Some((index, then)) = asked else { return };
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.push(Item::Resume { index, then, outcome });
        } else {
            let agenda = self.resume(index, &then, outcome);
            return self.start(agenda, || then.weight());
        }
        self.weigh();
    }
}
