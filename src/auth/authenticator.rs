//! Tries a consumer's authentication methods on one handshake.
//!
//! In: methods and a [`RequestHead`]. Out: an [`Identity`] or an [`AuthError`].
//!
//! The first method that yields a user wins. `anonymous` applies only without a credential, wherever it is in the list:
//! a client that sends a token expects to be authenticated, so an invalid token refuses the connection instead of
//! quietly making it anonymous (as a Channels middleware would). Why: `docs/decisions/0004-auth.md`.

use std::{fmt, sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;

use super::{
    AuthConfigError, AuthError, Cache, Identity, IssuedToken, OriginPolicy, PageTokens, RequestHead, Revocations,
    TokenSource, claims,
    credential::{self, Authorization},
    jwt,
    ws_token::{self, WsTokens},
};
use crate::{
    config::{AuthMethod, Config},
    event::Fingerprint,
};

/// Authenticates connections. One per node, shared by its workers.
pub struct Authenticator {
    /// Replaced by a reload.
    keys: ArcSwap<Keys>,
    cache: Arc<dyn Cache>,
    revocations: Arc<Revocations>,
    /// Tokens of the node's own live page, which open connections only.
    page_tokens: Option<Arc<PageTokens>>,
}

/// Keys, credential sources and origins of a configuration.
pub struct Keys {
    jwt: Option<jwt::Verifier>,
    jwt_sources: Vec<TokenSource>,
    ws_tokens: WsTokens,
    ws_token_sources: Vec<TokenSource>,
    origins: OriginPolicy,
    jti_claim: String,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.load();
        f.debug_struct("Authenticator").field("jwt", &keys.jwt).field("origins", &keys.origins).finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads keys, rules and sources. An error names the key in the file.
    pub fn new(config: &Config) -> Result<Self, AuthConfigError> {
        let auth = &config.auth;
        Ok(Self {
            jwt: jwt::Verifier::new(auth)?,
            jwt_sources: TokenSource::parse_all("auth.jwt.sources", &auth.jwt.sources)?,
            ws_tokens: WsTokens::new(auth)?,
            ws_token_sources: TokenSource::parse_all("auth.ws_token.sources", &auth.ws_token.sources)?,
            origins: OriginPolicy::new(config.server.allowed_origins.as_deref()),
            jti_claim: auth.jwt.jti_claim.clone(),
        })
    }
}

impl Authenticator {
    /// Uses the rules of the configuration, and the cache that holds ws-tokens. An error names the key in the file.
    pub fn new(config: &Config, cache: Arc<dyn Cache>) -> Result<Self, AuthConfigError> {
        let keys = ArcSwap::from_pointee(Keys::new(config)?);
        Ok(Self { keys, cache, revocations: Arc::default(), page_tokens: None })
    }

    /// Accepts the tokens of the node's own live page for connections, too.
    #[must_use]
    pub fn with_page_tokens(self, page_tokens: Option<Arc<PageTokens>>) -> Self {
        Self { page_tokens, ..self }
    }

    /// Uses other rules from the next credential on.
    pub fn exchange(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }

    /// The revoked tokens.
    pub const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// The fingerprint of a token, and when it expires according to its own claims. Neither is verified.
    pub fn recognise(&self, token: &str) -> (Fingerprint, Option<SystemTime>) {
        claims::recognise(token, &self.keys.load().jti_claim)
    }

    /// Checks the origin of the page.
    pub fn check_origin(&self, head: &RequestHead<'_>) -> Result<(), AuthError> {
        if self.keys.load().origins.allows(head.origin, head.host) { Ok(()) } else { Err(AuthError::Origin) }
    }

    /// Authenticates by the first of `methods` that succeeds.
    ///
    /// If none does, the most informative error is returned: an unreachable store before a missing key, that before an
    /// invalid token, and that before no token.
    pub async fn authenticate(&self, methods: &[AuthMethod], head: &RequestHead<'_>) -> Result<Identity, AuthError> {
        let keys = self.keys.load_full();
        let mut worst = AuthError::Missing;
        let mut shown = false;
        for method in methods {
            let (sources, lacks_key) = match method {
                AuthMethod::WsToken => (&keys.ws_token_sources, keys.ws_tokens.needs_key().then_some(ws_token::NO_KEY)),
                AuthMethod::Jwt => (&keys.jwt_sources, keys.jwt.is_none().then_some(jwt::NO_KEY)),
                AuthMethod::Anonymous => continue,
            };
            let result = match (credential::find(sources, head), lacks_key) {
                (Some(credential), _) => {
                    shown = true;
                    let identity = self.identify_client(*method, &credential.token).await;
                    identity.map(|identity| Identity { subprotocol: credential.subprotocol, ..identity })
                }
                (None, lacks_key) => Err(lacks_key.unwrap_or(AuthError::Missing)),
            };
            match result {
                Ok(identity) => return Ok(identity),
                Err(error) if weight(&error) > weight(&worst) => worst = error,
                Err(_) => {}
            }
        }
        if methods.contains(&AuthMethod::Anonymous) && !shown { Ok(Identity::default()) } else { Err(worst) }
    }

    /// The user of a token that did not come in a request's head, by one method.
    pub async fn identify(&self, method: AuthMethod, token: &str) -> Result<Identity, AuthError> {
        let keys = self.keys.load_full();
        let identity = match method {
            AuthMethod::WsToken => keys.ws_tokens.identify(&*self.cache, token, SystemTime::now()).await?,
            AuthMethod::Jwt => keys.jwt.as_ref().ok_or(jwt::NO_KEY)?.identify(token, SystemTime::now())?,
            AuthMethod::Anonymous => return Ok(Identity::default()),
        };
        self.unless_revoked(identity).await
    }

    /// Like [`Self::identify`], but for a connection, so it accepts the tokens of the node's own live page, too.
    async fn identify_client(&self, method: AuthMethod, token: &str) -> Result<Identity, AuthError> {
        if let (AuthMethod::Jwt, Some(page_tokens)) = (method, &self.page_tokens)
            && let Ok(identity) = page_tokens.identify(token, SystemTime::now())
        {
            return self.unless_revoked(identity).await;
        }
        self.identify(method, token).await
    }

    /// Last, so that nothing is awaited between this check and the moment from which the connection can be disconnected.
    async fn unless_revoked(&self, identity: Identity) -> Result<Identity, AuthError> {
        if let Some(token) = identity.token {
            self.revocations.check(token).await?;
        }
        Ok(identity)
    }

    /// Like [`Self::authenticate`], with a token that has been found already.
    pub async fn identify_by(&self, methods: &[AuthMethod], token: &str) -> Result<Identity, AuthError> {
        let mut worst = None;
        for method in methods.iter().filter(|method| **method != AuthMethod::Anonymous) {
            match self.identify_client(*method, token).await {
                Ok(identity) => return Ok(identity),
                Err(error) => {
                    if worst.as_ref().is_none_or(|worst: &AuthError| weight(&error) > weight(worst)) {
                        worst = Some(error);
                    }
                }
            }
        }
        // None of these methods reads tokens.
        worst.map_or_else(|| Ok(Identity::default()), Err)
    }

    /// Issues a ws-token for the user of an access token in an `Authorization` header.
    pub async fn issue_ws_token(&self, authorization: Option<&str>) -> Result<IssuedToken, AuthError> {
        let keys = self.keys.load_full();
        let token = match credential::authorization(authorization, "Bearer") {
            Authorization::Token(token) => token,
            Authorization::Malformed => return Err(MALFORMED_HEADER),
            Authorization::None => return Err(keys.jwt.as_ref().map_or(jwt::NO_KEY, |_| AuthError::Missing)),
        };
        let identity = self.identify(AuthMethod::Jwt, token).await?;
        let id = identity.user.get("id").ok_or(AuthError::Missing)?;
        keys.ws_tokens.issue(&*self.cache, id, SystemTime::now()).await
    }
}

/// simplejwt's wording.
pub const MALFORMED_HEADER: AuthError =
    AuthError::Invalid("Authorization header must contain two space-delimited values");

const fn weight(error: &AuthError) -> u8 {
    match error {
        AuthError::Missing => 0,
        AuthError::Invalid(_) | AuthError::Origin => 1,
        AuthError::Revoked => 2,
        AuthError::Unconfigured(_) => 3,
        AuthError::Unavailable { .. } => 4,
    }
}

#[cfg(test)]
mod tests;
