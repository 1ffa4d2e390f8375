//! Continues a handler after an outcome; expressions see the answer as `result`.

use std::sync::Arc;

use super::{CallOp, Op, Program, Run, is_at_fault, is_busy};
use crate::{
    consumer::{
        context::Context,
        effect::{Continuation, MessageProblem, Outcome, Reaction, Suspended},
        expression::present::Room,
    },
    event::Value,
};

impl Program {
    /// Continues after an outcome.
    pub fn resume(&self, context: &Context, then: &Continuation, outcome: Outcome) -> Result<Reaction, MessageProblem> {
        let Continuation(then) = then;
        if let Outcome::Present(room, members) = outcome {
            return self.repeat(context, then, (room, members));
        }
        let Some(instruction) = self.ops.get(then.position as usize) else { return Ok(Reaction::default()) };
        let (handler, next) = match &instruction.op {
            Op::Call(call) => (call.handler, call.branch(&outcome, self.admits(call.handler))?),
            Op::Ask(ask) => {
                let branch = if matches!(outcome, Outcome::Acknowledged(_)) { ask.ok } else { ask.error };
                let Some(position) = branch else { return Ok(Reaction::default()) };
                (ask.handler, position)
            }
            Op::Refresh { handler, .. } => (*handler, then.position + 1),
            _ => return Ok(Reaction::default()),
        };
        let retry_after = if let Outcome::Answer { retry_after, .. } = &outcome { *retry_after } else { None };
        let mut results = then.results.clone();
        results.push(Arc::new(result(outcome)));
        Run::new(self, handler, context, then.input.message()).after(then.ack, results, retry_after).go(next)
    }
}

impl Program {
    /// Repeats the operation that lacked these members.
    fn repeat(
        &self,
        context: &Context,
        then: &Suspended,
        members: (Room, Arc<Value>),
    ) -> Result<Reaction, MessageProblem> {
        let Some(handler) = self.handler_at(then.position) else { return Ok(Reaction::default()) };
        let present = then.present.iter().cloned().chain([members]).collect();
        let run = Run::new(self, handler, context, then.input.message()).after(then.ack, then.results.clone(), None);
        run.knowing(present).go(then.position)
    }
}

impl CallOp {
    /// Where to continue. A client that requests admission (`admits`) is not at fault if the backend is, so `error` does
    /// not refuse it: it is handled as if there were no answer.
    fn branch(&self, outcome: &Outcome, admits: bool) -> Result<u32, MessageProblem> {
        let (reason, away, retry_after) = match outcome {
            Outcome::Acknowledged(_) | Outcome::Present(..) => return Ok(self.after),
            Outcome::Answer { status, retry_after, .. } => {
                if let Some((_, position)) = self.statuses.iter().find(|(one, _)| one == status) {
                    return Ok(*position);
                }
                if (200..300).contains(status) {
                    return Ok(self.ok.unwrap_or(self.after));
                }
                let away = if admits { is_at_fault(*status) } else { is_busy(*status) };
                (format!("was answered with status {status}"), away, *retry_after)
            }
            Outcome::Failed(reason) => (reason.clone(), true, None),
            Outcome::Unusable(reason) => (reason.clone(), admits, None),
            Outcome::NotAsked(reason) => (reason.clone(), false, None),
        };
        let branch = match (away, admits) {
            (true, true) => self.unavailable,
            (true, false) => self.unavailable.or(self.error),
            (false, _) => self.error,
        };
        branch.ok_or_else(|| {
            let reason = format!("{}: {reason}", self.action);
            if away { MessageProblem::Unavailable { reason, retry_after } } else { MessageProblem::Unanswered(reason) }
        })
    }
}

/// The answer as expressions see it.
fn result(outcome: Outcome) -> Value {
    let entries = match outcome {
        Outcome::Answer { status, body, .. } => [("status", Value::Int(status.into())), ("body", body)],
        Outcome::Acknowledged(args) => [("args", args), ("error", Value::Null)],
        Outcome::Present(..) => return Value::Null,
        Outcome::Failed(reason) | Outcome::Unusable(reason) | Outcome::NotAsked(reason) => {
            let nothing = [("status", Value::Null), ("body", Value::Null), ("error", reason.into())];
            return nothing.into_iter().collect();
        }
    };
    entries.into_iter().collect()
}
