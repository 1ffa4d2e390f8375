//! The layer over Redis: everything that Django, or anybody else, publishes there.
//!
//! In: what channels_redis' two layers write, plain publishes, mapped channels. Out: [`Signal`](super::Signal)s to one sink.
//! All of it runs on one thread, the layer thread; the methods of [`Layer`] send it commands and wait, with a deadline.
//!
//! - [`hosts`]: where a Redis is
//! - `place`: what a group is called there; `registry`: which groups this node has
//! - `supervisor`, `session`: one host, connected for ever; `subscription`, `core`: its two ways in
//! - `inbox`: from bytes to signals; `publisher`: what the node writes for others
//! - [`pool`]: commands of other parts to the same Redis

pub mod backoff;
mod core;
pub mod hosts;
mod inbox;
mod place;
pub mod pool;
mod publisher;
mod registry;
mod session;
mod subscription;
mod supervisor;
mod thread;

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use redis::RedisError;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use self::{
    hosts::{Host, HostError},
    inbox::{Inbox, SharedInbox},
    place::Placement,
    publisher::Publisher,
    registry::{RETRY_AFTER, Registry, Waiter},
};
use super::{Layer, LayerError, Mapping, Readiness, Sink};
use crate::{
    config,
    event::{GroupName, Value},
    telemetry::Metrics,
};

/// Deadline of a connection with its setup.
const CONNECT: Duration = Duration::from_secs(3);

/// Deadline of an answer.
const RESPONSE: Duration = Duration::from_secs(3);

/// Deadline of a join, which may wait for a batch and is then in one.
const JOIN: Duration = Duration::from_secs(5);

/// Deadline of a clean stop.
const STOP: Duration = Duration::from_secs(3);

/// Why a layer does not start. Redis being away is no reason: that is a state.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no URL.
    #[error("layer.url or layer.hosts must name a Redis")]
    NoHost,
    /// More hosts than the node can keep apart.
    #[error("{0} hosts are more than the 64 that a layer may have")]
    TooManyHosts(usize),
    /// A URL is wrong; the number counts from one.
    #[error("Redis {number} of the layer: {error}")]
    Host {
        /// Which of the URLs.
        number: usize,
        /// What is wrong with it.
        error: HostError,
    },
    /// The operating system gives no thread.
    #[error("the layer's thread cannot start: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the layer thread is asked to do.
enum Command {
    Join(GroupName, Waiter),
    Leave(GroupName),
    Stop(oneshot::Sender<()>),
}

/// What everything on the layer thread shares.
struct Context {
    options: config::Layer,
    /// This start of this process; in every name that the node has in Redis.
    node: String,
    hosts: Vec<Host>,
    queues: Vec<String>,
    registry: RefCell<Registry>,
    /// The popping connection that each host knew last, by its number there.
    poppers: RefCell<Vec<Option<i64>>>,
    inbox: SharedInbox,
    readiness: Arc<HostStates>,
    publisher: Arc<Publisher>,
    stop: watch::Sender<bool>,
}

/// What is wrong with each host; nothing where it serves.
struct HostStates(Mutex<Vec<Option<String>>>);

impl HostStates {
    fn set(&self, host: usize, state: Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[host] = state;
    }

    fn outage(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().next().cloned()
    }
}

/// Ends a task that nobody waits for any more.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// The layer over Redis, for any number of nodes.
pub struct RedisLayer {
    commands: mpsc::UnboundedSender<Command>,
    readiness: Arc<HostStates>,
    publisher: Arc<Publisher>,
    reply_channel: String,
}

impl RedisLayer {
    /// Starts the layer thread, which connects and stays connected. Joins are refused until it is [`Readiness::Ready`].
    ///
    /// Dropping the layer without [`Layer::stop`] leaves its registrations in Redis to expire, as a crash does.
    ///
    /// # Errors
    /// A URL that is none, or no thread. Redis need not be there.
    pub fn start(
        options: &config::Layer,
        mappings: Vec<Mapping>,
        sink: Sink,
        metrics: Metrics,
    ) -> Result<Self, StartError> {
        let urls: Vec<_> =
            if options.hosts.is_empty() { options.url.iter().collect() } else { options.hosts.iter().collect() };
        match urls.len() {
            0 => return Err(StartError::NoHost),
            65.. => return Err(StartError::TooManyHosts(urls.len())),
            _ => {}
        }
        let hosts = urls
            .iter()
            .enumerate()
            .map(|(at, url)| Host::parse(url.expose()).map_err(|error| StartError::Host { number: at + 1, error }))
            .collect::<Result<Vec<_>, _>>()?;
        // Where the program has chosen a provider already, that one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let node = uuid::Uuid::new_v4().simple().to_string();
        // A group's name has no colon, so no group's channel is like this one.
        let probe_channel = format!("{}probe:{node}", options.publish_prefix);
        let placement = Placement::new(options, hosts.len(), &node);
        let reply_channel = placement.reply_channel();
        let inbox = Inbox::new(options, probe_channel, reply_channel.clone(), mappings, sink, metrics);
        let inbox = Arc::new(inbox);
        let states = hosts.iter().map(|host| Some(format!("Redis {}: not connected yet", host.label()))).collect();
        let readiness = Arc::new(HostStates(Mutex::new(states)));
        let publisher = Arc::new(Publisher::new(options, hosts.len()));
        let (commands, queue) = mpsc::unbounded_channel();
        let (shared_readiness, shared_publisher) = (Arc::clone(&readiness), Arc::clone(&publisher));
        let shared_options = options.clone();
        // The context is made on its thread: it is that thread's alone.
        thread::start(queue, move || {
            Rc::new(Context {
                hosts,
                node,
                poppers: vec![None; placement.hosts()].into(),
                queues: placement.queues(),
                registry: Registry::new(placement, shared_options.linger.0).into(),
                options: shared_options,
                inbox,
                readiness: shared_readiness,
                publisher: shared_publisher,
                stop: watch::Sender::new(false),
            })
        })?;
        Ok(Self { commands, readiness, publisher, reply_channel })
    }

    fn unavailable(&self) -> LayerError {
        let reason = self.readiness.outage().unwrap_or_else(|| "Redis does not answer in time".to_owned());
        LayerError::Unavailable { reason, retry_after: RETRY_AFTER }
    }
}

impl Layer for RedisLayer {
    fn join<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>> {
        let (waiter, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Join(group.clone(), waiter));
        Box::pin(async move {
            if sent.is_err() {
                return Err(self.unavailable());
            }
            match timeout(JOIN, answer).await {
                Ok(Ok(answer)) => answer,
                _ => Err(self.unavailable()),
            }
        })
    }

    fn leave(&self, group: &GroupName) {
        // Where the thread has ended there is nothing to leave.
        let _ = self.commands.send(Command::Leave(group.clone()));
    }

    fn publish<'a>(&'a self, group: &'a GroupName, body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(async move {
            let published = self.publisher.publish(group, body).await;
            published.map_err(|failure| failure.into_error(|| self.unavailable()))
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

    fn readiness(&self) -> Readiness {
        self.readiness.outage().map_or(Readiness::Ready, Readiness::NotReady)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let (done, stopped) = oneshot::channel();
            if self.commands.send(Command::Stop(done)).is_ok() {
                // Beyond the deadline, or where the thread has ended, what is left in Redis expires.
                let _ = timeout(STOP + Duration::from_secs(1), stopped).await;
            }
        })
    }
}
