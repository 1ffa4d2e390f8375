//! What is served at one path: an Engine.IO consumer, or Socket.IO namespaces with their consumers.

use std::{collections::HashMap, sync::Arc};

use crate::{
    config::Protocol,
    consumer::{Consumer, ConsumerId, ConsumerSet},
    protocol::engineio::Settings,
    socket::ConnectionLimits,
    telemetry::Metrics,
};

/// All consumers at one path.
pub struct Endpoint {
    namespaces: Vec<(Arc<str>, Vec<Arc<Consumer>>)>,
    raw: bool,
    limits: Arc<ConnectionLimits>,
}

impl Endpoint {
    /// Whether messages are the consumer's own, without Socket.IO.
    pub const fn is_raw(&self) -> bool {
        self.raw
    }

    /// The limits of connections that come in here; they count them, too.
    pub const fn limits(&self) -> &Arc<ConnectionLimits> {
        &self.limits
    }

    /// The name of a namespace, if it is served.
    pub fn namespace(&self, name: &str) -> Option<&Arc<str>> {
        self.namespaces.iter().map(|(known, _)| known).find(|known| ***known == *name)
    }

    /// The consumers of a namespace, in the order of the file.
    pub fn consumers(&self, name: &str) -> &[Arc<Consumer>] {
        self.namespaces.iter().find(|(known, _)| **known == *name).map_or(&[], |(_, served)| served)
    }
}

/// What will be an endpoint.
struct Door<'a> {
    path: &'a str,
    raw: bool,
    consumers: Vec<&'a Arc<Consumer>>,
    namespaces: Vec<(Arc<str>, Vec<Arc<Consumer>>)>,
}

/// All endpoints of the node, by each of their consumers.
#[derive(Default)]
pub struct Endpoints(HashMap<ConsumerId, Arc<Endpoint>>);

impl Endpoints {
    /// Those of the configuration: consumers that spell the same path share it.
    pub fn new(consumers: &ConsumerSet, settings: &Settings, metrics: &Metrics) -> Self {
        let mut by_path: Vec<Door> = Vec::new();
        for consumer in consumers.iter() {
            let spec = consumer.spec();
            let raw = match spec.protocol {
                Protocol::WebSocket => continue,
                Protocol::EngineIo => true,
                Protocol::SocketIo => false,
            };
            let path = spec.path.trim_end_matches('/');
            let at = by_path.iter().position(|door| door.path == path && door.raw == raw).unwrap_or_else(|| {
                by_path.push(Door { path, raw, consumers: Vec::new(), namespaces: Vec::new() });
                by_path.len() - 1
            });
            let Door { consumers, namespaces, .. } = &mut by_path[at];
            consumers.push(consumer);
            let name = consumer.namespace().unwrap_or("/");
            match namespaces.iter_mut().find(|(known, _)| **known == *name) {
                Some((_, all)) => all.push(Arc::clone(consumer)),
                None => namespaces.push((name.into(), vec![Arc::clone(consumer)])),
            }
        }
        let shared = by_path.into_iter().flat_map(|Door { raw, consumers, namespaces, .. }| {
            // A connection is nobody's alone: which consumers take it shows only when it connects to a namespace.
            let names: Vec<&str> = consumers.iter().map(|consumer| consumer.name()).collect();
            let open = metrics.open(&names.join(","), if raw { "engine.io" } else { "socket.io" });
            let endpoint = Arc::new(Endpoint { namespaces, raw, limits: settings.limits(open) });
            consumers.into_iter().map(move |consumer| (consumer.id(), Arc::clone(&endpoint)))
        });
        Self(shared.collect())
    }

    /// Where a consumer is served, unless it speaks plain WebSocket.
    pub fn of(&self, consumer: ConsumerId) -> Option<&Arc<Endpoint>> {
        self.0.get(&consumer)
    }
}
