//! Maps an event to the messages for its group's members; evaluated once per event and consumer. `compile` makes it from
//! the configuration, `mapped` is what comes out.

mod compile;
mod mapped;

use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;

pub use self::mapped::{MapError, Mapped, MappedCall};
use super::{
    ConsumerId,
    condition::{Condition, Decision, Questions, Selection, Traits},
    context::Context,
    effect::{Effect, Outgoing},
    emit::{EmitContent, EmitTarget},
    expression::{Expression, Root, Scope, Var, VarSet, names::name},
    groups::{FormId, Forms},
    outcome::{EventOutcome, Outcomes},
    personal::{Personal, PersonalMessage},
    wire::Wire,
};
use crate::{
    config::{PythonPer, Rate},
    event::{Event, GroupName, Payload},
};

/// The handlers for events, by type.
#[derive(Debug)]
pub(super) struct Mappings {
    wire: Wire,
    pub forms: Arc<Forms>,
    by_type: IndexMap<Box<str>, Mapping>,
    rest: Option<Mapping>,
    /// What its conditions ask of a connection.
    questions: Questions,
}

#[derive(Debug)]
struct Mapping {
    when: Option<Condition>,
    topic: Option<Expression>,
    key: Option<Expression>,
    send: Vec<Sent<Expression>>,
    send_text: Option<Sent<Expression>>,
    emits: Vec<EventEmit>,
    throttle: Option<Arc<Rate>>,
    outcomes: Option<Box<Outcomes>>,
    python_per: Option<PythonPer>,
}

/// An emit of an event, with its own condition.
#[derive(Debug)]
struct EventEmit {
    when: Option<Condition>,
    target: EmitTarget,
    content: Sent<EmitContent>,
    volatile: bool,
}

/// What is sent.
#[derive(Debug)]
enum Sent<T> {
    /// The same to all members.
    Same(T),
    /// It contains values of the connection.
    Personal(Arc<PersonalMessage>),
}

/// What one message is made of.
enum Form {
    Same(Payload),
    Personal(Personal),
}

impl Mappings {
    pub fn map(&self, consumer: (ConsumerId, &Arc<str>), event: &Arc<Event>) -> Result<Mapped, MapError> {
        self.handler(event.kind()).ok_or(MapError::NoHandler)?.map(consumer, event, self)
    }

    /// What the conditions compare of a connection.
    pub fn traits(&self, consumer: ConsumerId, context: &Context) -> Option<Traits> {
        self.questions.traits(consumer, context)
    }

    /// Whether the conditions compare anything of a connection.
    pub fn has_traits(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Whether an event asks something of a connection besides frames.
    pub fn has_outcomes(&self) -> bool {
        self.all().any(|mapping| mapping.outcomes.is_some())
    }

    /// The names about a connection that its handlers read.
    pub fn names(&self) -> VarSet {
        self.questions.names().and(self.outcome_names())
    }

    /// The names about a connection that its outcomes read, when an event comes.
    pub fn outcome_names(&self) -> VarSet {
        let outcomes = self.all().filter_map(|mapping| mapping.outcomes.as_deref());
        let names = outcomes.fold(VarSet::default(), |names, outcomes| names.and(outcomes.names));
        if self.needs_route() { names.and(VarSet::of(&[Var::Route])) } else { names }
    }

    /// Whether members are told apart by the parameters of their path.
    fn needs_route(&self) -> bool {
        self.all().any(|mapping| mapping.python_per == Some(PythonPer::Room))
    }

    fn all(&self) -> impl Iterator<Item = &Mapping> {
        self.by_type.values().chain(&self.rest)
    }

    /// What an event asks of this connection.
    pub fn outcome(
        &self,
        outcome: &EventOutcome,
        context: &Context,
        allow: Option<&[FormId]>,
    ) -> Result<Vec<Effect>, MapError> {
        let effects = outcome.effects(|event| {
            let outcomes = self.handler(event.kind()).and_then(|mapping| mapping.outcomes.as_deref());
            outcomes.map_or_else(|| Ok(Vec::new()), |own| own.of_connection(event, context, &self.forms, allow))
        });
        Ok(effects?)
    }

    /// Like `channels.consumer.get_handler_name`: dots become underscores, and a leading underscore is refused.
    fn handler(&self, kind: Option<&str>) -> Option<&Mapping> {
        let Some(kind) = kind else { return self.rest.as_ref() };
        if kind.starts_with(['_', '.']) {
            return None;
        }
        let found =
            if kind.contains('.') { self.by_type.get(kind.replace('.', "_").as_str()) } else { self.by_type.get(kind) };
        found.or(self.rest.as_ref())
    }
}

impl Mapping {
    fn map(&self, consumer: (ConsumerId, &Arc<str>), event: &Arc<Event>, of: &Mappings) -> Result<Mapped, MapError> {
        let Mappings { wire, forms, .. } = of;
        let scope = Scope::default()
            .with(Var::Event, Root::Event(event.clone()).into_jinja())
            .with(Var::Group, event.group.as_str().into())
            .with(Var::Node, wire.node.value())
            .into_jinja();
        let selection = match self.when.as_ref().map(|when| when.decide(consumer, event, &scope)).transpose()? {
            Some(Decision::All(false)) => return Ok(Mapped::default()),
            Some(Decision::All(true)) | None => None,
            Some(Decision::Some(selection)) => Some(selection),
        };
        let topic = self.topic.as_ref().map(|topic| name(&topic.evaluate(&scope)?)).transpose()?;
        if let Some(per) = self.python_per {
            let (throttle, python) = (self.throttle.clone(), Some(MappedCall { per, topic }));
            return Ok(Mapped { throttle, selection, python, ..Mapped::default() });
        }
        let key = self.key.as_ref().map(|key| name(&key.evaluate(&scope)?)).transpose()?;
        let mut outgoing: Vec<Outgoing> =
            Vec::with_capacity(self.send.len() + self.emits.len() + usize::from(self.send_text.is_some()));
        let mut add = |index: usize, form: Form, to: Option<Box<[GroupName]>>, volatile, own: Option<Selection>| {
            // Messages of different handlers or positions never replace each other.
            let key = key.as_ref().map(|key| format!("{index}/{key}").into());
            let selection = match (&selection, own) {
                (Some(both), Some(own)) => Some(both.and(&own)),
                (both, own) => own.or_else(|| both.clone()),
            };
            let (payload, personal) = match form {
                Form::Same(payload) => (payload, None),
                Form::Personal(personal) => (Payload::Text(Bytes::new()), Some(personal)),
            };
            outgoing.push(Outgoing { payload, personal, selection, topic: topic.clone(), to, volatile, key });
        };
        for (index, send) in self.send.iter().enumerate() {
            let form = match send {
                Sent::Same(send) if send.is_just(Var::Event) => Form::Same(wire.plain_json(&event.body)?),
                Sent::Same(send) => Form::Same(wire.json(&send.evaluate(&scope)?)?),
                Sent::Personal(message) => Form::Personal(Personal::new(message, event)),
            };
            add(index, form, None, false, None);
        }
        let mut unsent = None;
        let index = self.send.len();
        if let Some(send) = &self.send_text {
            let form = match send {
                Sent::Same(send) => Form::Same(wire.raw(&send.evaluate(&scope)?)?),
                Sent::Personal(message) => Form::Personal(Personal::new(message, event)),
            };
            add(index, form, None, false, None);
        }
        for (index, EventEmit { when, target, content, volatile }) in (index + 1..).zip(&self.emits) {
            let own = match when.as_ref().map(|when| when.decide(consumer, event, &scope)).transpose()? {
                Some(Decision::All(false)) => continue,
                Some(Decision::All(true)) | None => None,
                Some(Decision::Some(selection)) => Some(selection),
            };
            // A room without a name has no members. The members of the other rooms still get their messages.
            let to = match target.rooms(&scope, forms) {
                Ok(to) => to,
                Err(reason) => {
                    unsent.get_or_insert(MapError::Mapping(reason.into()));
                    continue;
                }
            };
            if to.as_ref().is_none_or(|groups| !groups.is_empty()) {
                let form = match content {
                    Sent::Same(content) => Form::Same(content.payload(&scope, wire)?),
                    Sent::Personal(message) => Form::Personal(Personal::new(message, event)),
                };
                add(index, form, to, *volatile, own);
            }
        }
        let outcome = self.outcomes.as_deref();
        let outcome = outcome.map(|own| own.of_event(event, &scope, topic, forms).map_err(MapError::Mapping));
        match unsent {
            Some(reason) if outgoing.is_empty() && outcome.is_none() => Err(reason),
            unsent => {
                let throttle = self.throttle.clone();
                Ok(Mapped { messages: outgoing, unsent, throttle, selection, outcome, python: None })
            }
        }
    }
}
