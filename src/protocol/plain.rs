//! Plain WebSocket: JSON or raw messages, answered by the consumer's handlers.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use crate::{
    consumer::{Consumer, Context, Effect, Incoming},
    hub::{Member, Shard},
    socket::{Connection, Handler, close::CloseCode},
    telemetry::Metrics,
};

/// One connection's session: its consumer, what expressions know of it, and its membership in the hub.
pub struct Session {
    consumer: Arc<Consumer>,
    /// Absent where no handler of the consumer looks at it.
    context: Option<Box<Context>>,
    shard: Rc<Shard>,
    member: RefCell<Option<Rc<Member>>>,
    metrics: Metrics,
}

impl Session {
    /// Ties a pending connection to its consumer.
    pub fn attach(
        connection: &Rc<Connection>,
        consumer: Arc<Consumer>,
        context: Context,
        shard: Rc<Shard>,
        metrics: Metrics,
    ) -> Rc<Self> {
        let member = Member::new(Rc::clone(connection), consumer.topics().before_subscribe);
        let context = consumer.needs_context().then(|| Box::new(context));
        let session = Rc::new(Self { consumer, context, shard, member: RefCell::new(Some(member)), metrics });
        connection.handled_by(Rc::clone(&session) as Rc<dyn Handler>);
        session
    }

    /// The connection as the hub sees it; `None` once it is gone.
    pub fn member(&self) -> Option<Rc<Member>> {
        self.member.borrow().clone()
    }

    /// Carries out what a consumer asked for.
    pub fn perform(&self, connection: &Rc<Connection>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply(payload) => {
                    connection.send(&payload);
                }
                Effect::Subscribe(names) => self.subscribe(connection, names),
                Effect::Unsubscribe(names) => {
                    if let Some(member) = self.member() {
                        member.unsubscribe(&names);
                    }
                }
                Effect::Close { code, reason } => {
                    // The configuration was checked for codes that may be sent.
                    connection.close(CloseCode::new(code).unwrap_or(CloseCode::NORMAL), &reason);
                }
                _ => {}
            }
        }
    }

    fn subscribe(&self, connection: &Rc<Connection>, names: Vec<Arc<str>>) {
        let max = self.consumer.topics().max;
        let Some(member) = self.member() else { return };
        if member.subscribe(names, max).is_err() {
            self.metrics.closed("too_many_topics");
            connection.close(CloseCode::POLICY_VIOLATION, &format!("more than {max} topics"));
        }
    }
}

impl Handler for Session {
    fn received(&self, connection: &Rc<Connection>, message: Incoming<'_>) {
        self.metrics.messages.inc();
        let empty = Context::default();
        let context = self.context.as_deref().unwrap_or(&empty);
        let reaction = self.consumer.on_message(context, message);
        if let Some(problem) = &reaction.problem {
            self.metrics.refused_message(problem.label());
            log::debug!("{}: {problem}", self.consumer.name());
        }
        self.perform(connection, reaction.effects);
    }

    fn gone(&self) {
        if let Some(member) = self.member.borrow_mut().take() {
            self.shard.leave_all(&member);
        }
    }
}
