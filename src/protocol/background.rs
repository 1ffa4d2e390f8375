//! Carries out effects without a connection: after a client has gone, or when a user comes online or goes offline.
//!
//! In: a consumer's reaction. Out: publishes to the layer and calls to the backend, on the node's own runtime, so that
//! the end of a worker does not interrupt them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use super::effects::{Remaining, Stage, Wait, carry_out};
use crate::{
    backend::Backend,
    consumer::{Consumer, Context, Effect, Reaction},
    event::{Emission, listed},
    layer::Layer,
    warn_bounded,
};

/// How often a stopping node checks whether all work is done.
const LOOK: Duration = Duration::from_millis(20);

/// Carries out effects without a connection.
#[derive(Clone)]
pub struct Background {
    layer: Arc<dyn Layer>,
    backend: Arc<dyn Backend>,
    runtime: Handle,
    open: Arc<AtomicUsize>,
}

impl Background {
    /// With these parts of the node, on the caller's runtime.
    pub fn new(layer: Arc<dyn Layer>, backend: Arc<dyn Backend>) -> Self {
        Self { layer, backend, runtime: Handle::current(), open: Arc::default() }
    }

    /// Starts to carry out a reaction; `what` names its cause in the log.
    ///
    /// With the namespace of the client, if the consumer serves several.
    pub fn start(
        &self,
        (consumer, namespace): (Arc<Consumer>, Option<Arc<str>>),
        context: Context,
        reaction: Reaction,
        what: &'static str,
    ) {
        if let Some(problem) = &reaction.problem {
            warn_bounded!("{}: {what} failed: {problem}", consumer.name());
        }
        if reaction.effects.is_empty() {
            return;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        let this = self.clone();
        self.runtime.spawn(async move {
            this.work(&consumer, namespace.as_deref(), context, reaction.effects).await;
            this.open.fetch_sub(1, Ordering::Relaxed);
        });
    }

    async fn work(&self, consumer: &Consumer, namespace: Option<&str>, mut context: Context, effects: Vec<Effect>) {
        let mut work: Vec<Effect> = effects.into_iter().rev().collect();
        while let Some(effect) = work.pop() {
            // Not in the `match`: the stage must not live across the await.
            let step = carry_out(effect, consumer, Stage::Background(&mut context));
            match step {
                Remaining::Wait(Wait::Publish { group, body, .. }) => {
                    if let Err(error) = self.layer.publish(&group, &body).await {
                        warn_bounded!("{}: cannot publish an event for group {group}: {error}", consumer.name());
                    }
                }
                Remaining::Wait(Wait::Send { channel, body }) => {
                    if let Err(error) = self.layer.send(&channel, &body).await {
                        warn_bounded!("{}: cannot send a message to channel {channel}: {error}", consumer.name());
                    }
                }
                Remaining::Wait(Wait::Emit { groups, mut body, .. }) => {
                    if let Some(namespace) = namespace {
                        Emission::keep_in(&mut body, namespace);
                    }
                    if let Err(error) = self.layer.emit(&groups, &body).await {
                        let groups = listed(&groups);
                        warn_bounded!("{}: cannot publish an event for {groups}: {error}", consumer.name());
                    }
                }
                Remaining::Wait(Wait::Call { request, then }) => {
                    let outcome = self.backend.call(*request).await;
                    work.extend(consumer.resume(&context, &then, outcome).effects.into_iter().rev());
                }
                Remaining::Done | Remaining::Refuse(_) | Remaining::Ask { .. } | Remaining::Wait(_) => {}
            }
        }
    }

    /// Resolves when all started work is done.
    pub async fn finished(&self) {
        while self.open.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }
}
