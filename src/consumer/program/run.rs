//! Runs the operations of a handler up to its end or its next call. Pure: actions come out as effects, and if an
//! expression fails, none of them does.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use indexmap::IndexSet;
use minijinja::{Value as Jinja, value::ValueKind};

use super::{AskOp, CallOp, Guard, HandlerId, Op, Program, Quotas};
use crate::{
    config::Secret,
    consumer::{
        context::Context,
        effect::{CallRequest, Continuation, Denial, Effect, MessageProblem, Reaction, Suspended},
        emit::{Emit, EmitTarget},
        expression::{Expression, GroupTemplate, Root, Var, VarSet, describe, frame, names::topics, with_item},
        groups::GroupError,
        input::{Input, KeptInput, of_connection, of_message},
    },
    event::{Emission, GroupName, Incoming, Payload, Value, check_user},
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
    scope: Option<Jinja>,
    effects: Vec<Effect>,
}

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
            scope: None,
            effects: Vec::new(),
        }
    }

    /// The same after an outcome, with the answers so far.
    pub fn after(self, ack: Option<u64>, results: Vec<Arc<Value>>, retry_after: Option<Duration>) -> Self {
        Self { ack, results, retry_after, ..self }
    }

    /// Runs from the operation at `position`.
    pub fn go(mut self, mut position: u32) -> Result<Reaction, MessageProblem> {
        while let Some(instruction) = self.program.ops.get(position as usize) {
            if self.results.len() > usize::from(instruction.depth) {
                self.results.truncate(instruction.depth.into());
                self.scope = None;
            }
            position = match self.perform(&instruction.op, position)? {
                Flow::Next => position + 1,
                Flow::To(position) => position,
                Flow::End(problem) => return Ok(Reaction { effects: self.effects, problem }),
            };
        }
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
            Op::Refresh { handler, token, guard } => {
                // A missing token is as bad as an invalid one.
                let token = self.evaluate(token).ok().and_then(|token| token.as_str().map(Secret::new));
                let token = token.unwrap_or_else(|| Secret::new(""));
                let (denied, failed) = (self.failure_replies(&guard.denied)?, self.failure_replies(&guard.failed)?);
                let then = self.continuation(*handler, position);
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
                let then = self.continuation(call.handler, position);
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
                let reason = reason.as_ref().map(|reason| reason.text(self.scope())).transpose()?;
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

    /// The groups of rooms; `None` if one is not allowed. Fails if a client chooses more than `most`.
    fn rooms(
        &mut self,
        rooms: &[GroupTemplate],
        guard: &Guard,
        most: usize,
    ) -> Result<Option<Vec<GroupName>>, MessageProblem> {
        let mut groups = IndexSet::with_capacity(rooms.len());
        let mut chosen = 0;
        for template in rooms {
            let forms = &self.program.forms;
            let named = template.each_group(self.scope(), forms, guard.allow.as_deref(), |group| {
                if groups.contains(&group) {
                    return Ok(());
                }
                chosen += usize::from(template.is_chosen());
                if chosen > most {
                    return Err(GroupError::TooMany(most));
                }
                groups.insert(group);
                Ok(())
            });
            match named {
                Err(GroupError::NotAllowed(_)) => return Ok(None),
                named => named?,
            }
        }
        Ok(Some(groups.into_iter().collect()))
    }

    /// Sends; `false` if a room is not allowed.
    fn emit(&mut self, emit: &Emit, guard: &Guard) -> Result<bool, MessageProblem> {
        if !emit.is_due(self.scope())? {
            return Ok(true);
        }
        let (groups, but_me) = match &emit.target {
            EmitTarget::Connection => {
                let wire = &self.program.wire;
                let payload = emit.content.payload(self.scope(), wire)?;
                self.effects.push(Effect::Reply(payload));
                return Ok(true);
            }
            EmitTarget::Group(group) => (vec![group.clone()], false),
            EmitTarget::Rooms { rooms, but_me } => match self.rooms(rooms, guard, self.program.max_rooms)? {
                Some(groups) => (groups, *but_me),
                None => return Ok(false),
            },
        };
        let limit = self.program.wire.max_data();
        let content = emit.content.plain(self.scope(), limit)?;
        let except: &[Arc<str>] = if but_me { &[Arc::clone(&self.context.id)] } else { &[] };
        if !groups.is_empty() {
            let body = Emission::relay_body(&self.program.name, &groups, content, except, emit.volatile);
            let failed = self.failure_replies(&guard.failed)?;
            self.effects.push(Effect::Emit { groups, body: Box::new(body), failed });
        }
        Ok(true)
    }

    fn publish(&mut self, groups: Vec<GroupName>, body: Value, guard: &Guard) -> Result<(), MessageProblem> {
        let failed = self.failure_replies(&guard.failed)?;
        let body = Arc::new(body);
        let to = |group| Effect::Publish { group, body: Arc::clone(&body), failed: failed.clone() };
        self.effects.extend(groups.into_iter().map(to));
        Ok(())
    }

    /// The replies to the client if something in this step fails.
    fn failure_replies(&mut self, emits: &[Emit]) -> Result<Option<Arc<[Payload]>>, MessageProblem> {
        if emits.is_empty() {
            return Ok(None);
        }
        let mut replies = Vec::with_capacity(emits.len());
        for emit in emits {
            if emit.is_due(self.scope())? {
                let wire = &self.program.wire;
                replies.push(emit.content.payload(self.scope(), wire)?);
            }
        }
        Ok(Some(replies.into()))
    }

    fn ask(&mut self, ask: &AskOp, position: u32) -> Result<(), MessageProblem> {
        if ask.emit.is_due(self.scope())? {
            let limit = self.program.wire.max_data();
            let args = ask.emit.content.arguments(self.scope(), limit)?;
            let then = self.continuation(ask.handler, position);
            self.effects.push(Effect::Ask { args, timeout: ask.timeout.0, then });
        }
        Ok(())
    }

    fn request(&mut self, call: &CallOp) -> Result<CallRequest, WriteError> {
        let data = match &call.data {
            Some(data) => self.value(data)?,
            None => Value::Null,
        };
        Ok(CallRequest {
            action: Arc::clone(&call.action),
            data,
            user: self.context.user.clone(),
            connection: Arc::clone(&self.context.id),
            consumer: Arc::clone(&self.program.name),
            idempotent: call.idempotent,
            timeout: call.timeout.map(|timeout| timeout.0),
        })
    }

    fn continuation(&self, handler: HandlerId, position: u32) -> Continuation {
        let names = self.program.handlers[usize::from(handler.0)].names;
        let uses_message = names.meets(VarSet::of(&[Var::Message, Var::Args]));
        let message = if uses_message { self.message.keep() } else { KeptInput::None };
        Continuation(Box::new(Suspended { position, input: message, ack: self.ack, results: self.results.clone() }))
    }

    /// An event for other consumers; it must not have the type of emissions.
    fn event_body(&mut self, event: &Expression) -> Result<Value, WriteError> {
        let body = self.value(event)?;
        match &body {
            body if Emission::is_relayed(body) => Err(format!("{:?} is a reserved event type", Emission::TYPE).into()),
            Value::Map(_) => Ok(body),
            other => Err(format!("an event must be an object, not {}", other.kind()).into()),
        }
    }

    fn raw(&mut self, reply: &Expression) -> Result<Payload, MessageProblem> {
        // An echo of up to 16 MiB: one copy, without parsing.
        match self.message {
            Input::Raw(Incoming::Text(text)) if reply.is_just(Var::Message) => {
                Ok(self.program.wire.text(Bytes::copy_from_slice(text.as_bytes())))
            }
            Input::Raw(Incoming::Binary(bytes)) if reply.is_just(Var::Message) => {
                Ok(Payload::Binary(bytes.to_vec().into()))
            }
            _ => Ok(self.program.wire.raw(&self.evaluate(reply)?)?),
        }
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
        let (result, backend) = (self.results.last(), self.program.backend);
        self.scope.get_or_insert_with(|| {
            let mut scope = of_connection(context, names);
            if names.has(Var::Backend) {
                scope = scope.with(Var::Backend, backend.into());
            }
            if let (true, Some(result)) = (names.has(Var::Result), result) {
                scope = scope.with(Var::Result, Root::Data(Arc::clone(result)).into_jinja());
            }
            of_message(scope, message, names).into_jinja()
        })
    }
}
