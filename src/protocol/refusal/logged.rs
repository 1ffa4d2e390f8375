//! The log line of a refusal: who refuses, why, and what to change. Never a token.
//!
//! Each kind has a place of its own, and its rate is bounded there, so that a storm of one does not hide another.

use log::Level;

use super::{BridgeRefusal, Refusal};
use crate::{admission::Limit, auth::AuthError, consumer::GroupError, warn_bounded};

impl Refusal {
    /// Logs it; `who` refuses.
    pub fn log(&self, who: &str) {
        let row = self.row();
        let detail = &row.detail;
        if row.level > Level::Warn {
            return log::debug!("{who}: a client is refused: {detail}");
        }
        match self {
            Self::Origin(foreign) => {
                warn_bounded!("{who}: a client is refused: {foreign}");
            }
            Self::Auth(error) => log_auth(error, who),
            Self::Denied(_) => {
                warn_bounded!("{who}: a client is refused by on_admit: {detail}");
            }
            Self::Backend { .. } => {
                warn_bounded!("{who}: a client is refused for now: {detail}; see the line about its call");
            }
            Self::Bridge(refusal) => log_bridge(refusal, who),
            Self::Groups(GroupError::NotAllowed(_)) => {
                warn_bounded!("{who}: a client is refused: {detail}; widen \"allow\" if it should be");
            }
            Self::Groups(_) => {
                warn_bounded!("{who}: a client is refused: no group for it: {detail}");
            }
            Self::State => {
                warn_bounded!("{who}: a client is refused: {detail}; the limit is limits.connection_state");
            }
            Self::Layer(error) => {
                warn_bounded!("{who}: a client is refused for now: {error}; see /health/ready");
            }
            Self::NotReady => {
                warn_bounded!("{who}: a client is refused for now: {detail}; see /health/ready");
            }
            Self::Late => warn_bounded!(
                "{who}: a client is refused for now: admission took longer than limits.admission_timeout; Redis or the \
                 backend is slow"
            ),
            Self::Overloaded => {
                warn_bounded!("{who}: a client is refused for now: {detail}; the limit is socket.inbox_total");
            }
            Self::Limited(over) => log_limit(over.limit, detail, who),
            Self::Handshake(_) | Self::NotAnUpgrade | Self::EngineIo(_) | Self::Draining | Self::Namespace => {}
        }
    }
}

fn log_auth(error: &AuthError, who: &str) {
    match error {
        AuthError::Missing => {
            warn_bounded!("{who}: a client is refused: {error}; add \"anonymous\" to auth to admit it without one");
        }
        // Throttled by its reason.
        AuthError::Invalid(fault) => fault.log(who),
        AuthError::Revoked => {
            warn_bounded!("{who}: a client is refused: {error}; it needs a new one");
        }
        AuthError::Origin => {
            warn_bounded!("{who}: a client is refused: {error}; see server.allowed_origins");
        }
        AuthError::Unconfigured(_) => {
            warn_bounded!("{who}: a client is refused for now: {error}");
        }
        AuthError::Unavailable { .. } => {
            warn_bounded!("{who}: a client is refused for now: {error}; see REDIS_URL, cache.url and /health/ready");
        }
        AuthError::Denied => {
            warn_bounded!("{who}: a client is refused: {error} (403)");
        }
        // The line about the question says why.
        AuthError::DjangoUnavailable { .. } => {
            warn_bounded!("{who}: a client is refused for now: {error}; see the line about who_am_i");
        }
        AuthError::KeySetUnavailable { .. } => {
            warn_bounded!("{who}: a client is refused for now: {error}; see jwk_url, and the line about its URL");
        }
    }
}

impl BridgeRefusal {
    /// Logs that the node closes an open connection for this; `who` is its consumer.
    pub fn log_close(&self, who: &str) {
        warn_bounded!("{who}: a connection is closed: {}", self.cause());
    }
}

fn log_bridge(refusal: &BridgeRefusal, who: &str) {
    let cause = refusal.cause();
    match refusal {
        BridgeRefusal::Denied { .. } => {
            warn_bounded!("{who}: a client is refused by its consumer: {cause}");
        }
        BridgeRefusal::Closed => {
            warn_bounded!("{who}: a client is refused by its consumer: {cause}");
        }
        BridgeRefusal::Stopped => {
            warn_bounded!("{who}: a client is refused: {cause}; call accept() or close() in it");
        }
        // The line about its call says the same, once for each kind of fault.
        _ => log::debug!("{who}: a client is refused: {cause}"),
    }
}

fn log_limit(limit: Limit, detail: &str, who: &str) {
    match limit {
        Limit::Connections => {
            warn_bounded!("{who}: a client is refused for now: {detail} (server.max_connections)");
        }
        Limit::Rate => {
            warn_bounded!("{who}: a client is refused for now: {detail} (limits.handshakes_per_second)");
        }
        Limit::UserUnknown => {
            warn_bounded!("{who}: a client is refused for now: {detail} (limits.connections_per_user needs Redis)");
        }
        Limit::User => {
            warn_bounded!("{who}: a client is refused for now: {detail} (limits.connections_per_user)");
        }
        Limit::Address => {
            warn_bounded!("{who}: a client is refused for now: {detail} (limits.connections_per_address)");
        }
        Limit::AddressRate => {
            warn_bounded!("{who}: a client is refused for now: {detail} (limits.handshakes_per_second_per_address)");
        }
    }
}
