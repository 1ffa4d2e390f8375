//! Expressions and group templates: compiled and checked once, evaluated many times.
//!
//! In: text of the configuration. Out: something to evaluate in a [`Scope`], or the reason why the text is wrong; a name,
//! filter, test or method that does not exist is found here and not at the first event.

use std::sync::{Arc, LazyLock};

use minijinja::{
    Environment, Error, ErrorKind, Value as Jinja,
    value::{Object, ValueKind},
};

use super::functions::{self, FUNCTIONS, METHODS};
use crate::{
    config::did_you_mean,
    event::{GroupName, GroupNameError},
};

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(functions::environment);

/// The names an expression can start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Event,
    Message,
    User,
    Route,
    Query,
    Claims,
    Channel,
}

impl Name {
    const ALL: [Self; 7] =
        [Self::Event, Self::Message, Self::User, Self::Route, Self::Query, Self::Claims, Self::Channel];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Message => "message",
            Self::User => "user",
            Self::Route => "route",
            Self::Query => "query",
            Self::Claims => "claims",
            Self::Channel => "channel",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

/// What the names stand for in one evaluation.
#[derive(Debug, Default)]
pub(super) struct Scope([Option<Jinja>; Name::ALL.len()]);

impl Scope {
    pub fn with(mut self, name: Name, value: Jinja) -> Self {
        self.0[name as usize] = Some(value);
        self
    }

    pub fn into_jinja(self) -> Jinja {
        Jinja::from_object(self)
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        self.0[Name::parse(key)? as usize].clone()
    }
}

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Expression {
    compiled: minijinja::Expression<'static, 'static>,
    names: Vec<Name>,
    /// The paths it reads, such as `route.id`.
    paths: Vec<String>,
    source: Box<str>,
}

impl Expression {
    /// Compiles `source`, which may start from the names in `allowed`; `place` says in an error where that is.
    pub fn compile(source: &str, allowed: &[Name], place: &str) -> Result<Self, String> {
        if source.trim().is_empty() {
            return Err("the expression is empty".to_owned());
        }
        let compiled = ENVIRONMENT.compile_expression_owned(source.to_owned()).map_err(|error| describe(&error))?;
        let mut names = Vec::new();
        let mut paths: Vec<String> = compiled.undeclared_variables(true).into_iter().collect();
        paths.sort();
        for path in &paths {
            let word = path.split('.').next().unwrap_or(path);
            match Name::parse(word) {
                Some(name) if allowed.contains(&name) => {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                _ if FUNCTIONS.contains(&word) => {}
                Some(_) => return Err(format!("{word:?} is not known {place}; {}", known(allowed))),
                None => {
                    let near =
                        did_you_mean(word, allowed.iter().map(|name| name.as_str()).chain(FUNCTIONS.iter().copied()));
                    let hint = if near.is_empty() { format!("; {}", known(allowed)) } else { near };
                    return Err(format!("{word:?} is not known {place}{hint}"));
                }
            }
        }
        check_words(source)?;
        Ok(Self { compiled, names, paths, source: source.trim().into() })
    }

    /// Whether it is nothing but this name.
    pub fn is_just(&self, name: Name) -> bool {
        &*self.source == name.as_str()
    }

    /// The names it starts from.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// The value; undefined is an error.
    pub fn evaluate(&self, scope: &Jinja) -> Result<Jinja, String> {
        let value = self.compiled.eval(scope.clone()).map_err(|error| describe(&error))?;
        if value.is_undefined() { Err(format!("`{}` is undefined", self.source)) } else { Ok(value) }
    }

    /// Parameters of the path it reads that are not in `known`.
    pub fn unknown_route<'a>(&'a self, known: &[&str]) -> Option<&'a str> {
        self.paths
            .iter()
            .filter_map(|path| path.strip_prefix("route.")?.split('.').next())
            .find(|name| !known.contains(name) && !METHODS.contains(name))
    }
}

fn known(allowed: &[Name]) -> String {
    let names: Vec<_> = allowed.iter().map(|name| name.as_str()).collect();
    if names.is_empty() { "no names are known there".to_owned() } else { format!("known are {}", names.join(", ")) }
}

fn describe(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::SyntaxError, Some(detail)) => detail.to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// Finds filters, tests and methods that do not exist: MiniJinja itself only says so when it comes to them.
fn check_words(source: &str) -> Result<(), String> {
    let mut rest = source;
    let mut before = "";
    while let Some(character) = rest.chars().next() {
        if character == '"' || character == '\'' {
            rest = after_text(&rest[1..], character);
            before = "";
        } else if character.is_alphabetic() || character == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            match before {
                "|" => probe(word, &format!("0|{word}"), ErrorKind::UnknownFilter, "filter")?,
                "is" if word == "not" => {
                    rest = after;
                    continue;
                }
                "is" => probe(word, &format!("0 is {word}"), ErrorKind::UnknownTest, "test")?,
                "." if after.trim_start().starts_with('(') && !METHODS.contains(&word) => {
                    let near = did_you_mean(word, METHODS.iter().copied());
                    return Err(format!("there is no method {word:?}{near}"));
                }
                _ => {}
            }
            before = if word == "is" && before != "." { "is" } else { "" };
            rest = after;
        } else {
            if !character.is_whitespace() {
                before = &rest[..character.len_utf8()];
            }
            rest = &rest[character.len_utf8()..];
        }
    }
    Ok(())
}

fn after_text(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

fn probe(word: &str, expression: &str, missing: ErrorKind, what: &str) -> Result<(), String> {
    let evaluated = ENVIRONMENT.compile_expression_owned(expression.to_owned()).and_then(|probe| probe.eval(()));
    match evaluated {
        Err(error) if error.kind() == missing => Err(format!("there is no {what} {word:?}")),
        _ => Ok(()),
    }
}

/// A compiled template of a group's name: text with `{{ expressions }}`.
///
/// A template that is one expression and nothing else may give a list: then each item is a group, and an empty list none.
#[derive(Debug)]
pub(super) struct GroupTemplate(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(Box<str>),
    Value(Expression),
}

/// Why a template gave no group.
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

impl GroupTemplate {
    /// Compiles `source` over the names in `allowed`.
    pub fn compile(source: &str, allowed: &[Name], place: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((text, after)) = rest.split_once("{{") {
            push_text(&mut parts, text)?;
            let Some((expression, after)) = after.split_once("}}") else {
                return Err("\"{{\" without \"}}\"".to_owned());
            };
            parts.push(Part::Value(Expression::compile(expression, allowed, place)?));
            rest = after;
        }
        push_text(&mut parts, rest)?;
        match parts.as_slice() {
            [] => return Err(GroupNameError::Empty.to_string()),
            [Part::Text(name)] => drop(GroupName::new(name).map_err(|error| error.to_string())?),
            _ => {}
        }
        Ok(Self(parts))
    }

    /// Its expressions.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter().filter_map(|part| match part {
            Part::Value(expression) => Some(expression),
            Part::Text(_) => None,
        })
    }

    /// The groups it names.
    pub fn groups(&self, scope: &Jinja) -> Result<Vec<GroupName>, GroupError> {
        if let [Part::Value(expression)] = self.0.as_slice() {
            let value = expression.evaluate(scope).map_err(GroupError::Value)?;
            if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
                let items = value.try_iter().map_err(|error| GroupError::Value(describe(&error)))?;
                return items.map(|item| name(&text(&item, expression)?)).collect();
            }
            return Ok(vec![name(&text(&value, expression)?)?]);
        }
        let mut whole = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => whole.push_str(text),
                Part::Value(expression) => {
                    let value = expression.evaluate(scope).map_err(GroupError::Value)?;
                    whole.push_str(&text(&value, expression)?);
                }
            }
        }
        Ok(vec![name(&whole)?])
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    match GroupName::new(text) {
        Err(GroupNameError::Character(c @ ('{' | '}' | '%'))) => {
            Err(format!("{c:?} is not allowed here; a variable is written {{{{ user.id }}}}"))
        }
        Err(error) => Err(error.to_string()),
        Ok(_) => {
            parts.push(Part::Text(text.into()));
            Ok(())
        }
    }
}

fn text(value: &Jinja, expression: &Expression) -> Result<String, GroupError> {
    match value.as_str() {
        Some("") => Err(GroupError::Value(format!("`{}` is empty", expression.source))),
        Some(text) => Ok(text.to_owned()),
        None if value.is_integer() => Ok(value.to_string()),
        None => Err(GroupError::Value(format!("`{}` is {}, not text or an integer", expression.source, value.kind()))),
    }
}

fn name(text: &str) -> Result<GroupName, GroupError> {
    GroupName::new(text).map_err(|reason| GroupError::Name { name: text.chars().take(100).collect(), reason })
}
