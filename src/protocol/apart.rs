//! What consumers ask for when there is no connection (any more): that a client has gone, that a user is online or offline.
//!
//! In: a consumer's reaction. Out: publishes to the layer and calls to the backend, on the node's own runtime, so that the end
//! of a worker does not cut them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use crate::{
    backend::Backend,
    consumer::{Consumer, Context, Effect, Reaction},
    layer::Layer,
    warn_bounded,
};

/// How often a stopping node looks whether all is done.
const LOOK: Duration = Duration::from_millis(20);

/// Carries out what has no connection.
#[derive(Clone)]
pub struct Apart {
    layer: Arc<dyn Layer>,
    backend: Arc<dyn Backend>,
    runtime: Handle,
    open: Arc<AtomicUsize>,
}

impl Apart {
    /// With these parts of the node, on the runtime of the caller.
    pub fn new(layer: Arc<dyn Layer>, backend: Arc<dyn Backend>) -> Self {
        Self { layer, backend, runtime: Handle::current(), open: Arc::default() }
    }

    /// Begins to carry out a reaction; `what` it is of is for the log.
    pub fn carry_out(&self, consumer: Arc<Consumer>, context: Context, reaction: Reaction, what: &'static str) {
        if let Some(problem) = &reaction.problem {
            warn_bounded!("{}: {what} failed: {problem}", consumer.name());
        }
        if reaction.effects.is_empty() {
            return;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        let this = self.clone();
        self.runtime.spawn(async move {
            this.work(&consumer, context, reaction.effects).await;
            this.open.fetch_sub(1, Ordering::Relaxed);
        });
    }

    async fn work(&self, consumer: &Consumer, mut context: Context, effects: Vec<Effect>) {
        let mut work: Vec<Effect> = effects.into_iter().rev().collect();
        while let Some(effect) = work.pop() {
            match effect {
                Effect::Publish { group, body, .. } => {
                    if let Err(error) = self.layer.publish(&group, &body).await {
                        warn_bounded!("{}: an event for group {group} is not published: {error}", consumer.name());
                    }
                }
                Effect::Set(vars) => context.vars = vars,
                Effect::User(user) => context.user = user,
                Effect::Call { request, then } => {
                    let outcome = self.backend.call(*request).await;
                    work.extend(consumer.resume(&context, &then, outcome).effects.into_iter().rev());
                }
                other => log::debug!("{}: {other:?} has no effect without a connection", consumer.name()),
            }
        }
    }

    /// Resolves when everything that was begun is done.
    pub async fn finished(&self) {
        while self.open.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }
}
