//! The configuration for new connections: endpoints, transports, origins. A reload replaces it as a whole, so that a
//! handshake sees a single configuration from beginning to end.

use super::cors::Cors;
use crate::{
    config::{Config, Transport, Upstream},
    consumer::ConsumerSet,
    protocol::{endpoint::Endpoints, refusal::OriginRule},
    telemetry::Metrics,
};

/// One configuration, for new connections.
pub struct ServingConfig {
    pub(super) endpoints: Endpoints,
    pub(super) compression: bool,
    pub(super) transports: Vec<Transport>,
    pub(super) cors: Cors,
    /// The rule for the origins of plain WebSockets.
    pub(super) origins: OriginRule,
    pub(super) token_cors: Cors,
    /// Where everything else is passed on to.
    pub(super) proxy: Option<Upstream>,
}

impl ServingConfig {
    /// From a configuration and its consumers.
    pub fn new(config: &Config, consumers: &ConsumerSet, metrics: &Metrics) -> Self {
        Self {
            endpoints: Endpoints::new(consumers, config, metrics),
            compression: config.socket.compression.enabled,
            transports: config.socketio.transports.clone(),
            cors: Cors::new(config),
            origins: OriginRule::of("server.allowed_origins", config.server.allowed_origins.as_deref()),
            token_cors: Cors::for_tokens(config),
            proxy: config.server.proxy.clone(),
        }
    }
}
