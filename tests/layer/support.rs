//! A layer under test that records its signals, and Django's side of the wire.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use channelgate::{
    config,
    event::{Emission, Event, Gap, GapReason, GroupName, Source, Value},
    layer::{
        ChannelMapping, Layer, Readiness, Signal,
        codec::{
            envelope::{Addressee, LayerCodec, Serializer},
            names::{LayerNames, non_local_name},
            ring,
        },
        redis::RedisLayer,
    },
    telemetry::Metrics,
};

use crate::redis_server::RedisServer;

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a condition; the time is a bound, not a pause.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

pub fn event(n: i64) -> Value {
    [("type", Value::from("tick")), ("n", Value::from(n))].into_iter().collect()
}

pub fn number(event: &Event) -> i64 {
    match event.body.get("n") {
        Some(Value::Int(n)) => *n,
        other => panic!("{other:?} in {event:?}"),
    }
}

pub fn options(servers: &[&RedisServer]) -> config::Layer {
    config::Layer {
        hosts: servers.iter().map(|server| config::Secret::new(server.url())).collect(),
        probe_interval: config::Span::seconds(1),
        linger: config::Span::millis(200),
        ..Default::default()
    }
}

#[derive(Clone, Default)]
pub struct Received(Arc<Mutex<Vec<Signal>>>);

impl Received {
    pub fn push(&self, signal: Signal) {
        self.0.lock().unwrap().push(signal);
    }

    pub fn signals(&self) -> Vec<Signal> {
        self.0.lock().unwrap().clone()
    }

    pub fn events(&self) -> Vec<Event> {
        let signals = self.0.lock().unwrap();
        let events = signals.iter().filter_map(|signal| match signal {
            Signal::Event(event) => Some(event.clone()),
            _ => None,
        });
        events.collect()
    }

    pub fn gaps(&self) -> Vec<Gap> {
        let signals = self.0.lock().unwrap();
        let gaps = signals.iter().filter_map(|signal| match signal {
            Signal::Gap(gap) => Some(gap.clone()),
            _ => None,
        });
        gaps.collect()
    }

    pub fn emissions(&self) -> Vec<Emission> {
        let signals = self.0.lock().unwrap();
        let emissions = signals.iter().filter_map(|signal| match signal {
            Signal::Emission(emission) => Some(emission.clone()),
            _ => None,
        });
        emissions.collect()
    }

    /// The messages on the node's own channel.
    pub fn messages(&self) -> Vec<Value> {
        let signals = self.0.lock().unwrap();
        let messages = signals.iter().filter_map(|signal| match signal {
            Signal::Message(message) => Some(message.clone()),
            _ => None,
        });
        messages.collect()
    }

    pub fn has_gap(&self, reason: GapReason) -> bool {
        self.gaps().iter().any(|gap| gap.reason == reason)
    }

    /// The numbers of a group's events, in the order of arrival.
    pub fn numbers(&self, name: &str) -> Vec<i64> {
        let signals = self.0.lock().unwrap();
        let numbers = signals.iter().filter_map(|signal| match signal {
            Signal::Event(event) if event.group.as_str() == name => Some(number(event)),
            _ => None,
        });
        numbers.collect()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|signal| matches!(signal, Signal::Event(_))).count()
    }
}

/// A layer with a recording sink.
pub struct Node {
    pub layer: RedisLayer,
    pub received: Received,
    pub metrics: Metrics,
}

impl Node {
    pub fn new(options: &config::Layer, mappings: Vec<ChannelMapping>) -> Self {
        let (received, metrics) = (Received::default(), Metrics::new());
        let sink = received.clone();
        let layer = RedisLayer::new(options, mappings, metrics.clone()).unwrap();
        layer.start(Arc::new(move |signal| sink.push(signal))).unwrap();
        Self { layer, received, metrics }
    }

    /// `first` gets each signal before it is recorded.
    pub fn with(options: &config::Layer, first: impl Fn(&Signal) + Send + Sync + 'static) -> Self {
        let (received, metrics) = (Received::default(), Metrics::new());
        let sink = received.clone();
        let layer = RedisLayer::new(options, Vec::new(), metrics.clone()).unwrap();
        let record = move |signal| {
            first(&signal);
            sink.push(signal);
        };
        layer.start(Arc::new(record)).unwrap();
        Self { layer, received, metrics }
    }

    pub async fn ready(options: &config::Layer) -> Self {
        let node = Self::new(options, Vec::new());
        node.until_ready().await;
        node
    }

    pub async fn until_ready(&self) {
        eventually("ready", || self.layer.readiness() == Readiness::Ready).await;
    }

    pub async fn join(&self, name: &str) {
        self.layer.join(&group(name)).await.unwrap();
    }

    pub async fn until(&self, count: usize) -> Vec<Event> {
        eventually(&format!("{count} events"), || self.received.count() >= count).await;
        self.received.events()
    }
}

/// The commands of channels_redis, over one connection per host.
pub struct Django {
    hosts: Vec<redis::Connection>,
    names: LayerNames,
    codec: LayerCodec,
    options: config::Layer,
}

/// The script of `RedisChannelLayer.group_send`: writes to the queues below their capacity and counts the others.
const GROUP_SEND: &str = "
    local over_capacity = 0
    local current_time = ARGV[#ARGV - 1]
    local expiry = ARGV[#ARGV]
    for i=1,#KEYS do
        if redis.call('ZCOUNT', KEYS[i], '-inf', '+inf') < tonumber(ARGV[i + #KEYS]) then
            redis.call('ZADD', KEYS[i], current_time, ARGV[i])
            redis.call('EXPIRE', KEYS[i], expiry)
        else
            over_capacity = over_capacity + 1
        end
    end
    return over_capacity
";

impl Django {
    pub fn new(options: &config::Layer, servers: &[&RedisServer]) -> Self {
        Self::writing(options, servers, Serializer::Msgpack)
    }

    pub fn writing(options: &config::Layer, servers: &[&RedisServer], serializer: Serializer) -> Self {
        Self {
            hosts: servers.iter().map(|server| server.connection()).collect(),
            names: LayerNames::new(&options.prefix),
            codec: LayerCodec::new(&config::Layer { serializer, ..options.clone() }),
            options: options.clone(),
        }
    }

    pub fn host(&mut self, index: usize) -> &mut redis::Connection {
        &mut self.hosts[index]
    }

    /// The members of a group's set.
    pub fn members(&mut self, group: &str) -> Vec<String> {
        let host = ring::index(group, self.hosts.len());
        let key = self.names.core_group_key(group);
        redis::cmd("ZRANGE").arg(key).arg(0).arg(-1).query(&mut self.hosts[host]).unwrap()
    }

    pub fn group_ttl(&mut self, group: &str) -> i64 {
        let host = ring::index(group, self.hosts.len());
        redis::cmd("PTTL").arg(self.names.core_group_key(group)).query(&mut self.hosts[host]).unwrap()
    }

    /// `RedisChannelLayer.group_send`; returns how many queues were over capacity.
    pub fn core_send(&mut self, group: &str, body: &Value) -> usize {
        self.core_send_with(group, |codec, members| {
            codec.encode_core(body, Addressee::Members(members), SystemTime::now()).unwrap()
        })
    }

    /// The same with custom bytes.
    pub fn core_send_with(&mut self, group: &str, bytes: impl Fn(&LayerCodec, &[String]) -> Vec<u8>) -> usize {
        let count = self.hosts.len();
        let key = self.names.core_group_key(group);
        let connection = &mut self.hosts[ring::index(group, count)];
        let now = unix_now();
        let oldest = now.floor() - self.options.group_expiry.0.as_secs_f64();
        let () = redis::cmd("ZREMRANGEBYSCORE").arg(&key).arg(0).arg(oldest).query(connection).unwrap();
        let members: Vec<String> = redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query(connection).unwrap();
        let mut queues: Vec<(String, Vec<String>)> = Vec::new();
        for member in members {
            let queue = non_local_name(&member).to_owned();
            match queues.iter_mut().find(|(name, _)| *name == queue) {
                Some((_, members)) => members.push(member),
                None => queues.push((queue, vec![member])),
            }
        }
        let mut over = 0;
        for host in 0..count {
            let here: Vec<_> = queues.iter().filter(|(queue, _)| ring::index(queue, count) == host).collect();
            if here.is_empty() {
                continue;
            }
            let connection = &mut self.hosts[host];
            let expiry = self.options.expiry.0.as_secs_f64();
            let mut trim = redis::pipe();
            trim.atomic();
            for (queue, _) in &here {
                let key = self.names.core_queue_key(queue);
                trim.cmd("ZREMRANGEBYSCORE").arg(key).arg(0).arg(now.floor() - expiry).ignore();
            }
            let () = trim.query(connection).unwrap();
            let mut script = redis::cmd("EVAL");
            script.arg(GROUP_SEND).arg(here.len());
            for (queue, _) in &here {
                script.arg(self.names.core_queue_key(queue));
            }
            for (_, members) in &here {
                script.arg(bytes(&self.codec, members));
            }
            for _ in &here {
                script.arg(self.options.capacity);
            }
            over += script.arg(unix_now()).arg(expiry as u64).query::<usize>(connection).unwrap();
        }
        over
    }

    /// `RedisChannelLayer.send` to a channel of one process.
    pub fn core_send_to(&mut self, channel: &str, body: &Value) {
        let host = ring::index(channel, self.hosts.len());
        let key = self.names.core_queue_key(channel);
        let member = self.codec.encode_core(body, Addressee::Channel(channel), SystemTime::now()).unwrap();
        let mut send = redis::pipe();
        send.cmd("ZADD").arg(&key).arg(unix_now()).arg(member).ignore().cmd("EXPIRE").arg(&key).arg(60).ignore();
        let () = send.query(&mut self.hosts[host]).unwrap();
    }

    /// `RedisPubSubChannelLayer.send`.
    pub fn pubsub_send_to(&mut self, channel: &str, body: &Value) {
        let bytes = self.codec.encode_pubsub(body, SystemTime::now()).unwrap();
        self.publish(ring::index(channel, self.hosts.len()), channel, &bytes);
    }

    /// The messages that a worker of the core layer would read from a channel, on any host, with the TTL of the key in
    /// ms.
    pub fn queued(&mut self, channel: &str) -> Vec<(Value, Vec<String>, i64)> {
        let key = self.names.core_queue_key(channel);
        let mut found = Vec::new();
        for host in &mut self.hosts {
            let members: Vec<Vec<u8>> = redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query(host).unwrap();
            let ttl: i64 = redis::cmd("PTTL").arg(&key).query(host).unwrap();
            found.extend(members.iter().map(|member| {
                let envelope = self.codec.decode_core(member, SystemTime::now()).unwrap();
                (envelope.body, envelope.channels, ttl)
            }));
        }
        found
    }

    /// `RedisPubSubChannelLayer.group_send`.
    pub fn pubsub_send(&mut self, group: &str, body: &Value) {
        let bytes = self.codec.encode_pubsub(body, SystemTime::now()).unwrap();
        self.pubsub_bytes(group, &bytes);
    }

    pub fn pubsub_bytes(&mut self, group: &str, bytes: &[u8]) {
        let channel = self.names.pubsub_group_channel(group);
        let host = ring::index(&channel, self.hosts.len());
        self.publish(host, &channel, bytes);
    }

    /// `PUBLISH`; returns the number of receivers.
    pub fn publish(&mut self, host: usize, channel: &str, bytes: &[u8]) -> usize {
        redis::cmd("PUBLISH").arg(channel).arg(bytes).query(&mut self.hosts[host]).unwrap()
    }
}

pub fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

pub fn sources(events: &[Event]) -> Vec<Source> {
    events.iter().map(|event| event.source).collect()
}
