//! The errors of Engine.IO requests: the codes and texts of the reference server (engine.io `lib/server.ts`).

/// The code of a request that is not allowed, as the reference server's `allowRequest` refuses; it may have a text of
/// its own.
pub(super) const FORBIDDEN: u8 = 4;

/// The error of an Engine.IO request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It uses no transport that is offered.
    Transport,
    /// The session is unknown.
    Session,
    /// A session can be opened only with GET.
    Method,
    /// Anything else that an Engine.IO client never does.
    Request,
    /// Its body is larger than permitted.
    TooLarge,
    /// Another version than 4.
    Version,
}

impl Breach {
    /// Its code, the HTTP status, and its text.
    pub(super) const fn answer(self) -> (u8, u16, &'static str) {
        match self {
            Self::Transport => (0, 400, "Transport unknown"),
            Self::Session => (1, 400, "Session ID unknown"),
            Self::Method => (2, 400, "Bad handshake method"),
            Self::Request => (3, 400, "Bad request"),
            Self::TooLarge => (3, 413, "Bad request"),
            Self::Version => (5, 400, "Unsupported protocol version"),
        }
    }
}
