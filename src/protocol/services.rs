//! The services for the sessions of one worker.

use std::{rc::Rc, sync::Arc};

use super::{
    background::Background,
    effects::{Remaining, Stage, Wait, carry_out},
};
use crate::{
    admission::AdmissionControl,
    auth::Authenticator,
    backend::Backend,
    consumer::{Consumer, Context, Effect, Reaction},
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
    /// Counts members.
    pub presence: Arc<dyn Presence>,
    /// Runs work after a connection has closed.
    pub background: Background,
    /// The counters.
    pub metrics: Metrics,
}

/// Why a connection is not admitted: the text for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmitError(pub String);

impl WorkerServices {
    /// Runs the consumer's `on_admit` for an authenticated user; returns the context after it.
    pub async fn admit(&self, consumer: &Consumer, mut context: Context) -> Result<Context, AdmitError> {
        let mut work: Vec<Effect> = Vec::new();
        let push = |work: &mut Vec<Effect>, reaction: Reaction| {
            if let Some(problem) = &reaction.problem {
                self.metrics.refused_message(problem.label());
                warn_bounded!("{}: on_admit failed: {problem}", consumer.name());
                return Err(AdmitError(consumer.rejection_text(false).to_owned()));
            }
            work.extend(reaction.effects.into_iter().rev());
            Ok(())
        };
        push(&mut work, consumer.admit(&context))?;
        while let Some(effect) = work.pop() {
            match carry_out(effect, consumer, Stage::Admission(&mut context)) {
                Remaining::Refuse(message) => return Err(AdmitError(message)),
                Remaining::Wait(Wait::Call { request, then }) => {
                    let outcome = self.backend.call(*request).await;
                    push(&mut work, consumer.resume(&context, &then, outcome))?;
                }
                Remaining::Done | Remaining::Ask { .. } | Remaining::Wait(_) => {}
            }
        }
        Ok(context)
    }
}
