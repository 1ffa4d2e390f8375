//! Compiles the consumers of a [`Config`] into a [`ConsumerSet`], and records every error under its key.

use std::{path::Path, sync::Arc};

use super::{
    Consumer, ConsumerId, ConsumerSet, Rejected, SourceGroup,
    action::Actions,
    compiler::{Compiler, Usage},
    expression::{Allowed, GroupTemplate, NameSources, Var},
    groups::{Forms, Part, Pattern, Role, collisions},
    kind,
    mapping::Mappings,
    notice::GapNotice,
    program::Program,
    wire::Wire,
};
use crate::{
    config::{self, Config, ConfigErrors, Environment, KeyPath, Policy, Protocol, SourceMapping},
    event::GroupName,
};

/// Reads and compiles a configuration; every error is reported, from the file's syntax to its expressions.
pub fn load(path: Option<&Path>, environment: &Environment) -> Result<(Config, ConsumerSet), ConfigErrors> {
    let (config, mut errors) = config::load_lenient(path, environment);
    match ConsumerSet::compile(&config) {
        Ok(set) if errors.is_empty() => return Ok((config, set)),
        Ok(_) => {}
        Err(ConfigErrors(more)) => errors.extend(more),
    }
    // In the order of the file.
    errors.sort_by_key(|error| error.location.as_ref().map(|location| (location.source.clone(), location.line)));
    Err(ConfigErrors(errors))
}

impl ConsumerSet {
    /// Compiles every consumer, or returns all errors.
    pub fn compile(config: &Config) -> Result<Self, ConfigErrors> {
        Self::default().followed_by(config)
    }

    /// The consumers after a reload: an unchanged one is kept, so that its connections are not affected; any other gets
    /// an id that was never used.
    pub fn followed_by(&self, config: &Config) -> Result<Self, ConfigErrors> {
        let mut loader = Loader { compiler: Compiler::new(config), first: self.next, namespaces: Vec::new() };
        let specs = config.consumers.iter().enumerate();
        let mut consumers: Vec<_> = specs.map(|(index, spec)| loader.consumer(index, spec)).collect();
        loader.settle(&mut consumers);
        let consumers: Vec<_> = consumers.into_iter().map(|consumer| consumer.map(Arc::new)).collect();
        loader.check_shadows(&consumers);
        for (index, source) in config.sources.iter().enumerate() {
            loader.source(index, source);
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
const fn no_limit_if_0(limit: usize) -> usize {
    if limit == 0 { usize::MAX } else { limit }
}

struct Loader<'a> {
    compiler: Compiler<'a>,
    /// The id of the first consumer.
    first: u32,
    /// The namespaces so far, each with the group of all its connections.
    namespaces: Vec<(String, GroupName)>,
}

impl Loader<'_> {
    fn consumer(&mut self, index: usize, spec: &config::Consumer) -> Option<Consumer> {
        let key = KeyPath::ROOT.then("consumer").then(index);
        let wire = Wire {
            protocol: spec.protocol,
            namespace: spec.namespace.as_str().into(),
            max_message: self.compiler.config.layer.max_message,
        };
        let compiler = &mut self.compiler;
        let pattern = compiler.noted(Pattern::compile(&spec.path), &key.then("path"));
        let typed = pattern.iter().flat_map(Pattern::typed);
        compiler.parameters = typed.map(|(name, converter)| (name.to_owned(), converter)).collect();
        compiler.name_sources = NameSources::of(spec);
        compiler.socketio = wire.is_socketio();
        let known = kind::of_groups(spec.protocol);
        let allowed = Allowed { names: known, at: "in a group's name" };
        let here = key.then("groups");
        let room = Usage { joins: true, allowed: spec.allow.is_some(), ..Usage::default() };
        let groups = spec.groups.iter().enumerate();
        let groups = groups.filter_map(|(index, group)| compiler.group(group, allowed, room, &here.then(index)));
        let groups: Vec<_> = groups.collect();
        let allow = spec.allow.as_ref().map(|allow| {
            let here = key.then("allow");
            if !groups.iter().any(GroupTemplate::is_chosen) {
                compiler.note(&here, "no group here contains a value chosen by clients");
            }
            compiler.patterns(allow, &here)
        });
        let allowed = Allowed { names: &[Var::Route, Var::Query], at: "in a refusal" };
        let refusal = compiler.optional(spec.reject.send.as_ref(), allowed, &key.then("reject").then("send"));
        let closed = compiler.optional(spec.reject.when.as_ref(), allowed, &key.then("reject").then("when"));
        let allowed = Allowed { names: known, at: "in a member" };
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
            forms: Arc::default(),
            backend: backend.url.is_some() || backend.worker.is_some(),
            tokens: !spec.is_anonymous(),
            max_rooms: spec.max_rooms,
            max_items: spec.max_items,
            max_topics: spec.topics.max,
            max_state: no_limit_if_0(self.compiler.config.limits.connection_state),
            rejection: Rejected::Forbidden.text(spec).into(),
        };
        let actions = Actions::compile(spec, program, &key, &mut self.compiler);
        let Some(id) = u32::try_from(index).ok().and_then(|index| self.first.checked_add(index)) else {
            self.compiler.note(&key, "there are too many consumers");
            return None;
        };
        let (id, spec) = (ConsumerId(id), spec.clone());
        self.everybody(&spec, &key);
        let forms = Arc::new(std::mem::take(&mut self.compiler.forms));
        let pattern = pattern?;
        Some(Consumer {
            id,
            name,
            spec,
            pattern,
            groups,
            allow,
            forms,
            refusal,
            closed,
            presence,
            mappings,
            notice,
            actions,
        })
    }

    /// Reserves the group of all connections in its namespace: no room may have that name.
    fn everybody(&mut self, spec: &config::Consumer, key: &KeyPath) {
        if spec.protocol != Protocol::SocketIo {
            return;
        }
        let key = key.then("namespace");
        let Some(group) =
            self.compiler.noted(GroupName::of_namespace(&spec.namespace).map_err(|error| error.to_string()), &key)
        else {
            return;
        };
        let before = self.namespaces.iter().find(|(other, known)| *known == group && *other != spec.namespace);
        if let Some((other, _)) = before {
            let reason = format!("{:?} and {other:?} are one group, {group}", spec.namespace);
            self.compiler.note(&key, reason);
        }
        let pattern = Pattern::of(vec![Part::Text(group.as_str().into())]);
        self.compiler.forms.add(pattern, Role::Inner, group.as_str(), &key);
        self.namespaces.push((spec.namespace.clone(), group));
    }

    /// Determines which groups can be mistaken for which, over all consumers: groups are the same everywhere. Consumers of
    /// one namespace also read each other's rooms.
    fn settle(&mut self, consumers: &mut [Option<Consumer>]) {
        let mut consumers: Vec<&mut Consumer> = consumers.iter_mut().flatten().collect();
        let first = |index: usize| {
            let namespace = consumers[index].namespace();
            let same = |other: &&mut Consumer| namespace.is_some() && other.namespace() == namespace;
            consumers.iter().position(same).unwrap_or(index)
        };
        let forms = consumers.iter().enumerate().map(|(index, consumer)| {
            let mut forms = Forms::clone(&consumer.forms);
            forms.share(first(index));
            forms
        });
        let mut all: Vec<Forms> = forms.collect();
        collisions::check(&all, |key, reason| self.compiler.note(key, reason));
        Forms::settle(&mut all);
        for (consumer, forms) in consumers.iter_mut().zip(all) {
            let forms = Arc::new(forms);
            consumer.actions.settle(Arc::clone(&forms));
            consumer.mappings.forms = Arc::clone(&forms);
            consumer.forms = forms;
        }
    }

    /// Keys without a use in Socket.IO.
    fn check_protocol(&mut self, spec: &config::Consumer, key: &KeyPath) {
        if spec.protocol != Protocol::SocketIo {
            return;
        }
        if !spec.on_raw.is_empty() {
            self.compiler.note(&key.then("on_raw"), "Socket.IO clients send events; write on_message");
        }
        if spec.on_bad_json != Policy::Ignore {
            let reason =
                "a Socket.IO packet that is not JSON ends the session; write on_failed for a handler that fails";
            self.compiler.note(&key.then("on_bad_json"), reason);
        }
        if spec.message_key != "type" {
            self.compiler.note(&key.then("message_key"), "Socket.IO events are found by their name");
        }
    }

    fn source(&mut self, index: usize, source: &SourceMapping) {
        let key = KeyPath::ROOT.then("source").then(index).then("group");
        let compiled = SourceGroup::compile(&source.group).map_err(|reason| format!("bad group name: {reason}"));
        self.compiler.noted(compiled, &key);
    }

    /// A consumer that is never reached is an error, and so are two of the same name.
    fn check_shadows(&mut self, consumers: &[Option<Arc<Consumer>>]) {
        for (index, consumer) in consumers.iter().enumerate() {
            let Some(consumer) = consumer else { continue };
            let key = KeyPath::ROOT.then("consumer").then(index);
            let before = || consumers[..index].iter().flatten();
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
