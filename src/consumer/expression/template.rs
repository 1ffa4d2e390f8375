//! Templates: text with `{{ expressions }}`, for names of groups, rooms and events.

use minijinja::{Value as Jinja, value::ValueKind};

use super::{
    Allowed, Expression, VarSet, describe,
    view::{as_text, is_integer},
};
use crate::{
    config::KeyPath,
    consumer::groups::{Converter, FormId, Forms, GroupError, Part as FormPart, Pattern, Role},
    event::{GroupName, GroupNameError, NamePart, surrogate},
};

/// A compiled template of free text.
#[derive(Debug)]
pub struct Template(Vec<TemplatePart>);

#[derive(Debug)]
enum TemplatePart {
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
            parts.push(TemplatePart::Value(Expression::compile(expression, allowed)?));
            rest = after;
        }
        push_text(&mut parts, rest)?;
        Ok(Self(parts))
    }

    /// Its expressions.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Value(expression) => Some(expression),
            TemplatePart::Text(_) => None,
        })
    }

    /// The names that it uses.
    pub fn names(&self) -> VarSet {
        self.expressions().fold(VarSet::default(), |mut names, expression| {
            names.add(expression.names());
            names
        })
    }

    /// The text, if it has no expressions.
    pub fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [TemplatePart::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it begins with text, so that a client does not choose the beginning.
    pub fn begins_with_text(&self) -> bool {
        matches!(self.0.first(), Some(TemplatePart::Text(_)))
    }

    /// The resulting text; every variable in it must be text or an integer.
    pub fn text(&self, scope: &Jinja) -> Result<String, GroupError> {
        let mut whole = String::new();
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => whole.push_str(&surrogate::loosen_real(text)),
                TemplatePart::Value(expression) => whole.push_str(&surrogate::loosen(&expression.text(scope)?)),
            }
        }
        Ok(surrogate::tighten(&whole).into_owned())
    }

    /// The resulting text for people, such as a close reason: a variable that is empty or null adds nothing.
    pub fn reason(&self, scope: &Jinja) -> Result<String, GroupError> {
        let mut whole = String::new();
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => whole.push_str(&surrogate::loosen_real(text)),
                TemplatePart::Value(expression) => {
                    let value = expression.evaluate(scope).map_err(|error| GroupError::Value(error.to_string()))?;
                    if !(value.is_none() || value.as_str() == Some("")) {
                        whole.push_str(&surrogate::loosen(&text(&value, expression)?));
                    }
                }
            }
        }
        Ok(surrogate::tighten(&whole).into_owned())
    }

    /// Its expression, if it is nothing else.
    fn whole(&self) -> Option<&Expression> {
        if let [TemplatePart::Value(expression)] = self.0.as_slice() { Some(expression) } else { None }
    }
}

/// Takes the names from an expression: one, or the items of a list, up to the first error.
fn each_text(
    expression: &Expression,
    scope: &Jinja,
    mut take: impl FnMut(&str) -> Result<(), GroupError>,
) -> Result<(), GroupError> {
    let value = expression.evaluate(scope).map_err(|error| GroupError::Value(error.to_string()))?;
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        let mut items = value.try_iter().map_err(|error| GroupError::Value(describe(&error)))?;
        return items.try_for_each(|item| take(&text(&item, expression)?));
    }
    take(&text(&value, expression)?)
}

impl Expression {
    fn text(&self, scope: &Jinja) -> Result<String, GroupError> {
        text(&self.evaluate(scope).map_err(|error| GroupError::Value(error.to_string()))?, self)
    }
}

fn push_text(parts: &mut Vec<TemplatePart>, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    match text.chars().find(|c| matches!(c, '{' | '}')) {
        Some(c) => Err(format!("{c:?} is not allowed here; write a variable as {{{{ user.id }}}}")),
        None => {
            parts.push(TemplatePart::Text(text.into()));
            Ok(())
        }
    }
}

fn text(value: &Jinja, expression: &Expression) -> Result<String, GroupError> {
    let source = expression.source();
    match as_text(value) {
        Some("") => Err(GroupError::Value(format!("`{source}` is empty"))),
        Some(text) => Ok(surrogate::tighten(text).into_owned()),
        None if is_integer(value) => Ok(value.to_string()),
        None => Err(GroupError::Value(format!("`{source}` is {}, not text or an integer", value.kind()))),
    }
}

/// A compiled template of a group's name.
///
/// A template that is a single expression may give a list: then each item is a group, and an empty list gives none.
#[derive(Debug)]
pub struct GroupTemplate {
    template: Template,
    form: FormId,
    source: NameSource,
    /// Whether it names a Socket.IO room.
    room: bool,
    /// Names and beginnings of names within an expression that gives whole names, the longest first.
    inner: Vec<Inner>,
}

/// Who chooses the values in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    /// A client, at least in part.
    Client,
    /// Identities: tokens, and Django's data about a user.
    Identity,
    /// The configuration, the backend, or the publisher of an event.
    Trusted,
}

/// The use of a template.
#[derive(Clone, Copy, Debug)]
pub struct TemplateUse {
    pub source: NameSource,
    /// Whether it may be any text, like Socket.IO rooms, and need not follow the rule of Channels' groups.
    pub room: bool,
    /// Whether a client joins through it.
    pub joins: bool,
    /// Whether patterns restrict the names that a client may choose.
    pub allowed: bool,
}

#[derive(Debug)]
struct Inner {
    text: Box<str>,
    /// The text only.
    name: FormId,
    /// The text and a value.
    beginning: FormId,
}

impl GroupTemplate {
    /// Compiles the template of a group or, with `room`, of a Socket.IO room, which may be any text. `typed` has the
    /// converters of the path's parameters.
    pub fn compile(
        source: &str,
        allowed: Allowed<'_>,
        how: impl FnOnce(&Template) -> TemplateUse,
        typed: impl Fn(&Expression) -> Option<Converter>,
        (forms, key): (&mut Forms, &KeyPath),
    ) -> Result<Self, String> {
        let template = Template::compile(source, allowed)?;
        let how = how(&template);
        let literal = |text: &str| if how.room { GroupName::of([NamePart::Text(text)]) } else { GroupName::new(text) };
        let parts = template.0.as_slice();
        match parts {
            [] => return Err(GroupNameError::Empty.to_string()),
            [TemplatePart::Text(name)] => drop(literal(name).map_err(|reason| reason.to_string())?),
            _ => {
                for part in parts {
                    if let TemplatePart::Text(text) = part {
                        literal(text).map_err(|reason| reason.to_string())?;
                    }
                }
            }
        }
        if parts.windows(2).any(|pair| matches!(pair, [TemplatePart::Value(_), TemplatePart::Value(_)])) {
            return Err(
                "two values are side by side, so the end of the first is unknown; write text between them".to_owned()
            );
        }
        let pattern = Pattern::of(parts.iter().map(|part| form_part(part, &typed)).collect());
        let chosen = how.source == NameSource::Client;
        let inner = match template.whole() {
            Some(expression) if how.source == NameSource::Identity => inner(expression, forms, key),
            _ => Vec::new(),
        };
        let whole = template.whole().is_some();
        let role = match how.source {
            NameSource::Client if how.allowed || whole => Role::Hidden,
            NameSource::Trusted if whole => Role::Hidden,
            NameSource::Identity if !inner.is_empty() => Role::Hidden,
            // Sending to `role_admin` addresses the role.
            _ if !how.joins && template.constant().is_some() => Role::Hidden,
            _ => Role::Template { chosen, free: chosen && how.joins },
        };
        let form = forms.add(pattern, role, source, key);
        Ok(Self { template, form, source: how.source, room: how.room, inner })
    }

    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// Whether a client can choose some of its values.
    pub fn is_chosen(&self) -> bool {
        self.source == NameSource::Client
    }

    /// The groups that it names. If a client can choose and there are patterns, only those that the patterns permit.
    pub fn groups(&self, scope: &Jinja, forms: &Forms, allow: Option<&[FormId]>) -> Result<Vec<GroupName>, GroupError> {
        let mut groups = Vec::new();
        self.each_group(scope, forms, allow, |group| {
            groups.push(group);
            Ok(())
        })?;
        Ok(groups)
    }

    /// Takes the groups that it names, one after the other, up to the first error.
    pub fn each_group(
        &self,
        scope: &Jinja,
        forms: &Forms,
        allow: Option<&[FormId]>,
        mut take: impl FnMut(GroupName) -> Result<(), GroupError>,
    ) -> Result<(), GroupError> {
        let allow = allow.filter(|_| self.is_chosen());
        if let Some(expression) = self.template.whole() {
            return each_text(expression, scope, |name| take(self.whole(name, forms, allow)?));
        }
        if let Some(allow) = allow {
            return take(forms.allowed(allow, &self.template.text(scope)?)?);
        }
        let mut values = Vec::new();
        for expression in self.template.expressions() {
            values.push(expression.text(scope)?);
        }
        let mut values = values.iter();
        let parts = self.template.0.iter().filter_map(|part| match part {
            TemplatePart::Text(text) => Some(NamePart::Text(text)),
            TemplatePart::Value(_) => values.next().map(|value| NamePart::Value(value)),
        });
        let parts: Vec<_> = parts.collect();
        take(forms.group(self.form, &parts)?)
    }

    /// The group of a whole name from an expression.
    fn whole(&self, name: &str, forms: &Forms, allow: Option<&[FormId]>) -> Result<GroupName, GroupError> {
        if self.source == NameSource::Trusted
            && !self.room
            && let Ok(group) = GroupName::new(name)
        {
            return Ok(group);
        }
        match (allow, self.source) {
            (Some(allow), _) => forms.allowed(allow, name),
            // A client may name any room only to leave it: a room that it was admitted to is matched.
            (None, NameSource::Client | NameSource::Trusted) => forms.given(name),
            (None, NameSource::Identity) => {
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

fn form_part(part: &TemplatePart, typed: impl Fn(&Expression) -> Option<Converter>) -> FormPart {
    match part {
        TemplatePart::Text(text) => FormPart::Text(text.clone()),
        TemplatePart::Value(expression) => {
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
        // `role_` is a beginning, `admin` is a whole name.
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
