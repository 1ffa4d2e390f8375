//! Parses a JWT and applies the rules that hold for every one: signature with exactly one algorithm, times, types.
//!
//! In: a token and the keys. Out: its claims, or the reason in simplejwt's wording. It knows no user and no cache.
//! The rules are those of simplejwt 5.5 with PyJWT 2.15, observed with the vectors in `tests/fixtures/jwt-vectors.json`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};

use super::{AuthError, credential::looks_like_jwt};
use crate::event::{Fingerprint, Value, check_id, json};

/// simplejwt's wording for every fault in a token's form or signature.
pub const INVALID: AuthError = AuthError::Invalid("Token is invalid");
/// simplejwt's wording.
pub const EXPIRED: AuthError = AuthError::Invalid("Token is expired");

/// Longer tokens are refused unread, in bytes; a request's head is not larger.
const MAX_TOKEN: usize = 16 << 10;

/// The claims of `token`, if one of `keys` signed it with `algorithm`. Times are not checked.
pub fn open(token: &str, algorithm: Algorithm, keys: &[DecodingKey]) -> Result<Value, AuthError> {
    if token.len() > MAX_TOKEN {
        return Err(INVALID);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(INVALID)?;
    let (header, payload) = message.split_once('.').ok_or(INVALID)?;
    if payload.contains('.') {
        return Err(INVALID);
    }
    let header = part(header)?;
    // A `crit` header names extensions that a reader must understand (RFC 7515 §4.1.11); none is supported here.
    let named = header.get("alg").and_then(Value::as_str).and_then(|name| name.parse().ok());
    if named != Some(algorithm) || header.get("crit").is_some() {
        return Err(INVALID);
    }
    // PyJWT accepts base64 with and without its padding.
    let signature = signature.strip_suffix("==").or_else(|| signature.strip_suffix('=')).unwrap_or(signature);
    let is_signed = |key| crypto::verify(signature, message.as_bytes(), key, algorithm).unwrap_or(false);
    if !keys.iter().any(is_signed) {
        return Err(INVALID);
    }
    part(payload)
}

/// Checks `exp` (required), `nbf`, `iat`, `sub` and `jti`.
pub fn check(claims: &Value, leeway: Duration, now: SystemTime) -> Result<(), AuthError> {
    let (now, leeway) = (seconds(now), leeway.as_secs_f64());
    let expires = claims.get("exp").ok_or(AuthError::Invalid("Token has no 'exp' claim"))?;
    if whole(expires)? <= now - leeway {
        return Err(EXPIRED);
    }
    for claim in ["nbf", "iat"] {
        if claims.get(claim).map(whole).transpose()?.is_some_and(|time| time > now + leeway) {
            return Err(INVALID);
        }
    }
    if ["sub", "jti"].iter().any(|claim| claims.get(claim).is_some_and(|value| value.as_str().is_none())) {
        return Err(INVALID);
    }
    Ok(())
}

/// When the token expires.
pub fn expiry(claims: &Value) -> Option<SystemTime> {
    let seconds = whole(claims.get("exp")?).ok()?;
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// The token's fingerprint: of its id, else of its signed part. The signature has several spellings and adds nothing.
pub fn fingerprint(token: &str, claims: &Value, jti_claim: &str) -> Fingerprint {
    let claim = if jti_claim.is_empty() { "jti" } else { jti_claim };
    match claims.get(claim).and_then(Value::as_str).filter(|jti| !jti.is_empty()) {
        Some(jti) => Fingerprint::of_jti(jti),
        None => Fingerprint::of_text(token.rsplit_once('.').map_or(token, |(signed, _)| signed)),
    }
}

/// The fingerprint of a token to revoke, and when it expires according to its claims; neither is verified.
pub fn recognise(token: &str, jti_claim: &str) -> (Fingerprint, Option<SystemTime>) {
    let payload = token.split('.').nth(1).filter(|_| looks_like_jwt(token));
    match payload.and_then(|payload| part(payload).ok()) {
        Some(claims) => (fingerprint(token, &claims, jti_claim), expiry(&claims)),
        None => (Fingerprint::of_text(token), None),
    }
}

/// A user's id from a token or the cache: an integer if it is one, even if written as text.
///
/// simplejwt writes `7` up to 5.3 and `"7"` since 5.5 for the same user.
pub fn user_id(value: &Value) -> Option<Value> {
    check_id(value).ok()?;
    match value.as_str().map(|text| (text, text.parse::<i64>())) {
        Some((text, Ok(number))) if number.to_string() == text => Some(Value::Int(number)),
        _ => Some(value.clone()),
    }
}

/// A user's id as text, for cache keys.
pub fn user_id_text(id: &Value) -> Option<String> {
    match id {
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Str(text) => Some(text.to_string()),
        _ => None,
    }
}

/// The id of a user, as text. A handler cannot set a user with an id that is not valid.
pub fn user_id_of(user: &Value) -> Option<String> {
    user_id_text(user.get("id").filter(|id| check_id(id).is_ok())?)
}

/// A signed token with these claims, in order, with the header that PyJWT writes.
pub fn sign(claims: &Value, algorithm: Algorithm, key: &EncodingKey) -> Option<String> {
    let header = format!(r#"{{"alg":"{algorithm:?}","typ":"JWT"}}"#);
    let payload = json::text(claims);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).ok()?;
    Some(format!("{message}.{signature}"))
}

/// `lifetime` after `time` in whole seconds since 1970, as a claim.
pub fn timestamp(time: SystemTime, lifetime: Duration) -> Value {
    let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    time.saturating_add(lifetime).as_secs().into()
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A JSON object in base64url.
fn part(encoded: &str) -> Result<Value, AuthError> {
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| INVALID)?;
    let value: Value = json::read(&json).map_err(|_| INVALID)?;
    if value.as_map().is_some() { Ok(value) } else { Err(INVALID) }
}

/// A time claim in whole seconds, truncated as Python's `int()` does with a float. Text is refused.
fn whole(value: &Value) -> Result<f64, AuthError> {
    match value {
        // A float represents every second until the year 285 million.
        #[allow(clippy::cast_precision_loss)]
        Value::Int(seconds) => Ok(*seconds as f64),
        Value::Float(seconds) if seconds.is_finite() => Ok(seconds.trunc()),
        _ => Err(INVALID),
    }
}
