//! Templates: text with `{{ expressions }}`, for names of groups, rooms and events.

use minijinja::{Value as Jinja, value::ValueKind};

use super::{
    effect::MessageProblem,
    expression::{Expression, describe},
    scope::{Allowed, NameSet},
};
use crate::event::{GroupName, GroupNameError};

/// Why a template gave no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// A variable is undefined, null or no text or number; the name is never filled up with `None`.
    #[error("{0}")]
    Value(String),
    /// The name breaks Channels' rule.
    #[error("{name:?} is no group: {reason}")]
    Name {
        /// What the template gave, shortened.
        name: String,
        /// Which part of the rule.
        reason: GroupNameError,
    },
}

impl From<GroupError> for String {
    fn from(error: GroupError) -> Self {
        error.to_string()
    }
}

impl From<GroupError> for MessageProblem {
    fn from(error: GroupError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A compiled template of free text.
#[derive(Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(Box<str>),
    Value(Expression),
}

impl Template {
    /// Compiles `source` over the names in `allowed`.
    pub fn compile(source: &str, allowed: Allowed<'_>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((text, after)) = rest.split_once("{{") {
            push_text(&mut parts, text)?;
            let Some((expression, after)) = after.split_once("}}") else {
                return Err("\"{{\" without \"}}\"".to_owned());
            };
            parts.push(Part::Value(Expression::compile(expression, allowed)?));
            rest = after;
        }
        push_text(&mut parts, rest)?;
        Ok(Self(parts))
    }

    /// Its expressions.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter().filter_map(|part| match part {
            Part::Value(expression) => Some(expression),
            Part::Text(_) => None,
        })
    }

    /// The names it starts from.
    pub fn names(&self) -> NameSet {
        self.expressions().fold(NameSet::default(), |mut names, expression| {
            names.add(expression.names());
            names
        })
    }

    /// The text, where it is nothing else.
    pub fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it begins with text, so that a client does not choose the beginning.
    pub fn begins_with_text(&self) -> bool {
        matches!(self.0.first(), Some(Part::Text(_)))
    }

    /// What it gives: text, with every variable in it text or an integer.
    pub fn text(&self, scope: &Jinja) -> Result<String, GroupError> {
        let mut whole = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => whole.push_str(text),
                Part::Value(expression) => whole.push_str(&expression.text(scope)?),
            }
        }
        Ok(whole)
    }

    /// The same; one that is an expression and nothing else may give a list of texts.
    fn texts(&self, scope: &Jinja) -> Result<Vec<String>, GroupError> {
        if let [Part::Value(expression)] = self.0.as_slice() {
            let value = expression.evaluate(scope).map_err(GroupError::Value)?;
            if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
                let items = value.try_iter().map_err(|error| GroupError::Value(describe(&error)))?;
                return items.map(|item| text(&item, expression)).collect();
            }
            return Ok(vec![text(&value, expression)?]);
        }
        Ok(vec![self.text(scope)?])
    }
}

impl Expression {
    fn text(&self, scope: &Jinja) -> Result<String, GroupError> {
        text(&self.evaluate(scope).map_err(GroupError::Value)?, self)
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    match text.chars().find(|c| matches!(c, '{' | '}')) {
        Some(c) => Err(format!("{c:?} is not allowed here; a variable is written {{{{ user.id }}}}")),
        None => {
            parts.push(Part::Text(text.into()));
            Ok(())
        }
    }
}

fn text(value: &Jinja, expression: &Expression) -> Result<String, GroupError> {
    let source = expression.source();
    match value.as_str() {
        Some("") => Err(GroupError::Value(format!("`{source}` is empty"))),
        Some(text) => Ok(text.to_owned()),
        None if value.is_integer() => Ok(value.to_string()),
        None => Err(GroupError::Value(format!("`{source}` is {}, not text or an integer", value.kind()))),
    }
}

/// A compiled template of a group's name.
///
/// A template that is one expression and nothing else may give a list: then each item is a group, and an empty list none.
#[derive(Debug)]
pub(super) struct GroupTemplate {
    template: Template,
    /// A Socket.IO room, which may be any text, and not a group as Channels writes it.
    room: bool,
}

impl GroupTemplate {
    /// Compiles the template of a group.
    pub fn compile(source: &str, allowed: Allowed<'_>) -> Result<Self, String> {
        Self::either(source, allowed, false)
    }

    /// Compiles the template of a Socket.IO room, or of a group.
    pub fn either(source: &str, allowed: Allowed<'_>, room: bool) -> Result<Self, String> {
        let template = Template::compile(source, allowed)?;
        let compiled = Self { template, room };
        match compiled.template.0.as_slice() {
            [] => return Err(GroupNameError::Empty.to_string()),
            [Part::Text(name)] => drop(compiled.name(name).map_err(reason)?),
            parts if !room => {
                for part in parts {
                    if let Part::Text(text) = part {
                        GroupName::new(text).map_err(|error| error.to_string())?;
                    }
                }
            }
            _ => {}
        }
        Ok(compiled)
    }

    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// The rooms it names, as they are written.
    pub fn rooms(&self, scope: &Jinja) -> Result<Vec<String>, GroupError> {
        self.template.texts(scope)
    }

    /// The groups it names.
    pub fn groups(&self, scope: &Jinja) -> Result<Vec<GroupName>, GroupError> {
        self.rooms(scope)?.iter().map(|room| self.name(room)).collect()
    }

    /// The group of a room.
    pub fn name(&self, text: &str) -> Result<GroupName, GroupError> {
        let name = if self.room { GroupName::from_room(text) } else { GroupName::new(text) };
        name.map_err(|reason| GroupError::Name { name: text.chars().take(100).collect(), reason })
    }
}

fn reason(error: GroupError) -> String {
    match error {
        GroupError::Value(reason) => reason,
        GroupError::Name { reason, .. } => reason.to_string(),
    }
}
