//! Why a client is refused, and the consequences: one table for plain WebSocket, Engine.IO and Socket.IO.
//!
//! In: the cause. Out: the HTTP answer, the message of Socket.IO's `connect_error` or the close code, and the metric
//! label and log level. It builds no response.

use std::{borrow::Cow, time::Duration};

use log::Level;

use crate::{
    admission::{Limit, OverLimit as Limited},
    auth::AuthError,
    config::Reject,
    consumer::{Consumer, GroupError},
    layer::LayerError,
    socket::{close::CloseCode, negotiate::HandshakeError},
    warn_bounded,
};

/// When to retry after a short problem.
const SOON: Option<Duration> = Some(Duration::from_secs(1));

/// The text for a Socket.IO client if the node is at fault; the reason is in the log.
const UNAVAILABLE: &str = "Service unavailable";

/// The metric label if a client's name could also be the name of another group.
const AMBIGUOUS: &str = "ambiguous_group";

/// Why a client is refused.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// A request for a WebSocket breaks RFC 6455.
    Handshake(HandshakeError),
    /// An ordinary request on a WebSocket path.
    NotAnUpgrade,
    /// A request breaks Engine.IO.
    EngineIo(Breach),
    /// The node is about to stop.
    Draining,
    /// A limit is reached.
    Limited(Limited),
    /// Clients together send more than the node has room for.
    Overloaded,
    /// The layer is unreachable, so no group could be joined.
    NotReady,
    /// The namespace is unknown.
    Namespace,
    /// Authentication failed.
    Auth(AuthError),
    /// `on_admit` refused it with this text.
    Denied(String),
    /// The name of one of its groups cannot be made.
    Groups(GroupError),
    /// Its state would be larger than `limits.connection_state`.
    State,
    /// A group could not be joined.
    Layer(LayerError),
    /// It took longer than `limits.admission_timeout`.
    Late,
}

/// The error of an Engine.IO request: the codes and texts of the reference server (engine.io `lib/server.ts`).
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
    /// It is not allowed; the reason is not disclosed.
    Forbidden,
    /// Another version than 4.
    Version,
}

impl From<Breach> for Refusal {
    fn from(breach: Breach) -> Self {
        Self::EngineIo(breach)
    }
}

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
    /// Whether a plain WebSocket is accepted only to be closed, if the consumer has a close code for that.
    pub close: Close,
    /// The message of `connect_error`.
    pub connect_error: ConnectErrorText<'a>,
}

/// The close of a plain WebSocket, instead of an answer that a browser cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Never: the refusal happens before accepting, or before a consumer is known.
    Never,
    /// With the code, reason and frame of `consumer.reject`.
    AsConfigured,
    /// With 1013 and the text.
    TryAgainLater,
}

/// The text of `connect_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectErrorText<'a> {
    /// This text.
    Text(&'a str),
    /// The consumer's text for a client without a token.
    Missing,
    /// The consumer's text for an invalid token, and for any other refusal.
    Invalid,
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
            Self::EngineIo(breach) => breach.row(),
            Self::Draining => {
                let row = Row { label: "draining", level: Level::Debug, retry_after: SOON, ..Row::UNAVAILABLE };
                row.saying("the node is draining")
            }
            Self::Limited(refused) => Row { retry_after: Some(refused.retry_after), ..limited(refused.limit) },
            Self::Overloaded => Row { retry_after: SOON, level: Level::Debug, ..Row::UNAVAILABLE }
                .saying("the node is receiving too much data"),
            Self::NotReady => Row { retry_after: SOON, level: Level::Debug, ..Row::UNAVAILABLE }
                .saying("the channel layer is not ready"),
            Self::Namespace => Row { connect_error: ConnectErrorText::Text("Invalid namespace"), ..Row::BAD_REQUEST }
                .saying("Invalid namespace"),
            Self::Auth(error) => unknown(error),
            Self::Denied(text) => Row { connect_error: ConnectErrorText::Text(text), ..Row::DENIED }.saying(text),
            Self::Groups(error) => {
                let row = match error {
                    GroupError::Ambiguous(_) => Row { label: AMBIGUOUS, level: Level::Warn, ..Row::DENIED },
                    GroupError::Name { .. } => Row { level: Level::Warn, ..Row::DENIED },
                    GroupError::Value(_) | GroupError::NotAllowed(_) | GroupError::TooMany(_) => Row::DENIED,
                };
                row.saying(error.to_string())
            }
            Self::State => {
                let text = "query, token and auth data together are too large";
                let row = Row { label: "state_too_large", level: Level::Warn, status: 431, ..Row::DENIED };
                Row { connect_error: ConnectErrorText::Text(text), ..row }.saying(text)
            }
            Self::Layer(LayerError::Unavailable { reason, retry_after }) => {
                Row { retry_after: Some(*retry_after), ..Row::UNAVAILABLE }
                    .saying(format!("the channel layer is not ready: {reason}"))
            }
            Self::Layer(LayerError::TooLarge(_) | LayerError::Refused(_)) => {
                Row { retry_after: SOON, ..Row::UNAVAILABLE }.saying("the channel layer refused")
            }
            Self::Late => {
                Row { label: "timeout", retry_after: SOON, ..Row::UNAVAILABLE }.saying("admission took too long")
            }
        }
    }

    /// The form for an Engine.IO client: a refusal by a consumer shows only that it is not allowed.
    #[must_use]
    pub fn for_engine_io(self) -> Self {
        match self {
            Self::Auth(_) | Self::Denied(_) | Self::Groups(_) | Self::Layer(_) | Self::Namespace => {
                Self::EngineIo(Breach::Forbidden)
            }
            other => other,
        }
    }

    /// The message of Socket.IO's `connect_error`, with this consumer's texts.
    pub fn connect_error<'a>(&'a self, consumer: &'a Consumer) -> &'a str {
        match self.row().connect_error {
            ConnectErrorText::Text(text) => text,
            ConnectErrorText::Missing => consumer.rejection_text(true),
            ConnectErrorText::Invalid => consumer.rejection_text(false),
            ConnectErrorText::Unavailable => UNAVAILABLE,
        }
    }

    /// Logs it; `who` refuses.
    pub fn log(&self, who: &str) {
        let Row { level, detail, .. } = self.row();
        match self {
            // Counted and throttled by its reason.
            Self::Auth(AuthError::Invalid(fault)) => fault.log(who),
            _ if level > Level::Warn => log::debug!("{who}: a client is refused: {detail}"),
            // Each is throttled separately, so that a storm of one does not hide another.
            Self::Layer(error) => warn_bounded!("{who}: a client is refused: {error}"),
            Self::Groups(error) => warn_bounded!("{who}: a client is refused: {error}"),
            Self::Late => {
                warn_bounded!("{who}: a client is refused: admission took longer than limits.admission_timeout");
            }
            _ => warn_bounded!("{who}: a client is refused: {detail}"),
        }
    }
}

impl Row<'static> {
    /// The client is at fault.
    const BAD_REQUEST: Self = Row {
        label: "bad_request",
        level: Level::Debug,
        status: 400,
        detail: Cow::Borrowed(""),
        code: None,
        limit: None,
        retry_after: None,
        headers: &[],
        close: Close::Never,
        connect_error: ConnectErrorText::Unavailable,
    };

    /// A consumer refuses.
    const DENIED: Self = Row {
        label: "denied",
        status: 403,
        close: Close::AsConfigured,
        connect_error: ConnectErrorText::Invalid,
        ..Self::BAD_REQUEST
    };

    /// The node is at fault.
    const UNAVAILABLE: Self = Row { label: "unavailable", level: Level::Warn, status: 503, ..Self::BAD_REQUEST };
}

impl<'a> Row<'a> {
    /// The code with which a plain WebSocket is closed instead of an answer, if its consumer has one, and the outcome
    /// that is counted then.
    pub fn closing(&self, reject: &Reject) -> Option<(CloseCode, &'static str)> {
        let configured = reject.close?;
        match self.close {
            Close::Never => None,
            Close::AsConfigured => {
                let outcome = if self.label == AMBIGUOUS { AMBIGUOUS } else { "denied" };
                Some((CloseCode::new(configured).unwrap_or(CloseCode::POLICY_VIOLATION), outcome))
            }
            Close::TryAgainLater => Some((CloseCode::TRY_AGAIN_LATER, self.label)),
        }
    }

    fn saying(self, detail: impl Into<Cow<'a, str>>) -> Self {
        Row { detail: detail.into(), ..self }
    }
}

impl Breach {
    fn row(self) -> Row<'static> {
        let (code, status, label, text) = match self {
            Self::Transport => (0, 400, "bad_request", "Transport unknown"),
            Self::Session => (1, 400, "bad_request", "Session ID unknown"),
            Self::Method => (2, 400, "bad_request", "Bad handshake method"),
            Self::Request => (3, 400, "bad_request", "Bad request"),
            Self::TooLarge => (3, 413, "bad_request", "Bad request"),
            Self::Forbidden => (4, 403, "origin", "Forbidden"),
            Self::Version => (5, 400, "protocol_version", "Unsupported protocol version"),
        };
        Row { label, status, detail: Cow::Borrowed(text), code: Some(code), ..Row::BAD_REQUEST }
    }
}

/// 429 if the limit is the client's own: another client could be admitted now. Else 503.
fn limited(limit: Limit) -> Row<'static> {
    let (status, label, key, text) = match limit {
        Limit::Connections => (503, "full", "max_connections", "the node has no room for more connections"),
        Limit::Rate => (503, "rate_limit", "handshakes_per_second", "too many handshakes"),
        Limit::UserUnknown => {
            (503, "unavailable", "connections_per_user", "the connections of this user cannot be counted now")
        }
        Limit::User => (429, "user_limit", "connections_per_user", "too many connections of this user"),
        Limit::Address => (429, "address_limit", "connections_per_address", "too many connections from this address"),
        Limit::AddressRate => {
            (429, "address_rate_limit", "handshakes_per_second_per_address", "too many handshakes from this address")
        }
    };
    Row {
        label,
        status,
        detail: Cow::Borrowed(text),
        // As the reference server's `allowRequest` refuses.
        code: Some(4),
        limit: Some(key),
        close: if matches!(limit, Limit::User) { Close::TryAgainLater } else { Close::Never },
        connect_error: if status == 429 { ConnectErrorText::Text(text) } else { ConnectErrorText::Unavailable },
        ..Row::BAD_REQUEST
    }
}

fn unknown(error: &AuthError) -> Row<'static> {
    let row = match error {
        AuthError::Missing => Row { connect_error: ConnectErrorText::Missing, ..Row::DENIED },
        AuthError::Invalid(_) | AuthError::Revoked => Row::DENIED,
        AuthError::Origin => Row { close: Close::Never, ..Row::DENIED },
        AuthError::Unconfigured(_) | AuthError::Unavailable { .. } => Row::UNAVAILABLE,
    };
    Row { label: error.label(), retry_after: error.retry_after(), ..row }.saying(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::GroupNameError;

    const LATER: Duration = Duration::from_millis(2500);

    /// The counted outcome and log level; the answer, with its headers; the close if `reject.close` is 4401;
    /// `connect_error`.
    const ROWS: &str = "\
Handshake Key          | bad_request DEBUG        | 400 Sec-WebSocket-Key must be given once and be 16 bytes in base64 | - | Service unavailable
Handshake MissingVersion | bad_request DEBUG      | 400 Sec-WebSocket-Version must be given once; Sec-WebSocket-Version: 13 | - | Service unavailable
Handshake Version      | bad_request DEBUG        | 426 only WebSocket version 13 is supported; Sec-WebSocket-Version: 13; Upgrade: websocket | - | Service unavailable
NotAnUpgrade           | bad_request DEBUG        | 426 this path speaks WebSocket; Upgrade: websocket | - | Service unavailable
EngineIo Transport     | bad_request DEBUG        | 400 0 Transport unknown | - | Service unavailable
EngineIo Session       | bad_request DEBUG        | 400 1 Session ID unknown | - | Service unavailable
EngineIo Method        | bad_request DEBUG        | 400 2 Bad handshake method | - | Service unavailable
EngineIo Request       | bad_request DEBUG        | 400 3 Bad request | - | Service unavailable
EngineIo TooLarge      | bad_request DEBUG        | 413 3 Bad request | - | Service unavailable
EngineIo Forbidden     | origin DEBUG             | 403 4 Forbidden | - | Service unavailable
EngineIo Version       | protocol_version DEBUG   | 400 5 Unsupported protocol version | - | Service unavailable
Draining               | draining DEBUG           | 503 the node is draining; Retry-After 1s | - | Service unavailable
Limited Connections    | full DEBUG               | 503 4 the node has no room for more connections; max_connections; Retry-After 2.5s | - | Service unavailable
Limited Rate           | rate_limit DEBUG         | 503 4 too many handshakes; handshakes_per_second; Retry-After 2.5s | - | Service unavailable
Limited Address        | address_limit DEBUG      | 429 4 too many connections from this address; connections_per_address; Retry-After 2.5s | - | too many connections from this address
Limited AddressRate    | address_rate_limit DEBUG | 429 4 too many handshakes from this address; handshakes_per_second_per_address; Retry-After 2.5s | - | too many handshakes from this address
Limited User           | user_limit DEBUG         | 429 4 too many connections of this user; connections_per_user; Retry-After 2.5s | user_limit 1013 | too many connections of this user
Limited UserUnknown    | unavailable DEBUG        | 503 4 the connections of this user cannot be counted now; connections_per_user; Retry-After 2.5s | - | Service unavailable
Overloaded             | unavailable DEBUG        | 503 the node is receiving too much data; Retry-After 1s | - | Service unavailable
NotReady               | unavailable DEBUG        | 503 the channel layer is not ready; Retry-After 1s | - | Service unavailable
Namespace              | bad_request DEBUG        | 400 Invalid namespace | - | Invalid namespace
Auth missing           | missing DEBUG            | 403 no credential was given | denied 4401 | show a token
Auth invalid           | invalid DEBUG            | 403 Token is expired | denied 4401 | a bad token
Auth revoked           | revoked DEBUG            | 403 the token was revoked | denied 4401 | a bad token
Auth origin            | origin DEBUG             | 403 the origin is not allowed | - | a bad token
Auth unconfigured      | unconfigured WARN        | 503 no key; Retry-After 60s | - | Service unavailable
Auth unavailable       | unavailable WARN         | 503 the token store is not reachable; Retry-After 2.5s | - | Service unavailable
Denied                 | denied DEBUG             | 403 not today | denied 4401 | not today
Groups Value           | denied DEBUG             | 403 `user.id` is empty | denied 4401 | a bad token
Groups NotAllowed      | denied DEBUG             | 403 \"user_9\" is not a name that \"allow\" permits | denied 4401 | a bad token
Groups Name            | denied WARN              | 403 \"é\" is not a group name: a group name must be shorter than 100 characters, this one has 104 | denied 4401 | a bad token
Groups Ambiguous       | ambiguous_group WARN     | 403 \"user_7_notifications\" could also be the name of another group: a value in it contains text of a name | ambiguous_group 4401 | a bad token
Groups TooMany         | denied DEBUG             | 403 a client may choose at most 100 groups here (\"max_rooms\") | denied 4401 | a bad token
Layer Unavailable      | unavailable WARN         | 503 the channel layer is not ready: reset; Retry-After 2.5s | - | Service unavailable
Layer Refused          | unavailable WARN         | 503 the channel layer refused; Retry-After 1s | - | Service unavailable
State                  | state_too_large WARN     | 431 query, token and auth data together are too large | denied 4401 | query, token and auth data together are too large
Late                   | timeout WARN             | 503 admission took too long; Retry-After 1s | - | Service unavailable";

    fn every_cause() -> Vec<Refusal> {
        let handshake = [HandshakeError::Key, HandshakeError::MissingVersion, HandshakeError::Version];
        let breaches = [
            Breach::Transport,
            Breach::Session,
            Breach::Method,
            Breach::Request,
            Breach::TooLarge,
            Breach::Forbidden,
            Breach::Version,
        ];
        let limits =
            [Limit::Connections, Limit::Rate, Limit::Address, Limit::AddressRate, Limit::User, Limit::UserUnknown];
        let auth = [
            AuthError::Missing,
            AuthError::from(crate::auth::Reason::Expired),
            AuthError::Revoked,
            AuthError::Origin,
            AuthError::Unconfigured("no key"),
            AuthError::Unavailable { retry_after: LATER },
        ];
        let layer = [
            LayerError::Unavailable { reason: "reset".to_owned(), retry_after: LATER },
            LayerError::Refused("oom".to_owned()),
        ];
        let mut all: Vec<Refusal> = handshake.map(Refusal::Handshake).into();
        all.push(Refusal::NotAnUpgrade);
        all.extend(breaches.map(Refusal::EngineIo));
        all.push(Refusal::Draining);
        all.extend(limits.map(|limit| Refusal::Limited(Limited { limit, retry_after: LATER })));
        all.extend([Refusal::Overloaded, Refusal::NotReady, Refusal::Namespace]);
        all.extend(auth.map(Refusal::Auth));
        all.push(Refusal::Denied("not today".to_owned()));
        let groups = [
            GroupError::Value("`user.id` is empty".to_owned()),
            GroupError::NotAllowed("user_9".to_owned()),
            GroupError::Name { name: "é".to_owned(), reason: GroupNameError::TooLong(104) },
            GroupError::Ambiguous("user_7_notifications".to_owned()),
            GroupError::TooMany(100),
        ];
        all.extend(groups.map(Refusal::Groups));
        all.extend(layer.map(Refusal::Layer));
        all.extend([Refusal::State, Refusal::Late]);
        all
    }

    /// Without a wildcard, so that a new cause does not compile here.
    fn cause(refusal: &Refusal) -> String {
        match refusal {
            Refusal::Handshake(bad) => format!("Handshake {bad:?}"),
            Refusal::EngineIo(breach) => format!("EngineIo {breach:?}"),
            Refusal::Limited(refused) => format!("Limited {:?}", refused.limit),
            Refusal::Auth(error) => format!("Auth {}", error.label()),
            Refusal::Denied(_) => "Denied".to_owned(),
            Refusal::Groups(error) => {
                let kind = match error {
                    GroupError::Value(_) => "Value",
                    GroupError::Name { .. } => "Name",
                    GroupError::NotAllowed(_) => "NotAllowed",
                    GroupError::Ambiguous(_) => "Ambiguous",
                    GroupError::TooMany(_) => "TooMany",
                };
                format!("Groups {kind}")
            }
            Refusal::Layer(LayerError::Unavailable { .. }) => "Layer Unavailable".to_owned(),
            Refusal::Layer(LayerError::TooLarge(_) | LayerError::Refused(_)) => "Layer Refused".to_owned(),
            Refusal::NotAnUpgrade
            | Refusal::Draining
            | Refusal::Overloaded
            | Refusal::NotReady
            | Refusal::Namespace
            | Refusal::State
            | Refusal::Late => format!("{refusal:?}"),
        }
    }

    fn consumer() -> std::sync::Arc<Consumer> {
        let text = "presets = []\n[[consumer]]\npath = \"/\"\nprotocol = \"socket.io\"\n\
                    reject = { missing = \"show a token\", invalid = \"a bad token\" }";
        let file = Some((std::path::Path::new("test.toml"), text));
        let (config, errors) = crate::config::load_text(file, &crate::config::Environment::default());
        assert_eq!(errors, []);
        std::sync::Arc::clone(crate::consumer::ConsumerSet::compile(&config).unwrap().iter().next().unwrap())
    }

    fn written(refusal: &Refusal, consumer: &Consumer) -> String {
        let row = refusal.row();
        let reject = Reject { close: Some(4401), ..Reject::default() };
        let close = row.closing(&reject).map_or("-".to_owned(), |(code, outcome)| format!("{outcome} {code}"));
        assert_eq!(row.closing(&Reject::default()), None, "without a code of the consumer");
        let Row { label, level, status, detail, code, limit, retry_after, headers, .. } = row;
        let mut answer = status.to_string();
        code.into_iter().for_each(|code| answer += &format!(" {code}"));
        answer += &format!(" {detail}");
        limit.into_iter().for_each(|limit| answer += &format!("; {limit}"));
        retry_after.into_iter().for_each(|time| answer += &format!("; Retry-After {}s", time.as_secs_f32()));
        headers.iter().for_each(|(name, value)| answer += &format!("; {name}: {value}"));
        let text = refusal.connect_error(consumer);
        format!("{} | {label} {level} | {answer} | {close} | {text}", cause(refusal))
    }

    fn row_of(line: &str) -> String {
        line.split(" | ").map(str::trim).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn each_cause_has_its_row() {
        let (consumer, causes) = (consumer(), every_cause());
        assert_eq!(causes.len(), ROWS.lines().count());
        for (refusal, expected) in causes.iter().zip(ROWS.lines()) {
            assert_eq!(written(refusal, &consumer), row_of(expected));
        }
    }

    #[test]
    fn an_engine_io_client_learns_of_limits_and_timeouts_and_else_only_that_it_is_forbidden() {
        let (consumer, forbidden) = (consumer(), written(&Breach::Forbidden.into(), &consumer()));
        for refusal in every_cause() {
            let own = written(&refusal, &consumer);
            let hidden = ["Auth", "Denied", "Groups", "Layer", "Namespace"].iter().any(|cause| own.starts_with(cause));
            assert_eq!(written(&refusal.for_engine_io(), &consumer), if hidden { &forbidden } else { &own }.as_str());
        }
    }
}
