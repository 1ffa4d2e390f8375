//! Deliveries: one worker's slices run by hand, and many workers at once.

mod delivery;
mod emissions;
mod hold;
mod membership;
mod notices;
mod order;
mod principals;
mod slow;

use std::{
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;

use super::*;
use crate::{
    config::{self, BeforeSubscribe, Environment, load_text},
    consumer::{ConsumerId, ConsumerSet, Consumers},
    event::{Content, Emission, EmissionTarget, Event, Eviction, GroupName, Source, Value},
    layer::{Layer, LayerError, Readiness, Signal, Sink},
    socket::{Connection, ConnectionLimits, Connections},
    telemetry::{DropReason, Metrics},
};

const CONSUMERS: &str = r#"
[[consumer]]
name = "feed"
path = "/feed/"
on_event."*" = { send = "event.n" }
on_gap = { send = "[gap.reason, gap.groups]" }

[[consumer]]
name = "chat"
protocol = "socket.io"
path = "/chat/"
on_event."*" = { emit = { event = "e", data = "event.n" } }
on_event.split = { emit = { to = "{{ event.rooms }}", event = "n", data = "event.n" } }
on_gap = { emit = { event = "gap", data = "gap.groups" } }

[[consumer]]
name = "shop"
protocol = "socket.io"
path = "/shop/"
on_event."*" = { emit = { event = "e", data = "event.n" } }
on_gap = { emit = { event = "shop_gap", data = "gap.groups" } }

[[consumer]]
name = "admin"
protocol = "socket.io"
namespace = "/admin"
path = "/admin/"
on_event."*" = { emit = { event = "e", data = "event.n" } }

[[consumer]]
name = "log"
path = "/log/"
slow = "drop_oldest"
on_event."*" = { send = "event.n", topic = "'all'" }

[[consumer]]
name = "prices"
path = "/prices/"
slow = "latest"
on_event.tick = { send = ["event.n", "-event.n"], key = "event.n % 3" }

[[consumer]]
name = "radio"
protocol = "socket.io"
namespace = "/radio"
path = "/radio/"
slow = "drop_oldest"
"#;

const FEED: ConsumerId = ConsumerId(0);
const CHAT: ConsumerId = ConsumerId(1);
const SHOP: ConsumerId = ConsumerId(2);
const ADMIN: ConsumerId = ConsumerId(3);
const LOG: ConsumerId = ConsumerId(4);
const PRICES: ConsumerId = ConsumerId(5);
const RADIO: ConsumerId = ConsumerId(6);

/// A layer that records calls, answers late, and fails on request.
#[derive(Default)]
struct RecordingLayer {
    joined: Mutex<HashMap<GroupName, bool>>,
    failing: AtomicBool,
    /// Decides how late an answer comes.
    turn: AtomicU64,
}

impl RecordingLayer {
    fn has(&self, group: &GroupName) -> bool {
        self.joined.lock().unwrap().get(group).copied().unwrap_or(false)
    }
}

impl Layer for RecordingLayer {
    fn start(&self, _: Sink) -> std::io::Result<()> {
        Ok(())
    }

    fn join<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>> {
        let fails = self.failing.load(Ordering::Relaxed);
        self.joined.lock().unwrap().insert(group.clone(), true);
        let turns = self.turn.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61;
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            if fails { Err(LayerError::Refused("as requested".to_owned())) } else { Ok(()) }
        })
    }

    fn leave(&self, group: &GroupName) {
        self.joined.lock().unwrap().insert(group.clone(), false);
    }

    fn publish<'a>(&'a self, _: &'a GroupName, _: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(async { Ok(()) })
    }

    fn emit<'a>(&'a self, _: &'a [GroupName], _: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(async { Ok(()) })
    }

    fn send<'a>(&'a self, _: &'a str, _: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(async { Ok(()) })
    }

    fn reply_channel(&self) -> Option<String> {
        None
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A hub without workers; the tests connect them.
#[derive(Clone)]
struct Node {
    layer: Arc<RecordingLayer>,
    registry: Arc<Registry>,
    dispatcher: Arc<Dispatcher>,
    metrics: Metrics,
}

impl Node {
    fn new() -> Self {
        let layer = Arc::new(RecordingLayer::default());
        let registry = Arc::new(Registry::new(Arc::clone(&layer) as Arc<dyn Layer>));
        let file = Some((std::path::Path::new("test.toml"), CONSUMERS));
        let (config, errors) = load_text(file, &Environment::default());
        assert_eq!(errors, []);
        let set = ConsumerSet::compile(&config).unwrap_or_else(|errors| panic!("{errors}"));
        let consumers = Consumers::new(set);
        let metrics = Metrics::new();
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&registry), consumers, metrics.clone()));
        Self { layer, registry, dispatcher, metrics }
    }

    fn worker(&self) -> Worker {
        let receiver = self.dispatcher.connect().unwrap();
        let shard = Shard::new(&receiver, Arc::clone(&self.registry), self.metrics.clone());
        let connections =
            Connections::new(&config::Socket::default(), &config::Server::default(), self.metrics.clone());
        Worker { shard, receiver, connections }
    }

    /// An event in the form of `group_send`.
    fn event(&self, group: &str, n: i64) {
        let body = [("type", Value::from("tick")), ("n", Value::from(n))].into_iter().collect();
        let event = Event { group: name(group), body, source: Source::Memory, received: Instant::now() };
        self.dispatcher.take(Signal::Event(event));
    }

    fn emit(&self, emission: Emission) {
        self.dispatcher.take(Signal::Emission(emission));
    }
}

/// One worker, whose slices the test runs.
struct Worker {
    shard: Rc<Shard>,
    receiver: Receiver,
    connections: Rc<Connections>,
}

impl Worker {
    fn connection(&self) -> Rc<Connection> {
        self.connection_with(config::Socket::default().outbox)
    }

    fn connection_with(&self, outbox: usize) -> Rc<Connection> {
        let limits = ConnectionLimits::new(&config::Socket { outbox, ..config::Socket::default() }, None);
        Connection::pending(Rc::clone(&self.connections), Arc::new(limits), None)
    }

    fn plain(&self) -> Rc<Member> {
        Member::new(self.connection(), None, BeforeSubscribe::All)
    }

    /// A member with an id.
    fn socket(&self, id: &str) -> Rc<Member> {
        let member = Member::new(self.connection(), Some(id.into()), BeforeSubscribe::All);
        self.shard.announce(&member);
        member
    }

    /// A held member with an id.
    fn held(&self, id: &str) -> Rc<Member> {
        let member = Member::new(self.connection(), Some(id.into()), BeforeSubscribe::All);
        self.shard.hold(&member);
        member
    }

    async fn join(&self, member: &Rc<Member>, group: &str, consumer: ConsumerId) {
        self.shard.join(member, &name(group), consumer).await.unwrap();
    }

    /// Delivers everything that was sent to this worker.
    fn turn(&mut self) {
        while let Ok(work) = self.receiver.work.try_recv() {
            self.shard.accept(work);
        }
        while self.shard.is_busy() {
            self.shard.slice();
        }
    }

    /// The members of a group, including waiting ones.
    fn count(&self, group: &str, consumer: ConsumerId) -> usize {
        let groups = self.shard.groups.borrow();
        let audience = groups.by_name.get(&(name(group), consumer));
        audience.and_then(|audience| groups.by_audience.get(audience)).map_or(0, group::Group::len)
    }

    fn backlog(&self) -> usize {
        self.receiver.backlog.load(Ordering::Relaxed)
    }
}

fn name(group: &str) -> GroupName {
    GroupName::new(group).unwrap()
}

/// The text messages of a member, if its connection has read none; for a mapped event only its number.
fn got(member: &Member) -> Vec<String> {
    let bytes = member.connection.waiting();
    let mut rest = bytes.as_slice();
    let mut messages = Vec::new();
    while let [0x81, length, after @ ..] = rest {
        let (text, next) = after.split_at(usize::from(*length));
        let text = String::from_utf8(text.to_vec()).unwrap();
        let number = text.split_once("[\"e\",").and_then(|(_, number)| number.strip_suffix(']')).map(str::to_owned);
        messages.push(number.unwrap_or(text));
        rest = next;
    }
    assert!(rest.is_empty(), "{rest:?}");
    messages
}

/// An emission of one number to the rooms of the main namespace.
fn emission(rooms: &[&str], n: i64) -> Emission {
    Emission {
        target: EmissionTarget::Namespace("/".into()),
        rooms: rooms.iter().map(|room| Arc::from(*room)).collect(),
        except: Vec::new(),
        content: Content::Event(vec!["n".into(), n.into()]),
        volatile: false,
        source: Source::Emitter,
        received: Instant::now(),
    }
}

/// The wire form of [`emission`].
fn said(n: i64) -> String {
    format!("42[\"n\",{n}]")
}
