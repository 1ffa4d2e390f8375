//! `auth = ["django"]`: Django says who a client is.
//!
//! In: the parts of a handshake that the configuration passes on ([`Forwarded`]). Out: an [`Answer`], from Django, from
//! another handshake that asks the same at this moment, or from one not long ago. A credential is never kept and never
//! logged: answers are found by a hash with a key of this process.

mod forwarded;
mod known;
mod logins;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;

use super::claims::END_OF_TIME;
use crate::{
    consumer::{BodyKind, CallRequest, Outcome},
    event::{Value, check_id},
    warn_bounded,
};

pub use self::{
    forwarded::{Forwarded, Forwarding},
    logins::DjangoLogins,
};

/// The name of the action that says who a client is.
pub const ACTION: &str = "who_am_i";

/// When a client should come again if Django has not said when.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The way to Django.
pub trait AskDjango: Send + Sync + 'static {
    /// Asks; within a deadline.
    fn ask(&self, request: CallRequest) -> BoxFuture<'_, Outcome>;
}

/// What Django says about a client, and when it was asked.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// What it says.
    pub verdict: Verdict,
    /// When it was asked: a user who was disconnected since then is not admitted by this answer.
    pub asked: Instant,
}

/// What Django says about a client.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// It is this user.
    User {
        /// `{"id": …}` and whatever else Django tells.
        user: Value,
        /// When the login ends.
        expires: Option<SystemTime>,
        /// Where in the handshake the credential is, if Django says it.
        via: Option<Box<str>>,
    },
    /// It has shown nothing that could name a user, such as the session of a visitor who has not logged in.
    Nobody,
    /// What it has shown is not valid, or is valid no more.
    Invalid,
    /// It may not connect.
    Denied,
    /// Django has given no answer that could be used.
    Unavailable {
        /// When a retry makes sense.
        retry_after: Duration,
    },
}

impl Verdict {
    /// What the end of a question means.
    fn of(outcome: Outcome) -> Self {
        let (status, body, kind, retry_after) = match outcome {
            Outcome::Answer { status, body, kind, retry_after } => (status, body, kind, retry_after),
            // The transport has said why.
            _ => return Self::Unavailable { retry_after: RETRY_AFTER },
        };
        // The package says so if it does not take the request for a node's: that says nothing about the client.
        let is_unsigned = body.get("kind").and_then(Value::as_str) == Some("signature");
        let said = match (status, kind) {
            // A page is not the answer of an action, but of who stands before it: a proxy, a firewall, a login.
            (_, BodyKind::Other) | (200, BodyKind::Empty) => {
                Err(format!("status {status} without JSON{}", page(status)))
            }
            (401, _) if !is_unsigned => Ok(Self::Invalid),
            (403, _) if !is_unsigned => Ok(Self::Denied),
            (200, _) => Self::named(body),
            (status, _) => Err(format!("status {status}{}", advice(status))),
        };
        said.unwrap_or_else(|reason| {
            warn_bounded!("Django cannot say who a client is ({ACTION:?}): {reason}");
            Self::Unavailable { retry_after: retry_after.unwrap_or(RETRY_AFTER) }
        })
    }

    /// The user in an answer.
    fn named(body: Value) -> Result<Self, String> {
        let mut user = match body {
            Value::Null => return Ok(Self::Nobody),
            Value::Map(user) => user,
            other => return Err(format!("the answer must be an object with \"id\", not {}", other.kind())),
        };
        check_id(user.get("id").unwrap_or(&Value::Null)).map_err(|error| error.to_string())?;
        let expires = user.shift_remove("exp").map_or(Ok(None), |end| expiry(&end))?;
        let via = user.shift_remove("via").as_ref().and_then(Value::as_str).map(Box::from);
        Ok(Self::User { user: Value::Map(user), expires, via })
    }
}

/// What to do about an answer with this status.
const fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => {
            ": no redirect is followed; is backend.url where channelgate is mounted, and exempt from SECURE_SSL_REDIRECT?"
        }
        400 => ": does ALLOWED_HOSTS have the host of backend.url?",
        401 | 403 => {
            ": it does not take the node's signature; compare backend.secret with CHANNELGATE[\"SECRET\"], and the clocks"
        }
        404 => ": is backend.url right, and CHANNELGATE[\"SECRET\"] set?",
        501 => ": install the package channelgate in the same release as the node",
        _ => "",
    }
}

/// The same about an answer that is not JSON.
const fn page(status: u16) -> &'static str {
    match status {
        200 | 401 | 403 => ": something before Django answers; is backend.url where channelgate is mounted?",
        status => advice(status),
    }
}

/// When a login ends, in seconds since 1970: none if Django does not say.
fn expiry(end: &Value) -> Result<Option<SystemTime>, String> {
    let seconds = match end {
        Value::Null => return Ok(None),
        #[expect(clippy::cast_precision_loss, reason = "times are far below 2^52 seconds")]
        Value::Int(seconds) => *seconds as f64,
        Value::Float(seconds) => *seconds,
        Value::UInt(_) => f64::INFINITY,
        other => return Err(format!("\"exp\" must be a number of seconds since 1970, not {}", other.kind())),
    };
    let time = Duration::try_from_secs_f64(seconds.clamp(0.0, END_OF_TIME)).ok().filter(|_| seconds <= END_OF_TIME);
    let time = time.and_then(|time| UNIX_EPOCH.checked_add(time));
    time.map(Some).ok_or_else(|| "\"exp\" must be in seconds since 1970; milliseconds?".to_owned())
}

/// The question about a client.
fn question(forwarded: &Forwarded) -> CallRequest {
    CallRequest {
        action: ACTION.into(),
        data: forwarded.data.clone(),
        user: Value::Null,
        // Who somebody is does not depend on a consumer, and the answer counts for others, too.
        connection: Arc::default(),
        consumer: Arc::default(),
        // It changes nothing in Django.
        idempotent: true,
        timeout: None,
    }
}

#[cfg(test)]
mod tests;
