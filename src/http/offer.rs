//! What is offered to those who connect: consumers, their rules and limits. A reload exchanges it whole, so that a handshake
//! sees one configuration from its beginning to its end.

use super::{socketio::Cors, websocket::Rules};
use crate::{
    config::{Config, Transport},
    consumer::ConsumerSet,
    protocol::{engineio::Settings, socketio::Endpoints},
    telemetry::Metrics,
};

/// One configuration, for new connections.
pub struct Offer {
    pub(super) consumers: ConsumerSet,
    pub(super) rules: Rules,
    pub(super) compression: bool,
    pub(super) endpoints: Endpoints,
    pub(super) transports: Vec<Transport>,
    pub(super) cors: Cors,
}

impl Offer {
    /// That of a configuration and its consumers.
    pub fn new(config: &Config, consumers: &ConsumerSet, metrics: &Metrics) -> Self {
        Self {
            consumers: consumers.clone(),
            rules: Rules::new(consumers, &config.socket, metrics),
            compression: config.socket.compression.enabled,
            endpoints: Endpoints::new(consumers, &Settings::new(config), metrics),
            transports: config.socketio.transports.clone(),
            cors: Cors::new(config),
        }
    }
}
