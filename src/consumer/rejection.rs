//! The texts of a consumer for clients that it refuses.

use crate::config::{self, Protocol};

/// Why a client is refused, as the texts of a consumer distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It sent no token.
    Missing,
    /// Its token is not valid.
    Invalid,
    /// It may not connect.
    Forbidden,
}

impl Rejected {
    /// The text of a consumer for this reason.
    pub(super) fn text(self, spec: &config::Consumer) -> &str {
        let reject = &spec.reject;
        let first = match self {
            Self::Missing => reject.missing.as_ref(),
            Self::Invalid => reject.invalid.as_ref(),
            Self::Forbidden => None,
        };
        // Only Socket.IO has texts of its own; other clients get the reason.
        let default = if spec.protocol == Protocol::SocketIo { "Authentication error" } else { "not allowed" };
        first.or(reject.message.as_ref()).map_or(default, String::as_str)
    }
}
