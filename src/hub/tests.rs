//! Deliveries: one worker's slices run by hand, and many workers at once.

mod calls;
mod conditions;
mod delivery;
mod direct;
mod emissions;
mod hold;
mod largest;
mod membership;
mod notices;
mod order;
mod outcomes;
mod principals;
mod slow;
mod snapshots;
mod throttle;

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
    consumer::{Consumer, ConsumerId, ConsumerSet, Consumers},
    event::{ConnectionId, Content, Emission, EmissionTarget, Event, Eviction, GroupName, Incoming, Source, Value},
    layer::{Layer, LayerError, Readiness, Signal, Sink},
    socket::{
        Connection, ConnectionHandler, ConnectionLimits, Connections,
        close::{CloseCode, Ending},
    },
    telemetry::{DropReason, Metrics},
};

const CONSUMERS: &str = r#"
[backend]
url = "http://127.0.0.1:1/channelgate"
secret = "the-secret-of-both"

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

[[consumer]]
name = "bridged"
path = "/bridged/"
django = true
on_event.tick = { send = "event.n", when = "event.n != 13" }
on_event.wrong = { send = "event.missing.key" }
on_event.wrong_end = { send = "event.n", close = "event.missing.key" }
on_event.shared = { python_per = "user" }
on_event.seldom = { python_per = "event", throttle = "1/5s" }
on_event.each_seldom = { python_per = "connection", throttle = "2/10s", when = "event.n != 13" }
on_event.picked = { python_per = "connection", topic = "'all'", when = "event.n != 13" }
on_event.hello = { send = "[event.n, user.name]" }
on_event.picky = { send = "event.n", when = "event.n != user.id" }
on_event.asked = { python_per = "connection", when = "event.n == user.id" }
on_event.ended = { send = "event.n", close = 4001, when = "event.n == user.id" }
on_event.rare = { send = "event.n", when = "event.n != user.id", throttle = "1/5s" }
on_gap = { send = "[gap.reason, gap.groups]" }

[[consumer]]
name = "asks"
path = "/asks/"
topics.before_subscribe = "all"
on_event.tick = { send = "event.n" }
on_event.move = { send = "event.n", leave = "{{ group }}", join = "b" }
on_event.bad = { send = "event.n", join = "x_{{ event.missing }}" }
on_event.chosen = { send = "event.n", close = 4001, topic = "event.n" }
on_event.own = { close = { code = 4001, reason = "{{ route }}" } }
on_event.often = { send = ["event.n", "-event.n"], throttle = "1/5s" }
on_event.burst = { send = "event.n", throttle = "2/10s" }
on_event.once = { send = "event.n", close = 4001, throttle = "1/5s" }

[[consumer]]
name = "others"
path = "/others/"
auth = ["jwt"]
on_event."*" = { send = "event.n", when = "event.n != user.id" }
on_event.all = { send = "event.n" }
on_event.to = { send = "event.n", when = "event.n == user.id" }
on_event.hello = { send = "[event.n, user.name]", when = "event.n != user.id" }
on_event.volatile = { send = "event.n", when = "event.n != user.id", topic = "'t'" }
on_gap = { send = "[gap.reason, gap.groups]" }

[[consumer]]
name = "rooms"
protocol = "socket.io"
path = "/rooms/"
on_event.often = { emit = { to = "{{ event.rooms }}", event = "n", data = "event.n" }, throttle = "1/5s" }

[[consumer]]
name = "namespaces"
protocol = "socket.io"
namespace = "/rooms/<int:n>"
path = "/namespaces/"
auth = ["jwt"]
on_event."*" = { emit = [
    { event = "e", data = "event.n", when = "event.n == user.id" },
    { event = "e", data = "[event.n, user.name]", when = "event.n == 9" },
    { event = "e", data = "-event.n", to = "{{ event.rooms }}", when = "event.n != user.id and event.n > 0" },
] }
"#;

/// Calls for one event.
const MAX_CALLS: usize = 5;

const FEED: ConsumerId = ConsumerId(0);
const CHAT: ConsumerId = ConsumerId(1);
const SHOP: ConsumerId = ConsumerId(2);
const ADMIN: ConsumerId = ConsumerId(3);
const LOG: ConsumerId = ConsumerId(4);
const PRICES: ConsumerId = ConsumerId(5);
const RADIO: ConsumerId = ConsumerId(6);
const BRIDGED: ConsumerId = ConsumerId(7);
const ASKS: ConsumerId = ConsumerId(8);
const OTHERS: ConsumerId = ConsumerId(9);
const ROOMS: ConsumerId = ConsumerId(10);
const NAMESPACES: ConsumerId = ConsumerId(11);

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

    fn channel_name(&self, id: &str) -> String {
        format!("specific.node!c.{id}")
    }

    fn discard(&self, _: &GroupName, _: &str) {}

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
    consumers: Consumers,
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
        let dispatcher =
            Arc::new(Dispatcher::new(Arc::clone(&registry), consumers.clone(), MAX_CALLS, metrics.clone()));
        Self { layer, registry, dispatcher, consumers, metrics }
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
        self.typed(group, "tick", n);
    }

    fn typed(&self, group: &str, kind: &str, n: i64) {
        let event = Event { group: name(group), body: body(kind, n), source: Source::Memory, received: Instant::now() };
        self.dispatcher.take(Signal::Event(event));
    }

    /// A message to the channel of one connection.
    fn direct(&self, id: &str, kind: &str, n: i64) {
        self.dispatcher.take(Signal::Direct { id: (*id_text(id)).into(), body: body(kind, n), source: Source::Memory });
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
    fn socket(&self, name: &str) -> Rc<Member> {
        let member = Member::new(self.connection(), Some(id(name)), BeforeSubscribe::All);
        self.shard.announce(&member);
        member
    }

    /// A held member with an id.
    fn held(&self, name: &str) -> Rc<Member> {
        let member = Member::new(self.connection(), Some(id(name)), BeforeSubscribe::All);
        self.shard.hold(&member);
        member
    }

    async fn join(&self, member: &Rc<Member>, group: &str, consumer: ConsumerId) {
        self.shard.join(member, &name(group), consumer).await.unwrap();
    }

    /// Gives everything that was sent to this worker to the shard, without delivering it.
    fn accept(&mut self) {
        while let Ok(work) = self.receiver.work.try_recv() {
            self.shard.accept(work);
        }
    }

    /// Delivers everything that was sent to this worker.
    fn turn(&mut self) {
        self.accept();
        while self.shard.is_busy() {
            self.shard.slice();
        }
    }

    /// The members of a group, including those whose join is not confirmed.
    fn count(&self, group: &str, consumer: ConsumerId) -> usize {
        let groups = self.shard.groups.borrow();
        let audience = groups.by_name.get(&(name(group), consumer));
        audience.and_then(|audience| groups.by_audience.get(audience)).map_or(0, group::Group::len)
    }

    fn backlog(&self) -> usize {
        self.receiver.backlog.load(Ordering::Relaxed)
    }
}

/// The text of the id of a member with a short name.
fn id_text(name: &str) -> Arc<str> {
    format!("{name:A<20}").into()
}

fn id(name: &str) -> ConnectionId {
    ConnectionId::parse(&id_text(name)).unwrap()
}

fn body(kind: &str, n: i64) -> Value {
    [("type", Value::from(kind)), ("n", Value::from(n))].into_iter().collect()
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
    assert!(matches!(rest, [] | [0x88, ..]), "{rest:?}");
    messages
}

/// The close code that a member is sent, if its connection has read nothing.
fn closed(member: &Member) -> Option<u16> {
    let bytes = member.connection.waiting();
    let mut rest = bytes.as_slice();
    while let [0x81, length, after @ ..] = rest {
        rest = &after[usize::from(*length)..];
    }
    rest.get(2..4).map(|code| u16::from_be_bytes([code[0], code[1]]))
}

/// An emission of one number to the rooms of the main namespace.
fn emission(rooms: &[&str], n: i64) -> Emission {
    Emission {
        presence: None,
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
