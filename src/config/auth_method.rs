//! The ways to authenticate a client, and what happens when its token is not valid, or no more.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::did_you_mean;

/// A way to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A short-lived token from Django's cache.
    WsToken,
    /// A simplejwt access token.
    Jwt,
    /// A JWT of the kind with this name.
    JwtKind(Box<str>),
    /// Whatever Django takes for a login: the node asks it.
    Django,
    /// No user, if no credential is sent.
    Anonymous,
}

impl AuthMethod {
    /// Before the name of a kind of JWT.
    const KIND: &str = "jwt:";

    /// The methods with names of their own.
    const NAMED: [(&str, Self); 4] =
        [("ws_token", Self::WsToken), ("jwt", Self::Jwt), ("django", Self::Django), ("anonymous", Self::Anonymous)];

    /// Whether its tokens are JWTs that their issuer signed.
    pub const fn is_jwt(&self) -> bool {
        matches!(self, Self::Jwt | Self::JwtKind(_))
    }
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WsToken => f.write_str("ws_token"),
            Self::Jwt => f.write_str("jwt"),
            Self::JwtKind(kind) => write!(f, "{}{kind}", Self::KIND),
            Self::Django => f.write_str("django"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

impl Serialize for AuthMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AuthMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some(kind) = text.strip_prefix(Self::KIND).filter(|kind| !kind.is_empty()) {
            return Ok(Self::JwtKind(kind.into()));
        }
        Self::NAMED.into_iter().find(|(name, _)| *name == text).map(|(_, method)| method).ok_or_else(|| {
            let names = Self::NAMED.map(|(name, _)| name);
            let near = did_you_mean(&text, names);
            let names = names.join(", ");
            de::Error::custom(format!("unknown way to authenticate {text:?}; known: {names}, jwt:KIND{near}"))
        })
    }
}

/// What happens to a client whose token is not valid, or revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InvalidToken {
    /// It is refused.
    #[default]
    Refuse,
    /// It is admitted like a client without a token, as by the usual middleware of Channels.
    Anonymous,
}

/// What happens to a connection when its token expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtExpiry {
    /// It stays open, as in Channels.
    #[default]
    Keep,
    /// It is closed with 4401.
    Close,
}
