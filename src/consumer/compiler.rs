//! Compiles texts of the configuration, and collects what is wrong with them, each under the key it stands under.
//!
//! In: a text, the names that are known where it stands, and its key. Out: an expression or a template, or nothing and a
//! note. It never stops at the first mistake.

use super::{
    expression::Expression,
    scope::Allowed,
    template::{GroupTemplate, Template},
};
use crate::config::{self, Config, ConfigError, KeyPath, OneOrMany};

/// Compiles the texts of one consumer after the other.
pub(super) struct Compiler<'a> {
    pub config: &'a Config,
    pub errors: Vec<ConfigError>,
    /// Parameters of the path of the consumer at hand.
    pub parameters: Vec<String>,
    /// Whether its clients speak Socket.IO, so that groups are written as rooms.
    pub socketio: bool,
}

impl Compiler<'_> {
    /// Notes that something is wrong.
    pub fn note(&mut self, key: &KeyPath, reason: impl Into<String>) {
        self.errors.push(self.config.error(key, reason));
    }

    /// What was compiled, if nothing is wrong with it.
    pub fn noted<T>(&mut self, compiled: Result<T, String>, key: &KeyPath) -> Option<T> {
        compiled.map_err(|reason| self.note(key, reason)).ok()
    }

    pub fn expression(&mut self, source: &str, allowed: Allowed<'_>, key: &KeyPath) -> Option<Expression> {
        let compiled = Expression::compile(source, allowed).map_err(|reason| format!("bad expression: {reason}"));
        let expression = self.noted(compiled, key)?;
        self.check_route(&expression, key);
        Some(expression)
    }

    pub fn optional(&mut self, source: Option<&String>, allowed: Allowed<'_>, key: &KeyPath) -> Option<Expression> {
        self.expression(source?, allowed, key)
    }

    pub fn list(&mut self, sources: Option<&OneOrMany>, allowed: Allowed<'_>, key: &KeyPath) -> Vec<Expression> {
        let sources = sources.into_iter().flat_map(|sources| sources.keyed(key));
        sources.filter_map(|(here, source)| self.expression(source, allowed, &here)).collect()
    }

    /// The template of a group, or of a Socket.IO room.
    pub fn group(&mut self, source: &str, allowed: Allowed<'_>, key: &KeyPath) -> Option<GroupTemplate> {
        let compiled = GroupTemplate::either(source, allowed, self.socketio);
        let group = self.noted(compiled.map_err(|reason| format!("bad group name: {reason}")), key)?;
        group.template().expressions().for_each(|expression| self.check_route(expression, key));
        Some(group)
    }

    /// The template of an event's name.
    pub fn event_name(&mut self, source: &str, allowed: Allowed<'_>, key: &KeyPath) -> Option<Template> {
        let compiled = Template::compile(source, allowed).map_err(|reason| format!("bad name of an event: {reason}"));
        let name = self.noted(compiled, key)?;
        name.expressions().for_each(|expression| self.check_route(expression, key));
        Some(name)
    }

    /// Notes a parameter that the consumer's path does not have.
    fn check_route(&mut self, expression: &Expression, key: &KeyPath) {
        let known: Vec<&str> = self.parameters.iter().map(String::as_str).collect();
        if let Some(name) = expression.unknown_route(&known) {
            let near = config::did_you_mean(name, known.iter().copied());
            self.note(key, format!("the path has no parameter {name:?}{near}"));
        }
    }
}
