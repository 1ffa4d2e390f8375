//! Carries out the effects of consumers. The only place that decides which effect is possible at which stage of a
//! connection.
//!
//! In: an [`Effect`], from a handler or another part of a consumer, and the [`Stage`]. Immediate effects are carried
//! out here. Out: the [`Remaining`] work, for the caller, which keeps the order. It never waits, and starts no
//! task.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use super::binding::Binding;
use crate::{
    auth::claims::user_id_of,
    config::Secret,
    consumer::{CallRequest, Consumer, Context, Continuation, Denial, Effect},
    event::{GroupName, Payload, Value},
    hub::{Member, Shard},
    socket::close::CloseCode,
    telemetry::Metrics,
};

/// How a session sends to its client.
pub trait Outlet {
    /// Sends.
    fn send(&self, payload: &Payload);

    /// Ends the connection or, in Socket.IO, the client's membership of the namespace.
    fn close(&self, code: CloseCode, reason: &str);

    /// Whether to stop reading from the client for now.
    fn hold(&self, hold: bool);

    /// The namespace of the client, if its consumers serve several.
    fn namespace(&self) -> Option<&Arc<str>> {
        None
    }
}

/// The stage at which effects are carried out, and their target.
pub(super) enum Stage<'a> {
    /// A client requests admission: nothing can be sent to it, and it has joined nothing.
    Admission(&'a mut Context),
    /// The connection is open.
    Open(Opened<'a>),
    /// Without a connection: the client has gone, or a user is online or offline.
    Background(&'a mut Context),
}

/// An open connection, with the consumer's part in it.
pub(super) struct Opened<'a> {
    pub binding: &'a Binding,
    /// `None` once the client has gone.
    pub member: &'a RefCell<Option<Rc<Member>>>,
    pub outlet: &'a dyn Outlet,
    pub shard: &'a Shard,
    pub metrics: &'a Metrics,
}

/// What remains to be done for an effect.
pub(super) enum Remaining {
    /// Nothing.
    Done,
    /// Refuse the client; only at admission.
    Refuse(Denial),
    /// Ask the client; only if the connection is open. The handler continues with its answer.
    Ask { args: Vec<Value>, timeout: Duration, then: Continuation },
    /// An effect that takes time. The next effect is carried out when it is done.
    Wait(Wait),
}

/// Effects that take time.
pub(super) enum Wait {
    /// At every stage.
    Call { request: Box<CallRequest>, then: Continuation },
    /// Not at admission.
    Publish { group: GroupName, body: Arc<Value>, failed: Option<Arc<[Payload]>> },
    /// Not at admission.
    Send { channel: String, body: Value },
    /// Not at admission.
    Emit { groups: Vec<GroupName>, body: Box<Value>, failed: Option<Arc<[Payload]>> },
    /// Only if the connection is open.
    Join { groups: Vec<GroupName>, failed: Option<Arc<[Payload]>> },
    /// Only if the connection is open.
    JoinSigned { tokens: Vec<Secret>, replies: FailureReplies },
    /// Only if the connection is open: its user changes.
    BecomeUser(Value),
    /// Only if the connection is open.
    Present { room: Option<Arc<str>>, then: Continuation },
    /// Only if the connection is open.
    Refresh { token: Secret, then: Continuation, replies: FailureReplies },
}

/// The replies to the client if its token is not valid, and if that is unknown or it cannot join.
pub(super) struct FailureReplies {
    pub denied: Option<Arc<[Payload]>>,
    pub failed: Option<Arc<[Payload]>>,
}

/// Carries out one effect of a consumer, as far as it is immediate.
pub(super) fn carry_out(effect: Effect, consumer: &Consumer, stage: Stage<'_>) -> Remaining {
    use Stage::{Admission, Background, Open};
    match (effect, stage) {
        // At every stage.
        (Effect::Set(vars), stage) => stage.change(|context| context.vars = vars),
        (Effect::User(user), Open(open)) if open.binding.user_id() != user_id_of(&user) => {
            return Remaining::Wait(Wait::BecomeUser(user));
        }
        (Effect::User(user), stage) => stage.change(|context| context.user = user),
        (Effect::Call { request, then }, _) => return Remaining::Wait(Wait::Call { request, then }),

        // Not before admission.
        (Effect::Publish { group, body, failed }, Open(_) | Background(_)) => {
            return Remaining::Wait(Wait::Publish { group, body, failed });
        }
        (Effect::Send { channel, body }, Open(_) | Background(_)) => {
            return Remaining::Wait(Wait::Send { channel, body });
        }
        (Effect::Emit { groups, body, failed }, Open(_) | Background(_)) => {
            return Remaining::Wait(Wait::Emit { groups, body, failed });
        }

        // Only if there is a client to refuse.
        (Effect::Refuse(denial), Admission(_)) => return Remaining::Refuse(denial),
        (Effect::Refuse(denial), Open(open)) => open.outlet.close(CloseCode::POLICY_VIOLATION, &denial.text),

        // Only if the connection is open.
        (Effect::Reply(payload), Open(open)) => open.outlet.send(&payload),
        (Effect::Ask { args, timeout, then }, Open(_)) => return Remaining::Ask { args, timeout, then },
        (Effect::Subscribe(names), Open(open)) => open.subscribe(names),
        (Effect::Unsubscribe(names), Open(open)) => open.unsubscribe(&names),
        (Effect::Join { groups, failed }, Open(_)) => return Remaining::Wait(Wait::Join { groups, failed }),
        (Effect::JoinSigned { tokens, denied, failed }, Open(_)) => {
            return Remaining::Wait(Wait::JoinSigned { tokens, replies: FailureReplies { denied, failed } });
        }
        (Effect::Leave(groups), Open(open)) => open.leave(&groups),
        (Effect::Present { room, then }, Open(_)) => return Remaining::Wait(Wait::Present { room, then }),
        (Effect::Refresh { token, then, denied, failed }, Open(_)) => {
            return Remaining::Wait(Wait::Refresh { token, then, replies: FailureReplies { denied, failed } });
        }
        (Effect::Close { code, reason }, Open(open)) => {
            // The configuration was checked to contain only codes that may be sent.
            open.outlet.close(CloseCode::new(code).unwrap_or(CloseCode::NORMAL), &reason);
        }

        // Everything else.
        (effect, stage @ (Admission(_) | Background(_))) => {
            log::debug!("{}: {effect:?} has no effect {}", consumer.name(), stage.label());
        }
    }
    Remaining::Done
}

impl Stage<'_> {
    fn change(self, change: impl FnOnce(&mut Context)) {
        match self {
            Self::Admission(context) | Self::Background(context) => change(context),
            Self::Open(open) => open.binding.change(open.shard, open.member().as_deref(), change),
        }
    }

    const fn label(&self) -> &'static str {
        match self {
            Self::Admission(_) => "before the connection is open",
            Self::Open(_) => "while the connection is open",
            Self::Background(_) => "without a connection",
        }
    }
}

impl Opened<'_> {
    fn member(&self) -> Option<Rc<Member>> {
        self.member.borrow().clone()
    }

    fn subscribe(&self, names: Vec<Arc<str>>) {
        let max = self.binding.consumer.topics().max;
        let Some(member) = self.member() else { return };
        if member.subscribe(names, max).is_err() {
            self.metrics.closed("too_many_topics");
            self.outlet.close(CloseCode::POLICY_VIOLATION, &format!("more than {max} topics"));
        }
    }

    fn unsubscribe(&self, names: &[Arc<str>]) {
        if let Some(member) = self.member() {
            member.unsubscribe(names);
        }
    }

    fn leave(&self, groups: &[GroupName]) {
        if let Some(member) = self.member() {
            let audience = self.shard.audience(&self.binding.consumer, self.outlet.namespace().map(|name| &**name));
            for group in groups {
                self.shard.leave(&member, group, audience);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Environment, load_text},
        consumer::ConsumerSet,
    };

    const CONSUMER: &str = "[[consumer]]\npath = '/feed/'\n";

    /// One of each effect that any handler can have without a connection.
    fn effects() -> [Effect; 10] {
        let group = GroupName::new("news").unwrap();
        [
            Effect::Set(Value::from("vars")),
            Effect::User(Value::from("user")),
            Effect::Publish { group: group.clone(), body: Arc::default(), failed: None },
            Effect::Emit { groups: vec![group.clone()], body: Box::default(), failed: None },
            Effect::Refuse(Denial { text: "full".into(), ..Denial::default() }),
            Effect::Reply(Payload::Text("x".into())),
            Effect::Subscribe(vec!["x".into()]),
            Effect::Join { groups: vec![group.clone()], failed: None },
            Effect::Leave(vec![group]),
            Effect::Close { code: 1000, reason: String::new() },
        ]
    }

    fn steps(stage: for<'a> fn(&'a mut Context) -> Stage<'a>) -> (Vec<&'static str>, Context) {
        let (config, _) = load_text(Some((std::path::Path::new("test.toml"), CONSUMER)), &Environment::default());
        let consumers = ConsumerSet::compile(&config).unwrap_or_else(|errors| panic!("{errors}"));
        let consumer = consumers.iter().next().unwrap();
        let mut context = Context::default();
        let steps = effects().map(|effect| match carry_out(effect, consumer, stage(&mut context)) {
            Remaining::Done => "",
            Remaining::Refuse(_) => "refuse",
            Remaining::Ask { .. } => "ask",
            Remaining::Wait(_) => "wait",
        });
        (steps.to_vec(), context)
    }

    #[test]
    fn a_client_in_admission_can_be_refused_and_nothing_is_published_or_sent_for_it() {
        let (steps, context) = steps(|context| Stage::Admission(context));
        assert_eq!(steps, ["", "", "", "", "refuse", "", "", "", "", ""]);
        assert_eq!((context.vars, context.user), (Value::from("vars"), Value::from("user")));
    }

    #[test]
    fn without_a_connection_events_are_published_and_nothing_is_sent_or_joined() {
        let (steps, context) = steps(|context| Stage::Background(context));
        assert_eq!(steps, ["", "", "wait", "wait", "", "", "", "", "", ""]);
        assert_eq!((context.vars, context.user), (Value::from("vars"), Value::from("user")));
    }
}
