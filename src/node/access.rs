//! Who may publish to a node, and what its live page may do.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    auth::Cache,
    config::{Config, Secret},
    http::{
        page::{PageData, TokenMaker},
        publish::PublishAccess,
    },
    layer::codec,
};

/// The configured key; else `made`, as long as only this node receives what is published; else publishing is off.
pub fn publish_access(config: &Config, made: &Secret) -> PublishAccess {
    match &config.api.key {
        Some(key) => PublishAccess::Key(key.clone()),
        None if config.is_embedded() => PublishAccess::Key(made.clone()),
        None => PublishAccess::Off,
    }
}

/// A random key that is valid while this process runs.
pub fn make_key() -> Secret {
    Secret::new(uuid::Uuid::new_v4().simple().to_string())
}

/// With the embedded cache, where tokens are valid on this node only, the page can create a ws-token itself.
pub fn page(config: &Config, publish: &PublishAccess, cache: &Arc<dyn Cache>) -> PageData {
    let embedded = config.is_embedded();
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
