//! Maps an event to the messages for its group's members; evaluated once per event and consumer.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{
    compiler::{Compiler, Usage},
    effect::Outgoing,
    emit::{Emit, EmitTarget},
    expression::{Allowed, Expression, Root, Scope, Var, names::name},
    groups::Forms,
    kind::OF_EVENTS,
    wire::Wire,
};
use crate::{
    config::{self, KeyPath},
    event::{Event, GroupName, Payload},
    limited::WriteError,
    telemetry::DropReason,
};

const ALLOWED: Allowed<'static> =
    Allowed { names: OF_EVENTS, at: "in on_event, which is evaluated once for all connections" };

/// The handlers for events, by type.
#[derive(Debug)]
pub(super) struct Mappings {
    wire: Wire,
    pub forms: Arc<Forms>,
    by_type: IndexMap<Box<str>, Mapping>,
    rest: Option<Mapping>,
}

#[derive(Debug)]
struct Mapping {
    when: Option<Expression>,
    topic: Option<Expression>,
    key: Option<Expression>,
    send: Vec<Expression>,
    send_text: Option<Expression>,
    emits: Vec<Emit>,
}

/// Why a consumer sends nothing for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// No handler matches events of this type.
    #[error("no handler matches events of this type")]
    NoHandler,
    /// An expression failed, for instance for a missing key.
    #[error("{0}")]
    Mapping(String),
    /// The message is larger than the limit.
    #[error("{0}")]
    TooLarge(WriteError),
}

/// The messages for an event.
#[derive(Debug, PartialEq, Eq)]
pub struct Mapped {
    /// They, in order; at least one, unless `when` is false or a list of rooms is empty.
    pub messages: Vec<Outgoing>,
    /// Why another message is not sent: its room has no name, for instance for a missing value.
    pub unsent: Option<MapError>,
}

impl MapError {
    /// The reason under which it is counted.
    pub const fn drop_reason(&self) -> DropReason {
        match self {
            Self::NoHandler => DropReason::NoHandler,
            Self::Mapping(_) => DropReason::Mapping,
            Self::TooLarge(_) => DropReason::TooLarge,
        }
    }
}

impl From<String> for MapError {
    fn from(reason: String) -> Self {
        Self::Mapping(reason)
    }
}

impl From<WriteError> for MapError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge(_) => Self::TooLarge(error),
            WriteError::Invalid(reason) => Self::Mapping(reason),
        }
    }
}

impl Mappings {
    pub fn compile(
        handlers: &IndexMap<String, config::EventHandler>,
        wire: Wire,
        key: &KeyPath,
        compiler: &mut Compiler<'_>,
    ) -> Self {
        let mut by_type = IndexMap::new();
        let mut rest = None;
        for (kind, handler) in handlers {
            let here = key.then(kind.as_str());
            let mapping = Mapping::compile(handler, &wire, &here, compiler);
            if kind == "*" {
                rest = Some(mapping);
                continue;
            }
            let method = kind.replace('.', "_");
            if method.starts_with('_') {
                compiler
                    .note(&here, "Channels refuses event types that begin with \"_\" or \".\"; it would never match");
            } else if by_type.insert(method.into_boxed_str(), mapping).is_some() {
                compiler.note(&here, "appears twice: dots and underscores are the same in event types");
            }
        }
        Self { wire, forms: Arc::default(), by_type, rest }
    }

    pub fn map(&self, event: &Arc<Event>) -> Result<Mapped, MapError> {
        self.handler(event.kind()).ok_or(MapError::NoHandler)?.map(event, self)
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
    fn compile(handler: &config::EventHandler, wire: &Wire, key: &KeyPath, compiler: &mut Compiler<'_>) -> Self {
        if wire.is_socketio() {
            for (name, is_set) in [("send", handler.send.is_some()), ("send_text", handler.send_text.is_some())] {
                if is_set {
                    compiler.note(&key.then(name), "Socket.IO clients get events; write \"emit\"");
                }
            }
        }
        let here = key.then("emit");
        let emits = handler.emit.iter().flat_map(|emits| emits.keyed(&here));
        let emits = emits.filter_map(|(here, emit)| Self::emit(emit, &here, compiler)).collect();
        Self {
            when: compiler.optional(handler.when.as_ref(), ALLOWED, &key.then("when")),
            topic: compiler.optional(handler.topic.as_ref(), ALLOWED, &key.then("topic")),
            key: compiler.optional(handler.key.as_ref(), ALLOWED, &key.then("key")),
            send: compiler.list(handler.send.as_ref(), ALLOWED, &key.then("send")),
            send_text: compiler.optional(handler.send_text.as_ref(), ALLOWED, &key.then("send_text")),
            emits,
        }
    }

    /// Messages for the members of the event's group, or for those of another room.
    fn emit(emit: &config::Emit, key: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Emit> {
        if emit.expect.is_some() {
            compiler.note(&key.then("expect"), "only a reply can expect an acknowledgement");
        }
        let compiled = Emit::compile(emit, ALLOWED, key, compiler);
        let target = match &emit.to {
            None => EmitTarget::Connection,
            Some(to) => {
                let room = compiler.group(to, ALLOWED, Usage::default(), &key.then("to"))?;
                EmitTarget::Rooms { rooms: vec![room], but_me: false }
            }
        };
        Some(Emit { target, ..compiled? })
    }

    fn map(&self, event: &Arc<Event>, of: &Mappings) -> Result<Mapped, MapError> {
        let Mappings { wire, forms, .. } = of;
        let scope = Scope::default()
            .with(Var::Event, Root::Event(event.clone()).into_jinja())
            .with(Var::Group, event.group.as_str().into())
            .into_jinja();
        if let Some(when) = &self.when
            && !when.evaluate(&scope)?.is_true()
        {
            return Ok(Mapped { messages: Vec::new(), unsent: None });
        }
        let topic = self.topic.as_ref().map(|topic| name(&topic.evaluate(&scope)?)).transpose()?;
        let key = self.key.as_ref().map(|key| name(&key.evaluate(&scope)?)).transpose()?;
        let mut outgoing: Vec<Outgoing> =
            Vec::with_capacity(self.send.len() + self.emits.len() + usize::from(self.send_text.is_some()));
        let mut add = |index: usize, payload: Payload, to: Option<Box<[GroupName]>>, volatile: bool| {
            // Messages of different handlers or positions never replace each other.
            let key = key.as_ref().map(|key| format!("{index}/{key}").into());
            outgoing.push(Outgoing { payload, topic: topic.clone(), to, volatile, key });
        };
        for (index, send) in self.send.iter().enumerate() {
            let payload = match send.is_just(Var::Event) {
                true => wire.plain_json(&event.body)?,
                false => wire.json(&send.evaluate(&scope)?)?,
            };
            add(index, payload, None, false);
        }
        let mut unsent = None;
        let index = self.send.len();
        if let Some(send) = &self.send_text {
            add(index, wire.raw(&send.evaluate(&scope)?)?, None, false);
        }
        for (index, emit) in (index + 1..).zip(&self.emits) {
            if !emit.is_due(&scope)? {
                continue;
            }
            // A room without a name has no members: that is no reason to keep a message from another room's.
            let to = match emit.rooms(&scope, forms) {
                Ok(to) => to,
                Err(reason) => {
                    unsent.get_or_insert(MapError::Mapping(reason.into()));
                    continue;
                }
            };
            if to.as_ref().is_none_or(|groups| !groups.is_empty()) {
                add(index, emit.content.payload(&scope, wire)?, to, emit.volatile);
            }
        }
        match unsent {
            Some(reason) if outgoing.is_empty() => Err(reason),
            unsent => Ok(Mapped { messages: outgoing, unsent }),
        }
    }
}
