//! What an event asks of a connection besides its frames: to leave groups, to join groups, to close.
//!
//! In: an event, and the connection if an outcome depends on it. Out: effects for the connection's session, in that
//! order.

use std::{fmt, sync::Arc};

use indexmap::IndexSet;
use minijinja::Value as Jinja;

use super::{
    compiler::{Compiler, Usage},
    context::Context,
    effect::Effect,
    expression::{Allowed, Expression, GroupTemplate, Root, Scope, Template, Var, VarSet},
    groups::{FormId, Forms, GroupError},
    input::of_connection,
    kind,
    wire::Wire,
};
use crate::{
    config::{EventClose, EventCode, EventHandler, KeyPath, OneOrMany, Protocol, is_close_code},
    event::{Event, GroupName},
    warn_bounded,
};

/// The code of `close(code=None)` in Channels.
const DEFAULT_CODE: u16 = 1000;

/// The outcomes of a handler for events.
#[derive(Debug)]
pub(super) struct Outcomes {
    leave: Box<[GroupTemplate]>,
    join: Box<[GroupTemplate]>,
    close: Option<Closing>,
    /// The names that they read.
    pub names: VarSet,
}

#[derive(Debug)]
struct Closing {
    code: Code,
    reason: Option<Template>,
}

#[derive(Debug)]
enum Code {
    Number(u16),
    Value(Expression),
}

/// What one event asks of the connections that get it.
#[derive(Clone, Debug, PartialEq)]
pub struct EventOutcome {
    /// Only of those that have subscribed to this topic.
    pub topic: Option<Arc<str>>,
    asked: Asked,
}

#[derive(Clone, Debug)]
enum Asked {
    /// The same of all.
    Same(Vec<Effect>),
    /// It depends on the connection.
    PerConnection(Arc<Event>),
}

impl PartialEq for Asked {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Same(one), Self::Same(other)) => one == other,
            (Self::PerConnection(one), Self::PerConnection(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Outcomes {
    /// `None` if the handler has none.
    pub fn compile(handler: &EventHandler, wire: &Wire, key: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Self> {
        let mut known = vec![Var::Event, Var::Group];
        known.extend_from_slice(kind::of_groups(wire.protocol));
        let allowed = Allowed { names: &known, at: "in the outcome of an event" };
        let by_client = Usage { allowed: compiler.allows, ..Usage::default() };
        let leave = Usage { harmless: true, ..by_client };
        let leave = groups(handler.leave.as_ref(), (allowed, leave), &key.then("leave"), compiler);
        let join = Usage { joins: true, ..by_client };
        let join = groups(handler.join.as_ref(), (allowed, join), &key.then("join"), compiler);
        check_end(handler, wire.protocol, key, compiler);
        let close = match &handler.close {
            Some(close) => Closing::compile(close, allowed, &key.then("close"), compiler),
            None => handler.disconnect.then_some(Closing { code: Code::Number(DEFAULT_CODE), reason: None }),
        };
        let mut names = VarSet::default();
        leave.iter().chain(&join).for_each(|group| names.add(group.template().names()));
        close.iter().for_each(|close| names.add(close.names()));
        let is_any = !leave.is_empty() || !join.is_empty() || close.is_some();
        is_any.then_some(Self { leave, join, close, names })
    }

    /// What an event asks; the scope knows the event. An error if a group has no name, or the code is not valid.
    pub fn of_event(
        &self,
        event: &Arc<Event>,
        scope: &Jinja,
        topic: Option<Arc<str>>,
        forms: &Forms,
    ) -> Result<EventOutcome, String> {
        let asked = match self.names.is_within(VarSet::of(kind::OF_EVENTS)) {
            true => Asked::Same(self.effects(scope, forms, None)?),
            false => Asked::PerConnection(Arc::clone(event)),
        };
        Ok(EventOutcome { topic, asked })
    }

    fn effects(&self, scope: &Jinja, forms: &Forms, allow: Option<&[FormId]>) -> Result<Vec<Effect>, String> {
        let mut effects = Vec::new();
        let leave = named(&self.leave, scope, forms, allow)?;
        let join = named(&self.join, scope, forms, allow)?;
        effects.extend((!leave.is_empty()).then_some(Effect::Leave(leave)));
        effects.extend((!join.is_empty()).then_some(Effect::Join { groups: join, failed: None }));
        if let Some(close) = &self.close {
            effects.push(close.effect(scope)?);
        }
        Ok(effects)
    }

    /// What an event asks of this connection.
    pub fn of_connection(
        &self,
        event: &Arc<Event>,
        context: &Context,
        forms: &Forms,
        allow: Option<&[FormId]>,
    ) -> Result<Vec<Effect>, String> {
        let scope = of_connection(context, self.names)
            .with(Var::Event, Root::Event(Arc::clone(event)).into_jinja())
            .with(Var::Group, event.group.as_str().into())
            .into_jinja();
        self.effects(&scope, forms, allow)
    }
}

impl EventOutcome {
    /// The effects, which `per_connection` makes if they depend on the connection.
    pub(super) fn effects(
        &self,
        per_connection: impl FnOnce(&Arc<Event>) -> Result<Vec<Effect>, String>,
    ) -> Result<Vec<Effect>, String> {
        match &self.asked {
            Asked::Same(effects) => Ok(effects.clone()),
            Asked::PerConnection(event) => per_connection(event),
        }
    }

    /// The bytes that it holds.
    pub fn weight(&self) -> usize {
        match &self.asked {
            Asked::Same(_) => 0,
            Asked::PerConnection(event) => event.body.weight(),
        }
    }
}

impl Closing {
    fn compile(close: &EventClose, allowed: Allowed<'_>, key: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Self> {
        let here = key.then("reason");
        let reason = close.reason.as_ref().map(|source| compiler.text("close reason", source, allowed, &here));
        let here = if close.reason.is_some() { key.then("code") } else { key.clone() };
        let code = match &close.code {
            EventCode::Number(code) => Code::Number(*code),
            EventCode::Expression(source) => Code::Value(compiler.expression(source, allowed, &here)?),
        };
        if let Code::Value(constant) = &code
            && constant.names() == VarSet::default()
        {
            compiler.noted(code.of(&Scope::default().into_jinja()), &here)?;
        }
        let closing = Self { code, reason: reason.flatten() };
        closing.expressions().for_each(|one| compiler.check_null(one, key));
        Some(closing)
    }

    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let code = if let Code::Value(code) = &self.code { Some(code) } else { None };
        code.into_iter().chain(self.reason.iter().flat_map(Template::expressions))
    }

    fn names(&self) -> VarSet {
        self.expressions().fold(VarSet::default(), |names, one| names.and(one.names()))
    }

    fn effect(&self, scope: &Jinja) -> Result<Effect, String> {
        let code = self.code.of(scope)?;
        let reason = self.reason.as_ref().map(|reason| reason.reason(scope)).transpose();
        let reason = reason.unwrap_or_else(|error| {
            // Who sent the event wants the end of the connection, not the text.
            warn_bounded!("a connection is closed without the reason of its event: {error}");
            None
        });
        Ok(Effect::Close { code, reason: reason.unwrap_or_default() })
    }
}

impl Code {
    fn of(&self, scope: &Jinja) -> Result<u16, String> {
        let code = match self {
            Self::Number(code) => return Ok(*code),
            Self::Value(code) => code,
        };
        let value = code.evaluate(scope)?;
        if value.is_none() {
            return Ok(DEFAULT_CODE);
        }
        let wrong = |what: &dyn fmt::Display| format!("`{}` is {what}, not a close code", code.source());
        if !value.is_integer() {
            return Err(wrong(&value.kind()));
        }
        let valid = u16::try_from(value.clone()).ok().filter(|number| is_close_code(*number));
        valid.ok_or_else(|| wrong(&value))
    }
}

/// Compiles the templates of groups.
fn groups(
    sources: Option<&OneOrMany>,
    (allowed, usage): (Allowed<'_>, Usage),
    key: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Box<[GroupTemplate]> {
    let sources = sources.into_iter().flat_map(|sources| sources.keyed(key));
    let templates = sources.filter_map(|(here, source)| {
        let group = compiler.group(source, allowed, usage, &here)?;
        group.template().expressions().for_each(|one| compiler.check_null(one, &here));
        Some(group)
    });
    templates.collect()
}

/// The groups that templates name, each of them once.
fn named(
    templates: &[GroupTemplate],
    scope: &Jinja,
    forms: &Forms,
    allow: Option<&[FormId]>,
) -> Result<Vec<GroupName>, GroupError> {
    let mut groups = IndexSet::with_capacity(templates.len());
    for template in templates {
        template.each_group(scope, forms, allow, |group| {
            groups.insert(group);
            Ok(())
        })?;
    }
    Ok(groups.into_iter().collect())
}

/// Only a plain WebSocket has close codes, as in a step.
fn check_end(handler: &EventHandler, protocol: Protocol, key: &KeyPath, compiler: &mut Compiler<'_>) {
    let plain = protocol == Protocol::WebSocket;
    if handler.close.is_some() && !plain {
        compiler.note(&key.then("close"), "only a plain WebSocket has close codes; write disconnect = true");
    }
    if handler.disconnect && plain {
        compiler.note(&key.then("disconnect"), "is for Socket.IO and Engine.IO; write close = 1000");
    }
}
