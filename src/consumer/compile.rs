//! Turns the consumers of a [`Config`] into a [`ConsumerSet`], and notes every mistake with the key it stands under.

use std::{path::Path, sync::Arc};

use super::{
    Consumer, ConsumerId, ConsumerSet, action::Actions, expression::Expression, mapping::Mappings, notice::GapNotice,
    place, program::Program, route::Pattern, scope::Name, template::GroupTemplate, wire::Wire,
};
use crate::config::{
    self, Config, ConfigError, ConfigErrors, Environment, KeyPath, OneOrMany, Protocol, SourceMapping,
};

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
    /// The id of the first consumer.
    first: u32,
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
        let compile = |(index, source): (Option<usize>, &String)| {
            let here = index.map_or_else(|| key.clone(), |index| key.then(index));
            self.expression(source, names, place, &here)
        };
        sources.into_iter().flat_map(OneOrMany::indexed).filter_map(compile).collect()
    }

    /// The template of a group, or of a Socket.IO room.
    pub fn group(
        &mut self,
        source: &str,
        names: &[Name],
        place: &str,
        room: bool,
        key: &KeyPath,
    ) -> Option<GroupTemplate> {
        match GroupTemplate::either(source, names, place, room) {
            Ok(group) => {
                group.template().expressions().for_each(|expression| self.check_route(expression, key));
                Some(group)
            }
            Err(reason) => {
                self.note(key, format!("bad group name: {reason}"));
                None
            }
        }
    }

    pub fn check_route(&mut self, expression: &Expression, key: &KeyPath) {
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
        let wire = Wire { protocol: spec.protocol, namespace: spec.namespace.as_str().into() };
        let known = place::of_groups(spec.protocol);
        let group = |(index, source): (usize, &String)| {
            self.group(source, known, "in a group's name", wire.is_socketio(), &key.then("groups").then(index))
        };
        let groups = spec.groups.iter().enumerate().filter_map(group).collect();
        let refusal_names = &[Name::Route, Name::Query];
        let refusal =
            self.optional(spec.reject.send.as_ref(), refusal_names, "in a refusal", &key.then("reject").then("send"));
        let presence = spec.presence.as_ref().and_then(|presence| {
            self.expression(&presence.member, known, "in a member", &key.then("presence").then("member"))
        });
        self.check_protocol(spec, &key);
        let mappings = Mappings::compile(&spec.on_event, wire.clone(), &key.then("on_event"), self);
        let notice = spec.on_gap.as_ref();
        let notice = notice.and_then(|gap| GapNotice::compile(gap, &wire, &key.then("on_gap"), self));
        let name: Arc<str> = spec.label().into();
        let program = Program {
            ops: Vec::new(),
            handlers: Vec::new(),
            limits: 0,
            name: Arc::clone(&name),
            wire,
            backend: self.config.backend.url.is_some() || self.config.backend.worker.is_some(),
            tokens: !spec.is_anonymous(),
            max_topics: spec.topics.max,
            rejection: super::rejection_text(&spec.reject, false).into(),
        };
        let actions = Actions::compile(spec, program, &key, self);
        let id = match u32::try_from(place).ok().and_then(|place| self.first.checked_add(place)) {
            Some(id) => ConsumerId(id),
            None => {
                self.note(&key, "there are too many consumers");
                return None;
            }
        };
        let spec = spec.clone();
        Some(Consumer { id, name, spec, pattern: pattern?, groups, refusal, presence, mappings, notice, actions })
    }

    /// Keys that Socket.IO has no use for.
    fn check_protocol(&mut self, spec: &config::Consumer, key: &KeyPath) {
        if spec.protocol != Protocol::SocketIo {
            return;
        }
        if !spec.on_raw.is_empty() {
            self.note(&key.then("on_raw"), "Socket.IO clients send events; write on_message");
        }
        if spec.message_key != "type" {
            self.note(&key.then("message_key"), "Socket.IO events are found by their name");
        }
    }

    fn source(&mut self, place: usize, source: &SourceMapping) {
        if let Err(reason) = super::SourceGroup::compile(&source.group) {
            let key = KeyPath::ROOT.then("source").then(place).then("group");
            self.note(&key, format!("bad group name: {reason}"));
        }
    }

    /// A consumer that is never reached is a mistake, and so are two of one name.
    fn check_shadows(&mut self, consumers: &[Option<Arc<Consumer>>]) {
        for (place, consumer) in consumers.iter().enumerate() {
            let Some(consumer) = consumer else { continue };
            let key = KeyPath::ROOT.then("consumer").then(place);
            let before = || consumers[..place].iter().flatten();
            let socketio = |one: &Consumer| one.spec.protocol == Protocol::SocketIo;
            let same = |other: &&Arc<Consumer>| other.pattern.is_same(&consumer.pattern);
            match before().find(|other| same(other) && !(socketio(other) && socketio(consumer))) {
                Some(other) if other.spec.protocol == consumer.spec.protocol => {
                    self.note(&key.then("path"), "is never reached: a consumer before this one has the same path");
                }
                Some(_) => {
                    let reason = "is never reached: a consumer before this one has the same path and speaks another \
                                  protocol there";
                    self.note(&key.then("path"), reason);
                }
                None if before().any(|other| other.name() == consumer.name()) => {
                    let reason = "a consumer before this one has the same name, and messages between nodes go by names";
                    self.note(&key.then("name"), reason);
                }
                None => {}
            }
        }
    }
}

impl ConsumerSet {
    /// Compiles every consumer, or says everything that is wrong with them.
    pub fn compile(config: &Config) -> Result<Self, ConfigErrors> {
        Self::default().followed_by(config)
    }

    /// The consumers after a reload: one that is as it was is the same, so that its connections notice nothing, and any
    /// other has an id that none had before.
    pub fn followed_by(&self, config: &Config) -> Result<Self, ConfigErrors> {
        let mut compiler = Compiler { config, errors: Vec::new(), first: self.next, parameters: Vec::new() };
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
            let next = self.next.saturating_add(u32::try_from(consumers.len()).unwrap_or(u32::MAX));
            let same = |one: Arc<Consumer>| self.same(&one).cloned().unwrap_or(one);
            Ok(Self { consumers: consumers.into_iter().flatten().map(same).collect(), next })
        } else {
            Err(ConfigErrors(compiler.errors))
        }
    }
}
