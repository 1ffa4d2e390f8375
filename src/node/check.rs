//! Checks settings beyond their types: URLs, keys, places of credentials.

use std::sync::Arc;

use crate::{
    auth::{Authenticator, MemoryCache, OriginPolicy},
    config::{Config, ConfigErrors, KeyPath},
    hub::registry::MAX_WORKERS,
    layer::codec::capacity::Capacity,
    redis::Host,
};

/// Checks all settings and reports every error.
pub fn check(config: &Config) -> Result<(), ConfigErrors> {
    let mut errors = Vec::new();
    let mut note = |key: KeyPath, reason: String| errors.push(config.error(&key, reason));
    let urls = config.layer.url.iter().map(|url| (KeyPath::dotted("layer.url"), url));
    let hosts = config.layer.hosts.iter().enumerate();
    let hosts = hosts.map(|(index, url)| (KeyPath::dotted("layer.hosts").then(index), url));
    for (key, url) in urls.chain(hosts) {
        if let Err(reason) = Host::parse(url.expose()) {
            note(key, reason.to_string());
        }
    }
    if let Some(Err(reason)) = config.cache.url.as_ref().map(|url| Host::leader(url.expose())) {
        note(KeyPath::dotted("cache.url"), reason.to_string());
    }
    if let Err(wrong) = Capacity::new(&config.layer) {
        note(KeyPath::dotted("layer.channel_capacity").then(wrong.pattern.as_str()), wrong.reason);
    }
    if let Err(error) = Authenticator::new(config, Arc::new(MemoryCache::new())) {
        note(KeyPath::dotted(&error.key), error.reason);
    }
    let origins =
        [("server.allowed_origins", &config.server.allowed_origins), ("socketio.cors", &config.socketio.cors)];
    for (key, allowed) in origins {
        for wrong in OriginPolicy::wrong(allowed.as_deref().unwrap_or_default()) {
            note(KeyPath::dotted(key).then(wrong.index), wrong.reason);
        }
    }
    if config.server.workers > MAX_WORKERS / 2 {
        note(KeyPath::dotted("server.workers"), format!("a node has at most {} workers", MAX_WORKERS / 2));
    }
    for (index, source) in config.sources.iter().enumerate() {
        if source.channel.is_some() == source.pattern.is_some() {
            note(KeyPath::dotted("source").then(index), "a source needs either a channel or a pattern".to_owned());
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
}
