//! Runs the operations of a handler up to its end or its next call. Pure: actions come out as effects, and if an
//! expression fails, none of them does. `rooms` finds the groups that a step names, `send` makes what is sent to them.

mod rooms;
mod send;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use minijinja::{Value as Jinja, value::ValueKind};

use super::{Guard, HandlerId, Op, Program, Quotas};
use crate::{
    config::Secret,
    consumer::{
        context::Context,
        effect::{Continuation, Denial, Effect, MessageProblem, Reaction, Suspended},
        expression::{
            Expression, Root, Var, VarSet, describe, frame,
            names::topics,
            present::{Present, Room},
            with_item,
        },
        input::{Input, KeptInput, of_connection, of_message},
    },
    event::{Value, check_user},
    limited::{Allowance, WriteError},
};

/// The buckets of the connection, and the time.
pub type Buckets<'a> = (&'a mut Quotas, Instant);

impl Program {
    /// Runs a handler from its beginning.
    pub fn start(
        &self,
        handler: HandlerId,
        context: &Context,
        message: Input<'_>,
        ack: Option<u64>,
        buckets: Option<Buckets<'_>>,
    ) -> Result<Reaction, MessageProblem> {
        let start = self.handlers[usize::from(handler.0)].start;
        Run { ack, buckets, ..Run::new(self, handler, context, message) }.go(start)
    }
}

/// A running handler.
pub struct Run<'a> {
    program: &'a Program,
    context: Cow<'a, Context>,
    message: Input<'a>,
    ack: Option<u64>,
    buckets: Option<Buckets<'a>>,
    /// The answers so far, the innermost last.
    results: Vec<Arc<Value>>,
    /// What the last of them said about another try.
    retry_after: Option<Duration>,
    names: VarSet,
    /// Who is present, if the handler asks for it.
    present: Option<Arc<Present>>,
    scope: Option<Jinja>,
    effects: Vec<Effect>,
}

/// How many rooms one operation may ask for.
const MAX_ROOMS_ASKED: usize = 16;

/// How it continues after an operation.
enum Flow {
    Next,
    To(u32),
    End(Option<MessageProblem>),
}

impl<'a> Run<'a> {
    /// A handler with its connection and its message.
    pub fn new(program: &'a Program, handler: HandlerId, context: &'a Context, message: Input<'a>) -> Self {
        let names = program.handlers[usize::from(handler.0)].names;
        Self {
            program,
            context: Cow::Borrowed(context),
            message,
            ack: None,
            buckets: None,
            results: Vec::new(),
            retry_after: None,
            names,
            present: names.has(Var::Present).then(Arc::default),
            scope: None,
            effects: Vec::new(),
        }
    }

    /// The same after an outcome, with the answers so far.
    pub fn after(self, ack: Option<u64>, results: Vec<Arc<Value>>, retry_after: Option<Duration>) -> Self {
        Self { ack, results, retry_after, ..self }
    }

    /// The same, with the members of these rooms.
    pub fn knowing(self, present: Vec<(Room, Arc<Value>)>) -> Self {
        Self { present: self.present.is_some().then(|| Present::of(present)), ..self }
    }

    /// Runs from the operation at `position`.
    pub fn go(mut self, mut position: u32) -> Result<Reaction, MessageProblem> {
        while let Some(instruction) = self.program.ops.get(position as usize) {
            if self.results.len() > usize::from(instruction.depth) {
                self.results.truncate(instruction.depth.into());
                self.scope = None;
            }
            let before = self.effects.len();
            let performed = self.perform(&instruction.op, position);
            if let Some(room) = self.present.as_ref().and_then(|present| present.missing()) {
                return self.ask_who_is_present(room, position, before);
            }
            position = match performed? {
                Flow::Next => position + 1,
                Flow::To(position) => position,
                Flow::End(problem) => return Ok(Reaction { effects: self.effects, problem }),
            };
        }
        Ok(Reaction { effects: self.effects, problem: None })
    }

    /// Stops before the operation at `position`, which is repeated when the members of a room are known. Nothing of it
    /// happens before.
    fn ask_who_is_present(mut self, room: Room, position: u32, before: usize) -> Result<Reaction, MessageProblem> {
        let present = self.present.as_ref().map(|present| present.known().to_vec()).unwrap_or_default();
        if present.len() == MAX_ROOMS_ASKED {
            return Err(format!("present(): a step asks for more than {MAX_ROOMS_ASKED} rooms").into());
        }
        if let Some(Err(reason)) = room.as_deref().map(|room| self.program.forms.given(room)) {
            return Err(format!("present(): {reason}").into());
        }
        self.effects.truncate(before);
        let then = self.suspended(position, present);
        self.effects.push(Effect::Present { room, then });
        Ok(Reaction { effects: self.effects, problem: None })
    }

    fn perform(&mut self, op: &Op, position: u32) -> Result<Flow, MessageProblem> {
        match op {
            Op::When { test, or_else } if !self.evaluate(test)?.is_true() => return Ok(Flow::To(*or_else)),
            // A test that fails because a key is missing counts as false.
            Op::Require(test, guard) if !self.holds(test) => return self.denied(guard),
            Op::Admit(test) if !self.holds(test) => {
                self.effects.push(Effect::Refuse(Denial { text: self.program.rejection.clone(), ..Denial::default() }));
                return Ok(Flow::End(None));
            }
            Op::When { .. } | Op::Require(..) | Op::Admit(_) => {}
            Op::Limit { limit, rate, limited } => {
                if let Some((limits, now)) = &mut self.buckets
                    && !limits.take(*limit, *rate, *now)
                {
                    limited.iter().try_for_each(|emit| self.emit(emit, &Guard::default()).map(drop))?;
                    return Ok(Flow::End(Some(MessageProblem::Limited)));
                }
            }
            Op::Refresh { token, guard, .. } => {
                // A missing token is as bad as an invalid one.
                let token = self.evaluate(token).ok().and_then(|token| token.as_str().map(Secret::new));
                let token = token.unwrap_or_else(|| Secret::new(""));
                let (denied, failed) = (self.failure_replies(&guard.denied)?, self.failure_replies(&guard.failed)?);
                let then = self.continuation(position);
                self.effects.push(Effect::Refresh { token, then, denied, failed });
                return Ok(Flow::End(None));
            }
            Op::Set(vars) => self.set(vars)?,
            Op::User(user) => {
                let user = self.value(user)?;
                check_user(&user).map_err(|error| MessageProblem::User(error.to_string()))?;
                self.context.to_mut().user = user.clone();
                self.scope = None;
                self.effects.push(Effect::User(user));
            }
            Op::Refuse(denial) => {
                let retry_after = self.retry_after.filter(|_| denial.away);
                self.effects.push(Effect::Refuse(Denial { retry_after, ..denial.clone() }));
                return Ok(Flow::End(None));
            }
            Op::Leave(rooms, guard) => match self.rooms(rooms, guard, usize::MAX)? {
                Some(groups) => self.effects.extend((!groups.is_empty()).then_some(Effect::Leave(groups))),
                None => return self.denied(guard),
            },
            // The connection's rooms are counted where it joins.
            Op::Join(rooms, guard) => match self.rooms(rooms, guard, usize::MAX)? {
                Some(groups) if groups.is_empty() => {}
                Some(groups) => {
                    let failed = self.failure_replies(&guard.failed)?;
                    self.effects.push(Effect::Join { groups, failed });
                }
                None => return self.denied(guard),
            },
            Op::JoinSigned(tokens, guard) => self.join_signed(tokens, guard)?,
            Op::Subscribe(names) => {
                let names = topics(&self.evaluate(names)?, self.program.max_topics)?;
                self.effects.push(Effect::Subscribe(names));
            }
            Op::Unsubscribe(names) => {
                let names = topics(&self.evaluate(names)?, self.program.max_topics)?;
                self.effects.push(Effect::Unsubscribe(names));
            }
            Op::Call(call) => {
                let request = self.request(call)?;
                let then = self.continuation(position);
                self.effects.push(Effect::Call { request: Box::new(request), then });
                return Ok(Flow::End(None));
            }
            Op::Emit(emit, guard) => {
                if !self.emit(emit, guard)? {
                    return self.denied(guard);
                }
            }
            Op::Each { list, end } => return self.each(list, position + 1, *end),
            Op::Ask(ask) => self.ask(ask, position)?,
            Op::ReplyRaw(reply) => {
                let payload = self.raw(reply)?;
                self.effects.push(Effect::Reply(payload));
            }
            Op::Ack(data) => {
                if let Some(id) = self.ack {
                    let data = self.evaluate(data)?;
                    self.effects.push(Effect::Reply(self.program.wire.ack(id, &[data])?));
                }
            }
            Op::AckArgs(args) => {
                if let Some(id) = self.ack {
                    let args = frame::items(&self.evaluate(args)?, self.program.wire.max_data())?;
                    self.effects.push(Effect::Reply(self.program.wire.ack(id, &args)?));
                }
            }
            Op::Publish { group, event, guard } => {
                let Some(groups) = self.rooms(std::slice::from_ref(group), guard, self.program.max_rooms)? else {
                    return self.denied(guard);
                };
                let body = self.event_body(event)?;
                self.publish(groups, body, guard)?;
            }
            Op::Close { code, reason } => {
                let reason = reason.as_ref().map(|reason| reason.reason(self.scope())).transpose()?;
                self.effects.push(Effect::Close { code: *code, reason: reason.unwrap_or_default() });
                return Ok(Flow::End(None));
            }
            Op::Jump(position) => return Ok(Flow::To(*position)),
            Op::End => return Ok(Flow::End(None)),
        }
        Ok(Flow::Next)
    }

    /// Runs the operations from `first` to before `end` for each item. What is sent for all of them is bounded like one
    /// message.
    fn each(&mut self, list: &Expression, first: u32, end: u32) -> Result<Flow, MessageProblem> {
        let (most, limit) = (self.program.max_items, self.program.wire.max_data());
        let items = self.evaluate(list)?;
        if !matches!(items.kind(), ValueKind::Seq | ValueKind::Iterable) {
            return Err(format!("each: `{}` is {}, not a list", list.source(), items.kind()).into());
        }
        let whole = self.scope().clone();
        let room = Allowance::new(limit);
        for (number, item) in items.try_iter().map_err(|error| describe(&error))?.enumerate() {
            if number == most {
                let reason = format!("each: `{}` has more than {most} items (\"max_items\")", list.source());
                return Err(reason.into());
            }
            self.scope = Some(with_item(&whole, item));
            let before = self.effects.len();
            for position in first..end {
                let Some(instruction) = self.program.ops.get(position as usize) else { break };
                match self.perform(&instruction.op, position)? {
                    Flow::Next => {}
                    over => return Ok(over),
                }
            }
            let bytes = self.effects.get(before..).unwrap_or_default().iter().map(Effect::sent_bytes).sum();
            room.take(bytes).map_err(|_| WriteError::TooLarge(limit))?;
        }
        self.scope = Some(whole);
        Ok(Flow::To(end))
    }

    fn denied(&mut self, guard: &Guard) -> Result<Flow, MessageProblem> {
        guard.denied.iter().try_for_each(|emit| self.emit(emit, &Guard::default()).map(drop))?;
        Ok(Flow::End(Some(MessageProblem::Denied)))
    }

    fn set(&mut self, vars: &[(Box<str>, Expression)]) -> Result<(), MessageProblem> {
        for (name, expression) in vars {
            let value = self.value(expression)?;
            let all = match std::mem::take(&mut self.context.to_mut().vars) {
                Value::Map(mut all) => {
                    all.insert(name.clone(), value);
                    Value::Map(all)
                }
                _ => std::iter::once((name.clone(), value)).collect(),
            };
            self.context.to_mut().vars = all;
            self.scope = None;
        }
        if self.context.weight() > self.program.max_state {
            return Err(MessageProblem::State);
        }
        self.effects.push(Effect::Set(self.context.vars.clone()));
        Ok(())
    }

    fn continuation(&self, position: u32) -> Continuation {
        self.suspended(position, Vec::new())
    }

    fn suspended(&self, position: u32, present: Vec<(Room, Arc<Value>)>) -> Continuation {
        let uses_message = self.names.meets(VarSet::of(&[Var::Message, Var::Args]));
        let message = if uses_message { self.message.keep() } else { KeptInput::None };
        Continuation(Box::new(Suspended {
            position,
            input: message,
            ack: self.ack,
            results: self.results.clone(),
            present,
        }))
    }

    fn holds(&mut self, test: &Expression) -> bool {
        self.evaluate(test).is_ok_and(|value| value.is_true())
    }

    fn evaluate(&mut self, expression: &Expression) -> Result<Jinja, WriteError> {
        expression.evaluate(self.scope())
    }

    /// The value as plain data.
    fn value(&mut self, expression: &Expression) -> Result<Value, WriteError> {
        let value = self.evaluate(expression)?;
        frame::value(&value, &Allowance::new(self.program.wire.max_data()))
    }

    /// The current values of the names of this handler, and no others, because it is copied.
    fn scope(&mut self) -> &Jinja {
        let (names, context, message) = (self.names, &self.context, self.message);
        let (result, backend, present) = (self.results.last(), self.program.backend, &self.present);
        let node = &self.program.wire.node;
        self.scope.get_or_insert_with(|| {
            let mut scope = of_connection(context, names);
            if let Some(present) = present {
                scope = scope.with(Var::Present, Jinja::from_dyn_object(Arc::clone(present)));
            }
            if names.has(Var::Backend) {
                scope = scope.with(Var::Backend, backend.into());
            }
            if names.has(Var::Node) {
                scope = scope.with(Var::Node, node.value());
            }
            if let (true, Some(result)) = (names.has(Var::Result), result) {
                scope = scope.with(Var::Result, Root::Data(Arc::clone(result)).into_jinja());
            }
            of_message(scope, message, names).into_jinja()
        })
    }
}
