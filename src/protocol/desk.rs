//! What the sessions of one worker work with.

use std::{rc::Rc, sync::Arc};

use crate::{
    backend::Backend,
    consumer::{Consumer, Context, Effect, Reaction},
    hub::Shard,
    layer::Layer,
    presence::Presence,
    telemetry::Metrics,
    warn_bounded,
};

/// The parts of the node that carry out what consumers ask for.
pub struct Desk {
    /// Who gets what, on this worker.
    pub shard: Rc<Shard>,
    /// Who answers calls.
    pub backend: Arc<dyn Backend>,
    /// Who is there.
    pub presence: Arc<dyn Presence>,
    /// The counters.
    pub metrics: Metrics,
}

/// Why a connection is not admitted: the text for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl Desk {
    /// Asks the consumer's `on_admit` whether a user that is authenticated may come in; gives the context as it then is.
    pub async fn admit(&self, consumer: &Consumer, mut context: Context) -> Result<Context, Refused> {
        let mut work: Vec<Effect> = Vec::new();
        let push = |work: &mut Vec<Effect>, reaction: Reaction| {
            if let Some(problem) = &reaction.problem {
                self.metrics.refused_message(problem.label());
                warn_bounded!("{}: on_admit failed: {problem}", consumer.name());
                return Err(Refused(consumer.rejection_text(false).to_owned()));
            }
            work.extend(reaction.effects.into_iter().rev());
            Ok(())
        };
        push(&mut work, consumer.admit(&context))?;
        while let Some(effect) = work.pop() {
            match effect {
                Effect::Refuse { message } => return Err(Refused(message)),
                Effect::Set(vars) => context.vars = vars,
                Effect::User(user) => context.user = user,
                Effect::Call { request, then } => {
                    let outcome = self.backend.call(*request).await;
                    push(&mut work, consumer.resume(&context, &then, outcome))?;
                }
                other => log::debug!("{}: {other:?} has no effect before the connection is open", consumer.name()),
            }
        }
        Ok(context)
    }
}

/// Carries out what a consumer asks for when there is no connection (any more), such as the news that somebody has left.
pub async fn carry_out_apart(
    layer: &dyn Layer,
    backend: &dyn Backend,
    consumer: &Consumer,
    context: &Context,
    reaction: Reaction,
) {
    if let Some(problem) = &reaction.problem {
        warn_bounded!("{}: on_offline failed: {problem}", consumer.name());
    }
    let mut context = context.clone();
    let mut work: Vec<Effect> = reaction.effects.into_iter().rev().collect();
    while let Some(effect) = work.pop() {
        match effect {
            Effect::Publish { group, body, .. } => {
                if let Err(error) = layer.publish(&group, &body).await {
                    warn_bounded!("{}: an event for group {group} is not published: {error}", consumer.name());
                }
            }
            Effect::Set(vars) => context.vars = vars,
            Effect::User(user) => context.user = user,
            Effect::Call { request, then } => {
                let outcome = backend.call(*request).await;
                work.extend(consumer.resume(&context, &then, outcome).effects.into_iter().rev());
            }
            other => log::debug!("{}: {other:?} has no effect without a connection", consumer.name()),
        }
    }
}
