//! Carries out the operations of a handler, up to its end or its next question. Pure: what is to be done comes out as
//! effects, and if an expression fails, nothing of it does.

use std::{borrow::Cow, sync::Arc, time::Instant};

use bytes::Bytes;
use minijinja::Value as Jinja;

use super::{
    context::Context,
    effect::{CallRequest, Continuation, Effect, Held, MessageProblem, Reaction},
    emit::{Emit, Target},
    expression::Expression,
    form::GroupError,
    frame,
    limits::Limits,
    message::{Kept, Message, of_connection, of_message},
    names::topics,
    program::{Ask, Call, Guard, HandlerId, Op, Program},
    scope::{Name, NameSet},
    template::GroupTemplate,
    view::Root,
};
use crate::{
    config::Secret,
    event::{Emission, GroupName, Incoming, Payload, Value},
};

/// The buckets of the connection, and the time.
pub(super) type Buckets<'a> = (&'a mut Limits, Instant);

impl Program {
    /// Carries out a handler from its beginning.
    pub fn start(
        &self,
        handler: HandlerId,
        context: &Context,
        message: Message<'_>,
        ack: Option<u64>,
        buckets: Option<Buckets<'_>>,
    ) -> Result<Reaction, MessageProblem> {
        let start = self.handlers[usize::from(handler.0)].start;
        Run { ack, buckets, ..Run::new(self, handler, context, message) }.go(start)
    }
}

/// A handler at work.
pub(super) struct Run<'a> {
    program: &'a Program,
    context: Cow<'a, Context>,
    message: Message<'a>,
    ack: Option<u64>,
    buckets: Option<Buckets<'a>>,
    /// The answers so far, the innermost last.
    results: Vec<Arc<Value>>,
    names: NameSet,
    scope: Option<Jinja>,
    effects: Vec<Effect>,
}

/// How it goes on after an operation.
enum Flow {
    Next,
    To(u32),
    End(Option<MessageProblem>),
}

impl<'a> Run<'a> {
    /// A handler that knows its connection and its message.
    pub fn new(program: &'a Program, handler: HandlerId, context: &'a Context, message: Message<'a>) -> Self {
        let names = program.handlers[usize::from(handler.0)].names;
        Self {
            program,
            context: Cow::Borrowed(context),
            message,
            ack: None,
            buckets: None,
            results: Vec::new(),
            names,
            scope: None,
            effects: Vec::new(),
        }
    }

    /// The same, behind what was asked, with the answers so far.
    pub fn after(self, ack: Option<u64>, results: Vec<Arc<Value>>) -> Self {
        Self { ack, results, ..self }
    }

    /// Carries out what stands at `place`, and on.
    pub fn go(mut self, mut place: u32) -> Result<Reaction, MessageProblem> {
        while let Some(instruction) = self.program.ops.get(place as usize) {
            if self.results.len() > usize::from(instruction.depth) {
                self.results.truncate(instruction.depth.into());
                self.scope = None;
            }
            place = match self.perform(&instruction.op, place)? {
                Flow::Next => place + 1,
                Flow::To(place) => place,
                Flow::End(problem) => return Ok(Reaction { effects: self.effects, problem }),
            };
        }
        Ok(Reaction { effects: self.effects, problem: None })
    }

    fn perform(&mut self, op: &Op, place: u32) -> Result<Flow, MessageProblem> {
        match op {
            Op::When { test, or_else } if !self.evaluate(test)?.is_true() => return Ok(Flow::To(*or_else)),
            // What fails for a missing key is not fulfilled.
            Op::Require(test, guard) if !self.holds(test) => return self.denied(guard),
            Op::Admit(test) if !self.holds(test) => {
                self.effects.push(Effect::Refuse { message: self.program.rejection.to_string() });
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
                // One that is missing is as bad as one that is wrong.
                let token = self.evaluate(token).ok().and_then(|token| token.as_str().map(Secret::new));
                let token = token.unwrap_or_else(|| Secret::new(""));
                let (denied, failed) = (self.told(&guard.denied)?, self.told(&guard.failed)?);
                let then = self.continuation(*handler, place);
                self.effects.push(Effect::Refresh { token, then, denied, failed });
                return Ok(Flow::End(None));
            }
            Op::Set(vars) => self.set(vars)?,
            Op::User(user) => {
                let user = frame::value(&self.evaluate(user)?)?;
                self.context.to_mut().user = user.clone();
                self.scope = None;
                self.effects.push(Effect::User(user));
            }
            Op::Refuse(message) => {
                self.effects.push(Effect::Refuse { message: message.to_string() });
                return Ok(Flow::End(None));
            }
            Op::Leave(rooms, guard) => match self.rooms(rooms, guard)? {
                Some(groups) => self.effects.extend((!groups.is_empty()).then_some(Effect::Leave(groups))),
                None => return self.denied(guard),
            },
            Op::Join(rooms, guard) => match self.rooms(rooms, guard)? {
                Some(groups) if groups.is_empty() => {}
                Some(groups) => {
                    let failed = self.told(&guard.failed)?;
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
                let then = self.continuation(call.handler, place);
                self.effects.push(Effect::Call { request: Box::new(request), then });
                return Ok(Flow::End(None));
            }
            Op::Emit(emit, guard) => {
                if !self.emit(emit, guard)? {
                    return self.denied(guard);
                }
            }
            Op::Ask(ask) => self.ask(ask, place)?,
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
                    let args = frame::items(&self.evaluate(args)?)?;
                    self.effects.push(Effect::Reply(self.program.wire.ack(id, &args)?));
                }
            }
            Op::Publish { group, event, guard } => {
                let Some(groups) = self.rooms(std::slice::from_ref(group), guard)? else { return self.denied(guard) };
                let body = self.event_body(event)?;
                self.publish(groups, body, guard)?;
            }
            Op::Close(code) => {
                self.effects.push(Effect::Close { code: *code, reason: String::new() });
                return Ok(Flow::End(None));
            }
            Op::Jump(place) => return Ok(Flow::To(*place)),
            Op::End => return Ok(Flow::End(None)),
        }
        Ok(Flow::Next)
    }

    fn denied(&mut self, guard: &Guard) -> Result<Flow, MessageProblem> {
        guard.denied.iter().try_for_each(|emit| self.emit(emit, &Guard::default()).map(drop))?;
        Ok(Flow::End(Some(MessageProblem::Denied)))
    }

    fn set(&mut self, vars: &[(Box<str>, Expression)]) -> Result<(), MessageProblem> {
        for (name, expression) in vars {
            let value = frame::value(&self.evaluate(expression)?)?;
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

    /// The groups of rooms; `None` where one is not allowed.
    fn rooms(&mut self, rooms: &[GroupTemplate], guard: &Guard) -> Result<Option<Vec<GroupName>>, MessageProblem> {
        let mut groups = Vec::with_capacity(rooms.len());
        for template in rooms {
            let forms = &self.program.forms;
            let named = match template.groups(self.scope(), forms, guard.allow.as_deref()) {
                Err(GroupError::NotAllowed(_)) => return Ok(None),
                named => named?,
            };
            for group in named {
                if !groups.contains(&group) {
                    groups.push(group);
                }
            }
        }
        Ok(Some(groups))
    }

    /// Sends; `false` where a room is not allowed.
    fn emit(&mut self, emit: &Emit, guard: &Guard) -> Result<bool, MessageProblem> {
        if !emit.is_due(self.scope())? {
            return Ok(true);
        }
        let (groups, but_me) = match &emit.target {
            Target::Own => {
                let wire = &self.program.wire;
                let payload = emit.content.payload(self.scope(), wire)?;
                self.effects.push(Effect::Reply(payload));
                return Ok(true);
            }
            Target::Group(group) => (vec![group.clone()], false),
            Target::Rooms { rooms, but_me } => match self.rooms(rooms, guard)? {
                Some(groups) => (groups, *but_me),
                None => return Ok(false),
            },
        };
        let content = emit.content.plain(self.scope())?;
        let except: &[Arc<str>] = if but_me { &[Arc::clone(&self.context.id)] } else { &[] };
        let body = Emission::relay_body(&self.program.name, content, except, emit.volatile);
        self.publish(groups, body, guard)?;
        Ok(true)
    }

    fn publish(&mut self, groups: Vec<GroupName>, body: Value, guard: &Guard) -> Result<(), MessageProblem> {
        let failed = self.told(&guard.failed)?;
        let body = Arc::new(body);
        let to = |group| Effect::Publish { group, body: Arc::clone(&body), failed: failed.clone() };
        self.effects.extend(groups.into_iter().map(to));
        Ok(())
    }

    /// What the client is told if something of this step does not come to a good end.
    fn told(&mut self, emits: &[Emit]) -> Result<Option<Arc<[Payload]>>, MessageProblem> {
        if emits.is_empty() {
            return Ok(None);
        }
        let mut told = Vec::with_capacity(emits.len());
        for emit in emits {
            if emit.is_due(self.scope())? {
                let wire = &self.program.wire;
                told.push(emit.content.payload(self.scope(), wire)?);
            }
        }
        Ok(Some(told.into()))
    }

    fn ask(&mut self, ask: &Ask, place: u32) -> Result<(), MessageProblem> {
        if ask.emit.is_due(self.scope())? {
            let args = ask.emit.content.arguments(self.scope())?;
            let then = self.continuation(ask.handler, place);
            self.effects.push(Effect::Ask { args, timeout: ask.timeout.0, then });
        }
        Ok(())
    }

    fn request(&mut self, call: &Call) -> Result<CallRequest, String> {
        let data = match &call.data {
            Some(data) => frame::value(&self.evaluate(data)?)?,
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

    fn continuation(&self, handler: HandlerId, place: u32) -> Continuation {
        let names = self.program.handlers[usize::from(handler.0)].names;
        let uses_message = names.meets(NameSet::of(&[Name::Message, Name::Args]));
        let message = if uses_message { self.message.keep() } else { Kept::None };
        Continuation(Box::new(Held { place, message, ack: self.ack, results: self.results.clone() }))
    }

    /// An event for other consumers; the type of emissions is not for them to write.
    fn event_body(&mut self, event: &Expression) -> Result<Value, String> {
        let body = frame::value(&self.evaluate(event)?)?;
        match &body {
            Value::Map(entries) if entries.get("type").and_then(Value::as_str) == Some(Emission::TYPE) => {
                Err(format!("{:?} is no type for events of one's own", Emission::TYPE))
            }
            Value::Map(_) => Ok(body),
            other => Err(format!("an event is an object, not {}", other.kind())),
        }
    }

    fn raw(&mut self, reply: &Expression) -> Result<Payload, MessageProblem> {
        // An echo of up to 16 MiB: one copy, and no look inside.
        match self.message {
            Message::Raw(Incoming::Text(text)) if reply.is_just(Name::Message) => {
                Ok(self.program.wire.text(Bytes::copy_from_slice(text.as_bytes())))
            }
            Message::Raw(Incoming::Binary(bytes)) if reply.is_just(Name::Message) => {
                Ok(Payload::Binary(bytes.to_vec().into()))
            }
            _ => Ok(self.program.wire.raw(&self.evaluate(reply)?)?),
        }
    }

    fn holds(&mut self, test: &Expression) -> bool {
        self.evaluate(test).is_ok_and(|value| value.is_true())
    }

    fn evaluate(&mut self, expression: &Expression) -> Result<Jinja, String> {
        expression.evaluate(self.scope())
    }

    /// What the names of this handler stand for now, and nothing more: it is copied.
    fn scope(&mut self) -> &Jinja {
        let (names, context, message) = (self.names, &self.context, self.message);
        let (result, backend) = (self.results.last(), self.program.backend);
        self.scope.get_or_insert_with(|| {
            let mut scope = of_connection(context, names);
            if names.has(Name::Backend) {
                scope = scope.with(Name::Backend, backend.into());
            }
            if let (true, Some(result)) = (names.has(Name::Result), result) {
                scope = scope.with(Name::Result, Root::Data(Arc::clone(result)).into_jinja());
            }
            of_message(scope, message, names).into_jinja()
        })
    }
}
