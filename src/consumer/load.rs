//! Compiles the consumers of a [`Config`] into a [`ConsumerSet`], and records every error under its key.

use std::{path::Path, sync::Arc};

use super::{
    Consumer, ConsumerId, ConsumerSet, Rejected, SourceGroup,
    action::Actions,
    compiler::{Compiler, CountedIn, Usage},
    expression::{Allowed, Expression, GroupTemplate, NameSources, Var, VarSet},
    groups::{Forms, Part, Pattern, Role, collisions},
    heartbeat::Heartbeat,
    kind,
    mapping::Mappings,
    namespaces::Namespaces,
    notice::{GapNotice, Hello},
    parameters,
    program::Program,
    reached,
    set::NodeName,
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
        Err(ConfigErrors(more)) => {
            // A wrong way to authenticate is left out, so that a consumer could seem to have no users.
            let complete = errors.is_empty();
            errors.extend(more.into_iter().filter(|error| complete || error.reason != ALWAYS_NULL));
        }
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
        let node = self.node.clone();
        let mut loader = Loader { compiler: Compiler::new(config), first: self.next, namespaces: Vec::new(), node };
        let specs = config.consumers.iter().enumerate();
        let mut consumers: Vec<_> = specs.map(|(index, spec)| loader.consumer(index, spec)).collect();
        loader.settle(&mut consumers);
        let consumers: Vec<_> = consumers.into_iter().map(|consumer| consumer.map(Arc::new)).collect();
        reached::check(&consumers, &mut loader.compiler);
        for (index, source) in config.sources.iter().enumerate() {
            loader.source(index, source);
        }
        let errors = loader.compiler.errors;
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let next = self.next.saturating_add(u32::try_from(consumers.len()).unwrap_or(u32::MAX));
        let same = |one: Arc<Consumer>| self.same(&one).cloned().unwrap_or(one);
        let consumers = consumers.into_iter().flatten().map(same).collect();
        Ok(Self { consumers, next, node: self.node.clone() })
    }
}

/// Compiles one consumer after the other.
const fn no_limit_if_0(limit: usize) -> usize {
    if limit == 0 { usize::MAX } else { limit }
}

/// An objection to a name that is always null.
const ALWAYS_NULL: &str = "no client of this consumer has a user: add a way to log in to \"auth\", or set \"user\" in on_admit \
                           (\"claims\" are those of a token)";

/// The same, if Django knows the client.
const NO_CLAIMS: &str = "the node reads no token for this consumer: Django knows who the client is; use `user`";

/// The names that are null for all clients of a consumer.
fn always_null(spec: &config::Consumer) -> VarSet {
    if spec.has_django_users() {
        return VarSet::of(&[Var::Claims]);
    }
    match (spec.is_anonymous(), spec.sets_user()) {
        (false, _) => VarSet::default(),
        (true, false) => VarSet::of(&[Var::User, Var::Claims]),
        (true, true) => VarSet::of(&[Var::Claims]),
    }
}

struct Loader<'a> {
    compiler: Compiler<'a>,
    /// The id of the first consumer.
    first: u32,
    /// The namespaces so far, each with the group of all its connections.
    namespaces: Vec<(String, GroupName)>,
    node: NodeName,
}

impl Loader<'_> {
    fn consumer(&mut self, index: usize, spec: &config::Consumer) -> Option<Consumer> {
        let key = KeyPath::ROOT.then("consumer").then(index);
        let known_errors = self.compiler.errors.len();
        let wire = Wire {
            protocol: spec.protocol,
            namespace: spec.namespace.as_str().into(),
            max_message: self.compiler.config.layer.max_message,
            node: self.node.clone(),
        };
        let compiler = &mut self.compiler;
        let here = key.then("path");
        let paths = spec.path.keyed(&here);
        let paths = paths.filter_map(|(here, path)| compiler.noted(Pattern::compile(path), &here));
        let patterns: Box<[Pattern]> = paths.collect();
        let namespaces = match spec.has_namespaces() {
            true => compiler.noted(Namespaces::compile(&spec.namespace), &key.then("namespace")),
            false => None,
        };
        compiler.parameters = parameters::of(&patterns, namespaces.as_ref().map(Namespaces::pattern));
        parameters::check(&patterns, namespaces.as_ref().map(Namespaces::pattern), &key, compiler);
        compiler.name_sources = NameSources::of(spec);
        compiler.presence = CountedIn::of(spec);
        compiler.socketio = wire.is_socketio();
        let null = always_null(spec);
        compiler.null = (null, if spec.has_django_users() { NO_CLAIMS } else { ALWAYS_NULL });
        let known = kind::of_groups(spec.protocol);
        let allowed = Allowed { names: known, at: "in a group's name" };
        let here = key.then("groups");
        let room = Usage { joins: true, allowed: spec.allow.is_some(), ..Usage::default() };
        let groups = spec.groups.iter().enumerate();
        let groups = groups.filter_map(|(index, group)| compiler.group(group, allowed, room, &here.then(index)));
        let groups: Vec<_> = groups.collect();
        parameters::check_groups(
            &patterns,
            namespaces.as_ref().map(Namespaces::pattern),
            spec,
            &groups,
            &key,
            compiler,
        );
        let needs_null = |one: &Expression| one.names().meets(null) && !one.has_alternative();
        // With another error in the list, the positions are not known.
        if groups.len() == spec.groups.len() {
            let reading = groups.iter().enumerate().filter(|(_, group)| group.template().expressions().any(needs_null));
            let reason = if spec.has_django_users() { NO_CLAIMS } else { ALWAYS_NULL };
            reading.for_each(|(index, _)| compiler.note(&here.then(index), reason));
        }
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
        let here = key.then("presence").then("member");
        let presence = compiler.optional(member, allowed, &here);
        if let Some(member) = &presence {
            compiler.check_null(member, &here);
        }
        let here = key.then("presence").then("room");
        let room = spec.presence.as_ref().and_then(|presence| presence.room.as_ref());
        let allowed = Allowed { names: known, at: "in a room of members" };
        let presence_room = room.and_then(|room| compiler.group(room, allowed, Usage::default(), &here));
        // One expression alone could give a list, and a member is in one room.
        if presence_room.as_ref().is_some_and(|room| !room.is_chosen() && !room.template().begins_with_text()) {
            compiler.note(&here, "must begin with text, like \"room_{{ user.team }}\"");
        }
        self.check_protocol(spec, &key);
        self.compiler.allows = spec.allow.is_some();
        let mappings = Mappings::compile(&spec.on_event, wire.clone(), &key.then("on_event"), &mut self.compiler);
        let notice = spec.on_gap.as_ref();
        let notice = notice.and_then(|gap| GapNotice::compile(gap, &wire, &key.then("on_gap"), &mut self.compiler));
        let hello = spec.hello.as_ref();
        let hello = hello.and_then(|hello| Hello::compile(hello, &wire, &key.then("hello"), &mut self.compiler));
        let heartbeat = Heartbeat::compile(spec, &wire, &key.then("heartbeat"), &mut self.compiler);
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
            everybody: namespaces.as_ref().map(Namespaces::everybody_as_template),
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
        let mut reads = mappings.names();
        reads.add(presence.as_ref().map_or_else(VarSet::default, Expression::names));
        // With another error, not every name is known.
        if spec.django.is_any() && self.compiler.errors.len() == known_errors {
            self.check_vars(spec, reads.and(actions.names()).has(Var::Vars), &key);
        }
        let (id, spec) = (ConsumerId(id), spec.clone());
        let export = spec.export.as_slice().into();
        self.everybody(&spec, namespaces.as_ref(), &key);
        let forms = Arc::new(std::mem::take(&mut self.compiler.forms));
        let of_groups = groups.iter().map(|group| group.template().names());
        let of_room = presence_room.as_ref().map(|room| room.template().names()).unwrap_or_default();
        let reads =
            of_groups.chain(notice.as_ref().map(GapNotice::names)).fold(reads.and(actions.names()), VarSet::and);
        let reads = reads.and(of_room);
        // Its first message is made once, of a context that is not kept.
        let of_hello = hello.as_ref().map(Hello::names).unwrap_or_default();
        let reads_host = reads.and(of_hello).and(actions.all_names()).has(Var::Host);
        // Without one of its paths or namespaces it is not complete.
        if patterns.len() != spec.path.as_slice().len() || spec.has_namespaces() != namespaces.is_some() {
            return None;
        }
        Some(Consumer {
            id,
            name,
            spec,
            patterns,
            groups,
            allow,
            forms,
            refusal,
            closed,
            presence,
            presence_room,
            heartbeat,
            mappings,
            notice,
            hello,
            actions,
            namespaces,
            reads,
            reads_host,
            export,
        })
    }

    /// Reserves the group of all connections in its namespace: no room may have that name.
    fn everybody(&mut self, spec: &config::Consumer, namespaces: Option<&Namespaces>, key: &KeyPath) {
        if spec.protocol != Protocol::SocketIo {
            return;
        }
        let key = key.then("namespace");
        if let Some(namespaces) = namespaces {
            let pattern = Pattern::of(namespaces.of_everybody());
            self.compiler.forms.add(pattern, Role::Inner, &spec.namespace, &key);
            return;
        }
        if spec.has_namespaces() {
            return;
        }
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

    /// `vars` of a consumer in Django are what it exports.
    fn check_vars(&mut self, spec: &config::Consumer, reads: bool, key: &KeyPath) {
        let key = key.then("export");
        if reads && spec.export.is_empty() {
            let reason = "`vars` of this consumer would be empty; write export = [\"self.NAME\"] for vars.NAME";
            self.compiler.note(&key, reason);
        } else if !reads && !spec.export.is_empty() {
            self.compiler.note(&key, "is never read: no expression of this consumer uses `vars`; remove it");
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
}
