//! Groups that Django has signed for a user: `cg1.<payload>.<mac>`. docs/django/membership.md has the format.
//!
//! In: a token that a client sends, and who it is. Out: the group that it may join, or why not. The keys are derived from
//! the secrets that the node shares with Django, so that no other signature made with them is one of these.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;

use crate::config::Config;

/// Separates these keys from all other uses of a secret.
const CONTEXT: &[u8] = b"channelgate signed group v1";

/// The version of the format.
const VERSION: &str = "cg1";

/// Longer tokens are not read, in bytes.
const MAX_TOKEN: usize = 4096;

/// More signatures are not read: one for each secret while they are exchanged.
const MAX_MACS: usize = 8;

/// Verifies signed groups.
pub(super) struct SignedGroups(Vec<Hmac<Sha256>>);

/// A group that a client may join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedGroup {
    /// Its name, or the Socket.IO room.
    pub room: Box<str>,
    /// When it was signed.
    pub issued: SystemTime,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedGroupError {
    /// There is no token.
    #[error("the client sent none")]
    Missing,
    /// It has another format.
    #[error("it does not have the form of a signed group")]
    Malformed,
    /// No secret of the node signed it.
    #[error("no secret of this node has signed it: backend.secret, auth.secret_key")]
    Signature,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// It is for another user.
    #[error("it is for another user than that of the connection")]
    User,
    /// It is for another consumer.
    #[error("it is for another consumer")]
    Consumer,
    /// Its group has no valid name.
    #[error("its group has no valid name")]
    Group,
    /// The user had to leave the group since it was signed.
    #[error("the user had to leave the group after it was signed")]
    Left,
}

impl SignedGroupError {
    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::User => "user",
            Self::Consumer => "consumer",
            Self::Group => "group",
            Self::Left => "left",
        }
    }
}

/// What is signed. A name that this version does not know could restrict the token, so it is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    /// The group.
    g: Box<str>,
    /// The user; null: a connection without a user. Who signs has to say which.
    #[serde(deserialize_with = "Option::deserialize")]
    u: Option<Box<str>>,
    /// The consumer; unset: any.
    #[serde(default)]
    c: Option<Box<str>>,
    /// When it was signed, in milliseconds since 1970.
    i: u64,
    /// When it expires, in milliseconds since 1970.
    e: u64,
}

impl SignedGroups {
    /// With the keys of all shared secrets.
    pub fn new(config: &Config) -> Self {
        let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).ok();
        let derived = |secret: &str| {
            let key = keyed(secret.as_bytes())?.chain_update(CONTEXT).finalize().into_bytes();
            keyed(&key)
        };
        Self(config.signing_secrets().filter_map(|secret| derived(secret.expose())).collect())
    }

    /// The group that a token lets a client of this consumer join, if the client has this user.
    pub fn verify(
        &self,
        token: &str,
        user: Option<&str>,
        consumer: &str,
        now: SystemTime,
    ) -> Result<SignedGroup, SignedGroupError> {
        if token.is_empty() {
            return Err(SignedGroupError::Missing);
        }
        let payload = self.verified(token)?;
        let at = |millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)).ok_or(SignedGroupError::Malformed);
        let (issued, expires) = (at(payload.i)?, at(payload.e)?);
        if expires <= now {
            return Err(SignedGroupError::Expired);
        }
        if payload.c.is_some_and(|only| *only != *consumer) {
            return Err(SignedGroupError::Consumer);
        }
        if payload.u.as_deref() != user {
            return Err(SignedGroupError::User);
        }
        Ok(SignedGroup { room: payload.g, issued })
    }

    fn verified(&self, token: &str) -> Result<Payload, SignedGroupError> {
        const BAD: SignedGroupError = SignedGroupError::Malformed;
        if token.len() > MAX_TOKEN {
            return Err(BAD);
        }
        let mut parts = token.split('.');
        let (Some(VERSION), Some(payload)) = (parts.next(), parts.next()) else { return Err(BAD) };
        let signed = &token[..VERSION.len() + 1 + payload.len()];
        let macs: Vec<Vec<u8>> =
            parts.map(|mac| BASE64_URL_SAFE_NO_PAD.decode(mac)).collect::<Result<_, _>>().map_err(|_| BAD)?;
        if macs.is_empty() || macs.len() > MAX_MACS {
            return Err(BAD);
        }
        // All are compared, so that the time does not say which of them is right.
        let matches = |mac: &Vec<u8>| {
            let tried = self.0.iter().map(|key| key.clone().chain_update(signed.as_bytes()).verify_slice(mac).is_ok());
            tried.fold(false, |any, one| any | one)
        };
        if !macs.iter().map(matches).fold(false, |any, one| any | one) {
            return Err(SignedGroupError::Signature);
        }
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| BAD)?;
        serde_json::from_slice(&payload).map_err(|_| BAD)
    }
}

#[cfg(test)]
mod tests;
