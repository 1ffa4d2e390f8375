//! One effect at a time: what can be done at once, and what must be waited for.

use std::{rc::Rc, sync::Arc, time::Duration};

use super::{Part, Session, queue::Waiting, refresh::Told};
use crate::{
    consumer::{Continuation, Effect, Outcome, Payload, Reaction},
    event::{GroupName, Raw, Value},
    packet, presence,
    socket::close::CloseCode,
    warn_bounded,
};

/// Something to do for one part.
pub(super) enum Work {
    Effect(Effect),
    /// Count the connection among those of its user.
    Enter,
    /// Take it out again.
    Exit,
}

/// How it goes on after something that was waited for.
pub(super) enum After {
    /// First with this.
    More(Vec<Work>),
    /// Not with the rest of the handler.
    End,
}

impl Session {
    /// Carries out what needs no waiting; gives back what does.
    pub(super) fn at_once(self: &Rc<Self>, place: usize, work: Work) -> Result<(), Work> {
        let part = &self.parts[place];
        match work {
            Work::Effect(Effect::Reply(payload)) => self.outlet.send(&payload),
            Work::Effect(Effect::Subscribe(names)) => self.subscribe(part, names),
            Work::Effect(Effect::Unsubscribe(names)) => {
                if let Some(member) = self.member() {
                    member.unsubscribe(&names);
                }
            }
            Work::Effect(Effect::Leave(groups)) => {
                if let Some(member) = self.member() {
                    for group in &groups {
                        self.desk.shard.leave(&member, group, part.consumer.id());
                    }
                }
            }
            Work::Effect(Effect::Set(vars)) => part.change(|context| context.vars = vars),
            Work::Effect(Effect::User(user)) => part.change(|context| context.user = user),
            Work::Effect(Effect::Ask { args, timeout, then }) => self.ask(place, &args, timeout, then),
            Work::Effect(Effect::Refuse { message }) => self.outlet.close(CloseCode::POLICY_VIOLATION, &message),
            Work::Effect(Effect::Close { code, reason }) => {
                // The configuration was checked for codes that may be sent.
                self.outlet.close(CloseCode::new(code).unwrap_or(CloseCode::NORMAL), &reason);
            }
            Work::Exit => {
                if let Some(member) = part.present.borrow_mut().take() {
                    self.desk.presence.leave(&member);
                }
            }
            Work::Effect(
                Effect::Join { .. } | Effect::Publish { .. } | Effect::Call { .. } | Effect::Refresh { .. },
            )
            | Work::Enter => return Err(work),
        }
        Ok(())
    }

    /// Carries out what must be waited for.
    pub(super) async fn in_time(&self, place: usize, work: Work) -> After {
        let part = &self.parts[place];
        let reaction = match work {
            Work::Effect(Effect::Join { groups, failed }) => {
                let joined = self.join(part, &groups).await;
                return self.or_tell(part, joined, failed.as_deref());
            }
            Work::Effect(Effect::Publish { group, body, failed }) => {
                let published = self.desk.shard.registry().layer().publish(&group, &body).await;
                let published = published.map_err(|error| ("not_published", format!("to group {group}: {error}")));
                return self.or_tell(part, published, failed.as_deref());
            }
            Work::Effect(Effect::Call { request, then }) => {
                let outcome = self.desk.backend.call(*request).await;
                part.with_context(|context| part.consumer.resume(context, &then, outcome))
            }
            Work::Effect(Effect::Refresh { token, then, denied, failed }) => {
                let told = Told { denied: denied.as_deref(), failed: failed.as_deref() };
                return self.refresh(place, token.expose(), &then, told).await;
            }
            Work::Enter => match self.enter(part).await {
                true => part.with_context(|context| part.consumer.on_online(context)),
                false => return After::More(Vec::new()),
            },
            Work::Effect(_) | Work::Exit => return After::More(Vec::new()),
        };
        self.go_on_with(place, reaction)
    }

    pub(super) fn go_on_with(&self, place: usize, reaction: Reaction) -> After {
        self.note(place, &reaction, "an answer");
        After::More(reaction.effects.into_iter().map(Work::Effect).collect())
    }

    /// Where Redis did not take it, the client is told what the handler says, and the handler ends.
    fn or_tell(&self, part: &Part, done: Result<(), (&'static str, String)>, failed: Option<&[Payload]>) -> After {
        let Err((label, reason)) = done else { return After::More(Vec::new()) };
        self.desk.metrics.refused_message(label);
        warn_bounded!("{}: {label}: {reason}", part.consumer.name());
        failed.into_iter().flatten().for_each(|payload| self.outlet.send(payload));
        After::End
    }

    async fn join(&self, part: &Part, groups: &[GroupName]) -> Result<(), (&'static str, String)> {
        let (shard, consumer) = (&self.desk.shard, part.consumer.id());
        for group in groups {
            // A connection that is gone joins nothing.
            let Some(member) = self.member() else { return Ok(()) };
            let most = usize::from(self.own_groups.get()).saturating_add(part.consumer.max_rooms());
            if member.groups() >= most && !shard.holds(&member, group, consumer) {
                let reason = format!("a connection would be in more than {} rooms", part.consumer.max_rooms());
                return Err(("too_many_rooms", reason));
            }
            let joined = shard.join(&member, group, consumer).await;
            joined.map_err(|error| ("not_joined", format!("group {group}: {error}")))?;
        }
        Ok(())
    }

    /// Whether the user was not there before.
    async fn enter(&self, part: &Part) -> bool {
        let entering = part.with_context(|context| {
            let id = part.consumer.presence_member(context)?;
            Some((presence::Member { scope: part.consumer.name().into(), id }, context.user.clone()))
        });
        let Some((member, user)) = entering else { return false };
        let first = self.desk.presence.enter(&member, &user).await;
        *part.present.borrow_mut() = Some(Box::new(member));
        first
    }

    fn subscribe(&self, part: &Part, names: Vec<Arc<str>>) {
        let max = part.consumer.topics().max;
        let Some(member) = self.member() else { return };
        if member.subscribe(names, max).is_err() {
            self.desk.metrics.closed("too_many_topics");
            self.outlet.close(CloseCode::POLICY_VIOLATION, &format!("more than {max} topics"));
        }
    }

    fn ask(self: &Rc<Self>, place: usize, args: &[Value], timeout: Duration, then: Continuation) {
        let id = self.asks.borrow_mut().get_or_insert_default().add(place, then);
        match packet::event(
            self.parts[place].consumer.namespace().unwrap_or("/"),
            Some(id),
            &args.iter().map(Raw).collect::<Vec<_>>(),
        ) {
            Ok(payload) => self.outlet.send(&payload),
            Err(error) => return self.resolve(id, Outcome::Failed(error.to_string())),
        }
        let session = Rc::downgrade(self);
        actix_rt::spawn(async move {
            tokio::time::sleep(timeout).await;
            if let Some(session) = session.upgrade() {
                session.resolve(id, Outcome::Failed("the client did not acknowledge in time".to_owned()));
            }
        });
    }

    pub(super) fn resolve(self: &Rc<Self>, id: u64, outcome: Outcome) {
        let asked = self.asks.borrow_mut().as_deref_mut().and_then(|asks| asks.take(id));
        let Some((place, then)) = asked else { return };
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.push(Waiting::Resume { place, then, outcome });
            return;
        }
        let agenda = self.resume(place, &then, outcome);
        self.start(agenda);
    }
}
