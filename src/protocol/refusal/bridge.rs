//! How a consumer that Django runs ends its connect without admitting the client.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;

use super::row::{Cause, Row, SOON, shown};
use crate::{backend::bridge::Failure, socket::close::CloseCode};

/// When to retry after an operator has changed something.
const CONFIGURED: Option<Duration> = Some(Duration::from_secs(60));

/// Why a client is not connected to a consumer in Django. What an exception or a refusal says is for the log only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BridgeRefusal {
    /// It answered with `websocket.http.response`.
    Denied {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// It called `close()` before `accept()`.
    Closed,
    /// It returned, and neither accepted nor closed: Daphne answers in the same way, after its connect timeout.
    Stopped,
    /// It raised an exception.
    Error {
        /// The class of the exception.
        kind: String,
        /// Its text.
        text: String,
    },
    /// It does what one call per event cannot do.
    Refused {
        /// The kind of the refusal.
        kind: String,
        /// What the operator reads.
        text: String,
    },
    /// Django is not reachable, or too busy.
    Away {
        /// What happened.
        reason: String,
        /// When a retry makes sense, if Django said so.
        retry_after: Option<Duration>,
    },
    /// Too many calls wait already.
    Overloaded,
    /// There is no complete answer.
    Broken(String),
    /// Django refuses every call.
    Misconfigured(String),
    /// What is to be sent along is too large for a call.
    TooLarge(usize),
    /// The code that runs now cannot read the state.
    Restart(String),
}

/// How a connection ends that was accepted before; as Daphne ends it, where Daphne would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeClose {
    /// The reason in the metric of closes.
    pub label: &'static str,
    /// The code.
    pub code: CloseCode,
    /// The reason for the client.
    pub reason: &'static str,
}

impl From<Failure> for BridgeRefusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Away { reason, retry_after } => Self::Away { reason, retry_after },
            Failure::Overloaded => Self::Overloaded,
            Failure::Broken(reason) => Self::Broken(reason),
            Failure::Misconfigured(reason) => Self::Misconfigured(reason),
            Failure::TooLarge(size) => Self::TooLarge(size),
        }
    }
}

impl BridgeRefusal {
    /// Whether a client can be accepted with this. A server of ASGI raises an exception for what it cannot write.
    ///
    /// # Errors
    /// The name or a header is not valid.
    pub fn check_accept(subprotocol: Option<&str>, headers: &[(String, String)]) -> Result<(), Self> {
        let wrong = match (subprotocol.filter(|name| !is_token(name)), headers.iter().find(|one| !is_header(one))) {
            (Some(name), _) => format!("accept: the subprotocol {name:?} cannot be sent"),
            (None, Some((name, _))) => format!("accept: the header {name:?} cannot be sent"),
            (None, None) => return Ok(()),
        };
        Err(Self::Error { kind: "answer".to_owned(), text: wrong })
    }

    /// The close of a connection that this happens to after its connect.
    pub const fn close(&self) -> BridgeClose {
        match self {
            Self::Denied { .. } | Self::Closed | Self::Stopped | Self::Error { .. } => {
                BridgeClose { label: "consumer_error", code: CloseCode::INTERNAL_ERROR, reason: "" }
            }
            Self::Refused { .. } => {
                BridgeClose { label: "consumer_refused", code: CloseCode::INTERNAL_ERROR, reason: "" }
            }
            // Django may have done anything.
            Self::Broken(_) => BridgeClose {
                label: "state_unknown",
                code: CloseCode::INTERNAL_ERROR,
                reason: "the state of this connection is lost",
            },
            Self::Restart(_) => {
                BridgeClose { label: "state_outdated", code: CloseCode::SERVICE_RESTART, reason: "service restart" }
            }
            Self::Away { .. } | Self::Overloaded => BridgeClose {
                label: "backend_unavailable",
                code: CloseCode::TRY_AGAIN_LATER,
                reason: "Service unavailable",
            },
            Self::Misconfigured(_) => {
                BridgeClose { label: "unconfigured", code: CloseCode::TRY_AGAIN_LATER, reason: "Service unavailable" }
            }
            Self::TooLarge(_) => {
                BridgeClose { label: "message_too_big", code: CloseCode::MESSAGE_TOO_BIG, reason: "message is too big" }
            }
        }
    }

    /// The consequences of this refusal.
    pub(super) fn row(&self) -> Row<'_> {
        let failed = |label| Row { label, status: 500, cause: Cause::Failed, ..Row::DENIED };
        let away = |retry_after: &Option<Duration>| Row {
            label: "backend_unavailable",
            retry_after: retry_after.or(SOON),
            ..Row::UNAVAILABLE
        };
        match self {
            Self::Denied { status, headers, .. } if !is_answer(*status, headers) => {
                failed("consumer_error").saying("the consumer failed")
            }
            Self::Denied { status, .. } => Row { status: *status, ..Row::DENIED }
                .saying("the consumer refused the connection with an answer of its own"),
            Self::Closed => Row::DENIED.saying("the consumer refused the connection"),
            Self::Stopped => Row::DENIED.saying("the consumer did not accept the connection"),
            Self::Error { .. } => failed("consumer_error").saying("the consumer failed"),
            Self::Refused { .. } => failed("consumer_refused").saying("the consumer cannot be served here"),
            Self::Away { retry_after, .. } => away(retry_after).saying("the backend is not available"),
            Self::Overloaded => away(&None).saying("the backend is not available: too many calls wait"),
            Self::Broken(_) => away(&None).saying("the backend gave no complete answer"),
            Self::Restart(_) => Row::UNAVAILABLE.saying("the application was replaced"),
            Self::Misconfigured(_) => Row { label: "unconfigured", retry_after: CONFIGURED, ..Row::UNAVAILABLE }
                .saying("the backend refuses the calls of this node"),
            Self::TooLarge(_) => Row { label: "state_too_large", status: 431, ..Row::DENIED }
                .saying("path, query and headers together are too large"),
        }
    }

    /// What the log says besides the row, bounded, in one line.
    pub(super) fn cause(&self) -> Cow<'_, str> {
        match self {
            Self::Denied { status, headers, .. } if !is_answer(*status, headers) => {
                one_line(&format!("its answer is not valid HTTP: status {status}, headers {headers:?}")).into()
            }
            Self::Denied { status, .. } => format!("it answered with status {status}").into(),
            Self::Closed => "it called close() before accept()".into(),
            Self::Stopped => "connect() neither accepted nor closed".into(),
            Self::Error { kind, text } => one_line(&format!("{kind}: {text}")).into(),
            Self::Refused { kind, text } => one_line(&format!("{text} ({kind})")).into(),
            Self::Away { reason, .. } | Self::Broken(reason) | Self::Misconfigured(reason) | Self::Restart(reason) => {
                one_line(reason).into()
            }
            Self::Overloaded => "too many calls wait for their turn".into(),
            Self::TooLarge(size) => format!("its call would have {size} bytes").into(),
        }
    }
}

/// Whether this can be written as an HTTP answer.
fn is_answer(status: u16, headers: &[(String, String)]) -> bool {
    (200..600).contains(&status) && headers.iter().all(is_header)
}

/// Whether this can be a header; the text is latin-1, as in ASGI.
fn is_header((name, value): &(String, String)) -> bool {
    let is_letter = |letter| letter == '\t' || (letter <= 'ÿ' && !char::is_ascii_control(&letter));
    is_token(name) && value.chars().all(is_letter)
}

/// A name in HTTP (RFC 9110 §5.6.2).
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The text without line breaks and other control characters, up to a limit.
fn one_line(text: &str) -> String {
    let escaped = text.chars().flat_map(|character| {
        let (plain, control) =
            if character.is_control() { (None, Some(character.escape_default())) } else { (Some(character), None) };
        plain.into_iter().chain(control.into_iter().flatten())
    });
    shown(escaped.collect())
}
