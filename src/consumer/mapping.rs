//! From an event to what its group's members are sent; evaluated once per event and consumer.

use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value as Jinja;

use super::{
    Outgoing, Payload,
    compile::Compiler,
    expression::{Expression, Name, Scope},
    frame,
    view::Root,
};
use crate::{
    config::{self, KeyPath},
    event::Event,
};

const PLACE: &str = "in on_event, which is evaluated once for all connections";

/// The handlers for events, by type.
#[derive(Debug)]
pub(super) struct Mappings {
    by_type: IndexMap<Box<str>, Mapping>,
    rest: Option<Mapping>,
}

#[derive(Debug)]
struct Mapping {
    when: Option<Expression>,
    topic: Option<Expression>,
    send: Vec<Expression>,
    send_text: Option<Expression>,
}

/// Why a consumer sends nothing for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// No handler takes events of this type.
    #[error("no handler takes events of this type")]
    NoHandler,
    /// An expression failed, for instance for a missing key.
    #[error("{0}")]
    Mapping(String),
}

impl Mappings {
    pub fn compile(
        handlers: &IndexMap<String, config::EventHandler>,
        key: &KeyPath,
        compiler: &mut Compiler<'_>,
    ) -> Self {
        let mut by_type = IndexMap::new();
        let mut rest = None;
        for (kind, handler) in handlers {
            let here = key.then(kind.as_str());
            let mapping = Mapping::compile(handler, &here, compiler);
            if kind == "*" {
                rest = Some(mapping);
                continue;
            }
            let method = kind.replace('.', "_");
            if method.starts_with('_') {
                compiler
                    .note(&here, "Channels refuses event types that begin with \"_\" or \".\"; it would never match");
            } else if by_type.insert(method.into_boxed_str(), mapping).is_some() {
                compiler.note(&here, "is there twice: dots and underscores are the same in event types");
            }
        }
        Self { by_type, rest }
    }

    pub fn map(&self, event: &Arc<Event>) -> Result<Vec<Outgoing>, MapError> {
        self.handler(event.kind()).ok_or(MapError::NoHandler)?.map(event).map_err(MapError::Mapping)
    }

    /// As `channels.consumer.get_handler_name`: dots become underscores, and a leading underscore is refused.
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
    fn compile(handler: &config::EventHandler, key: &KeyPath, compiler: &mut Compiler<'_>) -> Self {
        let names = &[Name::Event];
        Self {
            when: compiler.optional(handler.when.as_ref(), names, PLACE, &key.then("when")),
            topic: compiler.optional(handler.topic.as_ref(), names, PLACE, &key.then("topic")),
            send: compiler.list(handler.send.as_ref(), names, PLACE, &key.then("send")),
            send_text: compiler.optional(handler.send_text.as_ref(), names, PLACE, &key.then("send_text")),
        }
    }

    fn map(&self, event: &Arc<Event>) -> Result<Vec<Outgoing>, String> {
        let scope = Scope::default().with(Name::Event, Root::Event(event.clone()).into_jinja()).into_jinja();
        if let Some(when) = &self.when
            && !when.evaluate(&scope)?.is_true()
        {
            return Ok(Vec::new());
        }
        let topic = self.topic.as_ref().map(|topic| name(&topic.evaluate(&scope)?)).transpose()?;
        let mut outgoing = Vec::with_capacity(self.send.len() + usize::from(self.send_text.is_some()));
        for send in &self.send {
            let text = if send.is_just(Name::Event) {
                frame::plain_json(&event.body)?
            } else {
                frame::json(&send.evaluate(&scope)?)?
            };
            outgoing.push(Outgoing { payload: Payload::Text(text), topic: topic.clone(), to: None, volatile: false });
        }
        if let Some(send) = &self.send_text {
            outgoing.push(Outgoing { payload: raw(&send.evaluate(&scope)?)?, topic, to: None, volatile: false });
        }
        Ok(outgoing)
    }
}

/// Text or bytes as they are.
pub(super) fn raw(value: &Jinja) -> Result<Payload, String> {
    match (value.as_str(), value.as_bytes()) {
        (Some(text), _) => Ok(Payload::Text(text.as_bytes().to_vec().into())),
        (None, Some(bytes)) => Ok(Payload::Binary(bytes.to_vec().into())),
        (None, None) => Err(format!("{} is neither text nor bytes", value.kind())),
    }
}

/// The name of a topic: text, or an integer as text.
pub(super) fn name(value: &Jinja) -> Result<Arc<str>, String> {
    match value.as_str() {
        Some(text) => Ok(text.into()),
        None if value.is_integer() => Ok(value.to_string().into()),
        None => Err(format!("{} is no name of a topic", value.kind())),
    }
}
