//! Continues a handler after an outcome; expressions see the answer as `result`.

use std::sync::Arc;

use super::{CallOp, Op, Program, Run};
use crate::{
    consumer::{
        context::Context,
        effect::{Continuation, MessageProblem, Outcome, Reaction},
    },
    event::Value,
};

impl Program {
    /// Continues after an outcome.
    pub fn resume(&self, context: &Context, then: &Continuation, outcome: Outcome) -> Result<Reaction, MessageProblem> {
        let Continuation(then) = then;
        let Some(instruction) = self.ops.get(then.position as usize) else { return Ok(Reaction::default()) };
        let (handler, next) = match &instruction.op {
            Op::Call(call) => match call.branch(&outcome) {
                Ok(position) => (call.handler, position),
                Err(problem) => return Ok(problem.into()),
            },
            Op::Ask(ask) => {
                let branch = if matches!(outcome, Outcome::Acknowledged(_)) { ask.ok } else { ask.error };
                let Some(position) = branch else { return Ok(Reaction::default()) };
                (ask.handler, position)
            }
            Op::Refresh { handler, .. } => (*handler, then.position + 1),
            _ => return Ok(Reaction::default()),
        };
        let mut results = then.results.clone();
        results.push(Arc::new(result(outcome)));
        Run::new(self, handler, context, then.input.message()).after(then.ack, results).go(next)
    }
}

impl CallOp {
    /// Where to continue.
    fn branch(&self, outcome: &Outcome) -> Result<u32, MessageProblem> {
        match outcome {
            Outcome::Answer { status, .. } => {
                let exactly = self.statuses.iter().find(|(one, _)| one == status).map(|(_, position)| *position);
                let good = (200..300).contains(status);
                exactly.or(if good { Some(self.ok.unwrap_or(self.after)) } else { self.error }).ok_or_else(|| {
                    MessageProblem::Unanswered(format!("{} was answered with status {status}", self.action))
                })
            }
            Outcome::Acknowledged(_) => Ok(self.after),
            Outcome::Failed(reason) => {
                self.error.ok_or_else(|| MessageProblem::Unanswered(format!("{}: {reason}", self.action)))
            }
        }
    }
}

/// The answer as expressions see it.
fn result(outcome: Outcome) -> Value {
    let entries = match outcome {
        Outcome::Answer { status, body } => [("status", Value::Int(status.into())), ("body", body)],
        Outcome::Acknowledged(args) => [("args", args), ("error", Value::Null)],
        Outcome::Failed(reason) => {
            let nothing = [("status", Value::Null), ("body", Value::Null), ("error", reason.into())];
            return nothing.into_iter().collect();
        }
    };
    entries.into_iter().collect()
}
