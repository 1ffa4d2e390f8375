//! Compiles texts of the configuration and collects errors, each under its key.
//!
//! In: a text, the names known at its place, and its key. Out: an expression or a template, or nothing and an error. It
//! never stops at the first mistake.

use super::{
    expression::{Allowed, Expression, GroupTemplate, NameSources, Template, TemplateUse},
    groups::{Converter, FormId, Forms, Pattern, Role},
};
use crate::config::{self, Config, ConfigError, KeyPath, OneOrMany};

/// The use of a group's template.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Whether a client joins through it.
    pub joins: bool,
    /// Whether patterns restrict the names that a client may choose.
    pub allowed: bool,
    /// Whether a client may name any room, for instance to leave it.
    pub harmless: bool,
    /// Whether `result` is a client's acknowledgement.
    pub answered: bool,
}

/// Compiles the texts of one consumer after the other.
pub(super) struct Compiler<'a> {
    pub config: &'a Config,
    pub errors: Vec<ConfigError>,
    /// Parameters of the current consumer's path, with their converters.
    pub parameters: Vec<(String, Converter)>,
    /// Which values its clients can choose.
    pub name_sources: NameSources,
    /// The forms of its groups.
    pub forms: Forms,
    /// Whether its clients speak Socket.IO, so that groups are named as rooms.
    pub socketio: bool,
}

impl<'a> Compiler<'a> {
    /// Nothing is compiled yet.
    pub fn new(config: &'a Config) -> Self {
        Self {
            config,
            errors: Vec::new(),
            parameters: Vec::new(),
            name_sources: NameSources::default(),
            forms: Forms::default(),
            socketio: false,
        }
    }
}

impl Compiler<'_> {
    /// Records an error.
    pub fn note(&mut self, key: &KeyPath, reason: impl Into<String>) {
        self.errors.push(self.config.error(key, reason));
    }

    /// The compiled value, or `None` after recording the error.
    pub fn noted<T>(&mut self, compiled: Result<T, String>, key: &KeyPath) -> Option<T> {
        compiled.map_err(|reason| self.note(key, reason)).ok()
    }

    pub fn expression(&mut self, source: &str, allowed: Allowed<'_>, key: &KeyPath) -> Option<Expression> {
        let compiled = Expression::compile(source, allowed).map_err(|reason| format!("bad expression: {reason}"));
        let expression = self.noted(compiled, key)?;
        self.check_route(&expression, key);
        Some(expression.within(self.config.layer.max_message))
    }

    pub fn optional(&mut self, source: Option<&String>, allowed: Allowed<'_>, key: &KeyPath) -> Option<Expression> {
        self.expression(source?, allowed, key)
    }

    pub fn list(&mut self, sources: Option<&OneOrMany>, allowed: Allowed<'_>, key: &KeyPath) -> Vec<Expression> {
        let sources = sources.into_iter().flat_map(|sources| sources.keyed(key));
        sources.filter_map(|(here, source)| self.expression(source, allowed, &here)).collect()
    }

    /// The template of a group, or of a Socket.IO room; one that lets clients choose any room is an error.
    pub fn group(&mut self, source: &str, allowed: Allowed<'_>, room: Usage, key: &KeyPath) -> Option<GroupTemplate> {
        let Self { name_sources, parameters, forms, socketio, .. } = self;
        let how = |template: &Template| TemplateUse {
            source: name_sources.of_template(template, room.answered),
            room: *socketio,
            joins: room.joins,
            allowed: room.allowed,
        };
        let typed = |expression: &Expression| {
            let name = expression.source().strip_prefix("route.")?;
            parameters.iter().find(|(known, _)| known == name).map(|(_, converter)| *converter)
        };
        let compiled = GroupTemplate::compile(source, allowed, how, typed, (forms, key));
        let group = self.noted(compiled.map_err(|reason| format!("bad group name: {reason}")), key)?;
        group.template().expressions().for_each(|expression| self.check_route(expression, key));
        if group.is_chosen() && !room.allowed && !room.harmless && !group.template().begins_with_text() {
            let reason = "would let clients choose any room, including those of other users; begin it with text, or list in \
                          \"allow\" what they may name";
            self.note(key, reason);
        }
        Some(group)
    }

    /// Patterns of rooms that clients may name.
    pub fn patterns(&mut self, allow: &OneOrMany, key: &KeyPath) -> Vec<FormId> {
        let mut forms = Vec::new();
        for (here, source) in allow.keyed(key) {
            if let Some(pattern) = self.noted(Pattern::room(source), &here) {
                forms.push(self.forms.add(pattern, Role::Pattern, source, &here));
            }
        }
        forms
    }

    /// The template of a text; errors call it `what`.
    pub fn text(&mut self, what: &str, source: &str, allowed: Allowed<'_>, key: &KeyPath) -> Option<Template> {
        let compiled = Template::compile(source, allowed).map_err(|reason| format!("bad {what}: {reason}"));
        let text = self.noted(compiled, key)?;
        text.expressions().for_each(|expression| self.check_route(expression, key));
        Some(text)
    }

    /// Records an error for a parameter that the consumer's path does not have.
    fn check_route(&mut self, expression: &Expression, key: &KeyPath) {
        let known: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        if let Some(name) = expression.unknown_route(&known) {
            let near = config::did_you_mean(name, known.iter().copied());
            self.note(key, format!("the path has no parameter {name:?}{near}"));
        }
    }
}
