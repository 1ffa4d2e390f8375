//! Compiles texts of the configuration and collects errors, each under its key.
//!
//! In: a text, the names known at its place, and its key. Out: an expression or a template, or nothing and an error. It
//! never stops at the first mistake.

use super::{
    expression::{
        Allowed, Expression, GroupTemplate, NameSources, Scope, Template, TemplateUse, Var, VarSet, digest_length,
    },
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

/// What a consumer counts its members in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CountedIn {
    /// It counts none.
    Nothing,
    /// The whole consumer.
    Consumer,
    /// Rooms, whose names begin with this.
    Rooms(Box<str>),
}

impl CountedIn {
    pub fn of(spec: &config::Consumer) -> Self {
        let Some(presence) = &spec.presence else { return Self::Nothing };
        let start = |room: &String| room.split("{{").next().unwrap_or_default().into();
        presence.room.as_ref().map_or(Self::Consumer, |room| Self::Rooms(start(room)))
    }
}

/// Compiles the texts of one consumer after the other.
pub(super) struct Compiler<'a> {
    pub config: &'a Config,
    pub errors: Vec<ConfigError>,
    /// Parameters of the current consumer's path, with their converters.
    pub parameters: Vec<(String, Converter)>,
    /// Which values its clients can choose.
    pub name_sources: NameSources,
    /// Whether `result` is a client's acknowledgement where the current text stands.
    pub answered: bool,
    /// What the current consumer counts its members in.
    pub presence: CountedIn,
    /// The forms of its groups.
    pub forms: Forms,
    /// Whether its clients speak Socket.IO, so that groups are named as rooms.
    pub socketio: bool,
    /// Whether its `allow` says which groups a client may name.
    pub allows: bool,
    /// The names that are null for all its clients, and what to say about them.
    pub null: (VarSet, &'static str),
}

impl<'a> Compiler<'a> {
    /// Nothing is compiled yet.
    pub fn new(config: &'a Config) -> Self {
        Self {
            config,
            errors: Vec::new(),
            parameters: Vec::new(),
            name_sources: NameSources::default(),
            answered: false,
            presence: CountedIn::Nothing,
            forms: Forms::default(),
            socketio: false,
            allows: false,
            null: (VarSet::default(), ""),
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
            if let Some(length) = digest_length(expression.source()) {
                return Some(Converter::Digest(length));
            }
            let name = expression.source().strip_prefix("route.")?;
            parameters.iter().find(|(known, _)| known == name).map(|(_, converter)| *converter)
        };
        let compiled = GroupTemplate::compile(source, allowed, how, typed, (forms, key));
        let group = self.noted(compiled.map_err(|reason| format!("bad group name: {reason}")), key)?;
        group.template().expressions().for_each(|expression| self.check_route(expression, key));
        if group.is_chosen() && !room.allowed && !room.harmless && !group.template().begins_with_text() {
            let hashed = group.template().expressions().any(|one| digest_length(one.source()).is_some());
            let reason = if hashed {
                "would let clients choose any room that is named like this: the hash of a client's value is the client's \
                 choice, too; begin it with text"
            } else {
                "would let clients choose any room, including those of other users; begin it with text, or list in \
                 \"allow\" what they may name"
            };
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

    /// Records an error for a value that is null for all clients of the consumer.
    pub fn check_null(&mut self, expression: &Expression, key: &KeyPath) {
        let (null, reason) = self.null;
        if expression.names().meets(null) && !expression.has_alternative() {
            self.note(key, reason);
        }
    }

    /// Reports who could ask for the members of any room.
    fn check_present(&mut self, expression: &Expression, key: &KeyPath) {
        if !expression.names().has(Var::Present) {
            return;
        }
        if self.presence == CountedIn::Nothing {
            self.note(key, "present() lists the members that \"presence\" counts, and the consumer has none");
        }
        let anywhere = Allowed { names: &Var::ALL, at: "" };
        let rooms = expression.rooms_asked();
        let rooms: Vec<_> = rooms.iter().filter_map(|room| Expression::compile(room, anywhere).ok()).collect();
        if rooms.iter().any(|room| self.name_sources.is_clients(room, self.answered)) {
            let reason = "would let clients see who is in any room; present() without a name is the connection's own";
            return self.note(key, reason);
        }
        match &self.presence {
            CountedIn::Nothing => {}
            CountedIn::Consumer if rooms.is_empty() => {}
            CountedIn::Consumer => self.note(
                key,
                "names a room, and \"presence\" counts the whole consumer: write present(), or give it a \"room\"",
            ),
            CountedIn::Rooms(start) => {
                let named = |room: &Expression| {
                    let value = room.evaluate(&Scope::default().into_jinja()).ok()?;
                    value.as_str().filter(|name| !name.starts_with(&**start)).map(str::to_owned)
                };
                let constant = rooms.iter().filter(|room| room.names() == VarSet::default());
                if let Some(room) = constant.filter_map(named).next() {
                    let reason =
                        format!("nobody is ever present in {room:?}: the rooms of \"presence\" begin with {start:?}");
                    self.note(key, reason);
                }
            }
        }
    }

    /// Records an error for a parameter that the consumer's path does not have, and for a list of members that says too
    /// much.
    fn check_route(&mut self, expression: &Expression, key: &KeyPath) {
        self.check_present(expression, key);
        let known: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        if let Some(name) = expression.unknown_route(&known) {
            let near = config::did_you_mean(name, known.iter().copied());
            self.note(key, format!("the path has no parameter {name:?}{near}"));
        }
    }
}
