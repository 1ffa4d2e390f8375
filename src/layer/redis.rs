//! The layer over Redis: receives everything that Django and other programs publish there.
//!
//! In: messages of channels_redis' two layers, plain publishes, mapped channels. Out: [`Signal`](super::Signal)s to one
//! sink. Everything runs on one thread, the layer thread; the methods of [`Layer`] send it commands and wait, with a
//! deadline.
//!
//! - `naming`: the names of a group in Redis; `joined`: this node's groups; `fences`: joins of groups it has already
//! - `supervisor`, `host_session`: keep one host connected; `core`: memberships; `popper`: receive queues; `markers`,
//!   `probes`: prove that it delivers; `census`: prove that memberships are there; `outages`: what Redis refuses
//! - `health`: the hosts that deliver
//! - `channels_redis_2`: hears publishers of that version, which writes other keys
//! - `decoder`: converts bytes to signals; `publisher`: writes the node's own messages; `direct`: those to single
//!   connections

mod census;
mod channels_redis_2;
mod core;
mod decoder;
mod direct;
mod fences;
mod health;
mod host_session;
mod joined;
mod markers;
mod naming;
mod outages;
mod popper;
mod probes;
mod publisher;
mod supervisor;
mod thread;

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use self::{
    decoder::{OwnChannels, SharedDecoder, SignalDecoder},
    fences::Waiter,
    health::HostStates,
    joined::{JoinedGroups, RETRY_AFTER},
    naming::GroupNaming,
    publisher::Publisher,
};
use super::{
    ChannelMapping, Layer, LayerError, Readiness, Sink,
    codec::capacity::{Capacity, PatternError},
    started_before,
};
use crate::{
    config,
    event::{GroupName, Value},
    redis::{Host, HostError, ask},
    telemetry::{Metrics, ThreadHeartbeat},
};

/// Deadline of a join, which may first wait for a batch.
const JOIN: Duration = Duration::from_secs(5);

/// Deadline of a clean stop.
const STOP: Duration = Duration::from_secs(3);

/// Why the options cannot give a layer. An unreachable Redis does not prevent starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No URL is set.
    #[error("layer.url or layer.hosts must name a Redis")]
    NoHost,
    /// More hosts than the node supports.
    #[error("{0} hosts are too many: a layer may have 64")]
    TooManyHosts(usize),
    /// A URL is wrong; the number counts from one.
    #[error("Redis {number} of the layer: {error}")]
    Host {
        /// The number of the URL.
        number: usize,
        /// What is wrong with it.
        error: HostError,
    },
    /// A pattern of `channel_capacity` is wrong.
    #[error("layer.channel_capacity: {0}")]
    Capacity(#[from] PatternError),
}

/// A command for the layer thread.
enum Command {
    Join(GroupName, Waiter),
    Leave(GroupName),
    /// Removes the channel of the connection with this id from a group.
    Discard(GroupName, Box<str>),
    Stop(oneshot::Sender<()>),
}

/// State shared by the tasks on the layer thread.
struct LayerContext {
    options: config::Layer,
    /// Identifies this start of this process; part of every name that the node has in Redis.
    node: String,
    hosts: Vec<Host>,
    queues: Vec<String>,
    /// What publishers leave in each of them.
    capacities: Vec<usize>,
    groups: RefCell<JoinedGroups>,
    /// Joins may wait for a marker that can be sent.
    fence_due: Notify,
    /// The last known popping connection of each host, by its Redis client id.
    poppers: RefCell<Vec<Option<i64>>>,
    /// The highest score popped from each queue, by host: a Redis with older data must not deliver it again.
    popped: RefCell<Vec<Vec<f64>>>,
    decoder: SharedDecoder,
    states: Arc<HostStates>,
    publisher: Arc<Publisher>,
    heartbeat: ThreadHeartbeat,
    stop: watch::Sender<bool>,
}

/// The rest of the start: gives the layer thread a sink.
type Starter = Box<dyn FnOnce(Sink) -> io::Result<()> + Send>;

/// The layer over Redis, for any number of nodes.
pub struct RedisLayer {
    commands: mpsc::UnboundedSender<Command>,
    states: Arc<HostStates>,
    naming: GroupNaming,
    publisher: Arc<Publisher>,
    reply_channel: String,
    starter: Mutex<Option<Starter>>,
}

impl RedisLayer {
    /// A layer that is not started yet: then its thread connects and stays connected. Joins are refused until it is
    /// [`Readiness::Ready`].
    ///
    /// Dropping the layer without [`Layer::stop`] leaves its registrations in Redis to expire, as after a crash.
    ///
    /// # Errors
    /// A URL is not valid. Redis need not be reachable.
    pub fn new(options: &config::Layer, mappings: Vec<ChannelMapping>, metrics: Metrics) -> Result<Self, StartError> {
        let hosts = hosts(options)?;
        for host in hosts.iter().filter(|host| host.is_unverified()) {
            log::warn!("{}: its certificate is not verified (ssl_cert_reqs)", host.label());
        }
        let node = uuid::Uuid::new_v4().simple().to_string();
        let naming = GroupNaming::new(options, hosts.len(), &node);
        let reply_channel = naming.reply_channel();
        let states = Arc::new(HostStates::new(hosts.iter().map(Host::label), options.probe_successes));
        let capacity = Capacity::new(options)?;
        let capacities = naming.members().iter().map(|member| capacity.of(member)).collect();
        let publisher = Arc::new(Publisher::new(options, capacity, hosts.len(), metrics.clone()));
        let (commands, queue) = mpsc::unbounded_channel();
        let shared = (naming.clone(), Arc::clone(&states), Arc::clone(&publisher), reply_channel.clone());
        let options = options.clone();
        let starter: Starter = Box::new(move |sink| {
            let (naming, states, publisher, reply) = shared;
            let own = OwnChannels {
                // A group's name has no colon, so no group's channel equals this one.
                probe: format!("{}probe:{node}", options.publish_prefix),
                reply,
                direct: direct::channel(&options.publish_prefix, &node),
                connections: naming.connections(),
            };
            let heartbeat = metrics.watchdog.start("the layer thread");
            let decoder = Arc::new(SignalDecoder::new(&options, own, mappings, sink, metrics));
            // The context is created on the layer thread and never leaves it.
            thread::start(queue, move || {
                Rc::new(LayerContext {
                    hosts,
                    node,
                    poppers: vec![None; naming.hosts()].into(),
                    popped: vec![vec![f64::NEG_INFINITY; naming.queues().len()]; naming.hosts()].into(),
                    queues: naming.queues(),
                    capacities,
                    groups: JoinedGroups::new(naming, options.linger.0).into(),
                    fence_due: Notify::new(),
                    options,
                    decoder,
                    states,
                    publisher,
                    heartbeat,
                    stop: watch::Sender::new(false),
                })
            })
        });
        Ok(Self { commands, states, naming, publisher, reply_channel, starter: Mutex::new(Some(starter)) })
    }

    fn take_starter(&self) -> Option<Starter> {
        self.starter.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn unavailable(&self) -> LayerError {
        let reason = self.states.outage(u64::MAX).unwrap_or_else(|| "Redis does not answer in time".to_owned());
        LayerError::Unavailable { reason, retry_after: RETRY_AFTER }
    }
}

fn hosts(options: &config::Layer) -> Result<Vec<Host>, StartError> {
    let urls: Vec<_> =
        if options.hosts.is_empty() { options.url.iter().collect() } else { options.hosts.iter().collect() };
    match urls.len() {
        0 => return Err(StartError::NoHost),
        65.. => return Err(StartError::TooManyHosts(urls.len())),
        _ => {}
    }
    let parse = |(at, url): (usize, &&config::Secret)| {
        Host::parse(url.expose()).map_err(|error| StartError::Host { number: at + 1, error })
    };
    urls.iter().enumerate().map(parse).collect()
}

impl Layer for RedisLayer {
    fn start(&self, sink: Sink) -> io::Result<()> {
        self.take_starter().ok_or_else(started_before)?(sink)
    }

    fn join<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>> {
        let joined = ask(&self.commands, |waiter| Command::Join(group.clone(), waiter), JOIN);
        Box::pin(async move { joined.await.unwrap_or_else(|| Err(self.unavailable())) })
    }

    fn leave(&self, group: &GroupName) {
        // If the thread has ended there is nothing to leave.
        let _ = self.commands.send(Command::Leave(group.clone()));
    }

    fn publish<'a>(&'a self, group: &'a GroupName, body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(async move {
            let published = self.publisher.publish(group, body).await;
            published.map_err(|failure| failure.into_error(|| self.unavailable()))
        })
    }

    fn emit<'a>(&'a self, groups: &'a [GroupName], body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(async move {
            let emitted = self.publisher.emit(groups, body).await;
            emitted.map_err(|failure| failure.into_error(|| self.unavailable()))
        })
    }

    fn send<'a>(&'a self, channel: &'a str, body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(async move {
            let sent = self.publisher.send(channel, body).await;
            sent.map_err(|failure| failure.into_error(|| self.unavailable()))
        })
    }

    fn reply_channel(&self) -> Option<String> {
        Some(self.reply_channel.clone())
    }

    fn channel_name(&self, id: &str) -> String {
        self.naming.connection_channel(id)
    }

    fn discard(&self, group: &GroupName, id: &str) {
        if self.naming.has_sets() {
            // If the thread has ended its registrations expire.
            let _ = self.commands.send(Command::Discard(group.clone(), id.into()));
        }
    }

    fn readiness(&self) -> Readiness {
        self.states.readiness()
    }

    fn outage(&self, group: Option<&GroupName>) -> Option<LayerError> {
        let reason = match group {
            Some(group) => self.states.outage(self.naming.needs(group)),
            None if self.states.any_serves() => None,
            None => self.states.outage(u64::MAX),
        };
        reason.map(|reason| LayerError::Unavailable { reason, retry_after: RETRY_AFTER })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            drop(self.take_starter());
            // After the deadline, or if the thread has ended, registrations in Redis expire.
            ask(&self.commands, Command::Stop, STOP + Duration::from_secs(1)).await;
        })
    }
}
