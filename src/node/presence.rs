//! Presence of this node: who is counted, and what consumers do when somebody comes or has gone.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;

use crate::{
    backend::Backend,
    config::Config,
    consumer::{ConsumerSet, Context},
    layer::Layer,
    presence::{Change, Graces, Listener, LocalPresence, Presence, RedisPresence},
    protocol::desk::carry_out_apart,
    telemetry::Metrics,
};

/// Before a member of an unknown scope counts as gone: of another node's consumer, while the cluster is being rolled.
const GRACE: Duration = Duration::from_secs(2);

/// Starts counting.
pub fn start(
    config: &Config,
    node: &str,
    consumers: &Arc<ConsumerSet>,
    layer: &Arc<dyn Layer>,
    backend: &Arc<dyn Backend>,
    metrics: Metrics,
) -> anyhow::Result<Arc<dyn Presence>> {
    let of = |consumer: &Arc<crate::consumer::Consumer>| Some((consumer.name().into(), consumer.presence_grace()?));
    let graces = Graces::new(consumers.iter().filter_map(of), GRACE);
    let listener = listener(consumers, layer, backend);
    Ok(match config.redis_url() {
        None => Arc::new(LocalPresence::start(graces, listener, metrics)),
        Some(url) => {
            let heartbeat = config.cluster.heartbeat.0;
            let presence = RedisPresence::start(url.expose(), node, heartbeat, graces, listener, metrics);
            Arc::new(presence.context("the Redis of the presence")?)
        }
    })
}

fn listener(consumers: &Arc<ConsumerSet>, layer: &Arc<dyn Layer>, backend: &Arc<dyn Backend>) -> Listener {
    let (consumers, layer, backend) = (Arc::clone(consumers), Arc::clone(layer), Arc::clone(backend));
    Arc::new(move |change, member, user| {
        let Some(consumer) = consumers.iter().find(|consumer| consumer.name() == &*member.scope).cloned() else {
            return;
        };
        let (layer, backend) = (Arc::clone(&layer), Arc::clone(&backend));
        tokio::spawn(async move {
            let context = Context { user, ..Context::default() };
            let reaction = match change {
                Change::Arrived => consumer.on_online(&context),
                Change::Departed => consumer.on_offline(&context),
            };
            carry_out_apart(&*layer, &*backend, &consumer, &context, reaction).await;
        });
    })
}
