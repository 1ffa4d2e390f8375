//! What is served to those who connect: endpoints, transports, origins. A reload exchanges it whole, so that a handshake
//! sees one configuration from its beginning to its end.

use super::cors::Cors;
use crate::{
    config::{Config, Transport},
    consumer::ConsumerSet,
    protocol::endpoint::Endpoints,
    telemetry::Metrics,
};

/// One configuration, for new connections.
pub struct ServingConfig {
    pub(super) endpoints: Endpoints,
    pub(super) compression: bool,
    pub(super) transports: Vec<Transport>,
    pub(super) cors: Cors,
}

impl ServingConfig {
    /// That of a configuration and its consumers.
    pub fn new(config: &Config, consumers: &ConsumerSet, metrics: &Metrics) -> Self {
        Self {
            endpoints: Endpoints::new(consumers, config, metrics),
            compression: config.socket.compression.enabled,
            transports: config.socketio.transports.clone(),
            cors: Cors::new(config),
        }
    }
}
