//! Sessions without a socket: gap notices after lost messages; `calls` has those whose consumer Django runs, `outcomes`
//! what events ask of a connection.

mod calls;
mod outcomes;
mod shared;

use std::time::Instant;

use super::*;
use crate::{
    admission::AdmissionControl,
    auth::{Authenticator, MemoryCache},
    backend::{
        NoBackend,
        bridge::{Bridge, NoBridge},
    },
    config::{self, Config, Environment, load_text},
    consumer::{ConsumerSet, Consumers},
    event::{ConnectionId, Event, GroupName, Source},
    hub::{Dispatcher, Receiver, Registry, Shard},
    layer::{Layer, Signal, memory::MemoryLayer},
    presence::{GracePeriods, NodePresence},
    protocol::background::Background,
    socket::{Connection, ConnectionLimits, Connections},
    telemetry::Metrics,
};

const CONSUMER: &str = r#"
[[consumer]]
path = "/feed/"
[consumer.on_gap]
when = "query.gaps == '1'"
send = "{'lost': gap.reason}"
"#;

/// Before consumers that Django runs.
const WITH_DJANGO: &str = r#"
[server]
allowed_origins = ["https://example.org"]
[backend]
url = "http://127.0.0.1:1/channelgate"
secret = "s"
"#;

/// One worker's services around consumers, without a socket.
struct Worker {
    consumers: ConsumerSet,
    services: Rc<WorkerServices>,
    connections: Rc<Connections>,
    dispatcher: Dispatcher,
    receiver: Cell<Option<Receiver>>,
}

impl Worker {
    /// With consumers that Django runs.
    fn with_django(consumers: &str, bridge: Arc<dyn Bridge>) -> Self {
        Self::new(&format!("{WITH_DJANGO}{consumers}"), bridge)
    }

    fn new(text: &str, bridge: Arc<dyn Bridge>) -> Self {
        let (config, errors) = load_text(Some((std::path::Path::new("test.toml"), text)), &Environment::default());
        assert_eq!(errors, []);
        let consumers = ConsumerSet::compile(&config).unwrap_or_else(|errors| panic!("{errors}"));
        let metrics = Metrics::new();
        let layer: Arc<dyn Layer> = Arc::new(MemoryLayer::new(metrics.clone()));
        let registry = Arc::new(Registry::new(Arc::clone(&layer)));
        let consumers_now = Consumers::new(consumers.clone());
        let dispatcher = {
            let max_calls = config.bridge.max_calls_per_event;
            Dispatcher::new(Arc::clone(&registry), consumers_now, max_calls, metrics.clone())
        };
        let inbox = dispatcher.connect().unwrap();
        let graces = GracePeriods::new(std::iter::empty(), std::time::Duration::ZERO);
        let services = Rc::new(WorkerServices {
            control: AdmissionControl::new(&Config::default(), "node", metrics.clone()).unwrap(),
            shard: Shard::new(&inbox, registry, metrics.clone()),
            backend: Arc::new(NoBackend),
            bridge,
            presence: Arc::new(NodePresence::alone(graces, Arc::new(|_, _, _, _| {}), metrics.clone())),
            background: Background::new(layer, Arc::new(NoBackend)),
            authenticator: Arc::new(Authenticator::new(&Config::default(), Arc::new(MemoryCache::new())).unwrap()),
            logins: Rc::default(),
            metrics: metrics.clone(),
        });
        let connections = Connections::new(&config::Socket::default(), &config::Server::default(), metrics);
        Self { consumers, services, connections, dispatcher, receiver: Cell::new(Some(inbox)) }
    }

    /// Delivers from now on.
    fn run(&self) {
        let receiver = self.receiver.take().expect("it runs once");
        actix_rt::spawn(Rc::clone(&self.services.shard).run(receiver));
    }

    fn event(&self, group: &str, kind: &str, number: i64) {
        let body = [("type", Value::from(kind)), ("n", number.into())].into_iter().collect();
        let group = GroupName::new(group).unwrap();
        self.dispatcher.take(Signal::Event(Event { group, body, source: Source::Core, received: Instant::now() }));
    }

    /// A connection with this query and id, and its session.
    fn session(&self, query: &str, id: ConnectionId) -> (Rc<Connection>, Rc<Member>, Rc<Session>) {
        self.session_at(Value::Null, query, id)
    }

    /// The same, with these parameters of the path.
    fn session_at(&self, route: Value, query: &str, id: ConnectionId) -> (Rc<Connection>, Rc<Member>, Rc<Session>) {
        let consumer = self.consumers.iter().next().unwrap();
        let limits = Arc::new(ConnectionLimits::new(&config::Socket::default(), None));
        let connection = Connection::pending(Rc::clone(&self.connections), limits, None);
        let id = Some(id);
        let member = Member::new(Rc::clone(&connection), id, config::BeforeSubscribe::None);
        let context = Context { route, query: crate::protocol::query(query), id, ..Context::default() };
        if consumer.asks_for_gaps(&context) {
            member.tell_gaps(consumer.id());
        }
        let bindings = Box::new([Binding::new(Arc::clone(consumer), context, None)]);
        let outlet = Rc::clone(&connection) as Rc<dyn Outlet>;
        let session = Session::new(Rc::clone(&self.services), outlet, Rc::clone(&member), bindings, 0);
        (connection, member, session)
    }
}

#[tokio::test]
async fn only_a_client_that_asked_gets_a_notice_of_lost_messages() {
    let worker = Worker::new(CONSUMER, Arc::new(NoBridge));
    for (query, expected) in [("gaps=1", &br#"{"lost":"slow_client"}"#[..]), ("gaps=0", b""), ("", b"")] {
        let (connection, _, session) = worker.session(query, ConnectionId::random());
        session.missed(GapReason::SlowClient);
        let waiting = connection.waiting();
        assert!(waiting.ends_with(expected) && waiting.is_empty() == expected.is_empty(), "{query}: {waiting:?}");
        session.gone();
        session.missed(GapReason::SlowClient);
        assert_eq!(connection.waiting(), waiting, "nothing reaches a client that is gone");
    }
}
