//! Presence on this node: who is counted, and what consumers do when a member arrives or has left.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;

use crate::{
    config::Config,
    consumer::{Consumer, Consumers, Context},
    presence::{GracePeriods, Listener, NodePresence, Presence, PresenceChange},
    protocol::background::Background,
    telemetry::Metrics,
};

/// Grace for a member of an unknown scope: one of another node's consumer during a rolling restart.
const GRACE: Duration = Duration::from_secs(2);

/// How long members may be away, per consumer.
pub fn graces<'a>(consumers: impl Iterator<Item = &'a Arc<Consumer>>) -> GracePeriods {
    GracePeriods::new(by_consumer(consumers), GRACE)
}

/// The same, by consumer name.
pub fn by_consumer<'a>(
    consumers: impl Iterator<Item = &'a Arc<Consumer>>,
) -> impl Iterator<Item = (Arc<str>, Duration)> {
    consumers.filter_map(|consumer| Some((consumer.name().into(), consumer.presence_grace()?)))
}

/// Starts counting; `graces` may be exchanged later.
pub fn start(
    config: &Config,
    node: &str,
    consumers: &Consumers,
    graces: GracePeriods,
    background: &Background,
    metrics: Metrics,
) -> anyhow::Result<Arc<dyn Presence>> {
    let listener = listener(consumers, background);
    Ok(match config.redis_url() {
        None => Arc::new(NodePresence::alone(graces, listener, metrics)),
        Some(url) => {
            let heartbeat = config.cluster.heartbeat.0;
            let presence = NodePresence::shared(url.expose(), node, heartbeat, graces, listener, metrics);
            Arc::new(presence.context("the Redis of the presence")?)
        }
    })
}

fn listener(consumers: &Consumers, background: &Background) -> Listener {
    let (consumers, background) = (consumers.clone(), background.clone());
    Arc::new(move |change, member, user, at| {
        let Some(consumer) = consumers.now().iter().find(|consumer| consumer.name() == member.consumer()).cloned()
        else {
            return;
        };
        let room = member.room().unwrap_or_default().into();
        let context = Context { user, room, ..Context::default() };
        let (mut reaction, what) = match change {
            PresenceChange::Arrived => (consumer.on_online(&context), "on_online"),
            PresenceChange::Departed => (consumer.on_offline(&context), "on_offline"),
        };
        reaction.report(&member.scope, at);
        background.start((consumer, None), context, reaction, what);
    })
}
