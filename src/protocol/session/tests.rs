//! Gap notices of a session after lost messages.

use super::*;
use crate::{
    admission::AdmissionControl,
    auth::{Authenticator, MemoryCache},
    backend::NoBackend,
    config::{self, Config, Environment, load_text},
    consumer::{ConsumerSet, Consumers},
    hub::{Dispatcher, Registry, Shard},
    layer::{Layer, memory::MemoryLayer},
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

fn consumers() -> ConsumerSet {
    let (config, errors) = load_text(Some((std::path::Path::new("test.toml"), CONSUMER)), &Environment::default());
    assert_eq!(errors, []);
    ConsumerSet::compile(&config).unwrap_or_else(|errors| panic!("{errors}"))
}

#[tokio::test]
async fn only_a_client_that_asked_gets_a_notice_of_lost_messages() {
    let (consumers, metrics) = (consumers(), Metrics::new());
    let layer: Arc<dyn Layer> = Arc::new(MemoryLayer::new(metrics.clone()));
    let registry = Arc::new(Registry::new(Arc::clone(&layer)));
    let dispatcher = Dispatcher::new(Arc::clone(&registry), Consumers::new(consumers.clone()), metrics.clone());
    let inbox = dispatcher.connect().unwrap();
    let graces = GracePeriods::new(std::iter::empty(), std::time::Duration::ZERO);
    let services = Rc::new(WorkerServices {
        control: AdmissionControl::new(&Config::default(), "node", metrics.clone()).unwrap(),
        shard: Shard::new(&inbox, registry, metrics.clone()),
        backend: Arc::new(NoBackend),
        presence: Arc::new(NodePresence::alone(graces, Arc::new(|_, _, _| {}), metrics.clone())),
        background: Background::new(layer, Arc::new(NoBackend)),
        authenticator: Arc::new(Authenticator::new(&Config::default(), Arc::new(MemoryCache::new())).unwrap()),
        metrics: metrics.clone(),
    });
    let connections = Connections::new(&config::Socket::default(), &config::Server::default(), metrics);
    let consumer = consumers.iter().next().unwrap();
    for (query, expected) in [("gaps=1", &br#"{"lost":"slow_client"}"#[..]), ("gaps=0", b""), ("", b"")] {
        let limits = Arc::new(ConnectionLimits::new(&config::Socket::default(), None));
        let connection = Connection::pending(Rc::clone(&connections), limits, None);
        let member = Member::new(Rc::clone(&connection), None, config::BeforeSubscribe::None);
        let context = Context { query: crate::protocol::query(query), ..Context::default() };
        if consumer.asks_for_gaps(&context) {
            member.tell_gaps(consumer.id());
        }
        let bindings = Box::new([Binding::new(Arc::clone(consumer), context, None)]);
        let session = Session::new(Rc::clone(&services), Rc::clone(&connection) as Rc<dyn Outlet>, member, bindings, 0);
        session.missed(GapReason::SlowClient);
        let waiting = connection.waiting();
        assert!(waiting.ends_with(expected) && waiting.is_empty() == expected.is_empty(), "{query}: {waiting:?}");
        session.gone();
        session.missed(GapReason::SlowClient);
        assert_eq!(connection.waiting(), waiting, "nothing reaches a client that is gone");
    }
}
