//! The endpoints by path: one table for plain WebSocket, Engine.IO and Socket.IO.
//!
//! In: the consumers of a configuration. Out: the [`Endpoint`] at a request's path, with its consumers and the limits
//! of its connections. It knows no request and no connection.

use std::sync::Arc;

use super::host::host;
use crate::{
    auth::RequestHead,
    config::{Config, Protocol},
    consumer::{self, Consumer, ConsumerSet, Snapshot, decode_path},
    event::Value,
    socket::{Answer, ConnectionLimits, Heartbeat, close::CloseCode, frame::Frame},
    telemetry::Metrics,
};

/// The endpoint at one path.
pub struct Endpoint {
    protocol: Protocol,
    /// The first of its consumers, which share the path.
    first: Arc<Consumer>,
    /// Which of the paths of that consumer it is.
    path: usize,
    /// One, unless it speaks Socket.IO.
    namespaces: Vec<Arc<Namespace>>,
    limits: Arc<ConnectionLimits>,
}

impl Endpoint {
    /// The protocol of its clients.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The limits of its connections, which also count them.
    pub const fn limits(&self) -> &Arc<ConnectionLimits> {
        &self.limits
    }

    /// Its consumer; the first one in Socket.IO, where there may be several.
    pub const fn consumer(&self) -> &Arc<Consumer> {
        &self.first
    }

    /// The host that a client named, if a consumer's expressions read it; empty if not.
    pub(super) fn host(&self, head: &RequestHead<'_>) -> Arc<str> {
        if self.reads_host() { host(head.host) } else { Arc::default() }
    }

    /// Whether a consumer's expressions read the host that the client named.
    pub(super) fn reads_host(&self) -> bool {
        let consumers = self.namespaces.iter().flat_map(|namespace| namespace.alike.iter().flatten());
        consumers.into_iter().any(|consumer| consumer.reads_host())
    }

    /// The namespace with this name, if there is one. Without Socket.IO there is only `/`.
    pub fn namespace(&self, name: &str) -> Option<&Arc<Namespace>> {
        self.namespaces.iter().find(|known| *known.name == *name && !known.first.has_namespaces())
    }

    /// The first form that a namespace has, with the namespace's parameters. As on Node, one that is configured without
    /// parameters comes first.
    pub fn form(&self, name: &str) -> Option<(&Arc<Namespace>, Value)> {
        self.namespaces.iter().find_map(|known| Some((known, known.first.namespace_parameters(name)?)))
    }
}

/// Consumers with a common connect.
pub struct Namespace {
    pub(super) name: Arc<str>,
    /// The first of its consumers in the file; its texts are used if none admits the client.
    pub(super) first: Arc<Consumer>,
    /// Its consumers grouped by authentication methods: those with the same methods see the same user, and a single-use
    /// token can be checked only once.
    pub(super) alike: Vec<Vec<Arc<Consumer>>>,
}

impl Namespace {
    /// One namespace of this form; it exists for as long as somebody holds its name.
    pub fn named(&self, name: &str, consumers: &Snapshot) -> Self {
        let name = consumers.enter(self.alike.iter().flatten(), name);
        Self { name, first: Arc::clone(&self.first), alike: self.alike.clone() }
    }

    fn add(&mut self, consumer: &Arc<Consumer>) {
        let is_same = |other: &Arc<Consumer>| other.auth() == consumer.auth() && other.invalid() == consumer.invalid();
        let is_alike = |alike: &&mut Vec<Arc<Consumer>>| alike.iter().any(is_same);
        match self.alike.iter_mut().find(is_alike) {
            Some(alike) => alike.push(Arc::clone(consumer)),
            None => self.alike.push(vec![Arc::clone(consumer)]),
        }
    }
}

/// A heartbeat for connections., encoded once
fn heartbeat(of: &consumer::Heartbeat) -> Arc<Heartbeat> {
    let answer = of.answer.as_ref().map(|answer| match answer {
        (None, text) => Answer::Text(text.clone()),
        (Some(key), kind) => Answer::Message { key: key.clone(), kind: kind.clone() },
    });
    Arc::new(Heartbeat {
        every: of.every,
        frame: Frame::new(&of.payload),
        answer,
        missed: of.missed,
        code: CloseCode::new(of.code).unwrap_or(CloseCode::POLICY_VIOLATION),
        reason: of.reason.clone(),
    })
}

/// All endpoints of a node.
pub struct Endpoints(Vec<Arc<Endpoint>>);

impl Endpoints {
    /// The endpoints of a configuration: consumers with the same spelling of a path share one.
    pub fn new(consumers: &ConsumerSet, config: &Config, metrics: &Metrics) -> Self {
        let mut by_path: Vec<(&str, usize, Protocol, Vec<&Arc<Consumer>>)> = Vec::new();
        for consumer in consumers.iter() {
            let protocol = consumer.protocol();
            for (index, path) in consumer.spec().path.as_slice().iter().enumerate() {
                let path = path.trim_end_matches('/');
                match by_path.iter_mut().find(|row| (row.0, row.2) == (path, protocol)) {
                    Some((.., sharing)) => sharing.push(consumer),
                    None => by_path.push((path, index, protocol, vec![consumer])),
                }
            }
        }
        let endpoint = |(_, path, protocol, consumers): (&str, usize, Protocol, Vec<&Arc<Consumer>>)| {
            // A connection does not belong to a single consumer: which of them admit it is decided when it connects to
            // a namespace.
            let names: Vec<&str> = consumers.iter().map(|consumer| consumer.name()).collect();
            let open = metrics.open(&names.join(","), protocol.name());
            let first = *consumers.first()?;
            let limits = match protocol {
                Protocol::WebSocket => ConnectionLimits {
                    heartbeat: first.heartbeat().map(heartbeat),
                    ..ConnectionLimits::new(&config.socket, first.spec().max_message)
                },
                // Engine.IO has its own heartbeat.
                Protocol::EngineIo | Protocol::SocketIo => {
                    let most = Some(config.socketio.max_payload);
                    ConnectionLimits { pings: false, ..ConnectionLimits::new(&config.socket, most) }
                }
            };
            let limits = Arc::new(ConnectionLimits { open, ..limits });
            let namespaces = namespaces(&consumers).into_iter().map(Arc::new).collect();
            Some(Arc::new(Endpoint { protocol, path, first: Arc::clone(first), namespaces, limits }))
        };
        Self(by_path.into_iter().filter_map(endpoint).collect())
    }

    /// The first endpoint for a request's raw path (percent-encoded, without the query), and the path's parameters.
    pub fn route(&self, path: &str) -> Option<(&Arc<Endpoint>, Value)> {
        let path = decode_path(path);
        self.0.iter().find_map(|endpoint| Some((endpoint, endpoint.first.matches_path(endpoint.path, &path)?)))
    }
}

fn namespaces(consumers: &[&Arc<Consumer>]) -> Vec<Namespace> {
    let mut namespaces: Vec<Namespace> = Vec::new();
    for consumer in consumers {
        let name = consumer.namespace().unwrap_or("/");
        let at = namespaces.iter().position(|known| *known.name == *name).unwrap_or_else(|| {
            namespaces.push(Namespace { name: name.into(), first: Arc::clone(consumer), alike: Vec::new() });
            namespaces.len() - 1
        });
        namespaces[at].add(consumer);
    }
    namespaces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load_text};

    const CONFIG: &str = r#"
presets = []
[[consumer]]
name = "plain"
path = "/ws/<int:room>/"
max_message = 77
[[consumer]]
name = "raw"
protocol = "engine.io"
path = "/engine.io/"
[[consumer]]
name = "a"
protocol = "socket.io"
path = "/socket.io/"
auth = ["ws_token"]
[[consumer]]
name = "b"
protocol = "socket.io"
path = "/socket.io"
auth = ["jwt", "anonymous"]
[[consumer]]
name = "c"
protocol = "socket.io"
path = "/socket.io/"
auth = ["ws_token"]
[[consumer]]
name = "d"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/admin"
"#;

    fn endpoints() -> Endpoints {
        let (config, errors) = load_text(Some((std::path::Path::new("test.toml"), CONFIG)), &Environment::default());
        assert_eq!(errors, []);
        Endpoints::new(&ConsumerSet::compile(&config).unwrap(), &config, &Metrics::new())
    }

    #[test]
    fn every_protocol_is_a_row_of_one_table_and_a_path_is_looked_up_once() {
        let endpoints = endpoints();
        for (path, protocol, name, most) in [
            ("/ws/7/", Protocol::WebSocket, "plain", 77),
            ("/ws/7", Protocol::WebSocket, "plain", 77),
            ("/engine.io/", Protocol::EngineIo, "raw", 1_000_000),
            ("/socket.io/", Protocol::SocketIo, "a", 1_000_000),
        ] {
            let (endpoint, route) = endpoints.route(path).unwrap();
            assert_eq!((endpoint.protocol(), endpoint.consumer().name()), (protocol, name), "{path}");
            assert_eq!(endpoint.limits().max_message, most, "{path}");
            assert_eq!(route.get("room"), path.starts_with("/ws").then_some(&Value::Int(7)), "{path}");
        }
        assert!(endpoints.route("/ws/x/").is_none() && endpoints.route("/").is_none());
    }

    #[test]
    fn consumers_of_a_namespace_are_grouped_by_authentication() {
        let endpoints = endpoints();
        let (endpoint, _) = endpoints.route("/socket.io/").unwrap();
        let namespace = endpoint.namespace("/").unwrap();
        let names = |alike: &Vec<Arc<Consumer>>| alike.iter().map(|consumer| consumer.name().to_owned()).collect();
        let alike: Vec<Vec<String>> = namespace.alike.iter().map(names).collect();
        assert_eq!(alike, [vec!["a", "c"], vec!["b"]]);
        assert_eq!((namespace.first.name(), &*namespace.name), ("a", "/"));
        assert_eq!(endpoint.namespace("/admin").unwrap().first.name(), "d");
        assert!(endpoint.namespace("/other").is_none());
    }
}
