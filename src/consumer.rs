//! A consumer: compiled once from the configuration, then pure. No I/O, no async, no connection.
//!
//! In: an [`Event`] or a client's message. Out: frames, or [`Effect`]s that the caller carries out.

mod action;
mod compiler;
mod context;
mod current;
mod effect;
mod emit;
mod expression;
mod groups;
mod input;
mod instances;
mod kind;
mod load;
mod mapping;
mod namespaces;
mod notice;
mod parameters;
mod program;
mod reached;
mod rejection;
mod set;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use context::Context;
pub use current::{Consumers, Snapshot};
pub use effect::{CallRequest, Continuation, Denial, Effect, MessageProblem, Outcome, Outgoing, Reaction};
pub use groups::GroupError;
pub use groups::decode as decode_path;
pub use load::load;
pub use mapping::{MapError, Mapped};
pub use program::Quotas;
pub use rejection::Rejected;
pub use set::ConsumerSet;

use crate::{
    config::{self, AuthMethod, Reject, Topics},
    event::{Content, Event, GapReason, GroupName, GroupNameError, Incoming, Payload, Value},
    limited::WriteError,
};
use action::Actions;
use expression::{Allowed, Expression, GroupTemplate, NameSource, Root, Scope, TemplateUse, Var, VarSet};
use groups::{FormId, Forms, Pattern};
use input::of_connection;
use mapping::Mappings;
use namespaces::Namespaces;
use notice::GapNotice;

/// A member with a longer name is not counted, in bytes.
const MAX_MEMBER: usize = 255;

/// The id of a consumer; a reload never reuses the id of an earlier consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId(pub u32);

/// A compiled consumer.
#[derive(Debug)]
pub struct Consumer {
    id: ConsumerId,
    name: Arc<str>,
    spec: config::Consumer,
    /// The patterns of its paths.
    patterns: Box<[Pattern]>,
    groups: Vec<GroupTemplate>,
    /// The groups that a client may name; unset: all.
    allow: Option<Vec<FormId>>,
    forms: Arc<Forms>,
    refusal: Option<Expression>,
    /// Who is accepted and then closed, of those who are refused; unset: everybody.
    closed: Option<Expression>,
    presence: Option<Expression>,
    mappings: Mappings,
    notice: Option<GapNotice>,
    actions: Actions,
    /// The form of its namespaces, if they have parameters.
    namespaces: Option<Namespaces>,
    /// Whether its groups, or whether it wants gap notices, depend on the connection's id.
    reads_id: bool,
}

impl Consumer {
    /// Its id.
    pub fn id(&self) -> ConsumerId {
        self.id
    }

    /// Its name for logs and metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id as a number, and its name.
    pub fn numbered(&self) -> (u32, Arc<str>) {
        (self.id.0, self.name().into())
    }

    /// Its Socket.IO namespace, or the form of its namespaces.
    pub fn namespace(&self) -> Option<&str> {
        (self.spec.protocol == config::Protocol::SocketIo).then_some(&*self.spec.namespace)
    }

    /// The parameters of a request's path, decoded by [`decode_path`]; `None` if the path is not this consumer's.
    pub fn matches(&self, path: &str) -> Option<Value> {
        self.patterns.iter().find_map(|pattern| pattern.matches(path))
    }

    /// The same for one of its paths.
    pub fn matches_path(&self, index: usize, path: &str) -> Option<Value> {
        self.patterns.get(index)?.matches(path)
    }

    /// The subprotocol to echo to a client that offers these, separated by commas: its own order decides.
    pub fn subprotocol(&self, offered: &str) -> Option<&str> {
        let is_offered = |own: &&String| offered.split(',').any(|name| name.trim() == own.as_str());
        self.spec.subprotocols.iter().find(is_offered).map(String::as_str)
    }

    /// Whether its groups, or its members, need the connection's id.
    pub fn needs_id(&self) -> bool {
        self.needs_context() || self.reads_id
    }

    /// The protocol of its clients.
    pub fn protocol(&self) -> config::Protocol {
        self.spec.protocol
    }

    /// Encodes an emission's content for the clients of this consumer.
    pub fn encode(&self, content: &Content) -> Result<Payload, MapError> {
        let wire = self.actions.wire();
        match (content, wire.is_socketio()) {
            (Content::Message(value), false) => Ok(wire.plain_json(value)?),
            (Content::Event(args), true) => Ok(wire.plain_event(None, args)?),
            (Content::Event(_), false) => Err("a named event can be sent to Socket.IO clients only".to_owned().into()),
            (Content::Message(_), true) => {
                Err("a message without a name can be sent to plain clients only".to_owned().into())
            }
        }
    }

    /// A Socket.IO event that asks the client for an acknowledgement: its name, then its arguments.
    pub fn question(&self, id: u64, args: &[Value]) -> Result<Payload, WriteError> {
        self.actions.wire().plain_event(Some(id), args)
    }

    /// Its configuration.
    pub fn spec(&self) -> &config::Consumer {
        &self.spec
    }

    /// Authentication methods, in the order in which they are tried.
    pub fn auth(&self) -> &[AuthMethod] {
        &self.spec.auth
    }

    /// What happens to a client whose token is not valid.
    pub fn invalid(&self) -> config::InvalidToken {
        self.spec.invalid
    }

    /// Whether a connection ends when its token expires.
    pub fn ends_with_token(&self) -> bool {
        self.spec.at_expiry == config::AtExpiry::Close
    }

    /// Applies another token of the same user: its data replaces that of the previous token, except a user that
    /// `on_admit` may have replaced.
    pub fn renew(&self, context: &mut Context, user: &Value, claims: &Value) {
        if !self.has_on_admit() {
            context.user = user.clone();
        }
        // Absent if no handler reads them.
        if context.claims != Value::Null {
            context.claims = claims.clone();
        }
    }

    /// How topics select events for a connection.
    pub fn topics(&self) -> &Topics {
        &self.spec.topics
    }

    /// How a client is refused.
    pub fn reject(&self) -> &Reject {
        &self.spec.reject
    }

    /// The frame for a refused client, sent before the close; without authentication only route and query are known.
    pub fn refusal_frame(&self, context: &Context) -> Option<Payload> {
        let refusal = self.refusal.as_ref()?;
        let scope = of_connection(context, refusal.names()).into_jinja();
        refusal.evaluate(&scope).ok().and_then(|value| self.actions.wire().json(&value).ok())
    }

    /// Whether a refused client is accepted and then closed, if there is a code for that; only route and query are known.
    pub fn closes_refused(&self, context: &Context) -> bool {
        let Some(when) = &self.closed else { return true };
        when.evaluate(&of_connection(context, when.names()).into_jinja()).is_ok_and(|value| value.is_true())
    }

    /// The groups a connection joins, each once. An error refuses the connection; so do more groups than a client may
    /// choose, and no further one is made then.
    pub fn groups(&self, context: &Context) -> Result<Vec<GroupName>, GroupError> {
        let mut used = VarSet::default();
        self.groups.iter().for_each(|group| used.add(group.template().names()));
        let scope = of_connection(context, used).into_jinja();
        let mut names = Vec::with_capacity(self.groups.len());
        let mut chosen = 0;
        for template in &self.groups {
            template.each_group(&scope, &self.forms, self.allow.as_deref(), |name| {
                if names.contains(&name) {
                    return Ok(());
                }
                chosen += usize::from(template.is_chosen());
                if chosen > self.max_rooms() {
                    return Err(GroupError::TooMany(self.max_rooms()));
                }
                names.push(name);
                Ok(())
            })?;
        }
        Ok(names)
    }

    /// The group of a room as another program names it, if a template or pattern matches it, and how much of the name is
    /// text: of several matches, the one with the most text is right.
    fn recognise(&self, room: &str) -> Option<(usize, Result<GroupName, GroupNameError>)> {
        self.forms.recognise(room).map(|parts| (groups::text_of(&parts), GroupName::of(parts)))
    }

    /// The messages for the members of an event's group, in order; empty if `when` is false.
    pub fn on_event(&self, event: &Arc<Event>) -> Result<Mapped, MapError> {
        self.mappings.map(event)
    }

    /// Whether any of its connections may receive gap notices.
    pub fn has_gap_notice(&self) -> bool {
        self.notice.is_some()
    }

    /// Whether this connection wants gap notices; evaluated once, when it opens.
    pub fn asks_for_gaps(&self, context: &Context) -> bool {
        self.notice.as_ref().is_some_and(|notice| notice.is_asked_for(context))
    }

    /// The gap notice for a connection about these of its groups; `None`: any of them.
    pub fn gap_notice(&self, reason: GapReason, groups: Option<&[&GroupName]>) -> Result<Payload, WriteError> {
        let notice = self.notice.as_ref().ok_or_else(|| "this consumer has no gap notice".to_owned())?;
        notice.payload(reason, groups, self.actions.wire())
    }

    /// Whether an authenticated connection is admitted.
    pub fn admit(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.admit, context)
    }

    /// Whether it has `on_admit`.
    pub fn has_on_admit(&self) -> bool {
        self.actions.admit.is_some()
    }

    /// Runs once the socket is open and its groups are joined.
    pub fn on_connect(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.connect, context)
    }

    /// Runs when the connection has closed.
    pub fn on_disconnect(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.disconnect, context)
    }

    /// Runs when the member's first connection has opened, on that connection.
    pub fn on_online(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.online, context)
    }

    /// Runs when the member's last connection has closed; of the context only the user is used.
    pub fn on_offline(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.offline, context)
    }

    /// Whether a handler matches the message.
    pub fn handles(&self, incoming: &Incoming<'_>) -> bool {
        self.actions.handles(incoming)
    }

    /// Handles a client's message.
    pub fn on_message(&self, context: &Context, incoming: Incoming<'_>, limits: &mut Quotas, now: Instant) -> Reaction {
        self.actions.message(context, incoming, limits, now)
    }

    /// Continues a handler after the outcome of a call, question or refresh.
    pub fn resume(&self, context: &Context, then: &Continuation, outcome: Outcome) -> Reaction {
        self.actions.resume(context, then, outcome)
    }

    /// Whether connections are counted per member.
    pub fn has_presence(&self) -> bool {
        self.presence.is_some()
    }

    /// The member of a connection; `None` if the expression gives null or fails.
    pub fn presence_member(&self, context: &Context) -> Option<Arc<str>> {
        let member = self.presence.as_ref()?;
        let value = member.evaluate(&of_connection(context, member.names()).into_jinja()).ok()?;
        expression::names::name(&value).ok().filter(|name| !name.is_empty() && name.len() <= MAX_MEMBER)
    }

    /// How long a member may be without a connection before it is gone; `None` without presence.
    pub fn presence_grace(&self) -> Option<Duration> {
        self.spec.presence.as_ref().map(|presence| presence.grace.0)
    }

    /// The text for a client that is refused for this reason.
    pub fn rejection_text(&self, why: Rejected) -> &str {
        why.text(&self.spec)
    }

    /// What happens to events that wait for a slow client when its outbox is full.
    pub fn slow(&self) -> config::Slow {
        self.spec.slow
    }

    /// Whether a connection's state may have this many bytes.
    pub fn may_keep(&self, bytes: usize) -> bool {
        bytes <= self.actions.max_state()
    }

    /// Maximum number of groups that a client may choose at its handshake, and that a connection may join by its
    /// messages.
    pub fn max_rooms(&self) -> usize {
        self.spec.max_rooms
    }

    /// Whether its handlers read their context; if not, an empty one is enough, and a connection need not keep its own.
    pub fn needs_context(&self) -> bool {
        self.has_presence() || self.actions.needs_context()
    }

    /// The part of a connection's context that its handlers need: there are many connections, and a token's claims
    /// alone take a kilobyte.
    pub fn keep(&self, mut context: Context) -> Option<Box<Context>> {
        if !self.needs_context() {
            return None;
        }
        let mut names = self.actions.names();
        if let Some(member) = &self.presence {
            names.add(member.names());
        }
        // The user is part of calls and presence, and the variables belong to the handlers.
        for (name, value) in [
            (Var::Route, &mut context.route),
            (Var::Query, &mut context.query),
            (Var::Claims, &mut context.claims),
            (Var::Auth, &mut context.auth),
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

/// The group that a message on a mapped Redis channel goes to: a template over `channel` and `event`.
#[derive(Debug)]
pub struct SourceGroup {
    template: GroupTemplate,
    forms: Forms,
}

impl SourceGroup {
    /// Compiles the `group` of a `[[source]]`.
    pub fn compile(template: &str) -> Result<Self, String> {
        let allowed = Allowed { names: &[Var::Channel, Var::Event], at: "in the group of a source" };
        let mut forms = Forms::default();
        let how = TemplateUse { source: NameSource::Trusted, room: false, joins: false, allowed: false };
        let of = (&mut forms, &config::KeyPath::ROOT);
        let template = GroupTemplate::compile(template, allowed, |_| how, |_| None, of)?;
        Ok(Self { template, forms })
    }

    /// The groups for one message; several if the template gives a list.
    pub fn groups(&self, channel: &str, body: &Arc<Value>) -> Result<Vec<GroupName>, GroupError> {
        let scope = Scope::default().with(Var::Channel, channel.into());
        let scope = scope.with(Var::Event, Root::Data(body.clone()).into_jinja()).into_jinja();
        self.template.groups(&scope, &self.forms, None)
    }
}

#[cfg(test)]
mod tests;
