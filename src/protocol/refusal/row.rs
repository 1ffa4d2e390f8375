//! The table: each cause with its consequences.

use std::{borrow::Cow, time::Duration};

use log::Level;

use super::{Breach, Refusal, breach::FORBIDDEN};
use crate::{
    admission::Limit,
    auth::AuthError,
    consumer::{Denial, GroupError, Rejected},
    layer::LayerError,
};

/// When to retry after a short problem.
pub(super) const SOON: Option<Duration> = Some(Duration::from_secs(1));

/// A text of an answer and of the log is at most this long, in bytes.
const MAX_SHOWN: usize = 300;

/// The consequences of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The outcome in the handshake metric.
    pub label: &'static str,
    /// The level at which it is logged.
    pub level: Level,
    /// The HTTP status.
    pub status: u16,
    /// The error's text in the body of the answer.
    pub detail: Cow<'a, str>,
    /// The error's code in an answer of Engine.IO.
    pub code: Option<u8>,
    /// The limit that is reached, as a configuration key; in the body, too.
    pub limit: Option<&'static str>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Other headers of the answer.
    pub headers: &'static [(&'static str, &'static str)],
    /// Which close code of the consumer is used for a plain WebSocket.
    pub cause: Cause,
    /// The message of `connect_error`.
    pub connect_error: ConnectErrorText<'a>,
}

/// The cause of a refusal, as the close codes of `consumer.reject` distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Before a consumer was asked: always an HTTP answer.
    Early,
    /// The client sent no token.
    Missing,
    /// Its token is not valid.
    Invalid,
    /// It may not connect.
    Forbidden,
    /// The client is not at fault, or only for now.
    Unavailable,
    /// The consumer has a fault; trying again does not help.
    Failed,
}

/// The text of `connect_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectErrorText<'a> {
    /// This text.
    Text(&'a str),
    /// The consumer's text.
    Rejected(Rejected),
    /// The text for a node at fault.
    Unavailable,
}

impl Refusal {
    /// The consequences of this refusal.
    pub fn row(&self) -> Row<'_> {
        match self {
            Self::Handshake(bad) => {
                let row = Row { status: bad.status(), headers: bad.headers(), ..Row::BAD_REQUEST };
                row.saying(bad.to_string())
            }
            Self::NotAnUpgrade => {
                let row = Row { status: 426, headers: &[("Upgrade", "websocket")], ..Row::BAD_REQUEST };
                row.saying("this path speaks WebSocket")
            }
            Self::EngineIo(breach) => {
                let (code, status, text) = breach.answer();
                let label = if *breach == Breach::Version { "protocol_version" } else { Row::BAD_REQUEST.label };
                Row { label, status, code: Some(code), ..Row::BAD_REQUEST }.saying(text)
            }
            Self::Draining => Row { label: "draining", level: Level::Debug, cause: Cause::Early, ..Row::UNAVAILABLE }
                .saying("the node is draining"),
            Self::Limited(refused) => Row { retry_after: Some(refused.retry_after), ..limited(refused.limit) },
            Self::Overloaded => {
                Row { cause: Cause::Early, ..Row::UNAVAILABLE }.saying("the node is receiving too much data")
            }
            Self::NotReady => Row { cause: Cause::Early, ..Row::UNAVAILABLE }.saying("the channel layer is not ready"),
            Self::Namespace => Row { connect_error: ConnectErrorText::Text("Invalid namespace"), ..Row::BAD_REQUEST }
                .saying("Invalid namespace"),
            Self::Origin(foreign) => {
                Row { label: "origin", cause: Cause::Early, ..Row::DENIED }.saying(foreign.to_string())
            }
            Self::Auth(error) => unknown(error),
            Self::Denied(denial) => denied(denial),
            Self::Backend { retry_after } => {
                Row { label: "backend_unavailable", retry_after: retry_after.or(SOON), ..Row::UNAVAILABLE }
                    .saying("the backend is not available")
            }
            Self::Bridge(refusal) => refusal.row(),
            Self::Groups(error) => {
                let label = if matches!(error, GroupError::Ambiguous(_)) { "ambiguous_group" } else { "denied" };
                Row { label, ..Row::DENIED }.saying(shown(error.to_string()))
            }
            Self::State => {
                let text = "query, token and auth data together are too large";
                let row = Row { label: "state_too_large", status: 431, ..Row::DENIED };
                Row { connect_error: ConnectErrorText::Text(text), ..row }.saying(text)
            }
            Self::Layer(LayerError::Unavailable { reason, retry_after }) => {
                Row { retry_after: Some(*retry_after), ..Row::UNAVAILABLE }
                    .saying(shown(format!("the channel layer is not ready: {reason}")))
            }
            Self::Layer(LayerError::TooLarge(_) | LayerError::Refused(_)) => {
                Row::UNAVAILABLE.saying("the channel layer refused")
            }
            Self::Late => Row { label: "timeout", ..Row::UNAVAILABLE }.saying("admission took too long"),
        }
    }
}

impl Row<'static> {
    /// The client breaks a protocol.
    const BAD_REQUEST: Self = Row {
        label: "bad_request",
        level: Level::Debug,
        status: 400,
        detail: Cow::Borrowed(""),
        code: None,
        limit: None,
        retry_after: None,
        headers: &[],
        cause: Cause::Early,
        connect_error: ConnectErrorText::Unavailable,
    };

    /// A consumer refuses.
    pub(super) const DENIED: Self = Row {
        label: "denied",
        level: Level::Warn,
        status: 403,
        code: Some(FORBIDDEN),
        cause: Cause::Forbidden,
        connect_error: ConnectErrorText::Rejected(Rejected::Forbidden),
        ..Self::BAD_REQUEST
    };

    /// The node, or what it needs, is at fault.
    pub(super) const UNAVAILABLE: Self = Row {
        label: "unavailable",
        level: Level::Warn,
        status: 503,
        code: Some(FORBIDDEN),
        retry_after: SOON,
        cause: Cause::Unavailable,
        ..Self::BAD_REQUEST
    };
}

impl<'a> Row<'a> {
    pub(super) fn saying(self, detail: impl Into<Cow<'a, str>>) -> Self {
        Row { detail: detail.into(), ..self }
    }
}

/// A text that may contain what a client has sent, up to a limit.
pub(super) fn shown(mut text: String) -> String {
    if text.len() > MAX_SHOWN {
        text.truncate(text.floor_char_boundary(MAX_SHOWN));
        text.push('…');
    }
    text
}

/// The text for a client of a limit.
pub(super) const fn text_of(limit: Limit) -> &'static str {
    match limit {
        Limit::Connections => "the node has no room for more connections",
        Limit::Rate => "too many handshakes",
        Limit::UserUnknown => "the connections of this user cannot be counted now",
        Limit::User => "too many connections of this user",
        Limit::Address => "too many connections from this address",
        Limit::AddressRate => "too many handshakes from this address",
    }
}

/// 429 if the limit is the client's own: another client could be admitted now. Else 503. The node's own limits and those
/// of an address are checked before anything is accepted.
fn limited(limit: Limit) -> Row<'static> {
    let (status, label, key, cause) = match limit {
        Limit::Connections => (503, "full", "max_connections", Cause::Early),
        Limit::Rate => (503, "rate_limit", "handshakes_per_second", Cause::Early),
        Limit::UserUnknown => (503, "unavailable", "connections_per_user", Cause::Unavailable),
        Limit::User => (429, "user_limit", "connections_per_user", Cause::Unavailable),
        Limit::Address => (429, "address_limit", "connections_per_address", Cause::Early),
        Limit::AddressRate => (429, "address_rate_limit", "handshakes_per_second_per_address", Cause::Early),
    };
    let text = text_of(limit);
    let connect_error = if status == 429 { ConnectErrorText::Text(text) } else { ConnectErrorText::Unavailable };
    Row { label, status, limit: Some(key), cause, connect_error, ..Row::UNAVAILABLE }.saying(text)
}

/// A denial may say that the client is not at fault: by its place in the handler, or by its status.
fn denied(denial: &Denial) -> Row<'_> {
    let connect_error = ConnectErrorText::Text(&denial.text);
    let away = Row { label: "backend_unavailable", retry_after: denial.retry_after.or(SOON), ..Row::UNAVAILABLE };
    let row = match denial.status {
        _ if denial.away => Row { status: denial.status.unwrap_or(away.status), ..away },
        Some(status @ (429 | 503)) => Row { status, label: Row::DENIED.label, ..away },
        status => Row { status: status.unwrap_or(Row::DENIED.status), ..Row::DENIED },
    };
    Row { connect_error, ..row }.saying(&*denial.text)
}

fn unknown(error: &AuthError) -> Row<'static> {
    let wrong = |cause, why| Row { cause, connect_error: ConnectErrorText::Rejected(why), ..Row::DENIED };
    let row = match error {
        AuthError::Missing => wrong(Cause::Missing, Rejected::Missing),
        AuthError::Invalid(_) | AuthError::Revoked => wrong(Cause::Invalid, Rejected::Invalid),
        AuthError::Origin => Row { cause: Cause::Early, ..Row::DENIED },
        AuthError::Denied => Row::DENIED,
        AuthError::Unconfigured(_)
        | AuthError::Unavailable { .. }
        | AuthError::KeySetUnavailable { .. }
        | AuthError::DjangoUnavailable { .. } => Row::UNAVAILABLE,
    };
    Row { label: error.label(), retry_after: error.retry_after(), ..row }.saying(error.to_string())
}
