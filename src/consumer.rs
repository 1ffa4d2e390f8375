//! What a consumer is: compiled once from the configuration, then pure. No I/O, no async, no connection.
//!
//! In: an [`Event`] or a client's message. Out: frames, or [`Effect`]s for somebody else to carry out.

mod action;
mod compile;
mod expression;
mod frame;
mod functions;
mod mapping;
mod route;
mod view;

use std::{sync::Arc, time::Duration};

pub use crate::event::Payload;
pub use action::{MessageProblem, Reaction};
pub use compile::load;
pub use expression::GroupError;
pub use mapping::MapError;

use crate::{
    config::{self, Reject, Topics},
    event::{Content, Event, GroupName, Raw, Value},
    packet,
};
use action::{Action, Actions, connection_scope};
use expression::{Expression, GroupTemplate, Name, Scope};
use mapping::Mappings;
use route::Pattern;
use view::Root;

/// Which consumer, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId(pub u16);

/// One message for the members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What is sent.
    pub payload: Payload,
    /// Only to connections subscribed to this topic.
    pub topic: Option<Arc<str>>,
    /// To the consumer's members of this group instead of the event's own.
    pub to: Option<GroupName>,
    /// Dropped for clients that are behind with reading.
    pub volatile: bool,
}

/// What a consumer asks for, in order, for one connection. The next one is carried out when the one before is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send to this connection.
    Reply(Payload),
    /// Send a Socket.IO event to this connection that asks for an acknowledgement, and go on with `then` when it comes.
    Ask {
        /// The event's name, then its arguments.
        args: Vec<Value>,
        /// How long the client has.
        timeout: Duration,
        /// What follows.
        then: Continuation,
    },
    /// Add topics.
    Subscribe(Vec<Arc<str>>),
    /// Take topics away.
    Unsubscribe(Vec<Arc<str>>),
    /// Join groups; effective before the next effect.
    Join(Vec<GroupName>),
    /// Leave groups.
    Leave(Vec<GroupName>),
    /// Publish an event to a group on every node, as `group_send` does.
    Publish {
        /// The group.
        group: GroupName,
        /// The event.
        body: Value,
    },
    /// Set connection variables: [`Context::vars`] is replaced.
    Set(Value),
    /// Replace the user, as the backend knows it: [`Context::user`].
    User(Value),
    /// Ask the backend, and go on with `then` when it has answered.
    Call {
        /// What is asked.
        request: CallRequest,
        /// What follows.
        then: Continuation,
    },
    /// Refuse the connection that is being made.
    Refuse {
        /// The reason for the client.
        message: String,
    },
    /// Close the connection (Socket.IO: disconnect it from the namespace).
    Close {
        /// Close code.
        code: u16,
        /// Close reason.
        reason: String,
    },
}

/// A question to the backend.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRequest {
    /// The name of the action, `markAttendance`.
    pub action: Arc<str>,
    /// What the configuration sends along.
    pub data: Value,
    /// The user that the connection belongs to; null for the anonymous.
    pub user: Value,
    /// The connection's public id.
    pub connection: Arc<str>,
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// Whether asking twice does no harm.
    pub idempotent: bool,
    /// How long the answer may take; unset: the backend's default.
    pub timeout: Option<Duration>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The backend answered.
    Answer {
        /// Its status, as in HTTP.
        status: u16,
        /// Its body.
        body: Value,
    },
    /// The client acknowledged, with these arguments.
    Acknowledged(Value),
    /// No answer in time, or none at all, for this reason.
    Failed(String),
}

/// Where a handler goes on after an [`Outcome`]; made and read by the consumer alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Continuation {
    pub(super) place: u32,
    pub(super) message: Option<Arc<Value>>,
    pub(super) ack: Option<u64>,
}

/// What expressions know of a connection.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Parameters of the path.
    pub route: Value,
    /// The query string, last value of a name.
    pub query: Value,
    /// The user, as authentication gave it; null for the anonymous.
    pub user: Value,
    /// All claims of the token.
    pub claims: Value,
    /// What a Socket.IO client sent with its CONNECT packet.
    pub auth: Value,
    /// The connection's public id; in Socket.IO the socket's.
    pub id: Arc<str>,
    /// Connection variables.
    pub vars: Value,
}

/// A message from a client.
#[derive(Clone, Copy, Debug)]
pub enum Incoming<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A Socket.IO event.
    Event {
        /// Its name.
        name: &'a str,
        /// Its arguments: a list.
        args: &'a Arc<Value>,
        /// The id of the acknowledgement that the client waits for.
        ack: Option<u64>,
    },
}

/// How fast a connection may still send.
#[derive(Debug, Default)]
pub struct Limits;

/// A compiled consumer.
#[derive(Debug)]
pub struct Consumer {
    id: ConsumerId,
    spec: config::Consumer,
    pattern: Pattern,
    groups: Vec<GroupTemplate>,
    refusal: Option<Expression>,
    on_connect: Option<Action>,
    mappings: Mappings,
    actions: Actions,
}

impl Consumer {
    /// Its place in the set.
    pub fn id(&self) -> ConsumerId {
        self.id
    }

    /// Its name for logs and metrics.
    pub fn name(&self) -> &str {
        self.spec.name.as_deref().unwrap_or(&self.spec.path)
    }

    /// The Socket.IO namespace that it serves.
    pub fn namespace(&self) -> Option<&str> {
        (self.spec.protocol == config::Protocol::SocketIo).then_some(&*self.spec.namespace)
    }

    /// What an emission's content is for the clients of this consumer.
    pub fn encode(&self, content: &Content) -> Result<Payload, String> {
        match (content, self.namespace()) {
            (Content::Message(value), None) => frame::plain_json(value).map(Payload::Text),
            (Content::Event(args), Some(namespace)) => {
                let args: Vec<Raw<'_>> = args.iter().map(Raw).collect();
                packet::event(namespace, None, &args).map_err(|error| error.to_string())
            }
            (Content::Event(_), None) => Err("an event with a name is for Socket.IO clients".to_owned()),
            (Content::Message(_), Some(_)) => Err("a message without a name is for plain clients".to_owned()),
        }
    }

    /// What the configuration says of it.
    pub fn spec(&self) -> &config::Consumer {
        &self.spec
    }

    /// Ways to authenticate, in the order they are tried.
    pub fn auth(&self) -> &[String] {
        &self.spec.auth
    }

    /// How topics select events for a connection.
    pub fn topics(&self) -> &Topics {
        &self.spec.topics
    }

    /// How a refused client learns of it.
    pub fn reject(&self) -> &Reject {
        &self.spec.reject
    }

    /// The frame for a refused client, sent before the close; nobody is authenticated, so only route and query are known.
    pub fn refusal_frame(&self, context: &Context) -> Option<Payload> {
        let refusal = self.refusal.as_ref()?;
        let scope = connection_scope(Scope::default(), context, [refusal]).into_jinja();
        refusal.evaluate(&scope).and_then(|value| frame::json(&value)).ok().map(Payload::Text)
    }

    /// The groups a connection joins, each once. An error refuses the connection.
    pub fn groups(&self, context: &Context) -> Result<Vec<GroupName>, GroupError> {
        let expressions = self.groups.iter().flat_map(GroupTemplate::expressions);
        let scope = connection_scope(Scope::default(), context, expressions).into_jinja();
        let mut names = Vec::with_capacity(self.groups.len());
        for template in &self.groups {
            for name in template.groups(&scope)? {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// What the members of an event's group are sent, in order; nothing where `when` says so.
    pub fn on_event(&self, event: &Arc<Event>) -> Result<Vec<Outgoing>, MapError> {
        self.mappings.map(event)
    }

    /// What happens once the socket is open and its groups are joined.
    pub fn on_connect(&self, context: &Context) -> Reaction {
        let effects = self.on_connect.as_ref().map_or_else(|| Ok(Vec::new()), |action| action.effects(context, None));
        match effects {
            Ok(effects) => Reaction { effects, problem: None },
            Err(reason) => Reaction { effects: Vec::new(), problem: Some(MessageProblem::Failed(reason)) },
        }
    }

    /// What a client's message makes happen.
    pub fn on_message(
        &self,
        context: &Context,
        incoming: Incoming<'_>,
        _limits: &mut Limits,
        _now: std::time::Instant,
    ) -> Reaction {
        self.actions.message(context, incoming)
    }

    /// Whether a handler takes the message.
    pub fn handles(&self, _incoming: &Incoming<'_>) -> bool {
        true
    }

    /// Whether an authenticated connection may come in.
    pub fn admit(&self, _context: &Context) -> Reaction {
        Reaction::default()
    }

    /// What happens when the connection has gone.
    pub fn on_disconnect(&self, _context: &Context) -> Reaction {
        Reaction::default()
    }

    /// What happens when the user's first connection has come.
    pub fn on_online(&self, _context: &Context) -> Reaction {
        Reaction::default()
    }

    /// What happens when the user's last connection has gone.
    pub fn on_offline(&self, _context: &Context) -> Reaction {
        Reaction::default()
    }

    /// Goes on after something that was waited for.
    pub fn resume(&self, _context: &Context, _then: &Continuation, _outcome: Outcome) -> Reaction {
        Reaction::default()
    }

    /// Whether connections are counted per user.
    pub fn has_presence(&self) -> bool {
        false
    }

    /// Who is present through a connection.
    pub fn presence_member(&self, _context: &Context) -> Option<Arc<str>> {
        None
    }

    /// How long a user may be away before it counts as gone; `None` where nobody is counted.
    pub fn presence_grace(&self) -> Option<Duration> {
        None
    }

    /// The text for a client that is refused.
    pub fn rejection_text(&self, _missing: bool) -> &str {
        "Authentication error"
    }

    /// Whether [`Self::on_message`] looks at its context; if not, an empty one does, and a connection need not keep its own.
    pub fn needs_context(&self) -> bool {
        self.actions.needs_context()
    }

    /// Sample events for the live page: name, group and event.
    pub fn samples(&self) -> impl Iterator<Item = (&str, &str, serde_json::Value)> {
        self.spec.samples.iter().filter_map(|(name, sample)| {
            let event = serde_json::to_value(&sample.event).ok()?;
            Some((name.as_str(), sample.group.as_str(), event))
        })
    }
}

/// All consumers, in the order in which paths are tried.
#[derive(Clone, Debug, Default)]
pub struct ConsumerSet(Vec<Arc<Consumer>>);

impl ConsumerSet {
    /// The first consumer for a request's path (percent-encoded, as it came, without the query), and the path's parameters.
    pub fn route(&self, path: &str) -> Option<(&Arc<Consumer>, Value)> {
        let path = route::decode(path);
        self.0.iter().find_map(|consumer| Some((consumer, consumer.pattern.matches(&path)?)))
    }

    /// The consumer of this place.
    pub fn get(&self, id: ConsumerId) -> Option<&Arc<Consumer>> {
        self.0.get(usize::from(id.0))
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Consumer>> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The group that a message on a mapped Redis channel goes to: a template over `channel` and `event`.
#[derive(Debug)]
pub struct SourceGroup(GroupTemplate);

impl SourceGroup {
    /// Compiles the `group` of a `[[source]]`.
    pub fn compile(template: &str) -> Result<Self, String> {
        GroupTemplate::compile(template, &[Name::Channel, Name::Event], "in the group of a source").map(Self)
    }

    /// The groups for one message; more than one where the template gives a list.
    pub fn groups(&self, channel: &str, body: &Arc<Value>) -> Result<Vec<GroupName>, GroupError> {
        let scope = Scope::default().with(Name::Channel, channel.into());
        self.0.groups(&scope.with(Name::Event, Root::Data(body.clone()).into_jinja()).into_jinja())
    }
}

#[cfg(test)]
mod tests;
