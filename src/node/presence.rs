//! Presence of this node: who is counted, and what consumers do when somebody comes or has gone.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;

use crate::{
    config::Config,
    consumer::{ConsumerSet, Context},
    presence::{Change, Graces, Listener, LocalPresence, Presence, RedisPresence},
    protocol::apart::Apart,
    telemetry::Metrics,
};

/// Before a member of an unknown scope counts as gone: of another node's consumer, while the cluster is being rolled.
const GRACE: Duration = Duration::from_secs(2);

/// Starts counting.
pub fn start(
    config: &Config,
    node: &str,
    consumers: &Arc<ConsumerSet>,
    apart: &Apart,
    metrics: Metrics,
) -> anyhow::Result<Arc<dyn Presence>> {
    let of = |consumer: &Arc<crate::consumer::Consumer>| Some((consumer.name().into(), consumer.presence_grace()?));
    let graces = Graces::new(consumers.iter().filter_map(of), GRACE);
    let listener = listener(consumers, apart);
    Ok(match config.redis_url() {
        None => Arc::new(LocalPresence::start(graces, listener, metrics)),
        Some(url) => {
            let heartbeat = config.cluster.heartbeat.0;
            let presence = RedisPresence::start(url.expose(), node, heartbeat, graces, listener, metrics);
            Arc::new(presence.context("the Redis of the presence")?)
        }
    })
}

fn listener(consumers: &Arc<ConsumerSet>, apart: &Apart) -> Listener {
    let (consumers, apart) = (Arc::clone(consumers), apart.clone());
    Arc::new(move |change, member, user| {
        let Some(consumer) = consumers.iter().find(|consumer| consumer.name() == &*member.scope).cloned() else {
            return;
        };
        let context = Context { user, ..Context::default() };
        let (reaction, what) = match change {
            Change::Arrived => (consumer.on_online(&context), "on_online"),
            Change::Departed => (consumer.on_offline(&context), "on_offline"),
        };
        apart.carry_out(consumer, context, reaction, what);
    })
}
