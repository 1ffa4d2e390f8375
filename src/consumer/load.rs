//! Turns the consumers of a [`Config`] into a [`ConsumerSet`], and notes every mistake with the key it stands under.

use std::{path::Path, sync::Arc};

use super::{
    Consumer, ConsumerId, ConsumerSet, SourceGroup,
    action::Actions,
    compiler::Compiler,
    mapping::Mappings,
    notice::GapNotice,
    place,
    program::Program,
    route::Pattern,
    scope::{Allowed, Name},
    wire::Wire,
};
use crate::config::{self, Config, ConfigErrors, Environment, KeyPath, Protocol, SourceMapping};

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

impl ConsumerSet {
    /// Compiles every consumer, or says everything that is wrong with them.
    pub fn compile(config: &Config) -> Result<Self, ConfigErrors> {
        Self::default().followed_by(config)
    }

    /// The consumers after a reload: one that is as it was is the same, so that its connections notice nothing, and any
    /// other has an id that none had before.
    pub fn followed_by(&self, config: &Config) -> Result<Self, ConfigErrors> {
        let compiler = Compiler { config, errors: Vec::new(), parameters: Vec::new(), socketio: false };
        let mut loader = Loader { compiler, first: self.next };
        let consumers: Vec<_> = config
            .consumers
            .iter()
            .enumerate()
            .map(|(place, spec)| loader.consumer(place, spec).map(Arc::new))
            .collect();
        loader.check_shadows(&consumers);
        for (place, source) in config.sources.iter().enumerate() {
            loader.source(place, source);
        }
        let errors = loader.compiler.errors;
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let next = self.next.saturating_add(u32::try_from(consumers.len()).unwrap_or(u32::MAX));
        let same = |one: Arc<Consumer>| self.same(&one).cloned().unwrap_or(one);
        Ok(Self { consumers: consumers.into_iter().flatten().map(same).collect(), next })
    }
}

/// Compiles one consumer after the other.
struct Loader<'a> {
    compiler: Compiler<'a>,
    /// The id of the first consumer.
    first: u32,
}

impl Loader<'_> {
    fn consumer(&mut self, place: usize, spec: &config::Consumer) -> Option<Consumer> {
        let key = KeyPath::ROOT.then("consumer").then(place);
        let wire = Wire {
            protocol: spec.protocol,
            namespace: spec.namespace.as_str().into(),
            max_message: self.compiler.config.layer.max_message,
        };
        let compiler = &mut self.compiler;
        let pattern = compiler.noted(Pattern::compile(&spec.path), &key.then("path"));
        compiler.parameters = pattern.iter().flat_map(Pattern::parameters).map(str::to_owned).collect();
        compiler.socketio = wire.is_socketio();
        let known = place::of_groups(spec.protocol);
        let allowed = Allowed { names: known, place: "in a group's name" };
        let here = key.then("groups");
        let groups = spec.groups.iter().enumerate();
        let groups = groups.filter_map(|(index, group)| compiler.group(group, allowed, &here.then(index))).collect();
        let allowed = Allowed { names: &[Name::Route, Name::Query], place: "in a refusal" };
        let refusal = compiler.optional(spec.reject.send.as_ref(), allowed, &key.then("reject").then("send"));
        let allowed = Allowed { names: known, place: "in a member" };
        let member = spec.presence.as_ref().map(|presence| &presence.member);
        let presence = compiler.optional(member, allowed, &key.then("presence").then("member"));
        self.check_protocol(spec, &key);
        let mappings = Mappings::compile(&spec.on_event, wire.clone(), &key.then("on_event"), &mut self.compiler);
        let notice = spec.on_gap.as_ref();
        let notice = notice.and_then(|gap| GapNotice::compile(gap, &wire, &key.then("on_gap"), &mut self.compiler));
        let name: Arc<str> = spec.label().into();
        let backend = &self.compiler.config.backend;
        let program = Program {
            ops: Vec::new(),
            handlers: Vec::new(),
            limits: 0,
            name: Arc::clone(&name),
            wire,
            backend: backend.url.is_some() || backend.worker.is_some(),
            tokens: !spec.is_anonymous(),
            max_topics: spec.topics.max,
            rejection: super::rejection_text(&spec.reject, false).into(),
        };
        let actions = Actions::compile(spec, program, &key, &mut self.compiler);
        let Some(id) = u32::try_from(place).ok().and_then(|place| self.first.checked_add(place)) else {
            self.compiler.note(&key, "there are too many consumers");
            return None;
        };
        let (id, spec) = (ConsumerId(id), spec.clone());
        Some(Consumer { id, name, spec, pattern: pattern?, groups, refusal, presence, mappings, notice, actions })
    }

    /// Keys that Socket.IO has no use for.
    fn check_protocol(&mut self, spec: &config::Consumer, key: &KeyPath) {
        if spec.protocol != Protocol::SocketIo {
            return;
        }
        if !spec.on_raw.is_empty() {
            self.compiler.note(&key.then("on_raw"), "Socket.IO clients send events; write on_message");
        }
        if spec.message_key != "type" {
            self.compiler.note(&key.then("message_key"), "Socket.IO events are found by their name");
        }
    }

    fn source(&mut self, place: usize, source: &SourceMapping) {
        let key = KeyPath::ROOT.then("source").then(place).then("group");
        let compiled = SourceGroup::compile(&source.group).map_err(|reason| format!("bad group name: {reason}"));
        self.compiler.noted(compiled, &key);
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
                    let reason = "is never reached: a consumer before this one has the same path";
                    self.compiler.note(&key.then("path"), reason);
                }
                Some(_) => {
                    let reason = "is never reached: a consumer before this one has the same path and speaks another \
                                  protocol there";
                    self.compiler.note(&key.then("path"), reason);
                }
                None if before().any(|other| other.name() == consumer.name()) => {
                    let reason = "a consumer before this one has the same name, and messages between nodes go by names";
                    self.compiler.note(&key.then("name"), reason);
                }
                None => {}
            }
        }
    }
}
