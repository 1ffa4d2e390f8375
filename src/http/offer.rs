//! What is offered to those who connect: consumers, their rules and limits. A reload exchanges it whole, so that a handshake
//! sees one configuration from its beginning to its end.

use std::sync::Arc;

use super::{socketio::Cors, websocket::Rules};
use crate::{
    auth::AuthConfigError,
    config::{Config, Transport},
    consumer::ConsumerSet,
    protocol::socketio::Endpoints,
    socket::ConnectionLimits,
};

/// One configuration, for new connections.
pub struct Offer {
    pub(super) consumers: ConsumerSet,
    pub(super) rules: Rules,
    pub(super) compression: bool,
    pub(super) endpoints: Endpoints,
    pub(super) transports: Vec<Transport>,
    pub(super) cors: Cors,
    /// Of Engine.IO connections.
    pub(super) engine: Arc<ConnectionLimits>,
}

impl Offer {
    /// That of a configuration and its consumers.
    pub fn new(config: &Config, consumers: &ConsumerSet) -> Result<Self, AuthConfigError> {
        let engine = ConnectionLimits::new(&config.socket, Some(config.socketio.max_payload));
        Ok(Self {
            consumers: consumers.clone(),
            rules: Rules::new(consumers, &config.socket)?,
            compression: config.socket.compression.enabled,
            endpoints: Endpoints::new(consumers)?,
            transports: config.socketio.transports.clone(),
            cors: Cors::new(config),
            // The heartbeat is this protocol's own.
            engine: Arc::new(ConnectionLimits { pings: false, ..engine }),
        })
    }
}
