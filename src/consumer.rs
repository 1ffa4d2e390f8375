//! What a consumer is: compiled once from the configuration, then pure. No I/O, no async, no connection.
//!
//! In: an [`Event`] or a client's message. Out: frames, or [`Effect`]s for somebody else to carry out.

mod action;
mod collisions;
mod compiler;
mod context;
mod current;
mod effect;
mod emit;
mod expression;
mod form;
mod frame;
mod functions;
mod limits;
mod load;
mod mapping;
mod message;
mod names;
mod notice;
mod origin;
mod place;
mod program;
mod resume;
mod route;
mod run;
mod scope;
mod shape;
mod step;
mod template;
mod view;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use context::Context;
pub use current::{Consumers, Known};
pub use effect::{CallRequest, Continuation, Effect, MessageProblem, Outcome, Outgoing, Reaction};
pub use form::GroupError;
pub use limits::Limits;
pub use load::load;
pub use mapping::MapError;
pub use route::decode as decode_path;

use crate::{
    config::{self, AuthMethod, Reject, Topics},
    event::{Content, Event, GapReason, GroupName, GroupNameError, Incoming, Payload, Value},
    limited::WriteError,
};
use action::Actions;
use expression::Expression;
use form::{FormId, Forms};
use mapping::Mappings;
use message::of_connection;
use notice::GapNotice;
use route::Pattern;
use scope::{Allowed, Name, NameSet, Scope};
use template::{GroupTemplate, Origin, Use};
use view::Root;

/// Longer names of members are nobody's, in bytes.
const MAX_MEMBER: usize = 255;

/// Which consumer; after a reload, no other gets the id of one that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId(pub u32);

/// A compiled consumer.
#[derive(Debug)]
pub struct Consumer {
    id: ConsumerId,
    name: Arc<str>,
    spec: config::Consumer,
    pattern: Pattern,
    groups: Vec<GroupTemplate>,
    /// Which groups a client may name; unset: all.
    allow: Option<Vec<FormId>>,
    forms: Arc<Forms>,
    refusal: Option<Expression>,
    presence: Option<Expression>,
    mappings: Mappings,
    notice: Option<GapNotice>,
    actions: Actions,
}

impl Consumer {
    /// Its place in the set.
    pub fn id(&self) -> ConsumerId {
        self.id
    }

    /// Its name for logs and metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number and its name.
    pub fn numbered(&self) -> (u32, Arc<str>) {
        (self.id.0, self.name().into())
    }

    /// The Socket.IO namespace that it serves.
    pub fn namespace(&self) -> Option<&str> {
        (self.spec.protocol == config::Protocol::SocketIo).then_some(&*self.spec.namespace)
    }

    /// The parameters of a request's path, which [`decode_path`] has decoded; `None` where it is not this consumer's.
    pub fn matches(&self, path: &str) -> Option<Value> {
        self.pattern.matches(path)
    }

    /// What its clients speak.
    pub fn protocol(&self) -> config::Protocol {
        self.spec.protocol
    }

    /// What an emission's content is for the clients of this consumer.
    pub fn encode(&self, content: &Content) -> Result<Payload, MapError> {
        let wire = self.actions.wire();
        match (content, wire.is_socketio()) {
            (Content::Message(value), false) => Ok(wire.plain_json(value)?),
            (Content::Event(args), true) => Ok(wire.plain_event(None, args)?),
            (Content::Event(_), false) => Err("an event with a name is for Socket.IO clients".to_owned().into()),
            (Content::Message(_), true) => Err("a message without a name is for plain clients".to_owned().into()),
        }
    }

    /// A Socket.IO event that asks the client for an acknowledgement: its name, then its arguments.
    pub fn question(&self, id: u64, args: &[Value]) -> Result<Payload, WriteError> {
        self.actions.wire().plain_event(Some(id), args)
    }

    /// What the configuration says of it.
    pub fn spec(&self) -> &config::Consumer {
        &self.spec
    }

    /// Ways to authenticate, in the order they are tried.
    pub fn auth(&self) -> &[AuthMethod] {
        &self.spec.auth
    }

    /// Whether a connection ends with its token.
    pub fn ends_with_token(&self) -> bool {
        self.spec.at_expiry == config::AtExpiry::Close
    }

    /// Another token of the same user: what it says stands for what the last one said. A user whom `on_admit` may have
    /// replaced stays.
    pub fn renew(&self, context: &mut Context, user: &Value, claims: &Value) {
        if !self.has_on_admit() {
            context.user = user.clone();
        }
        // Absent where no handler looks at them.
        if context.claims != Value::Null {
            context.claims = claims.clone();
        }
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
        let scope = of_connection(context, refusal.names()).into_jinja();
        refusal.evaluate(&scope).ok().and_then(|value| self.actions.wire().json(&value).ok())
    }

    /// The groups a connection joins, each once. An error refuses the connection.
    pub fn groups(&self, context: &Context) -> Result<Vec<GroupName>, GroupError> {
        let mut used = NameSet::default();
        self.groups.iter().for_each(|group| used.add(group.template().names()));
        let scope = of_connection(context, used).into_jinja();
        let mut names = Vec::with_capacity(self.groups.len());
        for template in &self.groups {
            for name in template.groups(&scope, &self.forms, self.allow.as_deref())? {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// The group of a room as another program names it, if a template or pattern recognises it, and how much of it is text:
    /// of several the one with the most is right.
    fn recognise(&self, room: &str) -> Option<(usize, Result<GroupName, GroupNameError>)> {
        self.forms.recognise(room).map(|parts| (form::text_of(&parts), GroupName::of(parts)))
    }

    /// What the members of an event's group are sent, in order; nothing where `when` says so.
    pub fn on_event(&self, event: &Arc<Event>) -> Result<Vec<Outgoing>, MapError> {
        self.mappings.map(event)
    }

    /// Whether any of its connections is told of gaps.
    pub fn has_gap_notice(&self) -> bool {
        self.notice.is_some()
    }

    /// Whether this connection asks to be told of gaps; looked at once, when it comes.
    pub fn asks_for_gaps(&self, context: &Context) -> bool {
        self.notice.as_ref().is_some_and(|notice| notice.is_asked_for(context))
    }

    /// What a connection that asked is told of a gap in these of its groups; `None`: in any of them.
    pub fn gap_notice(&self, reason: GapReason, groups: Option<&[&GroupName]>) -> Result<Payload, WriteError> {
        let notice = self.notice.as_ref().ok_or_else(|| "this consumer tells nothing of gaps".to_owned())?;
        notice.payload(reason, groups, self.actions.wire())
    }

    /// Whether an authenticated connection may come in.
    pub fn admit(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.admit, context)
    }

    /// Whether [`Self::admit`] has anything to say.
    pub fn has_on_admit(&self) -> bool {
        self.actions.admit.is_some()
    }

    /// What happens once the socket is open and its groups are joined.
    pub fn on_connect(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.connect, context)
    }

    /// What happens when the connection has gone.
    pub fn on_disconnect(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.disconnect, context)
    }

    /// What happens when the member's first connection has come, on that connection.
    pub fn on_online(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.online, context)
    }

    /// What happens when the member's last connection has gone; of the context only the user is looked at.
    pub fn on_offline(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.offline, context)
    }

    /// Whether a handler takes the message.
    pub fn handles(&self, incoming: &Incoming<'_>) -> bool {
        self.actions.handles(incoming)
    }

    /// What a client's message makes happen.
    pub fn on_message(&self, context: &Context, incoming: Incoming<'_>, limits: &mut Limits, now: Instant) -> Reaction {
        self.actions.message(context, incoming, limits, now)
    }

    /// Goes on after something that was waited for.
    pub fn resume(&self, context: &Context, then: &Continuation, outcome: Outcome) -> Reaction {
        self.actions.resume(context, then, outcome)
    }

    /// Whether connections are counted per member.
    pub fn has_presence(&self) -> bool {
        self.presence.is_some()
    }

    /// Who is present through a connection; nobody where the expression gives none, or nothing.
    pub fn presence_member(&self, context: &Context) -> Option<Arc<str>> {
        let member = self.presence.as_ref()?;
        let value = member.evaluate(&of_connection(context, member.names()).into_jinja()).ok()?;
        names::name(&value).ok().filter(|name| !name.is_empty() && name.len() <= MAX_MEMBER)
    }

    /// How long a member may be without a connection before it is gone; `None` where nobody is counted.
    pub fn presence_grace(&self) -> Option<Duration> {
        self.spec.presence.as_ref().map(|presence| presence.grace.0)
    }

    /// The text for a client that is refused, with a token that is not valid or with none.
    pub fn rejection_text(&self, missing: bool) -> &str {
        rejection_text(&self.spec.reject, missing)
    }

    /// What becomes of events that wait for a slow client, when there is no room for more.
    pub fn slow(&self) -> config::Slow {
        self.spec.slow
    }

    /// Whether so many bytes may be kept of a connection.
    pub fn may_keep(&self, bytes: usize) -> bool {
        bytes <= self.actions.max_state()
    }

    /// Rooms that one connection may have joined by its messages.
    pub fn max_rooms(&self) -> usize {
        self.spec.max_rooms
    }

    /// Whether its handlers look at their context; if not, an empty one does, and a connection need not keep its own.
    pub fn needs_context(&self) -> bool {
        self.has_presence() || self.actions.needs_context()
    }

    /// Of what is known of a connection, what must be kept for its handlers: there are many connections, and a token's
    /// claims alone take a kilobyte.
    pub fn keep(&self, mut context: Context) -> Option<Box<Context>> {
        if !self.needs_context() {
            return None;
        }
        let mut names = self.actions.names();
        if let Some(member) = &self.presence {
            names.add(member.names());
        }
        // The user goes along with calls and presence, and the variables are the handlers' own.
        for (name, value) in [
            (Name::Route, &mut context.route),
            (Name::Query, &mut context.query),
            (Name::Claims, &mut context.claims),
            (Name::Auth, &mut context.auth),
        ] {
            if !names.has(name) {
                *value = Value::Null;
            }
        }
        Some(Box::new(context))
    }

    /// Sample events for the live page: name, group and event.
    pub fn samples(&self) -> impl Iterator<Item = (&str, &str, serde_json::Value)> {
        self.spec.samples.iter().filter_map(|(name, sample)| {
            let event = serde_json::to_value(&sample.event).ok()?;
            Some((name.as_str(), sample.group.as_str(), event))
        })
    }
}

fn rejection_text(reject: &Reject, missing: bool) -> &str {
    let first = if missing { &reject.missing } else { &reject.invalid };
    first.as_ref().or(reject.message.as_ref()).map_or("Authentication error", String::as_str)
}

/// All consumers, in the order in which paths are tried.
#[derive(Clone, Debug, Default)]
pub struct ConsumerSet {
    consumers: Vec<Arc<Consumer>>,
    /// The id of the next new one.
    next: u32,
}

impl ConsumerSet {
    /// The first consumer for a request's path (percent-encoded, as it came, without the query), and the path's parameters.
    pub fn route(&self, path: &str) -> Option<(&Arc<Consumer>, Value)> {
        let path = route::decode(path);
        self.consumers.iter().find_map(|consumer| Some((consumer, consumer.matches(&path)?)))
    }

    /// The consumer with this id.
    pub fn get(&self, id: ConsumerId) -> Option<&Arc<Consumer>> {
        self.consumers.iter().find(|consumer| consumer.id == id)
    }

    /// The one of the same name that is written alike.
    fn same(&self, other: &Consumer) -> Option<&Arc<Consumer>> {
        let mine = self.consumers.iter().find(|consumer| consumer.name == other.name)?;
        let alike = serde_json::to_value(&mine.spec).ok()? == serde_json::to_value(&other.spec).ok()?;
        (alike && mine.forms.has_same_others(&other.forms)).then_some(mine)
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Consumer>> {
        self.consumers.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.consumers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.consumers.is_empty()
    }
}

/// The group that a message on a mapped Redis channel goes to: a template over `channel` and `event`.
#[derive(Debug)]
pub struct SourceGroup {
    template: GroupTemplate,
    forms: Forms,
}

impl SourceGroup {
    /// Compiles the `group` of a `[[source]]`.
    pub fn compile(template: &str) -> Result<Self, String> {
        let allowed = Allowed { names: &[Name::Channel, Name::Event], place: "in the group of a source" };
        let mut forms = Forms::default();
        let how = Use { origin: Origin::Trusted, room: false, joins: false, allowed: false };
        let of = (&mut forms, &config::KeyPath::ROOT);
        let template = GroupTemplate::compile(template, allowed, |_| how, |_| None, of)?;
        Ok(Self { template, forms })
    }

    /// The groups for one message; more than one where the template gives a list.
    pub fn groups(&self, channel: &str, body: &Arc<Value>) -> Result<Vec<GroupName>, GroupError> {
        let scope = Scope::default().with(Name::Channel, channel.into());
        let scope = scope.with(Name::Event, Root::Data(body.clone()).into_jinja()).into_jinja();
        self.template.groups(&scope, &self.forms, None)
    }
}

#[cfg(test)]
mod tests;
