//! The composition root: the only place that knows every part, and the story of a node's life.

mod answers;
mod presence;
mod reload;
mod systemd;
mod tokens;

use std::{
    convert::Infallible,
    net::ToSocketAddrs as _,
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use tokio::{
    signal::unix::{self, SignalKind, signal},
    sync::watch,
};

pub use self::reload::Reader;
use self::{answers::Answers, reload::Reload};
use crate::{
    admission::Door,
    auth::{Authenticator, Cache, MemoryCache, OriginPolicy, RedisCache},
    backend::{self, WorkerBackend},
    cluster::Cluster,
    config::{Config, ConfigErrors, Emitters, KeyPath, SourceMapping},
    consumer::{ConsumerSet, Consumers, SourceGroup},
    event::{GapReason, Source},
    http::{
        health::Draining,
        offer::Offer,
        page::{PageData, TokenMaker},
        publish::PublishAccess,
        server::{self, Running, Services},
        socketio::Engine,
    },
    hub::{Dispatcher, Registry, registry::MAX_WORKERS},
    layer::{Layer, MappedFrom, Mapping, Signal, Sink, ToGroup, codec, memory::MemoryLayer, redis::RedisLayer},
    protocol::apart::Apart,
    redis::Host,
    telemetry::Metrics,
};

/// The node stopped by itself, or was told to and every connection was closed in time.
pub const EXIT_DRAINED: u8 = 0;
/// It could not start, or failed while it ran.
pub const EXIT_FAILED: u8 = 1;
/// The configuration is not valid.
pub const EXIT_CONFIGURATION: u8 = 2;
/// A second signal ended it before the drain was over; 128 and the signal's number, as shells say it.
const EXIT_FORCED: u8 = 128;

/// How long the last farewells of clients may take at a stop.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the parts demand of their settings beyond their types: URLs, keys, places of credentials.
pub fn check(config: &Config) -> Result<(), ConfigErrors> {
    let mut errors = Vec::new();
    let mut note = |key: KeyPath, reason: String| errors.push(config.error(&key, reason));
    let urls = config.layer.url.iter().map(|url| (KeyPath::dotted("layer.url"), url));
    let hosts = config.layer.hosts.iter().enumerate();
    let hosts = hosts.map(|(place, url)| (KeyPath::dotted("layer.hosts").then(place), url));
    let cache = config.cache.url.iter().map(|url| (KeyPath::dotted("cache.url"), url));
    for (key, url) in urls.chain(hosts).chain(cache) {
        if let Err(reason) = Host::parse(url.expose()) {
            note(key, reason.to_string());
        }
    }
    if let Err(error) = Authenticator::new(config, Arc::new(MemoryCache::new())) {
        note(KeyPath::dotted(&error.key), error.reason);
    }
    for source in OriginPolicy::new(config.server.allowed_origins.as_deref()).useless() {
        note(KeyPath::dotted("server.allowed_origins"), format!("{source:?} can never match an Origin"));
    }
    if config.server.workers > MAX_WORKERS / 2 {
        note(KeyPath::dotted("server.workers"), format!("a node has at most {} workers", MAX_WORKERS / 2));
    }
    for (place, source) in config.sources.iter().enumerate() {
        if source.channel.is_some() == source.pattern.is_some() {
            note(
                KeyPath::dotted("source").then(place),
                "a source names a channel or a pattern, one of them".to_owned(),
            );
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
}

/// Runs a node until it is told to stop; `reader` reads the configuration again.
pub async fn serve(config: Config, consumers: ConsumerSet, reader: Reader) -> anyhow::Result<ExitCode> {
    let mut stop = StopSignals::new()?;
    let mut hangup = signal(SignalKind::hangup())?;
    raise_file_limit();
    let metrics = Metrics::new();
    let embedded = config.is_embedded();
    let emitters = consumers.iter().any(|consumer| consumer.namespace().is_some());
    metrics.expect(Source::ALL.iter().map(|one| one.label()), GapReason::ALL.iter().map(|one| one.label()));

    // The layer hands its signals to the dispatcher, which asks the registry, which tells the layer whom to hear.
    let dispatcher: Arc<OnceLock<Arc<Dispatcher>>> = Arc::default();
    let worker: Arc<OnceLock<Arc<WorkerBackend>>> = Arc::default();
    let sink: Sink = {
        let (dispatcher, worker) = (Arc::clone(&dispatcher), Arc::clone(&worker));
        Arc::new(move |signal| match (signal, worker.get(), dispatcher.get()) {
            (Signal::Message(message), Some(worker), _) => drop(worker.answered(&message)),
            (signal, _, Some(dispatcher)) => dispatcher.take(signal),
            (_, _, None) => {}
        })
    };
    let layer: Arc<dyn Layer> = if embedded {
        Arc::new(MemoryLayer::start(sink, metrics.clone())?)
    } else {
        let mut options = config.layer.clone();
        if !emitters {
            options.emitters = Emitters::off();
        }
        Arc::new(RedisLayer::start(&options, mappings(&config)?, sink, metrics.clone())?)
    };
    let cache: Arc<dyn Cache> = match config.cache_url() {
        Some(url) => Arc::new(RedisCache::new(&config.cache, url)?),
        None => Arc::new(MemoryCache::new()),
    };
    metrics.tail.name_consumers(consumers.iter().map(|consumer| consumer.numbered()));
    let offer = Arc::new(ArcSwap::from_pointee(Offer::new(&config, &consumers, &metrics)));
    let consumers = Consumers::new(consumers);
    let registry = Arc::new(Registry::new(Arc::clone(&layer)));
    let dispatcher = {
        let made = Arc::new(Dispatcher::new(Arc::clone(&registry), consumers.clone(), metrics.clone()));
        dispatcher.get_or_init(|| made)
    };
    let authenticator = Arc::new(Authenticator::new(&config, Arc::clone(&cache))?);
    let cluster = Arc::new(Cluster::new(&config, metrics.clone())?);
    metrics.of_node(cluster.id().as_str());
    if config.redis_url().is_some() {
        authenticator.revocations().expect();
    }
    let (backend, answering) = backend::choose(&config.backend, &layer, metrics.clone())?;
    if let Some(answering) = answering {
        worker.get_or_init(|| answering);
    }
    let apart = Apart::new(Arc::clone(&layer), Arc::clone(&backend));
    let (presence, graces) = presence::start(&config, cluster.id().as_str(), &consumers, &apart, metrics.clone())?;
    let answers = Answers::new(
        Arc::clone(dispatcher),
        Arc::clone(&registry),
        consumers.clone(),
        Arc::clone(&authenticator),
        metrics.clone(),
    );

    let door = Door::new(&config, cluster.id().as_str(), metrics.clone())?;
    actix_rt::spawn(Arc::clone(&door).run());

    let draining = Draining::default();
    let (begin_drain, drain) = watch::channel(None);
    let publish = publish_access(&config, embedded);
    let page = config.page.enabled.unwrap_or(embedded).then(|| page(&config, embedded, &publish, &cache));
    let publish = Arc::new(ArcSwap::from_pointee(publish));
    let mut reload = Reload {
        reader,
        most_connections: config.server.max_connections,
        config: config.clone(),
        consumers,
        offer: Arc::clone(&offer),
        authenticator: Arc::clone(&authenticator),
        publish: Arc::clone(&publish),
        page: page.clone(),
        graces,
        metrics: metrics.clone(),
        emitters: embedded || emitters,
        door: Arc::clone(&door),
    };
    let services = Services {
        page,
        publish,
        offer,
        config: Arc::new(config.clone()),
        authenticator,
        registry,
        engine: Arc::new(Engine::new(Arc::clone(&cluster) as _)),
        backend,
        presence: Arc::clone(&presence),
        apart: apart.clone(),
        cluster: Arc::clone(&cluster),
        door: Arc::clone(&door),
        dispatcher: Arc::clone(dispatcher),
        metrics: metrics.clone(),
        draining: draining.clone(),
        drain,
    };
    let given = systemd::listener().context("the socket of the service manager")?;
    let activated = given.is_some();
    if activated {
        // Who connects meanwhile waits in the socket; let in now, it would be turned away.
        systemd::ready(&layer).await;
    }
    let Running { server, handle, address } =
        server::start(services, given).with_context(|| format!("cannot listen on {}", config.server.listen))?;
    cluster.start(address, Arc::new(answers));
    let recheck = config.auth.ws_token.recheck.0;
    if !recheck.is_zero() && !config.auth.ws_token.single_use {
        tokio::spawn(tokens::look_after(Arc::clone(&cache), Arc::clone(dispatcher), recheck));
    }
    announce(&config, address, embedded);
    actix_rt::spawn(systemd::started(Arc::clone(&layer)));
    actix_rt::spawn(systemd::watched(Arc::clone(dispatcher)));

    let mut server = actix_rt::spawn(server);
    let asked = loop {
        tokio::select! {
            asked = stop.next() => break asked,
            _ = hangup.recv() => reload.run().await,
            ended = &mut server => {
                ended.context("the server's task failed")?.context("the server failed")?;
                anyhow::bail!("the server ended by itself");
            }
        }
    };

    // Not ready → the balancer looks away → no new connections → the old ones are closed, spread → the rest is cut.
    let open = metrics.connections.get();
    log::info!("{} received: draining {open} connections; a second signal ends at once", asked.name);
    systemd::stopping(open);
    if activated {
        // The socket outlives this process: who connects from now on waits in it for the next one.
        handle.pause().await;
    } else {
        draining.begin();
    }
    let drained = async {
        if !asked.interactive {
            tokio::time::sleep(config.server.drain_delay.0).await;
        }
        let period = if asked.interactive { Duration::ZERO } else { config.server.drain_period.0 };
        // Nobody listens where no worker has started.
        let _ = begin_drain.send(Some(period));
        if activated {
            // Who had just been let in is not turned away, but closed like all others.
            tokio::time::sleep(period).await;
            draining.begin();
        }
        // Clients that poll are told by the next answer to them, so there must be somebody to answer.
        let patience = period + config.server.drain_grace.0 + Duration::from_secs(2);
        let _ = tokio::time::timeout(patience, no_session_polls(&metrics)).await;
        handle.stop(true).await;
        door.stop().await;
        presence.stop().await;
        // What consumers still have to say of clients that have gone.
        let _ = tokio::time::timeout(FAREWELL, apart.finished()).await;
        cluster.stop().await;
        layer.stop().await;
    };
    tokio::select! {
        () = drained => {
            log::info!("drained; every registration in Redis is taken back");
            Ok(ExitCode::from(EXIT_DRAINED))
        }
        again = stop.next() => {
            log::warn!("{} received again: ending at once", again.name);
            let _ = tokio::time::timeout(Duration::from_millis(500), layer.stop()).await;
            std::process::exit(i32::from(EXIT_FORCED + again.number));
        }
        never = refuse_reloads(&mut hangup) => match never {},
    }
}

/// Nothing is reloaded any more.
async fn refuse_reloads(hangup: &mut unix::Signal) -> Infallible {
    loop {
        match hangup.recv().await {
            Some(()) => log::warn!("SIGHUP received: the node is draining and reloads nothing"),
            None => std::future::pending().await,
        }
    }
}

/// Waits until every Engine.IO session that polls is over.
async fn no_session_polls(metrics: &Metrics) {
    let mut look = tokio::time::interval(Duration::from_millis(50));
    while metrics.polling.get() > 0 {
        look.tick().await;
    }
}

/// `[[source]]`: Redis channels whose messages go to a group.
fn mappings(config: &Config) -> anyhow::Result<Vec<Mapping>> {
    let mapping = |source: &SourceMapping| {
        let template = SourceGroup::compile(&source.group).map_err(anyhow::Error::msg)?;
        let group: ToGroup =
            Arc::new(move |channel, body| template.groups(channel, &Arc::new(body.clone())).ok()?.into_iter().next());
        let from = match (&source.channel, &source.pattern) {
            (Some(channel), _) => MappedFrom::Channel(channel.clone()),
            (None, Some(pattern)) => MappedFrom::Pattern(pattern.clone()),
            (None, None) => anyhow::bail!("a source names a channel or a pattern"),
        };
        Ok(Mapping { from, group })
    };
    config.sources.iter().map(mapping).collect()
}

/// Without a key the API is open to this machine alone, and only while nothing but this node hears what is published.
fn publish_access(config: &Config, embedded: bool) -> PublishAccess {
    let on_loopback = || {
        let addresses = config.server.listen.to_socket_addrs();
        addresses.is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()))
    };
    match &config.api.key {
        Some(key) => PublishAccess::Key(key.clone()),
        None if embedded && on_loopback() => PublishAccess::Loopback,
        None => PublishAccess::Off,
    }
}

/// With the embedded cache, whose tokens open nothing but this node, the page can make itself a ws-token.
fn page(config: &Config, embedded: bool, publish: &PublishAccess, cache: &Arc<dyn Cache>) -> PageData {
    let maker: Option<TokenMaker> = (embedded && config.cache_url().is_none()).then(|| {
        let (cache, rules) = (Arc::clone(cache), config.auth.ws_token.clone());
        Arc::new(move |user: String| {
            let (cache, rules) = (Arc::clone(&cache), rules.clone());
            Box::pin(async move {
                let token = uuid::Uuid::new_v4().simple().to_string();
                let key = rules.opaque_key.replace("{token}", &token);
                let made = cache.set(&key, codec::cache_value::encode_cache_str(&user).into(), rules.lifetime.0).await;
                made.map(|()| token).map_err(|error| error.to_string())
            }) as BoxFuture<'static, _>
        }) as TokenMaker
    });
    PageData::new(config, embedded, publish, maker)
}

fn announce(config: &Config, address: std::net::SocketAddr, embedded: bool) {
    log::info!("channelgate {} listens on http://{address}", env!("CARGO_PKG_VERSION"));
    if embedded {
        log::info!(
            "no REDIS_URL: the embedded layer serves this one node; publish with POST http://{address}/api/publish, \
             or set REDIS_URL to receive what Django's channel_layer.group_send writes"
        );
    }
    if config.auth.secret_key.is_none() {
        log::info!("no DJANGO_SECRET_KEY: routes that check JWTs answer 503");
    }
}

/// As many sockets as the system allows; the default soft limit of 1,024 is for other programs.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => log::debug!("up to {limit} open files"),
        Err(error) => log::warn!("the limit of open files cannot be raised: {error}"),
    }
}

struct StopSignals {
    term: unix::Signal,
    interrupt: unix::Signal,
}

struct Asked {
    name: &'static str,
    number: u8,
    /// Ctrl-C: a person waits.
    interactive: bool,
}

impl StopSignals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.term.recv() => Asked { name: "SIGTERM", number: 15, interactive: false },
            _ = self.interrupt.recv() => Asked { name: "SIGINT", number: 2, interactive: true },
        }
    }
}
