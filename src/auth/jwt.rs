//! Access tokens of djangorestframework-simplejwt: keys, claims, and the user that they name.
//!
//! In: a token and the time. Out: an [`Identity`]. Like simplejwt it asks no database: neither `is_active` nor a
//! blacklist is checked (simplejwt itself never looks up access tokens in its blacklist).

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use indexmap::IndexMap;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};

use super::{AuthConfigError, AuthError, Identity, claims};
use crate::{
    config::{Auth, Jwt, Secret},
    event::Value,
};

/// Why a node without a key cannot check access tokens.
pub const NO_KEY: AuthError =
    AuthError::Unconfigured("DJANGO_SECRET_KEY is not set (nor a key in auth.jwt), so access tokens cannot be checked");

/// simplejwt's wording for a valid token without a user.
pub const NO_USER: AuthError = AuthError::Invalid("Token contained no recognizable user identification");

const WRONG_TYPE: AuthError = AuthError::Invalid("Token has wrong type");

/// Claims about the token, not about the user.
const ABOUT_THE_TOKEN: [&str; 8] = ["exp", "iat", "nbf", "jti", "aud", "iss", "sub", "id"];

/// Claims with a token's type, checked besides the configured claim, and the types that are never access tokens: a
/// ws-token would renew itself, and a refresh token lives for long.
const TYPE_CLAIMS: [&str; 2] = ["type", "token_type"];
const OTHER_TYPES: [&str; 2] = ["ws_token", "refresh"];

/// Checks access tokens.
pub struct Verifier {
    algorithm: Algorithm,
    keys: Vec<DecodingKey>,
    rules: Jwt,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads keys and rules; `None` if no key is configured.
    ///
    /// `previous_keys` are accepted besides the current key. If the key is Django's `SECRET_KEY`, so are
    /// `secret_key_fallbacks`: a key listed there is still trusted.
    pub fn new(auth: &Auth) -> Result<Option<Self>, AuthConfigError> {
        let rules = auth.jwt.clone();
        let algorithm = algorithm(&rules.algorithm)?;
        let mut keys = Vec::new();
        let mut add = |name: &str, secret: &Secret| {
            let key = decoding_key(algorithm, secret.expose());
            keys.push(key.map_err(|reason| AuthConfigError::new(name, reason))?);
            Ok(())
        };
        if algorithm.family() == AlgorithmFamily::Hmac {
            match (&rules.signing_key, &auth.secret_key) {
                (Some(key), _) => add("auth.jwt.signing_key", key)?,
                (None, Some(key)) => {
                    add("auth.secret_key", key)?;
                    for (index, key) in auth.secret_key_fallbacks.iter().enumerate() {
                        add(&format!("auth.secret_key_fallbacks[{index}]"), key)?;
                    }
                }
                (None, None) => {}
            }
        } else if let Some(key) = &rules.verifying_key {
            add("auth.jwt.verifying_key", key)?;
        }
        for (index, key) in rules.previous_keys.iter().enumerate() {
            add(&format!("auth.jwt.previous_keys[{index}]"), key)?;
        }
        if rules.user_id_claims.is_empty() {
            return Err(AuthConfigError::new("auth.jwt.user_id_claims", "names no claim, so no user would be known"));
        }
        Ok((!keys.is_empty()).then_some(Self { algorithm, keys, rules }))
    }

    /// The claims of a valid access token; the rules of `rest_framework_simplejwt.tokens.AccessToken(token)`.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Value, AuthError> {
        let claims = claims::open(token, self.algorithm, &self.keys)?;
        claims::check(&claims, self.rules.leeway.0, now)?;
        let has_claim = |name: &str| claims.get(name).is_some();
        if self.rules.audience.as_deref().is_some_and(|audience| !is_for(&claims, audience)) {
            return Err(claims::INVALID);
        }
        if self.rules.issuer.is_some() && claims.get("iss").and_then(Value::as_str) != self.rules.issuer.as_deref() {
            return Err(claims::INVALID);
        }
        if !self.rules.jti_claim.is_empty() && !has_claim(&self.rules.jti_claim) {
            return Err(AuthError::Invalid("Token has no id"));
        }
        let types = TYPE_CLAIMS.iter().filter_map(|name| claims.get(name)).filter_map(Value::as_str);
        if types.into_iter().any(|kind| OTHER_TYPES.contains(&kind)) {
            return Err(WRONG_TYPE);
        }
        if !self.rules.token_type_claim.is_empty() {
            let kind = claims.get(&self.rules.token_type_claim).ok_or(AuthError::Invalid("Token has no type"))?;
            if kind.as_str() != Some(&self.rules.token_type) {
                return Err(WRONG_TYPE);
            }
        }
        Ok(claims)
    }

    /// The user of a valid access token: the id, and every claim about the user (`role`, `email`, …).
    pub fn identify(&self, token: &str, now: SystemTime) -> Result<Identity, AuthError> {
        let claims = self.verify(token, now)?;
        let named = self.rules.user_id_claims.iter().find_map(|name| Some((name, claims.get(name)?)));
        let id = named.and_then(|(_, value)| claims::user_id(value));
        let id = id.ok_or(NO_USER)?;
        let mut user = IndexMap::from([("id".into(), id)]);
        for (name, value) in claims.as_map().into_iter().flatten() {
            let is_of_the_token = ABOUT_THE_TOKEN.contains(&&**name)
                || **name == *self.rules.token_type_claim
                || **name == *self.rules.jti_claim
                || self.rules.user_id_claims.iter().any(|claim| **name == **claim);
            if !is_of_the_token {
                user.insert(name.clone(), value.clone());
            }
        }
        let expires = claims::expiry(&claims).and_then(|end| end.checked_add(self.rules.leeway.0));
        let token = Some(claims::fingerprint(token, &claims, &self.rules.jti_claim));
        Ok(Identity { user: Value::Map(user), claims, expires, token, ..Identity::default() })
    }
}

/// An access token as simplejwt 5.5 makes it, for testing an installation; HS algorithms only.
///
/// `extra` claims follow the user's id, in their order.
pub fn mint(
    auth: &Auth,
    user_id: &str,
    lifetime: Duration,
    extra: IndexMap<Box<str>, Value>,
    now: SystemTime,
) -> Result<String, AuthError> {
    let rules = &auth.jwt;
    let algorithm =
        algorithm(&rules.algorithm).map_err(|_| AuthError::Unconfigured("auth.jwt.algorithm is unknown"))?;
    if algorithm.family() != AlgorithmFamily::Hmac {
        return Err(AuthError::Unconfigured(
            "a token can be minted only with an HS algorithm: the others need a private key",
        ));
    }
    let key = rules.signing_key.as_ref().or(auth.secret_key.as_ref()).ok_or(NO_KEY)?;
    let mut token = IndexMap::new();
    let mut put = |name: &str, value: Value| {
        if !name.is_empty() {
            token.insert(name.into(), value);
        }
    };
    put(&rules.token_type_claim, rules.token_type.as_str().into());
    put("exp", claims::timestamp(now, lifetime));
    put("iat", claims::timestamp(now, Duration::ZERO));
    put(&rules.jti_claim, uuid::Uuid::new_v4().simple().to_string().into());
    put(rules.user_id_claims.first().map_or("user_id", String::as_str), user_id.into());
    extra.into_iter().for_each(|(name, value)| put(&name, value));
    rules.audience.iter().for_each(|audience| put("aud", audience.as_str().into()));
    rules.issuer.iter().for_each(|issuer| put("iss", issuer.as_str().into()));
    let key = EncodingKey::from_secret(key.expose().as_bytes());
    claims::sign(&Value::Map(token), algorithm, &key).ok_or(NO_KEY)
}

/// `aud`, one or several, must include the audience.
fn is_for(claims: &Value, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::Str(one)) => **one == *audience,
        Some(Value::List(several)) => {
            several.iter().all(|one| one.as_str().is_some()) && several.iter().any(|one| one.as_str() == Some(audience))
        }
        _ => false,
    }
}

fn algorithm(name: &str) -> Result<Algorithm, AuthConfigError> {
    Algorithm::from_str(name).map_err(|_| {
        let reason = format!(
            "{name:?} is unknown; write HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA"
        );
        AuthConfigError::new("auth.jwt.algorithm", reason)
    })
}

fn decoding_key(algorithm: Algorithm, key: &str) -> Result<DecodingKey, String> {
    if key.is_empty() {
        return Err("is empty".to_owned());
    }
    if algorithm.family() == AlgorithmFamily::Hmac {
        return Ok(DecodingKey::from_secret(key.as_bytes()));
    }
    // An environment variable often carries a PEM with escaped line ends.
    let pem = key.replace("\\n", "\n");
    let read = match algorithm.family() {
        AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem.as_bytes()),
        AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem.as_bytes()),
        _ => DecodingKey::from_rsa_pem(pem.as_bytes()),
    };
    read.map_err(|_| format!("is not a PEM public key for {algorithm:?}"))
}

#[cfg(test)]
mod tests;
