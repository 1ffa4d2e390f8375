//! What a handler is about, and what the names of its expressions stand for.

use std::sync::Arc;

use bytes::Bytes;
use minijinja::Value as Jinja;

use super::{
    context::Context,
    scope::{Name, NameSet, Scope},
    view::Root,
};
use crate::event::{Incoming, Value};

/// What a handler is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Message<'a> {
    None,
    Raw(Incoming<'a>),
    Json(&'a Arc<Value>),
    Event { name: &'a str, args: &'a Arc<Value> },
}

/// A message that is kept while something is waited for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept {
    None,
    Json(Arc<Value>),
    Event { name: Arc<str>, args: Arc<Value> },
}

impl Message<'_> {
    /// It with its bytes.
    pub fn keep(self) -> Kept {
        match self {
            Self::None | Self::Raw(Incoming::Event { .. }) => Kept::None,
            Self::Json(value) => Kept::Json(Arc::clone(value)),
            Self::Raw(Incoming::Text(text)) => Kept::Json(Arc::new(text.into())),
            Self::Raw(Incoming::Binary(bytes)) => Kept::Json(Arc::new(Value::Bytes(Bytes::copy_from_slice(bytes)))),
            Self::Event { name, args } => Kept::Event { name: name.into(), args: Arc::clone(args) },
        }
    }
}

impl Kept {
    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Json(value) | Self::Event { args: value, .. } => value.weight(),
        }
    }

    pub fn message(&self) -> Message<'_> {
        match self {
            Self::None => Message::None,
            Self::Json(value) => Message::Json(value),
            Self::Event { name, args } => Message::Event { name, args },
        }
    }
}

/// What is known of a message, as far as `names` ask for it.
pub(super) fn of_message(scope: Scope, message: Message<'_>, names: NameSet) -> Scope {
    let as_message = |value: Jinja| (Name::Message, value);
    let (name, value) = match message {
        Message::Event { name, args } => {
            let args = Root::Data(Arc::clone(args)).into_jinja();
            let scope = match names.has(Name::Message) {
                true => {
                    let whole = [("event", Jinja::from(name)), ("args", args.clone())];
                    scope.with(Name::Message, Jinja::from_pairs(whole))
                }
                false => scope,
            };
            return scope.with(Name::Args, args);
        }
        _ if !names.has(Name::Message) => return scope,
        Message::None | Message::Raw(Incoming::Event { .. }) => return scope,
        Message::Json(value) => as_message(Root::Data(Arc::clone(value)).into_jinja()),
        Message::Raw(Incoming::Text(text)) => as_message(text.into()),
        Message::Raw(Incoming::Binary(bytes)) => as_message(Jinja::from_bytes(bytes.to_vec())),
    };
    scope.with(name, value)
}

/// What is known of a connection, as far as `names` ask for it.
pub(super) fn of_connection(context: &Context, names: NameSet) -> Scope {
    let parts = [
        (Name::User, &context.user),
        (Name::Route, &context.route),
        (Name::Query, &context.query),
        (Name::Claims, &context.claims),
        (Name::Auth, &context.auth),
        (Name::Vars, &context.vars),
    ];
    let used = parts.into_iter().filter(|(name, _)| names.has(*name));
    let scope = used.fold(Scope::default(), |scope, (name, value)| {
        scope.with(name, Root::Data(Arc::new(value.clone())).into_jinja())
    });
    if names.has(Name::Id) { scope.with(Name::Id, Jinja::from(&*context.id)) } else { scope }
}
