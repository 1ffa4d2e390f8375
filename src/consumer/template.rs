//! Templates: text with `{{ expressions }}`, for names of groups, rooms and events.

use minijinja::{Value as Jinja, value::ValueKind};

use super::{
    expression::{Expression, describe},
    form::{FormId, Forms, GroupError, Role},
    route::{Converter, Part as FormPart, Pattern},
    scope::{Allowed, NameSet},
};
use crate::{
    config::KeyPath,
    event::{GroupName, GroupNameError, NamePart},
};

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

    /// Its expression, where it is nothing else.
    fn whole(&self) -> Option<&Expression> {
        if let [Part::Value(expression)] = self.0.as_slice() { Some(expression) } else { None }
    }
}

/// The names that an expression gives: one, or those of a list.
fn texts(expression: &Expression, scope: &Jinja) -> Result<Vec<String>, GroupError> {
    let value = expression.evaluate(scope).map_err(GroupError::Value)?;
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        let items = value.try_iter().map_err(|error| GroupError::Value(describe(&error)))?;
        return items.map(|item| text(&item, expression)).collect();
    }
    Ok(vec![text(&value, expression)?])
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
    form: FormId,
    origin: Origin,
    /// Whether it names a Socket.IO room.
    room: bool,
    /// Names and beginnings of names within an expression that gives whole names, the longest first.
    inner: Vec<Inner>,
}

/// Who chooses what stands in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A client, in part at least.
    Client,
    /// Identities, that is tokens and what Django says of a user.
    Identity,
    /// The configuration, the backend, or who publishes an event.
    Trusted,
}

/// What a template is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub origin: Origin,
    /// Whether it may be any text, as Socket.IO's rooms, and need not be written as Channels' groups are.
    pub room: bool,
    /// Whether a client comes in by it.
    pub joins: bool,
    /// Whether patterns say which of its names a client may choose.
    pub allowed: bool,
}

#[derive(Debug)]
struct Inner {
    text: Box<str>,
    /// The text alone.
    name: FormId,
    /// The text and a value.
    beginning: FormId,
}

impl GroupTemplate {
    /// Compiles the template of a group or, where `room` says so, of a Socket.IO room, which may be any text. `typed` says
    /// what matches a parameter of the path.
    pub fn compile(
        source: &str,
        allowed: Allowed<'_>,
        how: impl FnOnce(&Template) -> Use,
        typed: impl Fn(&Expression) -> Option<Converter>,
        (forms, key): (&mut Forms, &KeyPath),
    ) -> Result<Self, String> {
        let template = Template::compile(source, allowed)?;
        let how = how(&template);
        let literal = |text: &str| if how.room { GroupName::of([NamePart::Text(text)]) } else { GroupName::new(text) };
        let parts = template.0.as_slice();
        match parts {
            [] => return Err(GroupNameError::Empty.to_string()),
            [Part::Text(name)] => drop(literal(name).map_err(|reason| reason.to_string())?),
            _ => {
                for part in parts {
                    if let Part::Text(text) = part {
                        literal(text).map_err(|reason| reason.to_string())?;
                    }
                }
            }
        }
        if parts.windows(2).any(|pair| matches!(pair, [Part::Value(_), Part::Value(_)])) {
            return Err("two values stand side by side, so that nobody knows where one ends; write text between them"
                .to_owned());
        }
        let pattern = Pattern::of(parts.iter().map(|part| form_part(part, &typed)).collect());
        let chosen = how.origin == Origin::Client;
        let inner = match template.whole() {
            Some(expression) if how.origin == Origin::Identity => inner(expression, forms, key),
            _ => Vec::new(),
        };
        let whole = template.whole().is_some();
        let role = match how.origin {
            Origin::Client if how.allowed || whole => Role::Hidden,
            Origin::Trusted if whole => Role::Hidden,
            Origin::Identity if !inner.is_empty() => Role::Hidden,
            // Who sends to `role_admin` means the role.
            _ if !how.joins && template.constant().is_some() => Role::Hidden,
            _ => Role::Template { chosen, free: chosen && how.joins },
        };
        let form = forms.add(pattern, role, source, key);
        Ok(Self { template, form, origin: how.origin, room: how.room, inner })
    }

    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// Whether a client can choose some of its values.
    pub fn is_chosen(&self) -> bool {
        self.origin == Origin::Client
    }

    /// The groups it names. Where a client can choose and there are patterns, only what they allow.
    pub fn groups(&self, scope: &Jinja, forms: &Forms, allow: Option<&[FormId]>) -> Result<Vec<GroupName>, GroupError> {
        let allow = allow.filter(|_| self.is_chosen());
        if let Some(expression) = self.template.whole() {
            let names = texts(expression, scope)?;
            return names.iter().map(|name| self.whole(name, forms, allow)).collect();
        }
        if let Some(allow) = allow {
            return forms.allowed(allow, &self.template.text(scope)?).map(|group| vec![group]);
        }
        let mut values = Vec::new();
        for expression in self.template.expressions() {
            values.push(expression.text(scope)?);
        }
        let mut values = values.iter();
        let parts = self.template.0.iter().filter_map(|part| match part {
            Part::Text(text) => Some(NamePart::Text(text)),
            Part::Value(_) => values.next().map(|value| NamePart::Value(value)),
        });
        let parts: Vec<_> = parts.collect();
        forms.group(self.form, &parts).map(|group| vec![group])
    }

    /// The group of a name that an expression gives as a whole.
    fn whole(&self, name: &str, forms: &Forms, allow: Option<&[FormId]>) -> Result<GroupName, GroupError> {
        if self.origin == Origin::Trusted
            && !self.room
            && let Ok(group) = GroupName::new(name)
        {
            return Ok(group);
        }
        match (allow, self.origin) {
            (Some(allow), _) => forms.allowed(allow, name),
            // Where a client names any room, it is to leave it: one that it was let into is recognised.
            (None, Origin::Client | Origin::Trusted) => forms.given(name),
            (None, Origin::Identity) => {
                for Inner { text, name: alone, beginning } in &self.inner {
                    match name.strip_prefix(&**text) {
                        Some("") => return forms.group(*alone, &[NamePart::Text(text)]),
                        Some(rest) => return forms.group(*beginning, &[NamePart::Text(text), NamePart::Value(rest)]),
                        None => {}
                    }
                }
                forms.group(self.form, &[NamePart::Value(name)])
            }
        }
    }
}

fn form_part(part: &Part, typed: impl Fn(&Expression) -> Option<Converter>) -> FormPart {
    match part {
        Part::Text(text) => FormPart::Text(text.clone()),
        Part::Value(expression) => {
            FormPart::Parameter(expression.source().into(), typed(expression).unwrap_or(Converter::Path))
        }
    }
}

/// The texts within an expression that are names, or can be beginnings of names.
fn inner(expression: &Expression, forms: &mut Forms, key: &KeyPath) -> Vec<Inner> {
    let mut texts: Vec<&str> = expression.literals().filter(|text| GroupName::of_plain_room(text).is_some()).collect();
    texts.sort_unstable_by_key(|text| std::cmp::Reverse((text.len(), *text)));
    texts.dedup();
    let mut inner = Vec::new();
    for text in texts {
        let literal = FormPart::Text(text.into());
        let any = FormPart::Parameter("".into(), Converter::Path);
        // `role_` goes on, `admin` is whole.
        let goes_on = text.ends_with(['_', '-', '.']);
        let role = if goes_on { Role::Inner } else { Role::Hidden };
        inner.push(Inner {
            text: text.into(),
            name: forms.add(Pattern::of(vec![literal.clone()]), Role::Inner, text, key),
            beginning: forms.add(Pattern::of(vec![literal, any]), role, text, key),
        });
    }
    inner
}
