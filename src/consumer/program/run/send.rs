//! What a running handler sends: to its client, to rooms, to other consumers, to the backend.

use std::sync::Arc;

use bytes::Bytes;

use super::Run;
use crate::{
    consumer::{
        effect::{CallRequest, Effect, MessageProblem},
        emit::{Emit, EmitTarget},
        expression::{Expression, Var},
        input::Input,
        program::{AskOp, CallOp, Guard},
    },
    event::{ConnectionId, Emission, GroupName, Incoming, Payload, Value},
    limited::WriteError,
};

impl Run<'_> {
    /// Sends; `false` if a room is not allowed.
    pub(super) fn emit(&mut self, emit: &Emit, guard: &Guard) -> Result<bool, MessageProblem> {
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
            EmitTarget::Namespace(group) => {
                let scope = self.scope().clone();
                (group.groups(&scope, &self.program.forms, None)?, false)
            }
            EmitTarget::Rooms { rooms, but_me } => match self.rooms(rooms, guard, self.program.max_rooms)? {
                Some(groups) => (groups, *but_me),
                None => return Ok(false),
            },
        };
        let limit = self.program.wire.max_data();
        let content = emit.content.plain(self.scope(), limit)?;
        let own = self.context.id.filter(|_| but_me).map(ConnectionId::text);
        let except: Vec<&str> = own.as_deref().into_iter().collect();
        if !groups.is_empty() {
            let body = Emission::relay_body(&self.program.name, &groups, content, &except, emit.volatile);
            let failed = self.failure_replies(&guard.failed)?;
            self.effects.push(Effect::Emit { groups, body: Box::new(body), failed });
        }
        Ok(true)
    }

    pub(super) fn publish(&mut self, groups: Vec<GroupName>, body: Value, guard: &Guard) -> Result<(), MessageProblem> {
        let failed = self.failure_replies(&guard.failed)?;
        let body = Arc::new(body);
        let to = |group| Effect::Publish { group, body: Arc::clone(&body), failed: failed.clone() };
        self.effects.extend(groups.into_iter().map(to));
        Ok(())
    }

    /// The replies to the client if something in this step fails.
    pub(super) fn failure_replies(&mut self, emits: &[Emit]) -> Result<Option<Arc<[Payload]>>, MessageProblem> {
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

    pub(super) fn ask(&mut self, ask: &AskOp, position: u32) -> Result<(), MessageProblem> {
        if ask.emit.is_due(self.scope())? {
            let limit = self.program.wire.max_data();
            let args = ask.emit.content.arguments(self.scope(), limit)?;
            let then = self.continuation(position);
            self.effects.push(Effect::Ask { args, timeout: ask.timeout.0, then });
        }
        Ok(())
    }

    pub(super) fn request(&mut self, call: &CallOp) -> Result<CallRequest, WriteError> {
        let data = match &call.data {
            Some(data) => self.value(data)?,
            None => Value::Null,
        };
        Ok(CallRequest {
            action: Arc::clone(&call.action),
            data,
            user: self.context.user.clone(),
            connection: self.context.id.map_or_else(Arc::default, |id| Arc::from(&*id.text())),
            consumer: Arc::clone(&self.program.name),
            idempotent: call.idempotent,
            timeout: call.timeout.map(|timeout| timeout.0),
        })
    }

    /// An event for other consumers; it must not have the type of emissions.
    pub(super) fn event_body(&mut self, event: &Expression) -> Result<Value, WriteError> {
        let body = self.value(event)?;
        match &body {
            body if Emission::is_relayed(body) => Err(format!("{:?} is a reserved event type", Emission::TYPE).into()),
            Value::Map(_) => Ok(body),
            other => Err(format!("an event must be an object, not {}", other.kind()).into()),
        }
    }

    pub(super) fn raw(&mut self, reply: &Expression) -> Result<Payload, MessageProblem> {
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
}
