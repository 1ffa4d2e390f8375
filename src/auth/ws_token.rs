//! Short-lived tokens for WebSockets, kept in Django's cache. Two forms are in use:
//!
//! - a JWT `{user_id, type: "ws_token", exp}` under HS256 with Django's `SECRET_KEY`, valid while it equals the cache's
//!   value of `ws_token_<user id>`: one live token per user, a newer one revokes the older;
//! - an opaque text, with the user's id (or a dict with more) in the cache as `ws_token_<token>`.
//!
//! In: a token. Out: an [`Identity`]. A client chooses the token and so the cache key: no cache value is used or
//! deleted before it has proven to be a ws-token.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use indexmap::IndexMap;
use jsonwebtoken::{Algorithm as Signing, EncodingKey};
use subtle::ConstantTimeEq;

use super::{
    AuthConfigError, AuthError, Cache, Cached, Identity,
    algorithm::{Algorithm, Key},
    claims,
    credential::looks_like_jwt,
    fault::{Fault, Reason},
};
use crate::{
    config::{Auth, Secret, WsToken, WsTokenForm},
    event::{Fingerprint, Value, WatchedToken},
    layer::codec::cache_value,
};

/// Why a node without a key cannot check or issue ws-tokens.
pub const NO_KEY: AuthError =
    AuthError::Unconfigured("DJANGO_SECRET_KEY is not set, so ws-tokens cannot be checked or signed");

/// Longer opaque tokens are refused unread, in bytes; usual ones have 32 to 64.
const MAX_OPAQUE: usize = 512;

/// The values of `type` and its claim in the JWT form.
const TYPE: (&str, &str) = ("type", "ws_token");

/// Checks and issues ws-tokens.
pub struct WsTokens {
    keys: Vec<Key>,
    signing_key: Option<EncodingKey>,
    user_id_claims: Vec<String>,
    jti_claim: String,
    rules: WsToken,
}

impl fmt::Debug for WsTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsTokens").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// An issued ws-token.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token.
    pub token: String,
    /// How long it is valid.
    pub expires_in: Duration,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl WsTokens {
    /// Reads keys and rules.
    pub fn new(auth: &Auth) -> Result<Self, AuthConfigError> {
        let rules = auth.ws_token.clone();
        for (key, template, name) in [
            ("auth.ws_token.jwt_key", &rules.jwt_key, "{user_id}"),
            ("auth.ws_token.opaque_key", &rules.opaque_key, "{token}"),
        ] {
            if template.matches(name).count() != 1 {
                return Err(AuthConfigError::new(key, format!("{template:?} must contain {name} once")));
            }
        }
        if rules.lifetime.0 < Duration::from_secs(1) {
            return Err(AuthConfigError::new("auth.ws_token.lifetime", "must be at least 1 second"));
        }
        let mut secrets: Vec<&Secret> = auth.secret_key.iter().collect();
        secrets.extend(&auth.secret_key_fallbacks);
        let keys = secrets.iter().map(|secret| Algorithm::HS256.key(secret.expose()));
        let keys = keys.collect::<Result<_, _>>().map_err(|reason| AuthConfigError::new("auth.secret_key", reason))?;
        // The parking system's documentation fixes `user_id`, whatever claim its access tokens use.
        let mut user_id_claims = vec!["user_id".to_owned()];
        user_id_claims.extend(auth.jwt.user_id_claims.iter().filter(|claim| *claim != "user_id").cloned());
        Ok(Self {
            keys,
            signing_key: auth.secret_key.as_ref().map(|key| EncodingKey::from_secret(key.expose().as_bytes())),
            user_id_claims,
            jti_claim: auth.jwt.jti_claim.clone(),
            rules,
        })
    }

    /// Whether every token would be refused because no key is set.
    pub const fn needs_key(&self) -> bool {
        self.keys.is_empty() && matches!(self.rules.form, WsTokenForm::Jwt)
    }

    /// The user of a valid ws-token. With `single_use` the token is spent: of two concurrent uses one wins.
    pub async fn identify(&self, cache: &dyn Cache, token: &str, now: SystemTime) -> Result<Identity, AuthError> {
        match self.rules.form {
            WsTokenForm::Jwt => self.identify_jwt(cache, token, now).await,
            WsTokenForm::Any if looks_like_jwt(token) => self.identify_jwt(cache, token, now).await,
            WsTokenForm::Any | WsTokenForm::Opaque => self.identify_opaque(cache, token).await,
        }
    }

    async fn identify_jwt(&self, cache: &dyn Cache, token: &str, now: SystemTime) -> Result<Identity, AuthError> {
        if self.keys.is_empty() {
            return Err(NO_KEY);
        }
        let signed = claims::open(token, Algorithm::HS256, &self.keys).and_then(|claims| {
            claims::check(&claims, Duration::ZERO, false, now)?;
            Ok(claims)
        });
        let claims = signed.map_err(|fault| match fault.reason {
            Reason::Signature => {
                fault.and(format_args!("DJANGO_SECRET_KEY must be the SECRET_KEY of the Django that issues them"))
            }
            _ => fault,
        })?;
        if claims.get(TYPE.0).and_then(Value::as_str) != Some(TYPE.1) {
            return Err(Fault::new(
                Reason::WrongType,
                "it is a JWT, but no ws-token: its \"type\" is not \"ws_token\"",
            )
            .into());
        }
        let id = self.user_id_claims.iter().find_map(|name| claims.get(name)).and_then(claims::user_id);
        let id = id.ok_or_else(|| Fault::new(Reason::NoUser, "the ws-token names no user"))?;
        let key = self.jwt_key(&id).ok_or_else(|| unknown("the ws-token's user has no key in the cache"))?;
        let missing = || {
            let reason = "the cache has no ws-token for its user: it was deleted, or Django writes elsewhere; see cache.url, \
                          cache.prefix and auth.ws_token.jwt_key";
            unknown(reason)
        };
        let cached = cache.get(&key).await?.ok_or_else(missing)?;
        let value = cache_value::decode(&cached.value).map_err(|error| unreadable(&self.rules.jwt_key, &error))?;
        let current = value.as_str().ok_or_else(|| {
            unreadable(&self.rules.jwt_key, &format_args!("it is {}, not the text of a JWT", value.kind()))
        })?;
        if !bool::from(current.as_bytes().ct_eq(token.as_bytes())) {
            return Err(unknown("the user has a newer ws-token").into());
        }
        self.spend(cache, &key, &cached.value).await?;
        let user = Value::Map(IndexMap::from([("id".into(), id)]));
        let expires = claims::expiry(&claims);
        let token = Some(claims::fingerprint(token, &claims, &self.jti_claim));
        Ok(Identity { user, claims, expires, token, watch: self.watch(key, &cached), ..Identity::default() })
    }

    async fn identify_opaque(&self, cache: &dyn Cache, token: &str) -> Result<Identity, AuthError> {
        if token.is_empty() || token.len() > MAX_OPAQUE || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::new(Reason::Malformed, "it has no form that ws-tokens have").into());
        }
        // The template stands for the key, which contains the token.
        let template = &self.rules.opaque_key;
        let key = template.replacen("{token}", token, 1);
        let missing = || {
            let reason = "the cache does not have this ws-token: it has ended, or Django writes elsewhere; see cache.url, \
                          cache.prefix and auth.ws_token.opaque_key";
            unknown(reason)
        };
        let cached = cache.get(&key).await?.ok_or_else(missing)?;
        let value = cache_value::decode(&cached.value).map_err(|error| unreadable(template, &error))?;
        // Checked before it is spent: `?token=7` names the key of user 7's JWT, and must neither count as a user called
        // "eyJ…" nor delete that key.
        let user = self.user_of(&value).ok_or_else(|| {
            if value.as_str().is_some_and(looks_like_jwt) {
                return unknown("it is not an opaque token: its key in the cache has a JWT");
            }
            let keys = self.rules.user_id_keys.join(", ");
            unreadable(template, &format_args!("{} that is no user's id and has none under {keys}", value.kind()))
        })?;
        self.spend(cache, &key, &cached.value).await?;
        let token = Some(Fingerprint::of_text(token));
        Ok(Identity { user, token, watch: self.watch(key, &cached), ..Identity::default() })
    }

    /// The cache entry to watch while a connection is open; none if this node itself deletes it.
    fn watch(&self, key: String, cached: &Cached) -> Option<WatchedToken> {
        let wanted = !self.rules.single_use && !self.rules.recheck.0.is_zero();
        wanted.then(|| WatchedToken { key: key.into(), end: cached.end })
    }

    /// The user in an opaque token's cached value: an id, or a dict with one.
    fn user_of(&self, value: &Value) -> Option<Value> {
        let Value::Map(entries) = value else {
            return Some(Value::Map(IndexMap::from([("id".into(), opaque_user_id(value)?)])));
        };
        let (id_key, id) = self.rules.user_id_keys.iter().find_map(|name| Some((name, entries.get(&**name)?)))?;
        let mut user = IndexMap::from([("id".into(), opaque_user_id(id)?)]);
        let rest = entries.iter().filter(|(name, _)| ***name != **id_key && &***name != "id");
        user.extend(rest.map(|(name, value)| (name.clone(), value.clone())));
        Some(Value::Map(user))
    }

    async fn spend(&self, cache: &dyn Cache, key: &str, cached: &Bytes) -> Result<(), AuthError> {
        if !self.rules.single_use || cache.compare_and_delete(key, cached).await? {
            return Ok(());
        }
        Err(unknown("the ws-token was already used").into())
    }

    /// Issues a ws-token for a user: the JWT form, cached so that Django's own `cache.get` reads it.
    ///
    /// It revokes the user's older one.
    pub async fn issue(&self, cache: &dyn Cache, user_id: &Value, now: SystemTime) -> Result<IssuedToken, AuthError> {
        let signing_key = self.signing_key.as_ref().ok_or(NO_KEY)?;
        let id = claims::user_id(user_id).ok_or(AuthError::from(Reason::NoUser))?;
        let key = self.jwt_key(&id).ok_or(AuthError::from(Reason::NoUser))?;
        let expires_in = Duration::from_secs(self.rules.lifetime.0.as_secs());
        // No `iat`: a Django with a clock one second behind would refuse it. The `jti` makes each token unique, so that
        // a newer one revokes the older within the same second, too.
        let token = Value::Map(IndexMap::from([
            ("user_id".into(), id),
            (TYPE.0.into(), TYPE.1.into()),
            ("exp".into(), claims::timestamp(now, expires_in)),
            ("jti".into(), uuid::Uuid::new_v4().simple().to_string().into()),
        ]));
        let token = claims::sign(&token, Signing::HS256, signing_key).ok_or(NO_KEY)?;
        cache.set(&key, cache_value::encode_cache_str(&token).into(), expires_in).await?;
        Ok(IssuedToken { token, expires_in })
    }

    fn jwt_key(&self, id: &Value) -> Option<String> {
        Some(self.rules.jwt_key.replacen("{user_id}", &claims::user_id_text(id)?, 1))
    }
}

fn unknown(advice: &str) -> Fault {
    Fault::new(Reason::Unknown, advice)
}

/// The fault of a cached value; `template` is its key, with a placeholder for the user or token.
fn unreadable(template: &str, why: &dyn fmt::Display) -> Fault {
    let advice = format!(
        "the cached value of {template:?} cannot be read: {why}; store the user's id as a number or as plain text (str(value))"
    );
    Fault::new(Reason::Unreadable, advice)
}

/// A cached value as a user's id. Text with a dot that parses as a JWT is a token of the other form, never an id.
fn opaque_user_id(value: &Value) -> Option<Value> {
    let id = claims::user_id(value)?;
    let is_id = id.as_str().is_none_or(|text| !looks_like_jwt(text) && !text.contains(char::is_whitespace));
    is_id.then_some(id)
}

#[cfg(test)]
mod tests;
