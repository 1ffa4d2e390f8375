//! Close codes, and the meaning of each protocol violation of a client: one mapping from [`ProtocolError`] to close
//! code, reason and metric label.

use std::{fmt, sync::Arc};

/// A close code that is permitted in a close frame (RFC 6455 §7.4 and the IANA registry).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: normal closure.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a page was left, or a server shuts down for good.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the bytes violate RFC 6455.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: this kind of data (text or binary) is not accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: the data contradicts its type: text that is not UTF-8, or data that cannot be inflated.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: refused for a reason without a code of its own.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: the message is larger than the limit.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: a client misses an extension in the server's answer; servers do not begin a close with it.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts; reconnect after a random delay.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the server is overloaded, or the client is too slow; reconnect later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a server behind this one gave an invalid answer.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 4401: the token has expired; reconnect with another.
    pub const EXPIRED: Self = Self(4401);
    /// 4403: an admin or a publisher disconnected this user or token.
    pub const DISCONNECTED: Self = Self(4403);

    /// The code, if it is permitted in a close frame: 1000–1003, 1007–1014 and 3000–4999. Not 1004 (reserved), nor
    /// 1005, 1006 and 1015, which only report locally that there was no frame, nor anything unassigned.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The meaning of the number, as one word.
    pub const fn name(self) -> &'static str {
        match self.0 {
            1000 => "normal",
            1001 => "going_away",
            1002 => "protocol_error",
            1003 => "unsupported_data",
            1007 => "invalid_payload",
            1008 => "policy_violation",
            1009 => "message_too_big",
            1010 => "mandatory_extension",
            1011 => "internal_error",
            1012 => "service_restart",
            1013 => "try_again_later",
            1014 => "bad_gateway",
            3000..=3999 => "registered",
            _ => "private",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.name())
    }
}

/// Why the node ends a connection that has done nothing wrong, and what its client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The metric label.
    pub label: &'static str,
    /// The close code.
    pub code: CloseCode,
    /// The close reason, at most 123 bytes.
    pub reason: Arc<str>,
    /// Whether the client should reconnect; a Socket.IO client does so by itself unless it is disconnected explicitly.
    pub reconnect: bool,
}

impl Ending {
    /// The connection's token has expired.
    pub fn expired() -> Self {
        Self { label: "expired", code: CloseCode::EXPIRED, reason: Arc::from("token expired"), reconnect: false }
    }

    /// The consumer cannot handle an event, as if it had raised an exception in Channels.
    pub fn event_failed() -> Self {
        let reason = Arc::from("an event could not be handled");
        Self { label: "event_failed", code: CloseCode::INTERNAL_ERROR, reason, reconnect: true }
    }

    /// The connection's user was disconnected.
    pub fn disconnected() -> Self {
        Self { label: "kicked", code: CloseCode::DISCONNECTED, reason: Arc::from("disconnected"), reconnect: false }
    }

    /// The connection's token was revoked.
    pub fn revoked() -> Self {
        Self { label: "revoked", code: CloseCode::DISCONNECTED, reason: Arc::from("token revoked"), reconnect: false }
    }
}

/// A protocol violation by a client; the connection is closed with [`ProtocolError::code`]. The error text is the close
/// reason (never more than 123 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProtocolError {
    /// RFC 6455 §5.1: a client masks every frame.
    #[error("frame is not masked")]
    Unmasked,
    /// §5.2: a reserved bit without a meaning in any negotiated extension.
    #[error("reserved bit is set")]
    ReservedBit,
    /// §5.2: opcodes 3–7 and 11–15.
    #[error("unknown opcode")]
    Opcode,
    /// §5.5: control frames must not be fragmented.
    #[error("fragmented control frame")]
    FragmentedControl,
    /// §5.5: control frames carry 125 bytes at most.
    #[error("control frame above 125 bytes")]
    LongControl,
    /// §5.2: a length not in its shortest form, or with its highest bit set.
    #[error("invalid frame length")]
    Length,
    /// §5.4: a continuation with nothing to continue.
    #[error("continuation without a message")]
    UnexpectedContinuation,
    /// §5.4: a new message inside a fragmented one.
    #[error("message inside a fragmented message")]
    ExpectedContinuation,
    /// §5.5.1: a close frame's body is empty or begins with a code of two bytes.
    #[error("close frame of one byte")]
    CloseLength,
    /// §7.4: a code that must not be sent.
    #[error("invalid close code")]
    CloseCode,
    /// §5.5.1: the close reason must be UTF-8.
    #[error("close reason is not UTF-8")]
    CloseReason,
    /// §8.1: text must be UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// RFC 7692 §7.2.2: the data cannot be inflated.
    #[error("compressed data is corrupt")]
    Deflate,
    /// The message exceeds the limit, on the wire or inflated.
    #[error("message is too big")]
    TooBig,
}

impl ProtocolError {
    /// The close code.
    pub const fn code(self) -> CloseCode {
        match self {
            Self::Unmasked
            | Self::ReservedBit
            | Self::Opcode
            | Self::FragmentedControl
            | Self::LongControl
            | Self::Length
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::CloseLength
            | Self::CloseCode => CloseCode::PROTOCOL_ERROR,
            Self::CloseReason | Self::Utf8 | Self::Deflate => CloseCode::INVALID_PAYLOAD,
            Self::TooBig => CloseCode::MESSAGE_TOO_BIG,
        }
    }

    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::CloseReason | Self::Utf8 => "invalid_utf8",
            Self::Deflate => "invalid_deflate",
            Self::TooBig => "message_too_big",
            _ => "protocol_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_may_be_sent_are_codes() {
        for good in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
            assert_eq!(CloseCode::new(good).map(CloseCode::get), Some(good), "{good}");
        }
        for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert_eq!(CloseCode::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_kind_of_error_has_its_code() {
        assert_eq!(ProtocolError::Unmasked.code(), CloseCode::PROTOCOL_ERROR);
        assert_eq!(ProtocolError::Utf8.code(), CloseCode::INVALID_PAYLOAD);
        assert_eq!(ProtocolError::Deflate.code(), CloseCode::INVALID_PAYLOAD);
        assert_eq!(ProtocolError::TooBig.code(), CloseCode::MESSAGE_TOO_BIG);
    }
}
