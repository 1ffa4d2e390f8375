//! Turns the consumers of a [`Config`] into a [`ConsumerSet`], and notes every mistake with the key it stands under.

use std::{path::Path, sync::Arc};

use super::{
    Consumer, ConsumerId, ConsumerSet,
    action::Action,
    action::Actions,
    action::CONNECTION,
    expression::{Expression, GroupTemplate, Name},
    mapping::Mappings,
    route::Pattern,
};
use crate::config::{self, Config, ConfigError, ConfigErrors, Environment, KeyPath, OneOrMany, SourceMapping};

/// Reads and compiles a configuration; everything that is wrong is reported, from the file's syntax to its expressions.
pub fn load(path: Option<&Path>, environment: &Environment) -> Result<(Config, ConsumerSet), ConfigErrors> {
    let (config, mut errors) = config::load_lenient(path, environment);
    match ConsumerSet::compile(&config) {
        Ok(set) if errors.is_empty() => return Ok((config, set)),
        Ok(_) => {}
        Err(ConfigErrors(more)) => errors.extend(more),
    }
    // In the order of the file, as one would go through them.
    errors.sort_by_key(|error| error.origin.as_ref().map(|origin| (origin.source.clone(), origin.line)));
    Err(ConfigErrors(errors))
}

/// Compiles texts of the configuration and collects what is wrong.
pub(super) struct Compiler<'a> {
    config: &'a Config,
    errors: Vec<ConfigError>,
    /// Parameters of the path of the consumer at hand.
    parameters: Vec<String>,
}

impl Compiler<'_> {
    pub fn note(&mut self, key: &KeyPath, reason: impl Into<String>) {
        self.errors.push(self.config.error(key, reason));
    }

    pub fn expression(&mut self, source: &str, names: &[Name], place: &str, key: &KeyPath) -> Option<Expression> {
        match Expression::compile(source, names, place) {
            Ok(expression) => {
                self.check_route(&expression, key);
                Some(expression)
            }
            Err(reason) => {
                self.note(key, format!("bad expression: {reason}"));
                None
            }
        }
    }

    pub fn optional(
        &mut self,
        source: Option<&String>,
        names: &[Name],
        place: &str,
        key: &KeyPath,
    ) -> Option<Expression> {
        self.expression(source?, names, place, key)
    }

    pub fn list(&mut self, sources: Option<&OneOrMany>, names: &[Name], place: &str, key: &KeyPath) -> Vec<Expression> {
        match sources {
            None => Vec::new(),
            Some(OneOrMany::One(source)) => self.expression(source, names, place, key).into_iter().collect(),
            Some(OneOrMany::Many(sources)) => {
                let compile = |(place_in_list, source): (usize, &String)| {
                    self.expression(source, names, place, &key.then(place_in_list))
                };
                sources.iter().enumerate().filter_map(compile).collect()
            }
        }
    }

    fn check_route(&mut self, expression: &Expression, key: &KeyPath) {
        let known: Vec<&str> = self.parameters.iter().map(String::as_str).collect();
        if let Some(name) = expression.unknown_route(&known) {
            let near = config::did_you_mean(name, known.iter().copied());
            self.note(key, format!("the path has no parameter {name:?}{near}"));
        }
    }

    fn consumer(&mut self, place: usize, spec: &config::Consumer) -> Option<Consumer> {
        let key = KeyPath::ROOT.then("consumer").then(place);
        let pattern = match Pattern::compile(&spec.path) {
            Ok(pattern) => Some(pattern),
            Err(reason) => {
                self.note(&key.then("path"), reason);
                None
            }
        };
        self.parameters = pattern.iter().flat_map(Pattern::parameters).map(str::to_owned).collect();
        let mut groups = Vec::new();
        for (index, source) in spec.groups.iter().enumerate() {
            let here = key.then("groups").then(index);
            match GroupTemplate::compile(source, CONNECTION, "in a group's name") {
                Ok(group) => {
                    group.expressions().for_each(|expression| self.check_route(expression, &here));
                    groups.push(group);
                }
                Err(reason) => self.note(&here, format!("bad group name: {reason}")),
            }
        }
        let refusal_names = &[Name::Route, Name::Query];
        let refusal =
            self.optional(spec.reject.send.as_ref(), refusal_names, "in a refusal", &key.then("reject").then("send"));
        let on_connect = spec
            .on_connect
            .as_ref()
            .map(|handler| Action::compile(handler, CONNECTION, spec, &key.then("on_connect"), self));
        let mappings = Mappings::compile(&spec.on_event, &key.then("on_event"), self);
        let actions = Actions::compile(spec, &key, self);
        let id = match u16::try_from(place) {
            Ok(id) => ConsumerId(id),
            Err(_) => {
                self.note(&key, "there are too many consumers");
                return None;
            }
        };
        Some(Consumer { id, spec: spec.clone(), pattern: pattern?, groups, refusal, on_connect, mappings, actions })
    }

    fn source(&mut self, place: usize, source: &SourceMapping) {
        if let Err(reason) = super::SourceGroup::compile(&source.group) {
            let key = KeyPath::ROOT.then("source").then(place).then("group");
            self.note(&key, format!("bad group name: {reason}"));
        }
    }

    /// A consumer that is never reached is a mistake.
    fn check_shadows(&mut self, consumers: &[Option<Arc<Consumer>>]) {
        for (place, consumer) in consumers.iter().enumerate() {
            let Some(consumer) = consumer else { continue };
            let same = |other: &Arc<Consumer>| other.pattern == consumer.pattern;
            if consumers[..place].iter().flatten().any(same) {
                let key = KeyPath::ROOT.then("consumer").then(place).then("path");
                self.note(&key, "is never reached: a consumer before this one has the same path");
            }
        }
    }
}

impl ConsumerSet {
    /// Compiles every consumer, or says everything that is wrong with them.
    pub fn compile(config: &Config) -> Result<Self, ConfigErrors> {
        let mut compiler = Compiler { config, errors: Vec::new(), parameters: Vec::new() };
        let consumers: Vec<_> = config
            .consumers
            .iter()
            .enumerate()
            .map(|(place, spec)| compiler.consumer(place, spec).map(Arc::new))
            .collect();
        compiler.check_shadows(&consumers);
        for (place, source) in config.sources.iter().enumerate() {
            compiler.source(place, source);
        }
        if compiler.errors.is_empty() {
            Ok(Self(consumers.into_iter().flatten().collect()))
        } else {
            Err(ConfigErrors(compiler.errors))
        }
    }
}
