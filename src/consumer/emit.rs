//! A compiled emit: what is sent, to which connections, and when.

use indexmap::IndexSet;
use minijinja::Value as Jinja;

use super::{
    compiler::Compiler,
    expression::{Allowed, Expression, GroupTemplate, Template, VarSet, frame},
    groups::{Forms, GroupError},
    wire::{Wire, check_name},
};
use crate::{
    config::{self, KeyPath},
    event::{self, GroupName, Payload, Value},
    limited::{Allowance, WriteError},
};

/// A compiled emit.
#[derive(Debug)]
pub(super) struct Emit {
    pub target: EmitTarget,
    pub when: Option<Expression>,
    pub content: EmitContent,
    pub volatile: bool,
}

/// The receivers of an emit.
#[derive(Debug)]
pub(super) enum EmitTarget {
    /// This connection; in `on_event` the members of the event's own group.
    Connection,
    /// Every connection in these rooms, or every one except this connection.
    Rooms { rooms: Vec<GroupTemplate>, but_me: bool },
    /// Every connection in this group.
    Group(GroupName),
    /// Every connection in the namespace of this one, which is one of several.
    Namespace(GroupTemplate),
}

/// What is sent.
#[derive(Debug)]
pub(super) enum EmitContent {
    /// A Socket.IO event.
    Event { name: Template, args: EmitArgs },
    /// A message of JSON.
    Message(Expression),
}

/// The arguments of an event.
#[derive(Debug)]
pub(super) enum EmitArgs {
    None,
    One(Expression),
    List(Expression),
}

impl Emit {
    /// Compiles what is sent, and when; it is [`EmitTarget::Connection`] until the key of the emit says otherwise.
    pub fn compile(
        emit: &config::Emit,
        allowed: Allowed<'_>,
        key: &KeyPath,
        compiler: &mut Compiler<'_>,
    ) -> Option<Self> {
        let when = compiler.optional(emit.when.as_ref(), allowed, &key.then("when"));
        let content = EmitContent::compile(emit, allowed, key, compiler);
        Some(Self { target: EmitTarget::Connection, when, content: content?, volatile: emit.volatile })
    }

    /// Whether its `when` is true.
    pub fn is_due(&self, scope: &Jinja) -> Result<bool, WriteError> {
        self.when.as_ref().map_or(Ok(true), |when| Ok(when.evaluate(scope)?.is_true()))
    }

    /// The names that it uses.
    pub fn names(&self) -> VarSet {
        let mut names = self.content.names();
        names.add(self.when.as_ref().map_or_else(VarSet::default, Expression::names));
        match &self.target {
            EmitTarget::Rooms { rooms, .. } => rooms.iter().for_each(|room| names.add(room.template().names())),
            EmitTarget::Namespace(group) => names.add(group.template().names()),
            EmitTarget::Connection | EmitTarget::Group(_) => {}
        }
        names
    }
}

impl EmitTarget {
    /// The groups of its rooms, each of them once; `None` if it goes to none.
    pub fn rooms(&self, scope: &Jinja, forms: &Forms) -> Result<Option<Box<[GroupName]>>, GroupError> {
        match self {
            Self::Connection => Ok(None),
            Self::Group(group) => Ok(Some([group.clone()].into())),
            Self::Namespace(group) => Ok(Some(group.groups(scope, forms, None)?.into())),
            Self::Rooms { rooms, .. } => {
                let mut groups = IndexSet::new();
                for room in rooms {
                    groups.extend(room.groups(scope, forms, None)?);
                }
                Ok(Some(groups.into_iter().collect()))
            }
        }
    }
}

impl EmitContent {
    /// Compiles what is sent: an event for Socket.IO, a JSON message for others.
    pub fn compile(
        emit: &config::Emit,
        allowed: Allowed<'_>,
        key: &KeyPath,
        compiler: &mut Compiler<'_>,
    ) -> Option<Self> {
        if compiler.socketio {
            return Self::event(emit, allowed, key, compiler);
        }
        for (name, is_set) in
            [("event", emit.event.is_some()), ("data", emit.data.is_some()), ("args", emit.args.is_some())]
        {
            if is_set {
                let reason = "is for Socket.IO; clients of this consumer get a frame: write \"send\"";
                compiler.note(&key.then(name), reason);
            }
        }
        if emit.send.is_none() {
            compiler.note(key, "the key \"send\" is missing");
        }
        let key = if emit.is_short() { key.clone() } else { key.then("send") };
        compiler.optional(emit.send.as_ref(), allowed, &key).map(Self::Message)
    }

    fn event(emit: &config::Emit, allowed: Allowed<'_>, key: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Self> {
        if emit.send.is_some() {
            compiler.note(key, "Socket.IO clients get events: write { event = \"name\", data = \"…\" }");
            return None;
        }
        let Some(event) = &emit.event else {
            compiler.note(key, "the key \"event\" is missing");
            return None;
        };
        let here = key.then("event");
        let name = compiler.text("name of an event", event, allowed, &here)?;
        if let Some(constant) = name.constant() {
            compiler.noted(check_name(constant), &here);
        }
        let args = match (&emit.data, &emit.args) {
            (Some(_), Some(_)) => {
                let reason = "is the list of all arguments, \"data\" the only argument; write one of the two";
                compiler.note(&key.then("args"), reason);
                return None;
            }
            (Some(data), None) => EmitArgs::One(compiler.expression(data, allowed, &key.then("data"))?),
            (None, Some(args)) => EmitArgs::List(compiler.expression(args, allowed, &key.then("args"))?),
            (None, None) => EmitArgs::None,
        };
        Some(Self::Event { name, args })
    }

    /// Its expressions.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Message(expression) => vec![expression],
            Self::Event { name, args } => {
                let args = match args {
                    EmitArgs::None => None,
                    EmitArgs::One(expression) | EmitArgs::List(expression) => Some(expression),
                };
                name.expressions().chain(args).collect()
            }
        }
    }

    /// The names that it uses.
    pub fn names(&self) -> VarSet {
        match self {
            Self::Message(expression) => expression.names(),
            Self::Event { name, args } => {
                let mut names = name.names();
                if let EmitArgs::One(expression) | EmitArgs::List(expression) = args {
                    names.add(expression.names());
                }
                names
            }
        }
    }

    /// Encodes it for the clients of the consumer.
    pub fn payload(&self, scope: &Jinja, wire: &Wire) -> Result<Payload, WriteError> {
        match self {
            Self::Message(expression) => wire.json(&expression.evaluate(scope)?),
            Self::Event { name, args } => {
                let name = name.text(scope).map_err(String::from)?;
                wire.event(&name, &args.evaluate(scope, wire.max_data())?)
            }
        }
    }

    /// It as plain data of at most `limit` bytes, for other connections.
    pub fn plain(&self, scope: &Jinja, limit: usize) -> Result<event::Content, WriteError> {
        match self {
            Self::Message(expression) => {
                frame::value(&expression.evaluate(scope)?, &Allowance::new(limit)).map(event::Content::Message)
            }
            Self::Event { .. } => self.arguments(scope, limit).map(event::Content::Event),
        }
    }

    /// An event's name and arguments as plain data of at most `limit` bytes.
    pub fn arguments(&self, scope: &Jinja, limit: usize) -> Result<Vec<Value>, WriteError> {
        let Self::Event { name, args } = self else { return Err("a message has no arguments".to_owned().into()) };
        let name = name.text(scope).map_err(String::from)?;
        check_name(&name)?;
        let (args, room) = (args.evaluate(scope, limit)?, Allowance::new(limit));
        std::iter::once(Ok(name.into())).chain(args.iter().map(|arg| frame::value(arg, &room))).collect()
    }
}

impl EmitArgs {
    pub fn evaluate(&self, scope: &Jinja, limit: usize) -> Result<Vec<Jinja>, WriteError> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::One(data) => Ok(vec![data.evaluate(scope)?]),
            Self::List(args) => frame::items(&args.evaluate(scope)?, limit),
        }
    }
}
