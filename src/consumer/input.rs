//! The message of a handler, and the values of the names in its expressions.

use std::sync::Arc;

use bytes::Bytes;
use minijinja::Value as Jinja;

use super::{
    context::Context,
    expression::{Root, Scope, Var, VarSet},
};
use crate::event::{ConnectionId, Incoming, Value, surrogate};

/// The message of a handler.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input<'a> {
    None,
    Raw(Incoming<'a>),
    Json(&'a Arc<Value>),
    Event { name: &'a str, args: &'a Arc<Value> },
}

/// A message kept while the handler waits.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum KeptInput {
    None,
    Json(Arc<Value>),
    Event { name: Arc<str>, args: Arc<Value> },
}

impl Input<'_> {
    /// A copy that owns its bytes.
    pub fn keep(self) -> KeptInput {
        match self {
            Self::None | Self::Raw(Incoming::Event { .. }) => KeptInput::None,
            Self::Json(value) => KeptInput::Json(Arc::clone(value)),
            Self::Raw(Incoming::Text(text)) => KeptInput::Json(Arc::new(Value::Str(surrogate::pack(text)))),
            Self::Raw(Incoming::Binary(bytes)) => {
                KeptInput::Json(Arc::new(Value::Bytes(Bytes::copy_from_slice(bytes))))
            }
            Self::Event { name, args } => KeptInput::Event { name: name.into(), args: Arc::clone(args) },
        }
    }
}

impl KeptInput {
    /// The approximate number of bytes held.
    pub fn weight(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Json(value) | Self::Event { args: value, .. } => value.weight(),
        }
    }

    pub fn message(&self) -> Input<'_> {
        match self {
            Self::None => Input::None,
            Self::Json(value) => Input::Json(value),
            Self::Event { name, args } => Input::Event { name, args },
        }
    }
}

/// The values about a message for the requested `names`.
pub(super) fn of_message(scope: Scope, message: Input<'_>, names: VarSet) -> Scope {
    let as_message = |value: Jinja| (Var::Message, value);
    let (name, value) = match message {
        Input::Event { name, args } => {
            let args = Root::Data(Arc::clone(args)).into_jinja();
            let scope = match names.has(Var::Message) {
                true => {
                    let whole = [("event", Jinja::from(&*surrogate::loosen(name))), ("args", args.clone())];
                    scope.with(Var::Message, Jinja::from_pairs(whole))
                }
                false => scope,
            };
            return scope.with(Var::Args, args);
        }
        _ if !names.has(Var::Message) => return scope,
        Input::None | Input::Raw(Incoming::Event { .. }) => return scope,
        Input::Json(value) => as_message(Root::Data(Arc::clone(value)).into_jinja()),
        Input::Raw(Incoming::Text(text)) => as_message(Jinja::from(&*surrogate::loosen_real(text))),
        Input::Raw(Incoming::Binary(bytes)) => as_message(Jinja::from_bytes(bytes.to_vec())),
    };
    scope.with(name, value)
}

/// The values about a connection for the requested `names`.
pub(super) fn of_connection(context: &Context, names: VarSet) -> Scope {
    let parts = [
        (Var::User, &context.user),
        (Var::Route, &context.route),
        (Var::Query, &context.query),
        (Var::Claims, &context.claims),
        (Var::Auth, context.auth.as_deref().unwrap_or(&Value::Null)),
        (Var::Vars, &context.vars),
    ];
    let used = parts.into_iter().filter(|(name, _)| names.has(*name));
    let scope = used.fold(Scope::default(), |scope, (name, value)| {
        scope.with(name, Root::Data(Arc::new(value.clone())).into_jinja())
    });
    let scope = match names.has(Var::Id) {
        true => {
            let id = context.id.map(ConnectionId::text);
            scope.with(Var::Id, Jinja::from(id.as_deref().unwrap_or_default()))
        }
        false => scope,
    };
    let scope = match names.has(Var::ChannelName) {
        true => scope.with(Var::ChannelName, Jinja::from(&*context.channel_name)),
        false => scope,
    };
    let texts = [(Var::Host, &context.host), (Var::Room, &context.room)];
    texts.into_iter().filter(|(name, _)| names.has(*name)).fold(scope, |scope, (name, text)| {
        scope.with(name, if text.is_empty() { Jinja::from(()) } else { Jinja::from(&**text) })
    })
}
