//! Chooses the channel layer of a node and the receiver of its signals.

use std::sync::Arc;

use crate::{
    backend::WorkerBackend,
    config::{Config, Emitters, SourceMapping},
    consumer::{ConsumerSet, SourceGroup},
    hub::Dispatcher,
    layer::{ChannelMapping, Layer, MappedFrom, Signal, Sink, ToGroup, memory::MemoryLayer, redis::RedisLayer},
    telemetry::Metrics,
};

/// The layer of the configuration, not started yet.
pub fn choose(config: &Config, consumers: &ConsumerSet, metrics: Metrics) -> anyhow::Result<Arc<dyn Layer>> {
    if config.is_embedded() {
        return Ok(Arc::new(MemoryLayer::new(metrics)));
    }
    let mut options = config.layer.clone();
    if !speak_socketio(consumers) {
        options.emitters = Emitters::off();
    }
    Ok(Arc::new(RedisLayer::new(&options, mappings(config)?, metrics)?))
}

/// Whether a consumer speaks Socket.IO, so that its emitters reach anyone.
pub fn speak_socketio(consumers: &ConsumerSet) -> bool {
    consumers.iter().any(|consumer| consumer.namespace().is_some())
}

/// Sends the answers of workers to the backend that asked, and everything else to the dispatcher.
pub fn sink(dispatcher: Arc<Dispatcher>, worker: Option<Arc<WorkerBackend>>) -> Sink {
    Arc::new(move |signal| match (signal, &worker) {
        (Signal::Message(message), Some(worker)) => drop(worker.answered(&message)),
        (signal, _) => dispatcher.take(signal),
    })
}

/// `[[source]]`: Redis channels with messages for a group.
fn mappings(config: &Config) -> anyhow::Result<Vec<ChannelMapping>> {
    let mapping = |source: &SourceMapping| {
        let template = SourceGroup::compile(&source.group).map_err(anyhow::Error::msg)?;
        let group: ToGroup =
            Arc::new(move |channel, body| template.groups(channel, &Arc::new(body.clone())).ok()?.into_iter().next());
        let from = match (&source.channel, &source.pattern) {
            (Some(channel), _) => MappedFrom::Channel(channel.clone()),
            (None, Some(pattern)) => MappedFrom::Pattern(pattern.clone()),
            (None, None) => anyhow::bail!("a source needs a channel or a pattern"),
        };
        Ok(ChannelMapping { from, group })
    };
    config.sources.iter().map(mapping).collect()
}
