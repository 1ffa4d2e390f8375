//! Which key opens the publish API of a node, and what its live page may do.

use std::{sync::Arc, time::SystemTime};

use futures_util::future::BoxFuture;

use crate::{
    auth::{AuthConfigError, AuthError, Cache, PageTokens},
    config::{AuthMethod, Config, Secret, WsToken},
    http::{
        page::{PageData, PageUser, TokenMaker},
        publish::PublishAccess,
    },
    layer::codec,
};

/// The configured key; else `made`, as long as only this node receives what is published; else publishing is off.
pub fn publish_access(config: &Config, made: &Secret) -> PublishAccess {
    match &config.api.key {
        Some(key) => PublishAccess::Key(key.clone()),
        None if config.is_embedded() => PublishAccess::Printed(made.clone()),
        None => PublishAccess::Off,
    }
}

/// A random key that is valid while this process runs.
pub fn make_key() -> Secret {
    Secret::new(uuid::Uuid::new_v4().simple().to_string())
}

/// The signer of access tokens for the live page. Only with the embedded layer and without a backend, which would act
/// for the user of such a token.
pub fn page_tokens(config: &Config) -> Result<Option<Arc<PageTokens>>, AuthConfigError> {
    let wanted = makes_tokens(config) && shows_page(config) && config.backend.url.is_none();
    wanted.then(|| PageTokens::new(&config.auth).map(Arc::new)).transpose()
}

/// Whether the live page is enabled.
pub fn shows_page(config: &Config) -> bool {
    config.page.enabled.unwrap_or_else(|| config.is_embedded())
}

/// With the embedded cache, whose tokens open nothing but this node.
fn makes_tokens(config: &Config) -> bool {
    config.is_embedded() && config.cache_url().is_none()
}

/// The data of the live page; the page can create tokens if they are valid on this node only.
pub fn page(
    config: &Config,
    publish: &PublishAccess,
    cache: &Arc<dyn Cache>,
    page_tokens: Option<Arc<PageTokens>>,
) -> PageData {
    let maker = makes_tokens(config).then(|| {
        let mut methods = vec![AuthMethod::WsToken];
        if page_tokens.is_some() {
            methods.push(AuthMethod::Jwt);
            methods.extend(config.auth.jwt.kinds.keys().map(|kind| AuthMethod::JwtKind(kind.as_str().into())));
        }
        let (cache, rules) = (Arc::clone(cache), config.auth.ws_token.clone());
        let make = Arc::new(move |method: AuthMethod, user: PageUser| {
            let (cache, rules, page_tokens) = (Arc::clone(&cache), rules.clone(), page_tokens.clone());
            Box::pin(async move {
                match (method, page_tokens) {
                    (AuthMethod::WsToken, _) => ws_token(&*cache, &rules, &user.id).await,
                    (AuthMethod::Jwt | AuthMethod::JwtKind(_), Some(tokens)) => {
                        let claims = user.claims.into_iter().map(|(name, value)| (name, value.into())).collect();
                        tokens.sign(&user.id, claims, SystemTime::now())
                    }
                    _ => Err(AuthError::Unconfigured("this node does not create tokens of this kind")),
                }
                .map_err(|error| error.to_string())
            }) as BoxFuture<'static, _>
        });
        TokenMaker { methods, make }
    });
    PageData::new(config, config.is_embedded(), publish, maker)
}

async fn ws_token(cache: &dyn Cache, rules: &WsToken, user: &str) -> Result<String, AuthError> {
    let token = uuid::Uuid::new_v4().simple().to_string();
    let key = rules.opaque_key.replace("{token}", &token);
    cache.set(&key, codec::cache_value::encode_cache_str(user).into(), rules.lifetime.0).await?;
    Ok(token)
}
