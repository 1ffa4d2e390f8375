//! Builds the parts of a node.
//!
//! In: the configuration and its consumers. Out: a [`Node`] whose parts know each other. It starts no layer and no
//! server.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    answers::NodeResponder,
    layer,
    overview::Overviews,
    presence,
    reload::{ReadConfig, Reload, Shared},
};
use crate::{
    admission::AdmissionControl,
    auth::{Cache, DjangoLogins, MemoryCache, RedisCache},
    backend::{
        self, Backend, WorkerBackend,
        bridge::{self, SharedBridge},
    },
    cluster::Cluster,
    config::Config,
    consumer::ConsumerSet,
    event::{GapReason, Source},
    http::{health::Draining, server::Services, socketio::EngineIoShared},
    hub::{Dispatcher, Registry},
    layer::{Layer, Sink},
    presence::Presence,
    protocol::background::Background,
    telemetry::Metrics,
};

/// The parts of a node.
pub struct Node {
    /// The configuration at the start.
    pub config: Arc<Config>,
    /// The parts that a reload exchanges.
    pub reload: Reload,
    pub metrics: Metrics,
    pub layer: Arc<dyn Layer>,
    pub registry: Arc<Registry>,
    pub dispatcher: Arc<Dispatcher>,
    pub backend: Arc<dyn Backend>,
    /// Runs consumers in Django.
    pub bridge: SharedBridge,
    /// The backend, if it is a Channels worker: its answers arrive through the layer.
    pub worker: Option<Arc<WorkerBackend>>,
    pub cache: Arc<dyn Cache>,
    pub control: Arc<AdmissionControl>,
    pub background: Background,
    pub presence: Arc<dyn Presence>,
    pub cluster: Arc<Cluster>,
    pub draining: Draining,
    /// Announces the start of the drain and its duration.
    pub drain: watch::Sender<Option<Duration>>,
    /// Announces the stop of the server, after the drain.
    pub stopping: watch::Sender<bool>,
}

impl Node {
    /// Makes every part; fails if the configuration does not work.
    pub fn build(config: Config, consumers: ConsumerSet, reader: ReadConfig) -> anyhow::Result<Self> {
        let metrics = Metrics::new();
        let layer = layer::choose(&config, &consumers, metrics.clone())?;
        Self::around(layer, config, consumers, reader, metrics)
    }

    /// Makes every part around this layer, without starting the layer.
    pub(super) fn around(
        layer: Arc<dyn Layer>,
        config: Config,
        consumers: ConsumerSet,
        reader: ReadConfig,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        metrics.expect(Source::ALL.iter().map(|one| one.label()), GapReason::ALL.iter().map(|one| one.label()));
        let cluster = Cluster::new(&config, metrics.clone())?;
        let id = cluster.id().as_str();
        metrics.of_node(id);
        consumers.on_node(config.cluster.name.as_deref().unwrap_or(id));
        let control = AdmissionControl::new(&config, id, metrics.clone())?;
        let cache = cache(&config)?;
        let chosen = backend::choose(&config.backend, &layer, metrics.clone())?;
        let django = backend::login(&config.backend, &chosen, metrics.clone())?;
        let (backend, worker) = chosen;
        let django = django.map(|way| DjangoLogins::new(way, metrics.clone()));
        let services = Shared { cache: Arc::clone(&cache), django, control: Arc::clone(&control) };
        let reload = Reload::new(reader, config.clone(), consumers, services, metrics.clone())?;
        let registry = Arc::new(Registry::new(Arc::clone(&layer)));
        let max_calls = config.bridge.max_calls_per_event;
        let dispatcher = Dispatcher::new(Arc::clone(&registry), reload.consumers.clone(), max_calls, metrics.clone());
        let bridge = bridge::choose(&config, &layer, control.admission_timeout(), metrics.clone())?;
        let background = Background::new(Arc::clone(&layer), Arc::clone(&backend));
        let presence =
            presence::start(&config, id, &reload.consumers, reload.graces.clone(), &background, metrics.clone())?;
        Ok(Self {
            config: Arc::new(config),
            reload,
            metrics,
            layer,
            registry,
            dispatcher: Arc::new(dispatcher),
            backend,
            bridge,
            worker,
            cache,
            control,
            background,
            presence,
            cluster: Arc::new(cluster),
            draining: Draining::default(),
            drain: watch::Sender::new(None),
            stopping: watch::Sender::new(false),
        })
    }

    /// Where the layer delivers its signals.
    pub fn sink(&self) -> Sink {
        layer::sink(Arc::clone(&self.dispatcher), self.worker.clone())
    }

    /// What the server's routes need.
    pub fn services(&self) -> Services {
        Services {
            config: Arc::clone(&self.config),
            serving: Arc::clone(&self.reload.serving),
            authenticator: Arc::clone(&self.reload.authenticator),
            publish: Arc::clone(&self.reload.publish),
            page: self.reload.page.clone(),
            registry: Arc::clone(&self.registry),
            engine: Arc::new(EngineIoShared::new(Arc::clone(&self.cluster) as _)),
            backend: Arc::clone(&self.backend),
            bridge: Arc::clone(&self.bridge),
            presence: Arc::clone(&self.presence),
            background: self.background.clone(),
            cluster: Arc::clone(&self.cluster),
            control: Arc::clone(&self.control),
            dispatcher: Arc::clone(&self.dispatcher),
            metrics: self.metrics.clone(),
            draining: self.draining.clone(),
            drain: self.drain.subscribe(),
            stopping: self.stopping.subscribe(),
        }
    }

    /// Answers the cluster's questions to this node.
    pub fn answers(&self) -> NodeResponder {
        NodeResponder::new(
            Arc::clone(&self.dispatcher),
            Arc::clone(&self.registry),
            self.reload.consumers.clone(),
            Arc::clone(&self.reload.authenticator),
            self.metrics.clone(),
            Overviews {
                dispatcher: Arc::clone(&self.dispatcher),
                registry: Arc::clone(&self.registry),
                metrics: self.metrics.clone(),
                name: self.config.cluster.name.as_deref().unwrap_or(self.cluster.id().as_str()).into(),
                cluster: Arc::downgrade(&self.cluster),
                draining: self.draining.clone(),
            },
        )
    }
}

fn cache(config: &Config) -> anyhow::Result<Arc<dyn Cache>> {
    Ok(match config.cache_url() {
        Some(url) => Arc::new(RedisCache::new(&config.cache, url)?),
        None => Arc::new(MemoryCache::new()),
    })
}
