//! An order to disconnect, as it arrives through the admin API and Redis, and as nodes send it to each other: `{"user":
//! "7", "code": 4403, "reason": "…", "reconnect": false}`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{
    event::{Fingerprint, Value},
    socket::close::{CloseCode, Ending},
};

/// Fields that name the target; exactly one is required.
const TARGETS: [&str; 5] = ["user", "token", "jti", "socket", "fingerprint"];

/// All other fields.
const OTHERS: [&str; 4] = ["code", "reason", "reconnect", "until"];

/// Bytes of a close reason (RFC 6455, section 5.5).
const MAX_REASON: usize = 123;

/// Bytes of an id.
pub(super) const MAX_ID: usize = 255;

/// Bytes of a token; a request's head is not larger.
const MAX_TOKEN: usize = 16 << 10;

/// How long a token without an expiry is revoked.
const USUAL: Duration = Duration::from_secs(24 * 3600);

/// The maximum.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// An order to disconnect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnect {
    /// The target.
    #[serde(flatten)]
    pub target: Target,
    /// The close code.
    pub code: u16,
    /// The close reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether a Socket.IO client should connect again by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reconnect: bool,
    /// Until when the token is refused, in seconds of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// The target of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// All connections of a user that are open now.
    User(String),
    /// All connections that used a token, which is refused from now on.
    Fingerprint(Fingerprint),
    /// One connection, by the public id of its socket.
    Socket(Arc<str>),
}

/// An error in an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidOrder {
    /// The field at fault.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

pub(super) fn wrong(field: &str, reason: impl Into<String>) -> InvalidOrder {
    InvalidOrder { field: field.to_owned(), reason: reason.into() }
}

impl Disconnect {
    /// Reads an order; `recognise` returns a token's fingerprint and expiry.
    ///
    /// # Errors
    /// The first field with an error.
    pub fn read(
        order: &Value,
        recognise: impl Fn(&str) -> (Fingerprint, Option<SystemTime>),
        now: SystemTime,
    ) -> Result<Self, InvalidOrder> {
        let Value::Map(fields) = order else {
            return Err(wrong("body", format!("The body must be a JSON object, not {}", order.kind())));
        };
        if let Some(unknown) = fields.keys().find(|name| !TARGETS.contains(&&***name) && !OTHERS.contains(&&***name)) {
            let name: String = unknown.chars().take(64).collect();
            return Err(wrong(&name, format!("{name:?} is not a known field")));
        }
        let mut named = TARGETS.iter().filter_map(|name| Some((*name, fields.get(*name)?)));
        let (field, value) = match (named.next(), named.next()) {
            (Some(first), None) => first,
            (None, _) => return Err(wrong("user", "Name a target: user, token, jti or socket")),
            (Some((one, _)), Some((two, _))) => {
                return Err(wrong(two, format!("Name either {one} or {two}, not both")));
            }
        };
        let mut ends = None;
        let target = match field {
            "user" => Target::User(user(value)?),
            "socket" => Target::Socket(text(field, value, MAX_ID)?.into()),
            "jti" => Target::Fingerprint(Fingerprint::of_jti(text(field, value, MAX_ID)?)),
            "fingerprint" => {
                let parsed = text(field, value, MAX_ID)?.parse();
                Target::Fingerprint(parsed.map_err(|reason: &str| wrong(field, format!("The fingerprint {reason}")))?)
            }
            _ => {
                let token = text(field, value, MAX_TOKEN)?.trim();
                let (fingerprint, end) = recognise(crate::auth::credential::bare(token));
                ends = end;
                Target::Fingerprint(fingerprint)
            }
        };
        let reconnect = match fields.get("reconnect") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(reconnect)) => *reconnect,
            Some(other) => {
                return Err(wrong("reconnect", format!("reconnect must be true or false, not {}", other.kind())));
            }
        };
        Ok(Self {
            until: until(fields.get("until"), &target, ends, now)?,
            code: code(fields.get("code"), reconnect)?,
            reason: reason(fields.get("reason"))?,
            reconnect,
            target,
        })
    }

    /// How its connections end.
    pub fn ending(&self) -> Ending {
        Ending {
            label: if matches!(self.target, Target::Fingerprint(_)) { "revoked" } else { "kicked" },
            code: CloseCode::new(self.code).unwrap_or(CloseCode::DISCONNECTED),
            reason: self.reason.as_str().into(),
            reconnect: self.reconnect,
        }
    }

    /// Until when the token is refused; `None` if the target is not a token.
    pub fn refused_until(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.until?))
    }
}

/// An id is compared as text, however it is written.
pub(super) fn user(value: &Value) -> Result<String, InvalidOrder> {
    match value {
        Value::Int(id) => Ok(id.to_string()),
        Value::UInt(id) => Ok(id.to_string()),
        Value::Str(_) => Ok(text("user", value, MAX_ID)?.to_owned()),
        other => Err(wrong("user", format!("A user's id must be text or an integer, not {}", other.kind()))),
    }
}

pub(super) fn text<'a>(field: &str, value: &'a Value, max: usize) -> Result<&'a str, InvalidOrder> {
    match value.as_str() {
        None => Err(wrong(field, format!("{field} must be text, not {}", value.kind()))),
        Some("") => Err(wrong(field, format!("{field} must not be empty"))),
        Some(text) if text.len() > max => Err(wrong(field, format!("{field} must have at most {max} bytes"))),
        Some(text) => Ok(text),
    }
}

fn code(value: Option<&Value>, reconnect: bool) -> Result<u16, InvalidOrder> {
    let usual = if reconnect { CloseCode::SERVICE_RESTART } else { CloseCode::DISCONNECTED };
    let code = match value {
        None | Some(Value::Null) => return Ok(usual.get()),
        Some(Value::Int(code)) => u16::try_from(*code).ok().and_then(CloseCode::new),
        Some(_) => None,
    };
    let legal = "The close code must be one of 1000 to 1003, 1007 to 1014 and 3000 to 4999";
    code.map(CloseCode::get).ok_or_else(|| wrong("code", legal))
}

fn reason(value: Option<&Value>) -> Result<String, InvalidOrder> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::Str(text)) if text.len() > MAX_REASON => {
            Err(wrong("reason", format!("A close reason must have at most {MAX_REASON} bytes")))
        }
        Some(Value::Str(text)) => Ok(text.to_string()),
        Some(other) => Err(wrong("reason", format!("A close reason must be text, not {}", other.kind()))),
    }
}

/// When the token expires: as ordered, else by its own claims, else after a day.
fn until(
    value: Option<&Value>,
    target: &Target,
    ends: Option<SystemTime>,
    now: SystemTime,
) -> Result<Option<u64>, InvalidOrder> {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let said = match value {
        None | Some(Value::Null) => None,
        Some(_) if !matches!(target, Target::Fingerprint(_)) => {
            return Err(wrong("until", "until applies to tokens only; a user's other tokens stay valid"));
        }
        Some(Value::Int(time)) if *time > 0 => Some(time.unsigned_abs()),
        Some(_) => return Err(wrong("until", "until must be a time in whole seconds since 1970")),
    };
    if !matches!(target, Target::Fingerprint(_)) {
        return Ok(None);
    }
    // One second more: a token's last second counts, and clocks differ.
    let end = said.or(ends.map(|end| seconds(end) + 1)).unwrap_or_else(|| seconds(now + USUAL));
    Ok(Some(end.min(seconds(now + LONGEST))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::codec::json;

    const NOW: u64 = 1_800_000_000;

    fn read(text: &str) -> Result<Disconnect, InvalidOrder> {
        let recognise = |token: &str| (Fingerprint::of_text(token), token.parse().ok().map(at));
        Disconnect::read(&json::decode(text.as_bytes()).unwrap(), recognise, at(NOW))
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_user_is_one_user_as_text_and_as_a_number() {
        let order = read(r#"{"user": 7}"#).unwrap();
        assert_eq!(order, read(r#"{"user": "7", "code": null, "reconnect": false}"#).unwrap());
        assert_eq!((order.code, order.until, order.ending().label), (4403, None, "kicked"));
        assert_eq!(read(r#"{"user": 7, "reconnect": true}"#).unwrap().code, 1012);
        assert_eq!(read(r#"{"user": 7, "reconnect": true, "code": 4000}"#).unwrap().code, 4000);
    }

    #[test]
    fn a_token_is_refused_until_it_ends() {
        let order = read(&format!(r#"{{"token": "Bearer {}"}}"#, NOW + 60)).unwrap();
        assert_eq!(order.target, Target::Fingerprint(Fingerprint::of_text(&(NOW + 60).to_string())));
        assert_eq!((order.until, order.ending().label), (Some(NOW + 61), "revoked"));
        assert_eq!(read(r#"{"token": "opaque"}"#).unwrap().until, Some(NOW + 24 * 3600));
        let far = format!(r#"{{"jti": "x", "until": {}}}"#, u64::MAX >> 1);
        assert_eq!(read(&far).unwrap().until, Some(NOW + 30 * 24 * 3600));
        assert_eq!(read(r#"{"jti": "x"}"#).unwrap().target, Target::Fingerprint(Fingerprint::of_jti("x")));
    }

    #[test]
    fn an_error_names_its_field() {
        let long = |field: &str, length: usize| format!(r#"{{"{field}": "{}"}}"#, "x".repeat(length));
        for (field, text) in [
            ("body", "[]".to_owned()),
            ("user", "{}".to_owned()),
            ("user", r#"{"user": ""}"#.to_owned()),
            ("user", r#"{"user": null}"#.to_owned()),
            ("user", r#"{"user": 7.5}"#.to_owned()),
            ("user", r#"{"user": ["7"]}"#.to_owned()),
            ("user", long("user", 256)),
            ("token", r#"{"user": 7, "token": "x"}"#.to_owned()),
            ("token", long("token", (16 << 10) + 1)),
            ("jti", r#"{"jti": 7}"#.to_owned()),
            ("socket", r#"{"socket": ""}"#.to_owned()),
            ("fingerprint", r#"{"fingerprint": "x"}"#.to_owned()),
            ("code", r#"{"user": 7, "code": 1005}"#.to_owned()),
            ("code", r#"{"user": 7, "code": "4403"}"#.to_owned()),
            ("code", r#"{"user": 7, "code": 70000}"#.to_owned()),
            ("reason", format!(r#"{{"user": 7, "reason": "{}"}}"#, "é".repeat(62))),
            ("reason", r#"{"user": 7, "reason": 1}"#.to_owned()),
            ("reconnect", r#"{"user": 7, "reconnect": 1}"#.to_owned()),
            ("until", r#"{"user": 7, "until": 1}"#.to_owned()),
            ("until", r#"{"jti": "x", "until": -1}"#.to_owned()),
            ("usr", r#"{"usr": 7}"#.to_owned()),
        ] {
            assert_eq!(read(&text).unwrap_err().field, field, "{text}");
        }
    }

    #[test]
    fn nodes_exchange_the_same_order_without_the_token() {
        let orders =
            [r#"{"user": 7, "reason": "é"}"#, r#"{"token": "secret"}"#, r#"{"socket": "a", "reconnect": true}"#];
        for order in orders.map(|text| read(text).unwrap()) {
            let text = serde_json::to_string(&order).unwrap();
            assert!(!text.contains("secret"), "{text}");
            assert_eq!(serde_json::from_str::<Disconnect>(&text).unwrap(), order);
            // The record in Redis has the same form as an order from outside.
            assert_eq!(read(&text).unwrap(), order);
        }
    }
}
