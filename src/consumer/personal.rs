//! Messages of `on_event` that contain values of the connection.
//!
//! In: an event, and the values that a member has for the message. Out: the message for all members with these values.

use std::sync::Arc;

use super::{
    condition::{Questions, Traits},
    emit::EmitContent,
    expression::{Expression, Root, Scope, Var},
    wire::Wire,
};
use crate::{
    event::{Event, Payload, json},
    limited::WriteError,
};

/// What is sent.
#[derive(Debug)]
pub(super) enum Content {
    Json(Expression),
    Text(Expression),
    Emit(EmitContent),
}

/// A compiled message that contains values of the connection.
#[derive(Debug)]
pub(super) struct PersonalMessage {
    content: Content,
    /// The position of these values among those of a connection.
    part: u16,
    wire: Wire,
}

/// A message of one event that contains values of the connection.
#[derive(Clone, Debug)]
pub struct Personal {
    message: Arc<PersonalMessage>,
    event: Arc<Event>,
}

impl PartialEq for Personal {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.message, &other.message) && Arc::ptr_eq(&self.event, &other.event)
    }
}

impl Eq for Personal {}

impl Content {
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Json(one) | Self::Text(one) => vec![one],
            Self::Emit(content) => content.expressions(),
        }
    }
}

impl PersonalMessage {
    /// The message; `None` if there are too many.
    pub fn new(content: Content, wire: &Wire, questions: &mut Questions) -> Option<Arc<Self>> {
        let part = questions.add_part(&content.expressions())?;
        Some(Arc::new(Self { content, part, wire: wire.clone() }))
    }
}

impl Personal {
    pub(super) fn new(message: &Arc<PersonalMessage>, event: &Arc<Event>) -> Self {
        Self { message: Arc::clone(message), event: Arc::clone(event) }
    }

    /// The event.
    pub const fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// The values that it contains of a connection, as text: members with the same get the same message.
    pub fn values(&self, traits: &Traits) -> Option<Arc<str>> {
        traits.part(self.message.part)
    }

    /// The message for the members with these values.
    pub fn payload(&self, values: &str) -> Result<Payload, WriteError> {
        let PersonalMessage { content, wire, .. } = &*self.message;
        let values = json::read(values.as_bytes()).map_err(|error| error.to_string())?;
        let mut scope = Scope::default()
            .with(Var::Event, Root::Event(Arc::clone(&self.event)).into_jinja())
            .with(Var::Group, self.event.group.as_str().into())
            .with(Var::Node, wire.node.value());
        for (name, value) in values.as_map().into_iter().flatten() {
            if let Some(name) = Var::parse(name) {
                scope = scope.with(name, Root::Data(Arc::new(value.clone())).into_jinja());
            }
        }
        let scope = scope.into_jinja();
        match content {
            Content::Json(expression) => wire.json(&expression.evaluate(&scope)?),
            Content::Text(expression) => wire.raw(&expression.evaluate(&scope)?),
            Content::Emit(content) => content.payload(&scope, wire),
        }
    }
}
