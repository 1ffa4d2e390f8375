//! The services for the sessions of one worker.

use std::{rc::Rc, sync::Arc, time::Duration};

use super::{
    background::Background,
    effects::{Remaining, Stage, Wait, carry_out},
    login_deadlines::LoginDeadlines,
};
use crate::{
    admission::AdmissionControl,
    auth::Authenticator,
    backend::{Backend, bridge::Bridge},
    consumer::{Consumer, Context, Denial, Effect, MessageProblem, Reaction, Rejected},
    hub::Shard,
    presence::Presence,
    telemetry::Metrics,
    warn_bounded,
};

/// The parts of the node that carry out consumers' effects.
pub struct WorkerServices {
    /// The admission limits.
    pub control: Arc<AdmissionControl>,
    /// This worker's part of the hub.
    pub shard: Rc<Shard>,
    /// Checks new tokens.
    pub authenticator: Arc<Authenticator>,
    /// Answers calls.
    pub backend: Arc<dyn Backend>,
    /// Runs the project's own consumers.
    pub bridge: Arc<dyn Bridge>,
    /// Counts members.
    pub presence: Arc<dyn Presence>,
    /// Runs work after a connection has closed.
    pub background: Background,
    /// Ends clients that do not log in.
    pub logins: Rc<LoginDeadlines>,
    /// The counters.
    pub metrics: Metrics,
}

/// Why a connection is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdmitError {
    /// `on_admit` refuses it, or fails on what the client has sent.
    Denied(Denial),
    /// The backend gave no answer, or none that `on_admit` can use.
    Backend {
        /// When a retry makes sense, if the backend said so.
        retry_after: Option<Duration>,
    },
    /// Its state would be too large.
    State,
}

impl WorkerServices {
    /// Runs the consumer's `on_admit` for an authenticated user; returns the context after it.
    pub async fn admit(&self, consumer: &Consumer, mut context: Context) -> Result<Context, AdmitError> {
        let mut work: Vec<Effect> = Vec::new();
        let push = |work: &mut Vec<Effect>, reaction: Reaction, answered: bool| {
            if let Some(problem) = reaction.problem {
                self.metrics.refused_message(problem.label());
                warn_bounded!("{}: on_admit failed: {problem}", consumer.name());
                return Err(not_admitted(&problem, answered, consumer));
            }
            work.extend(reaction.effects.into_iter().rev());
            Ok(())
        };
        push(&mut work, consumer.admit(&context), false)?;
        while let Some(effect) = work.pop() {
            match carry_out(effect, consumer, Stage::Admission(&mut context)) {
                Remaining::Refuse(denial) => return Err(AdmitError::Denied(denial)),
                Remaining::Wait(Wait::Call { request, then }) => {
                    let outcome = self.backend.call(*request).await;
                    push(&mut work, consumer.resume(&context, &then, outcome), true)?;
                }
                Remaining::Done | Remaining::Ask { .. } | Remaining::Wait(_) => {}
            }
        }
        Ok(context)
    }
}

/// What a problem of `on_admit` means. If the backend has answered, a handler that fails does so on the answer: the
/// client can do nothing about that.
fn not_admitted(problem: &MessageProblem, answered: bool, consumer: &Consumer) -> AdmitError {
    match problem {
        MessageProblem::Unavailable { retry_after, .. } => AdmitError::Backend { retry_after: *retry_after },
        MessageProblem::Failed(_) | MessageProblem::TooLarge(_) if answered => {
            AdmitError::Backend { retry_after: None }
        }
        MessageProblem::State => AdmitError::State,
        _ => AdmitError::Denied(Denial {
            text: consumer.rejection_text(Rejected::Forbidden).into(),
            ..Denial::default()
        }),
    }
}
