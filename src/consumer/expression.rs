//! Expressions: compiled and checked once, evaluated many times.
//!
//! In: text of the configuration. Out: an expression to evaluate in a [`Scope`], or the reason why
//! the text is wrong; an unknown name, filter, test or method is found here and not at the first event.

mod arguments;
mod clock;
mod cures;
pub(super) mod encodings;
pub(super) mod fact;
pub(super) mod frame;
pub(super) mod functions;
pub(super) mod name_source;
pub(super) mod names;
pub(super) mod present;
pub(super) mod product;
pub(super) mod scope;
pub(super) mod template;
pub(super) mod view;

use std::sync::LazyLock;

use minijinja::{Environment, Error, ErrorKind, Value as Jinja};

use self::functions::FUNCTIONS;
pub use self::{
    encodings::digest_length,
    fact::{Code, Fact, NoAnswer, Verdict},
    functions::METHODS,
    name_source::NameSources,
    scope::{Allowed, Scope, Var, VarSet, with_item},
    template::{GroupTemplate, NameSource, Template, TemplateUse},
    view::{Root, View},
};
use crate::{config::did_you_mean, limited::WriteError};

/// Text that the functions of an expression may make in one evaluation, unless another limit is given.
const MAX_TEXT: usize = 16 << 20;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = functions::environment();
    encodings::add_to(&mut environment);
    environment
});

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Expression {
    compiled: minijinja::Expression<'static, 'static>,
    names: VarSet,
    /// The paths it reads, such as `route.id`.
    paths: Vec<String>,
    source: Box<str>,
    /// Bytes of text that its functions may make in one evaluation.
    max_text: usize,
}

impl Expression {
    /// Compiles `source`; an error that comes from a habit of Python names the cure.
    pub fn compile(source: &str, allowed: Allowed<'_>) -> Result<Self, String> {
        Self::checked(source, allowed).map_err(|reason| cures::cure(source).unwrap_or(reason))
    }

    fn checked(source: &str, allowed: Allowed<'_>) -> Result<Self, String> {
        let Allowed { names: allowed, at: place } = allowed;
        if source.trim().is_empty() {
            return Err("the expression is empty".to_owned());
        }
        let compiled = ENVIRONMENT.compile_expression_owned(source.to_owned()).map_err(|error| describe(&error))?;
        // A source that is wrong is reported as it was written.
        let compiled = match source.contains('*') {
            true => {
                let guarded = product::guard(source);
                ENVIRONMENT.compile_expression_owned(guarded).map_err(|error| describe(&error))?
            }
            false => compiled,
        };
        let mut names = VarSet::default();
        let mut paths: Vec<String> = compiled.undeclared_variables(true).into_iter().collect();
        paths.sort();
        for path in &paths {
            let word = path.split('.').next().unwrap_or(path);
            match Var::parse(word) {
                Some(name) if allowed.contains(&name) => names.add(VarSet::of(&[name])),
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
        arguments::check(source)?;
        Ok(Self { compiled, names, paths, source: source.trim().into(), max_text: MAX_TEXT })
    }

    /// The same with another limit on the text that its functions make.
    pub fn within(self, max_text: usize) -> Self {
        Self { max_text, ..self }
    }

    /// The arguments of each call of `present`, as text.
    pub fn rooms_asked(&self) -> Vec<String> {
        arguments::of_calls(&self.source, Var::Present.as_str())
    }

    /// Whether it calls this function.
    pub fn calls(&self, function: &str) -> bool {
        let all: Vec<&str> = product::tokens(&self.source).map(|(_, token)| token).collect();
        let is_method = |index: usize| index.checked_sub(1).is_some_and(|before| matches!(all[before], "." | "|"));
        all.windows(2).enumerate().any(|(index, pair)| pair == [function, "("] && !is_method(index))
    }

    /// Whether it is just this name.
    pub fn is_just(&self, name: Var) -> bool {
        &*self.source == name.as_str()
    }

    /// The names that it uses.
    pub const fn names(&self) -> VarSet {
        self.names
    }

    /// The source text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The paths it reads, such as `route.id`.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// Whether it has an `if` without its `else`.
    pub fn lacks_else(&self) -> bool {
        let count = |wanted| words(&self.source).filter(|word| *word == wanted).count();
        count("if") != count("else")
    }

    /// The string literals in it, as written between quotes.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        let mut rest = &*self.source;
        std::iter::from_fn(move || {
            let (at, quote) = rest.char_indices().find(|(_, c)| matches!(c, '"' | '\''))?;
            let text = &rest[at + 1..];
            rest = after_text(text, quote);
            let end = text.len() - rest.len();
            Some(text[..end].strip_suffix(quote).unwrap_or_default())
        })
    }

    /// The value; undefined is an error.
    pub fn evaluate(&self, scope: &Jinja) -> Result<Jinja, WriteError> {
        let value = self.value(scope)?;
        if value.is_undefined() { Err(self.undefined()) } else { Ok(value) }
    }

    /// The value, which may be undefined.
    pub fn value(&self, scope: &Jinja) -> Result<Jinja, WriteError> {
        functions::allow_text(self.max_text);
        self.compiled.eval(scope.clone()).map_err(|error| failure(&error))
    }

    /// Why nothing can be done with an undefined value.
    pub fn undefined(&self) -> WriteError {
        format!("`{}` is undefined", self.source).into()
    }

    /// Whether it says what it gives without one of its values: `… if user else …`, `… | default(…)`.
    pub fn has_alternative(&self) -> bool {
        ["default", " if ", " is ", ".get("].iter().any(|word| self.source.contains(word))
    }

    /// Parameters of the path that it reads and that are not in `known`.
    pub fn unknown_route<'a>(&'a self, known: &[&str]) -> Option<&'a str> {
        self.paths
            .iter()
            .filter_map(|path| path.strip_prefix("route.")?.split('.').next())
            .find(|name| !known.contains(name) && !METHODS.contains(name))
    }
}

fn known(allowed: &[Var]) -> String {
    let names: Vec<_> = allowed.iter().map(|name| name.as_str()).collect();
    if names.is_empty() { "no names are known there".to_owned() } else { format!("known: {}", names.join(", ")) }
}

/// Why an evaluation failed.
fn failure(error: &Error) -> WriteError {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let written = causes.filter_map(|cause| cause.downcast_ref::<WriteError>()).next();
    written.cloned().unwrap_or_else(|| describe(error).into())
}

pub(super) fn describe(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::SyntaxError, Some(detail)) => detail.to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// Finds unknown filters, tests and methods: MiniJinja itself reports them only during evaluation.
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
                    return Err(format!("unknown method {word:?}{near}"));
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

/// The words of a source, without its texts.
fn words(source: &str) -> impl Iterator<Item = &str> {
    let mut rest = source;
    std::iter::from_fn(move || {
        while let Some(first) = rest.chars().next() {
            if matches!(first, '"' | '\'') {
                rest = after_text(&rest[1..], first);
                continue;
            }
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len()).max(first.len_utf8());
            let (word, after) = rest.split_at(length);
            rest = after;
            if is_part(first) {
                return Some(word);
            }
        }
        None
    })
}

/// What follows a text, after its first quote.
pub(super) fn after_text(text: &str, quote: char) -> &str {
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
        Err(error) if error.kind() == missing => Err(format!("unknown {what} {word:?}")),
        _ => Ok(()),
    }
}
