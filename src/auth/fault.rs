//! Why a token is not valid: the label that is counted, what its client reads, and what its operator reads.
//!
//! In: the place at which a check failed. Out: a [`Fault`]. Neither text contains any part of a token that its issuer
//! did not sign; the text for the operator says what to change.

use std::fmt;

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An `Authorization` header with other than one token.
    BadHeader,
    /// Not a JWT, or with demands that no reader here knows.
    Malformed,
    /// Another algorithm than the configured one.
    Algorithm,
    /// The key set has no such key.
    UnknownKey,
    /// None of the keys signed it.
    Signature,
    /// A claim of the wrong type.
    BadClaim,
    /// It has ended.
    Expired,
    /// It begins later.
    NotYetValid,
    /// It never ends.
    NoExpiry,
    /// It is for other services.
    Audience,
    /// It is by another service.
    Issuer,
    /// It has no id.
    NoId,
    /// It has no type.
    NoType,
    /// It has another type.
    WrongType,
    /// It names no user.
    NoUser,
    /// It names another user than the connection's.
    OtherUser,
    /// The cache does not have this ws-token, or a newer one.
    Unknown,
    /// The cached value of this ws-token cannot be read.
    Unreadable,
    /// Django does not take what the client sent for a login.
    Login,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::BadHeader,
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Signature,
        Self::BadClaim,
        Self::Expired,
        Self::NotYetValid,
        Self::NoExpiry,
        Self::Audience,
        Self::Issuer,
        Self::NoId,
        Self::NoType,
        Self::WrongType,
        Self::NoUser,
        Self::OtherUser,
        Self::Unknown,
        Self::Unreadable,
        Self::Login,
    ];

    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::BadHeader => "bad_header",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::BadClaim => "bad_claim",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::NoExpiry => "no_expiry",
            Self::Audience => "audience",
            Self::Issuer => "issuer",
            Self::NoId => "no_id",
            Self::NoType => "no_type",
            Self::WrongType => "wrong_type",
            Self::NoUser => "no_user",
            Self::OtherUser => "other_user",
            Self::Unknown => "unknown",
            Self::Unreadable => "unreadable",
            Self::Login => "login",
        }
    }

    /// The text for the client, where simplejwt has one in its words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::BadHeader => "Authorization header must contain two space-delimited values",
            Self::Malformed
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Signature
            | Self::BadClaim
            | Self::NotYetValid
            | Self::Audience
            | Self::Issuer => "Token is invalid",
            Self::Expired => "Token is expired",
            Self::NoExpiry => "Token has no 'exp' claim",
            Self::NoId => "Token has no id",
            Self::NoType => "Token has no type",
            Self::WrongType => "Token has wrong type",
            Self::NoUser => "Token contained no recognizable user identification",
            Self::OtherUser => "the token is another user's",
            Self::Unknown | Self::Unreadable => "the ws-token is unknown or no longer valid",
            Self::Login => "the login is not valid or has ended",
        }
    }

    /// How much a fault tells if a token was read in several ways: a token that is of another kind altogether tells
    /// least, and one that fails at its last check most.
    pub(super) const fn weight(self) -> u8 {
        match self {
            Self::BadHeader | Self::Malformed | Self::Algorithm | Self::UnknownKey | Self::Signature => 0,
            Self::NoType | Self::WrongType => 1,
            Self::Unreadable => 3,
            _ => 2,
        }
    }
}

/// A token that is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub reason: Reason,
    /// The text for the log.
    pub advice: Box<str>,
}

impl Fault {
    /// A fault with a text for the log.
    pub fn new(reason: Reason, advice: impl Into<Box<str>>) -> Self {
        Self { reason, advice: advice.into() }
    }

    /// The same with more for the log.
    #[must_use]
    pub(super) fn and(self, more: fmt::Arguments<'_>) -> Self {
        Self { advice: format!("{}; {more}", self.advice).into(), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::label;

    #[test]
    fn each_reason_has_a_label_that_is_exported_from_the_start() {
        let mut labels = Reason::ALL.map(Reason::label).to_vec();
        labels.push("revoked");
        labels.sort_unstable();
        assert_eq!(labels, label::TOKEN_REFUSALS);
    }
}
