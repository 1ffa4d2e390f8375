//! Runs one effect at a time: at once, or with a wait.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use super::{After, Binding, Session, queue::Item};
use crate::{
    consumer::{Consumer, ConsumerId, Continuation, Effect, MessageProblem, Outcome, Reaction},
    event::{Emission, GroupName, Payload, Value, listed},
    presence,
    protocol::effects::{Opened, Remaining, Stage, Wait, carry_out},
    warn_bounded,
};

/// Work for one binding.
pub(super) enum Work {
    Effect(Effect),
    /// The connection's first handlers are done: its member is released.
    Release,
    /// Add the connection to the presence of its user.
    Enter,
    /// Remove it again.
    Exit,
}

/// What failed, and why.
type Failed = (&'static str, String);

/// Work that needs a wait.
pub(super) enum Pending {
    Effect(Wait),
    Enter,
}

impl Pending {
    /// Whether it can be interrupted, which frees its memory. A publish cannot: it is on its way to Redis.
    pub const fn can_stop(&self) -> bool {
        matches!(self, Self::Effect(Wait::Call { .. }))
    }
}

impl Session {
    /// Runs work that needs no wait; returns work that does.
    pub(super) fn at_once(self: &Rc<Self>, index: usize, work: Work) -> Option<Pending> {
        let binding = &self.bindings[index];
        let effect = match work {
            Work::Effect(effect) => effect,
            Work::Release => {
                self.release();
                return None;
            }
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

    fn open<'a>(&'a self, binding: &'a Binding) -> Opened<'a> {
        let (shard, metrics) = (&*self.services.shard, &self.services.metrics);
        Opened { binding, member: &self.member, outlet: &*self.outlet, shard, metrics }
    }

    /// Runs work that needs a wait.
    pub(super) async fn in_time(&self, index: usize, pending: Pending) -> After {
        let binding = &self.bindings[index];
        let reaction = match pending {
            Pending::Effect(Wait::Join { groups, failed }) => {
                let joined = self.join(binding, &groups).await;
                return self.or_reply(binding, joined, failed.as_deref());
            }
            Pending::Effect(Wait::Publish { group, body, failed }) => {
                let published = self.services.shard.registry().layer().publish(&group, &body).await;
                let published = published.map_err(|error| ("not_published", format!("to group {group}: {error}")));
                return self.or_reply(binding, published, failed.as_deref());
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
            Pending::Effect(Wait::Refresh { token, then, replies }) => {
                return self.refresh(index, token.expose(), &then, &replies).await;
            }
            Pending::Enter => match self.enter(binding).await {
                true => binding.with_context(|context| binding.consumer.on_online(context)),
                false => return After::More(Vec::new()),
            },
        };
        self.go_on_with(index, reaction)
    }

    pub(super) fn go_on_with(&self, index: usize, reaction: Reaction) -> After {
        self.note(index, &reaction, "an answer");
        After::More(reaction.effects.into_iter().map(Work::Effect).collect())
    }

    /// If Redis did not accept it, the client gets the handler's replies for a failure, and the handler ends.
    fn or_reply(&self, binding: &Binding, done: Result<(), Failed>, failed: Option<&[Payload]>) -> After {
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

    async fn join(&self, binding: &Binding, groups: &[GroupName]) -> Result<(), Failed> {
        let (shard, consumer) = (&self.services.shard, self.audience(&binding.consumer));
        for group in groups {
            if self.has_joined() {
                self.hold();
            }
            // A gone connection joins no group.
            let Some(member) = self.member() else { return Ok(()) };
            let most = usize::from(self.own_groups.get()).saturating_add(binding.consumer.max_rooms());
            if member.groups() >= most && !shard.holds(&member, group, consumer) {
                let reason = format!("the connection would exceed its limit of {} rooms", binding.consumer.max_rooms());
                return Err(("too_many_rooms", reason));
            }
            if shard.registry().groups() >= self.services.control.max_groups() && !shard.registry().has(group) {
                let reason = "the node has reached limits.groups".to_owned();
                return Err(("too_many_groups", reason));
            }
            let joined = shard.join(&member, group, consumer).await;
            joined.map_err(|error| ("not_joined", format!("group {group}: {error}")))?;
            if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
                queue.has_joined = true;
            }
        }
        Ok(())
    }

    /// Enters the presence of the current user, and leaves that of the previous one. Returns whether the user was
    /// absent before.
    async fn enter(&self, binding: &Binding) -> bool {
        let entering = binding.with_context(|context| {
            let id = binding.consumer.presence_member(context)?;
            Some((presence::PresenceMember { scope: binding.consumer.name().into(), id }, context.user.clone()))
        });
        let before = binding.present.borrow_mut().take();
        if before.is_some() && before.as_deref() == entering.as_ref().map(|(member, _)| member) {
            *binding.present.borrow_mut() = before;
            return false;
        }
        if let Some(member) = before {
            self.services.presence.leave(&member);
        }
        let Some((member, user)) = entering else { return false };
        let first = self.services.presence.enter(&member, &user).await;
        *binding.present.borrow_mut() = Some(Box::new(member));
        first
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
