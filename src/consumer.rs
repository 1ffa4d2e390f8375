//! A consumer: compiled once from the configuration, then pure. No I/O, no async, no connection.
//!
//! In: an [`Event`] or a client's message. Out: frames, or [`Effect`]s that the caller carries out. Here is who a consumer
//! is and whom it lets in; `reactions` has what it does when something happens, `needs` what it reads of a connection.
//! `load` compiles: events to `mapping`, the other handlers to `action`, whose steps `program` runs.

mod action;
mod compiler;
mod condition;
mod context;
mod current;
mod effect;
mod emit;
mod expression;
mod groups;
mod heartbeat;
mod input;
mod instances;
mod kind;
mod load;
mod mapping;
mod namespaces;
mod needs;
mod notice;
mod outcome;
mod outside;
mod parameters;
mod personal;
mod presence;
mod program;
mod reached;
mod reactions;
mod rejection;
mod set;
mod source_group;
mod wire;

use std::{sync::Arc, time::Duration};

pub use condition::{BLOCK, Chosen, MemberIndex, Positions, Selection, Traits};
pub use context::Context;
pub use current::{Consumers, Snapshot};
pub use effect::{BodyKind, CallRequest, Continuation, Denial, Effect, MessageProblem, Outcome, Outgoing, Reaction};
pub use expression::{NoAnswer, Verdict};
pub use groups::GroupError;
pub use groups::decode as decode_path;
pub use heartbeat::Heartbeat;
pub use load::load;
pub use mapping::{MapError, Mapped, MappedCall};
pub use outcome::EventOutcome;
pub use personal::Personal;
pub use program::Quotas;
pub use rejection::Rejected;
pub use set::ConsumerSet;
pub use source_group::SourceGroup;

use crate::{
    config::{self, AuthMethod, Django, Reject, Topics},
    event::{Content, GroupName, GroupNameError, Payload, Value},
    limited::WriteError,
};
use action::Actions;
use expression::{Expression, GroupTemplate, VarSet};
use groups::{FormId, Forms, Pattern};
use input::of_connection;
use mapping::Mappings;
use namespaces::Namespaces;
use notice::{GapNotice, Hello};

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
    /// The room in which a connection's member is counted; unset: the whole consumer.
    presence_room: Option<GroupTemplate>,
    heartbeat: Option<Heartbeat>,
    mappings: Mappings,
    notice: Option<GapNotice>,
    hello: Option<Hello>,
    actions: Actions,
    /// The form of its namespaces, if they have parameters.
    namespaces: Option<Namespaces>,
    /// The names that its expressions use of a connection.
    reads: VarSet,
    /// Whether an expression reads the host that the client named.
    reads_host: bool,
    /// Attributes whose values are `vars`, if Django runs it.
    export: Arc<[String]>,
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

    /// Its name, shared.
    pub fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
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

    /// The parts that Django runs.
    pub fn django(&self) -> Django {
        self.spec.django
    }

    /// The attributes of the consumer in Django whose values are `vars` after each call.
    pub fn export(&self) -> Arc<[String]> {
        Arc::clone(&self.export)
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

    /// How long a client without a user may stay.
    pub fn anonymous_for(&self) -> Option<Duration> {
        self.spec.anonymous_for.map(|time| time.0)
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

    /// The message that its clients get at intervals.
    pub fn heartbeat(&self) -> Option<&Heartbeat> {
        self.heartbeat.as_ref()
    }

    /// The text for a client that is refused for this reason.
    pub fn rejection_text(&self, why: Rejected) -> &str {
        why.text(&self.spec)
    }

    /// What happens to events that wait for a slow client when its outbox is full.
    pub fn slow(&self) -> config::Slow {
        self.spec.slow
    }

    /// Maximum number of groups that a client may choose at its handshake, and that a connection may join by its
    /// messages.
    pub fn max_rooms(&self) -> usize {
        self.spec.max_rooms
    }

    /// Sample events for the live page: name, group and event.
    pub fn samples(&self) -> impl Iterator<Item = (&str, &str, serde_json::Value)> {
        self.spec.samples.iter().filter_map(|(name, sample)| {
            let event = serde_json::to_value(&sample.event).ok()?;
            Some((name.as_str(), sample.group.as_str(), event))
        })
    }
}

#[cfg(test)]
mod tests;
