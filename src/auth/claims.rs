//! Parses a JWT and applies the rules that hold for every one: signature with exactly one algorithm, times, types.
//!
//! In: a token and the keys. Out: its claims, or the reason in simplejwt's wording. It knows no user and no cache.
//! The rules are those of simplejwt 5.5 with PyJWT 2.15, observed with the vectors in `tests/fixtures/jwt-vectors.json`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, crypto};

use super::{
    algorithm::{Algorithm, Key},
    credential::looks_like_jwt,
    fault::{Fault, Reason},
};
use crate::event::{Fingerprint, Value, check_id, json};

/// Longer tokens are refused unread, in bytes; a request's head is not larger.
pub const MAX_TOKEN: usize = 16 << 10;

/// The last second of the year 9999, the last that Python's `datetime` has.
pub const END_OF_TIME: f64 = 253_402_300_799.0;

/// A token split into its parts; only its header has been read.
pub struct Parts<'a> {
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// The header.
    pub header: Value,
}

impl<'a> Parts<'a> {
    /// Splits a token, if it claims to be signed with `algorithm`.
    pub fn of(token: &'a str, algorithm: Algorithm) -> Result<Self, Fault> {
        let malformed =
            || Fault::new(Reason::Malformed, "it is not a JWT: three parts in base64url, the first two JSON");
        if token.len() > MAX_TOKEN {
            return Err(malformed());
        }
        let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) =
            message.split_once('.').filter(|(_, rest)| !rest.contains('.')).ok_or_else(malformed)?;
        let header = part(header).ok_or_else(malformed)?;
        let named = header.get("alg").and_then(Value::as_str);
        if named != Some(algorithm.name()) {
            // Not signed, so only what could be a name is repeated.
            let named = named.filter(|name| name.len() <= 8 && name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            let advice = format!("it is signed with {}, not with {algorithm}", named.unwrap_or("an unknown algorithm"));
            return Err(Fault::new(Reason::Algorithm, advice));
        }
        // Names extensions that a reader must understand (RFC 7515 §4.1.11); none is supported here.
        if header.get("crit").is_some() {
            return Err(Fault::new(Reason::Malformed, "its header has \"crit\", an extension that is not supported"));
        }
        // PyJWT accepts base64 with and without its padding.
        let signature = signature.strip_suffix("==").or_else(|| signature.strip_suffix('=')).unwrap_or(signature);
        Ok(Self { message, payload, signature, header })
    }

    /// Whether one of `keys` signed it.
    pub fn is_signed(&self, algorithm: Algorithm, keys: &[Key]) -> bool {
        keys.iter().any(|key| algorithm.is_signed(self.signature, self.message.as_bytes(), key))
    }

    /// The claims, if one of `keys` signed them. Times are not checked.
    pub fn open(&self, algorithm: Algorithm, keys: &[Key]) -> Result<Value, Fault> {
        if !self.is_signed(algorithm, keys) {
            return Err(Fault::new(Reason::Signature, "none of the known keys signed it"));
        }
        part(self.payload).ok_or_else(|| Fault::new(Reason::Malformed, "its claims are not a JSON object"))
    }
}

/// The claims of `token`, if one of `keys` signed it with `algorithm`. Times are not checked.
pub fn open(token: &str, algorithm: Algorithm, keys: &[Key]) -> Result<Value, Fault> {
    Parts::of(token, algorithm)?.open(algorithm, keys)
}

/// Checks `exp`, `nbf`, `iat`, `sub` and `jti`. A token without `exp` never ends; `endless` permits that.
pub fn check(claims: &Value, leeway: Duration, endless: bool, now: SystemTime) -> Result<(), Fault> {
    let (now, leeway) = (seconds(now), leeway.as_secs_f64());
    let wrong = |claim: &str, what: &str| Fault::new(Reason::BadClaim, format!("its claim \"{claim}\" is not {what}"));
    match claims.get("exp") {
        None if endless => {}
        None => return Err(Fault::new(Reason::NoExpiry, "it has no claim \"exp\", so it would never end")),
        Some(end) => {
            let end = whole(end).ok_or_else(|| wrong("exp", "a number of seconds since 1970"))?;
            if end > END_OF_TIME && !endless {
                return Err(wrong("exp", "in seconds since 1970; milliseconds?"));
            }
            if end <= now - leeway {
                let advice = format!("it ended {:.0} s ago, so its client has to fetch another one", now - end);
                return Err(Fault::new(Reason::Expired, advice));
            }
        }
    }
    for claim in ["nbf", "iat"] {
        let Some(value) = claims.get(claim) else { continue };
        let begin = as_python_int(value).ok_or_else(|| wrong(claim, "a number of seconds since 1970"))?;
        if begin > now + leeway {
            let advice =
                format!("its claim \"{claim}\" is {:.0} s ahead of this node's clock; set the clocks", begin - now);
            return Err(Fault::new(Reason::NotYetValid, advice));
        }
    }
    // Numbers as PyJWT before 2.10 accepts them.
    let is_name = |value: &Value| matches!(value, Value::Str(_) | Value::Int(_) | Value::UInt(_));
    match ["sub", "jti"].into_iter().find(|claim| claims.get(claim).is_some_and(|value| !is_name(value))) {
        Some(claim) => Err(wrong(claim, "text or a whole number")),
        None => Ok(()),
    }
}

/// When the token expires.
pub fn expiry(claims: &Value) -> Option<SystemTime> {
    let seconds = whole(claims.get("exp")?)?;
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// The token's fingerprint: of its id, else of its signed part. The signature has several spellings and adds nothing.
pub fn fingerprint(token: &str, claims: &Value, jti_claim: &str) -> Fingerprint {
    let claim = if jti_claim.is_empty() { "jti" } else { jti_claim };
    match claims.get(claim).and_then(user_id_text).filter(|jti| !jti.is_empty()) {
        Some(jti) => Fingerprint::of_jti(&jti),
        None => Fingerprint::of_text(token.rsplit_once('.').map_or(token, |(signed, _)| signed)),
    }
}

/// The fingerprint of a token to revoke, and when it expires according to its claims; neither is verified.
pub fn recognise(token: &str, jti_claim: &str) -> (Fingerprint, Option<SystemTime>) {
    let payload = token.split('.').nth(1).filter(|_| looks_like_jwt(token));
    match payload.and_then(part) {
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
pub fn sign(claims: &Value, algorithm: jsonwebtoken::Algorithm, key: &EncodingKey) -> Option<String> {
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
fn part(encoded: &str) -> Option<Value> {
    let json = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let value: Value = json::read(&json).ok()?;
    value.as_map().is_some().then_some(value)
}

/// A time claim in whole seconds, truncated as Python's `int()` does with a float. Text is refused.
fn whole(value: &Value) -> Option<f64> {
    match value {
        // A float represents every second until the year 285 million.
        #[allow(clippy::cast_precision_loss)]
        Value::Int(seconds) => Some(*seconds as f64),
        Value::Float(seconds) if seconds.is_finite() => Some(seconds.trunc()),
        _ => None,
    }
}

/// The same for the claims that PyJWT alone reads, with Python's `int()`: also from text and booleans.
fn as_python_int(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::Str(text) => {
            let digits = text.trim().replace('_', "");
            let is_whole = digits.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_whole)
        }
        other => whole(other),
    }
}
