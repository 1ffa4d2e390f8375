//! SIGHUP: reads the configuration again, checks it completely, and exchanges what may change in a running node.
//!
//! A configuration with any error is refused as a whole. Open connections keep the consumer that they started with; a
//! key that only a start can change is logged and stays as it was (docs/decisions/0017-reload.md).

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;

use super::{access, layer, presence, systemd};
use crate::{
    admission::AdmissionControl,
    auth::{Authenticator, Cache, DjangoLogins, Keys},
    config::{Config, ConfigErrors, Secret},
    consumer::{ConsumerSet, Consumers},
    http::{page::PageData, publish::PublishGate, serving::ServingConfig},
    presence::GracePeriods,
    telemetry::Metrics,
};

/// Reads the configuration again from the same place as at the start, and checks it as `check` does.
pub type ReadConfig = Arc<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// The parts of a node that a reload exchanges.
pub struct Reload {
    pub reader: ReadConfig,
    /// The configuration in effect.
    pub config: Config,
    pub consumers: Consumers,
    pub serving: Arc<ArcSwap<ServingConfig>>,
    pub authenticator: Arc<Authenticator>,
    pub publish: Arc<PublishGate>,
    /// The key of a node that receives its own events only and has no configured key; the same while the process runs.
    pub made_key: Secret,
    pub page: Option<PageData>,
    pub graces: GracePeriods,
    pub metrics: Metrics,
    /// More connections than the workers were started for cannot be accepted.
    pub most_connections: usize,
    /// Whether the layer receives from Socket.IO emitters.
    pub emitters: bool,
    pub control: Arc<AdmissionControl>,
}

/// What these parts use of the node.
pub struct Shared {
    pub cache: Arc<dyn Cache>,
    /// Says who clients are; absent without `backend.url`.
    pub django: Option<Arc<DjangoLogins>>,
    pub control: Arc<AdmissionControl>,
}

impl Reload {
    /// From the configuration at the start.
    pub fn new(
        reader: ReadConfig,
        config: Config,
        consumers: ConsumerSet,
        Shared { cache, django, control }: Shared,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        metrics.tail.name_consumers(consumers.iter().map(|consumer| consumer.numbered()));
        let page_tokens = access::page_tokens(&config)?;
        let authenticator = Authenticator::new(&config, Arc::clone(&cache))?.with_page_tokens(page_tokens.clone());
        let authenticator = authenticator.with_django(django);
        if config.redis_url().is_some() {
            authenticator.revocations().expect();
        }
        let embedded = config.is_embedded();
        let made_key = access::make_key();
        let publish = access::publish_access(&config, &made_key);
        Ok(Self {
            reader,
            serving: Arc::new(ArcSwap::from_pointee(ServingConfig::new(&config, &consumers, &metrics))),
            authenticator: Arc::new(authenticator),
            page: access::shows_page(&config).then(|| access::page(&config, &publish, &cache, page_tokens)),
            publish: Arc::new(ArcSwap::from_pointee(publish)),
            made_key,
            graces: presence::graces(consumers.iter()),
            most_connections: config.server.max_connections,
            emitters: embedded || layer::speak_socketio(&consumers),
            consumers: Consumers::new(consumers),
            config,
            control,
            metrics,
        })
    }

    /// Carries out one reload.
    pub async fn run(&mut self) {
        systemd::reloading().await;
        let outcome = self.outcome().await;
        self.metrics.reloaded(outcome);
        systemd::reloaded(outcome).await;
    }

    async fn outcome(&mut self) -> &'static str {
        let reader = Arc::clone(&self.reader);
        // Reading a file may block.
        let read = match tokio::task::spawn_blocking(move || reader()).await {
            Ok(Ok(read)) => read,
            Ok(Err(errors)) => return refuse(&errors),
            Err(error) => return refuse(&error),
        };
        let mut next = self.config.reloaded(&read);
        next.server.max_connections = next.server.max_connections.min(self.most_connections);
        let kept = next.changes(&read);
        let changes = self.config.changes(&next);
        if changes.is_empty() && kept.is_empty() {
            log::info!("reload: the configuration is unchanged");
            return "unchanged";
        }
        if !changes.is_empty()
            && let Err(reason) = self.exchange(&next)
        {
            return refuse(&reason);
        }
        for change in &changes {
            log::info!("reload: {change}");
        }
        for change in &kept {
            let stays = format!("takes effect at the next start; {} stays in effect", change.kept());
            log::warn!("reload: {}", read.error(&change.path, stays));
        }
        if !self.emitters && layer::speak_socketio(self.consumers.now().set()) {
            log::warn!(
                "reload: no consumer spoke Socket.IO at the start, so events of emitters arrive only after the next start"
            );
        }
        log::info!("reload: {} keys applied, {} take effect at the next start", changes.len(), kept.len());
        if changes.is_empty() { "unchanged" } else { "applied" }
    }

    /// Makes everything first and exchanges it afterwards, so that a failure leaves nothing half done.
    fn exchange(&mut self, next: &Config) -> anyhow::Result<()> {
        let set = self.consumers.now().set().followed_by(next)?;
        let serving = ServingConfig::new(next, &set, &self.metrics);
        let keys = Keys::new(next)?;
        let embedded = next.is_embedded();
        let publish = access::publish_access(next, &self.made_key);
        self.metrics.tail.name_consumers(set.iter().map(|consumer| consumer.numbered()));
        // The presence actor must know a consumer before it has a connection.
        self.graces.exchange(presence::by_consumer(set.iter()));
        self.consumers.exchange(set);
        self.authenticator.exchange(keys);
        self.control.admit_up_to(next.server.max_connections);
        self.serving.store(Arc::new(serving));
        if let Some(page) = &self.page {
            page.exchange(next, embedded, &publish);
        }
        self.publish.store(Arc::new(publish));
        self.config = next.clone();
        Ok(())
    }
}

fn refuse(reason: &dyn fmt::Display) -> &'static str {
    for line in reason.to_string().lines() {
        log::error!("reload refused: {line}");
    }
    log::error!("reload refused: the old configuration stays in effect");
    "refused"
}
