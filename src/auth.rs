//! Authenticates connections: where a credential is read from, what makes it valid, and which origins are allowed.
//!
//! In: a [`RequestHead`], the relevant parts of a handshake request. Out: an [`Identity`], or an [`AuthError`] with the
//! reason. It never logs a token, does not know the web framework, and reads Redis only through [`Cache`].

pub mod algorithm;
pub mod authenticator;
pub mod cache;
pub mod claims;
pub mod credential;
pub mod django;
pub mod fault;
pub mod jwt;
pub mod key_set;
mod node_ticket;
pub mod origin;
pub mod page_tokens;
pub mod report;
pub mod revocations;
mod signed_group;
pub mod ws_token;

use std::time::{Duration, Instant, SystemTime};

use crate::event::{Fingerprint, Value, WatchedToken};

pub use authenticator::{Authenticator, Keys};
pub use cache::{Cache, Cached, KeyExpiries, MemoryCache, RedisCache};
pub use credential::RequestHead;
pub use django::{AskDjango, DjangoLogins};
pub use fault::{Fault, Reason};
pub use origin::OriginPolicy;
pub use page_tokens::PageTokens;
pub use report::{count, report};
pub use revocations::Revocations;
pub use signed_group::{SignedGroup, SignedGroupError};
pub use ws_token::IssuedToken;

/// An authenticated user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// `{id: …}` plus other data about the user from the token or the cache; null for an anonymous user.
    pub user: Value,
    /// All claims of the token, or null.
    pub claims: Value,
    /// When the token expires, leeway included; `None` if it does not say.
    pub expires: Option<SystemTime>,
    /// The subprotocol to echo, if the credential came in a subprotocol.
    pub subprotocol: Option<String>,
    /// The token's fingerprint.
    pub token: Option<Fingerprint>,
    /// The cache entry to watch while the connection is open.
    pub watch: Option<WatchedToken>,
    /// When Django was asked, if it was: perhaps for another handshake, before this one.
    pub asked: Option<Instant>,
    /// Why the token of a client was not taken that is admitted without a user instead.
    pub ignored: Option<AuthError>,
}

/// Why authentication failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No credential was given.
    #[error("no credential was given")]
    Missing,
    /// The credential is not valid.
    #[error("{0}")]
    Invalid(Fault),
    /// The credential would be valid, but was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// The origin of the page is not allowed.
    #[error("the origin is not allowed")]
    Origin,
    /// Django refuses the client.
    #[error("Django refuses the client")]
    Denied,
    /// The node lacks the configuration to check the credential.
    #[error("{0}")]
    Unconfigured(&'static str),
    /// Redis is unreachable.
    #[error("the token store is not reachable")]
    Unavailable {
        /// When a retry makes sense.
        retry_after: Duration,
    },
    /// The URL of a set of public keys is unreachable, or may not be asked yet.
    #[error("the set of public keys is not reachable")]
    KeySetUnavailable {
        /// When a retry makes sense.
        retry_after: Duration,
    },
    /// Django, which is asked who the client is, has given no answer that could be used.
    #[error("Django cannot say who the client is now")]
    DjangoUnavailable {
        /// When a retry makes sense.
        retry_after: Duration,
    },
}

impl AuthError {
    /// The HTTP status that refuses a handshake, as in Daphne: 403, or 503 if the node is at fault.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Missing | Self::Invalid(_) | Self::Revoked | Self::Origin | Self::Denied => 403,
            Self::Unconfigured(_)
            | Self::Unavailable { .. }
            | Self::KeySetUnavailable { .. }
            | Self::DjangoUnavailable { .. } => 503,
        }
    }

    /// The metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid(_) => "invalid",
            Self::Revoked => "revoked",
            Self::Origin => "origin",
            Self::Denied => "denied",
            Self::DjangoUnavailable { .. } => "backend_unavailable",
            Self::Unconfigured(_) => "unconfigured",
            Self::Unavailable { .. } | Self::KeySetUnavailable { .. } => "unavailable",
        }
    }

    /// The metric label of a check of a credential; a cached value that cannot be read has its own, because the fault
    /// is not the client's.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Invalid(Fault { reason: Reason::Unreadable, .. }) => Reason::Unreadable.label(),
            Self::DjangoUnavailable { .. } => "unavailable",
            other => other.label(),
        }
    }

    /// The `Retry-After` value, if the node is at fault and not the client.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after }
            | Self::KeySetUnavailable { retry_after }
            | Self::DjangoUnavailable { retry_after } => Some(*retry_after),
            // An operator has to set the key and restart the node.
            Self::Unconfigured(_) => Some(Duration::from_secs(60)),
            Self::Missing | Self::Invalid(_) | Self::Revoked | Self::Origin | Self::Denied => None,
        }
    }
}

impl From<Fault> for AuthError {
    fn from(fault: Fault) -> Self {
        Self::Invalid(fault)
    }
}

/// A fault that needs no further words.
impl From<Reason> for AuthError {
    fn from(reason: Reason) -> Self {
        Self::Invalid(Fault::new(reason, reason.text()))
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct AuthConfigError {
    /// The key of the file, `auth.jwt.sources[1]`.
    pub key: String,
    /// What is wrong with its value.
    pub reason: String,
}

impl AuthConfigError {
    fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}
