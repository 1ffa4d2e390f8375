//! What is served, by path: one table for plain WebSocket, Engine.IO and Socket.IO.
//!
//! In: the consumers of a configuration. Out: the [`Endpoint`] at a request's path, with its consumers and the limits of its
//! connections. It knows no request and no connection.

use std::sync::Arc;

use crate::{
    config::{AuthMethod, Config, Protocol},
    consumer::{Consumer, ConsumerSet, decode_path},
    event::Value,
    socket::ConnectionLimits,
    telemetry::Metrics,
};

/// What is served at one path.
pub struct Endpoint {
    protocol: Protocol,
    /// The first of its consumers, which have the path in common.
    first: Arc<Consumer>,
    /// One, unless it speaks Socket.IO.
    namespaces: Vec<Arc<Namespace>>,
    limits: Arc<ConnectionLimits>,
}

impl Endpoint {
    fn new(protocol: Protocol, consumers: &[&Arc<Consumer>], first: &Arc<Consumer>, limits: ConnectionLimits) -> Self {
        let mut namespaces: Vec<Namespace> = Vec::new();
        for consumer in consumers {
            let name = consumer.namespace().unwrap_or("/");
            match namespaces.iter_mut().find(|known| *known.name == *name) {
                Some(namespace) => namespace.add(consumer),
                None => namespaces.push(Namespace::new(name, consumer)),
            }
        }
        let namespaces = namespaces.into_iter().map(Arc::new).collect();
        Self { protocol, first: Arc::clone(first), namespaces, limits: Arc::new(limits) }
    }

    /// What its clients speak.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The limits of connections that come in here; they count them, too.
    pub const fn limits(&self) -> &Arc<ConnectionLimits> {
        &self.limits
    }

    /// Its consumer; the first one in Socket.IO, where there may be several.
    pub const fn consumer(&self) -> &Arc<Consumer> {
        &self.first
    }

    /// A namespace, if it is served. Without Socket.IO there is only `/`.
    pub fn namespace(&self, name: &str) -> Option<&Arc<Namespace>> {
        self.namespaces.iter().find(|known| *known.name == *name)
    }
}

/// Consumers whose clients come in together.
pub struct Namespace {
    name: Arc<str>,
    first: Arc<Consumer>,
    alike: Vec<Alike>,
}

/// Consumers that authenticate alike, in the order of the file: they see the same user, and some tokens are good for one
/// look only.
pub struct Alike(Vec<Arc<Consumer>>);

impl Namespace {
    fn new(name: &str, first: &Arc<Consumer>) -> Self {
        Self { name: name.into(), first: Arc::clone(first), alike: vec![Alike(vec![Arc::clone(first)])] }
    }

    fn add(&mut self, consumer: &Arc<Consumer>) {
        match self.alike.iter_mut().find(|alike| alike.methods() == consumer.auth()) {
            Some(Alike(consumers)) => consumers.push(Arc::clone(consumer)),
            None => self.alike.push(Alike(vec![Arc::clone(consumer)])),
        }
    }

    /// Its name.
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The first of its consumers in the file, which has the word where none admits a client.
    pub const fn consumer(&self) -> &Arc<Consumer> {
        &self.first
    }

    /// How many consumers it has.
    pub fn count(&self) -> usize {
        self.alike.iter().map(|Alike(consumers)| consumers.len()).sum()
    }

    /// Its consumers by their ways to authenticate; those of the first one in the file stand first.
    pub fn alike(&self) -> &[Alike] {
        &self.alike
    }
}

impl Alike {
    /// Their ways to authenticate.
    pub fn methods(&self) -> &[AuthMethod] {
        self.0.first().map_or(&[], |consumer| consumer.auth())
    }

    /// Whether a connection ends with its token for one of them.
    pub fn end_with_token(&self) -> bool {
        self.0.iter().any(|consumer| consumer.ends_with_token())
    }

    /// The consumers.
    pub fn consumers(&self) -> &[Arc<Consumer>] {
        &self.0
    }
}

/// Everything that a node serves.
pub struct Endpoints(Vec<Arc<Endpoint>>);

impl Endpoints {
    /// Those of a configuration: consumers that spell the same path share it.
    pub fn new(consumers: &ConsumerSet, config: &Config, metrics: &Metrics) -> Self {
        let mut by_path: Vec<(&str, Protocol, Vec<&Arc<Consumer>>)> = Vec::new();
        for consumer in consumers.iter() {
            let (path, protocol) = (consumer.spec().path.trim_end_matches('/'), consumer.protocol());
            match by_path.iter_mut().find(|row| (row.0, row.1) == (path, protocol)) {
                Some((_, _, sharing)) => sharing.push(consumer),
                None => by_path.push((path, protocol, vec![consumer])),
            }
        }
        let endpoint = |(_, protocol, consumers): (&str, Protocol, Vec<&Arc<Consumer>>)| {
            let first = *consumers.first()?;
            let limits = limits(protocol, first, &consumers, config, metrics);
            Some(Arc::new(Endpoint::new(protocol, &consumers, first, limits)))
        };
        Self(by_path.into_iter().filter_map(endpoint).collect())
    }

    /// The first endpoint for a request's path (percent-encoded, as it came, without the query), and the path's parameters.
    pub fn route(&self, path: &str) -> Option<(&Arc<Endpoint>, Value)> {
        let path = decode_path(path);
        self.0.iter().find_map(|endpoint| Some((endpoint, endpoint.first.matches(&path)?)))
    }
}

fn limits(
    protocol: Protocol,
    first: &Consumer,
    consumers: &[&Arc<Consumer>],
    config: &Config,
    metrics: &Metrics,
) -> ConnectionLimits {
    // A connection belongs to no single consumer: which of them take it shows only when it connects to a namespace.
    let names: Vec<&str> = consumers.iter().map(|consumer| consumer.name()).collect();
    let open = metrics.open(&names.join(","), protocol.name());
    match protocol {
        Protocol::WebSocket => {
            ConnectionLimits { open, ..ConnectionLimits::new(&config.socket, first.spec().max_message) }
        }
        // The heartbeat is Engine.IO's own.
        Protocol::EngineIo | Protocol::SocketIo => {
            let most = Some(config.socketio.max_payload);
            ConnectionLimits { open, pings: false, ..ConnectionLimits::new(&config.socket, most) }
        }
    }
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
at_expiry = "close"
[[consumer]]
name = "c"
protocol = "socket.io"
path = "/socket.io/"
auth = ["ws_token"]
at_expiry = "close"
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
    fn consumers_of_a_namespace_stand_together_where_they_authenticate_alike() {
        let endpoints = endpoints();
        let (endpoint, _) = endpoints.route("/socket.io/").unwrap();
        let namespace = endpoint.namespace("/").unwrap();
        let groups: Vec<(Vec<&str>, &[AuthMethod], bool)> = namespace
            .alike()
            .iter()
            .map(|alike| {
                let names = alike.consumers().iter().map(|consumer| consumer.name()).collect();
                (names, alike.methods(), alike.end_with_token())
            })
            .collect();
        let expected: [(Vec<&str>, &[AuthMethod], bool); 2] = [
            (vec!["a", "c"], &[AuthMethod::WsToken], true),
            (vec!["b"], &[AuthMethod::Jwt, AuthMethod::Anonymous], true),
        ];
        assert_eq!(groups, expected);
        assert_eq!((namespace.count(), namespace.consumer().name(), &**namespace.name()), (3, "a", "/"));
        assert_eq!(endpoint.namespace("/admin").unwrap().count(), 1);
        assert!(endpoint.namespace("/other").is_none());
    }
}
