//! Why a client is not let in, and what follows from it: one table for plain WebSocket, Engine.IO and Socket.IO.
//!
//! In: what stood against a client. Out: the answer of HTTP, the message of Socket.IO's `connect_error` or the close code,
//! and where it is counted and logged. It builds no response.

use std::{borrow::Cow, time::Duration};

use log::Level;

use crate::{
    admission::{Limit, Refused as Limited},
    auth::AuthError,
    config::Reject,
    consumer::{Consumer, GroupError},
    layer::LayerError,
    socket::{close::CloseCode, negotiate::HandshakeError},
    warn_bounded,
};

/// When to come again after what is over soon.
const SOON: Option<Duration> = Some(Duration::from_secs(1));

/// What a Socket.IO client is told where the node is at fault; why is in the log.
const UNAVAILABLE: &str = "Service unavailable";

/// How it is counted that a name of a client's could also be that of another group.
const AMBIGUOUS: &str = "ambiguous_group";

/// Why a client is not let in.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// A request for a WebSocket breaks RFC 6455.
    Handshake(HandshakeError),
    /// An ordinary request where WebSocket is spoken.
    NotAnUpgrade,
    /// A request breaks Engine.IO.
    EngineIo(Breach),
    /// The node is about to stop.
    Draining,
    /// A limit is reached.
    Limited(Limited),
    /// Clients send more at once than the node has room for.
    Overloaded,
    /// The layer is away, so that no group could be joined.
    NotReady,
    /// There is no such namespace.
    Namespace,
    /// It is not known who it is.
    Auth(AuthError),
    /// `on_admit` stood against it, in these words.
    Denied(String),
    /// The name of one of its groups cannot be made.
    Groups(GroupError),
    /// What is to be kept of it is larger than `limits.connection_state`.
    State,
    /// A group could not be joined.
    Layer(LayerError),
    /// It took longer than `limits.admission_timeout`.
    Late,
}

/// What is wrong with a request of Engine.IO: the codes and words of the reference server (engine.io `lib/server.ts`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It is spoken over no transport that is offered.
    Transport,
    /// There is no such session.
    Session,
    /// A session is opened with GET only.
    Method,
    /// Anything else that a client of Engine.IO does not do.
    Request,
    /// It brings more than one may.
    TooLarge,
    /// It is not allowed; why is not said.
    Forbidden,
    /// Another version than 4.
    Version,
}

impl From<Breach> for Refusal {
    fn from(breach: Breach) -> Self {
        Self::EngineIo(breach)
    }
}

/// What follows from a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The outcome among the handshakes that are counted.
    pub label: &'static str,
    /// How loudly it is logged.
    pub level: Level,
    /// The HTTP status.
    pub status: u16,
    /// The error's text in the body of the answer.
    pub detail: Cow<'a, str>,
    /// The error's code in an answer of Engine.IO.
    pub code: Option<u8>,
    /// The limit that is reached, as a key of the configuration; in the body, too.
    pub limit: Option<&'static str>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Other headers of the answer.
    pub headers: &'static [(&'static str, &'static str)],
    /// Whether a plain WebSocket is accepted only to be closed, where the consumer has a code for that.
    pub close: Close,
    /// The message of `connect_error`.
    pub connect_error: Told<'a>,
}

/// With what a plain WebSocket is closed, instead of an answer that a browser cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Never: accepting is what is to be avoided, or nobody is there yet to be accepted.
    Never,
    /// With code, reason and frame of `consumer.reject`.
    AsConfigured,
    /// With 1013 and the text.
    TryAgainLater,
}

/// What `connect_error` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// These words.
    Text(&'a str),
    /// The consumer's words for a client that shows no token.
    Missing,
    /// The consumer's words for one whose token is not valid, and for any other.
    Invalid,
    /// That the node is at fault.
    Unavailable,
}

impl Refusal {
    /// What follows from it.
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
                .saying("too much is being sent to the node"),
            Self::NotReady => Row { retry_after: SOON, level: Level::Debug, ..Row::UNAVAILABLE }
                .saying("the channel layer is not ready"),
            Self::Namespace => {
                Row { connect_error: Told::Text("Invalid namespace"), ..Row::BAD_REQUEST }.saying("Invalid namespace")
            }
            Self::Auth(error) => unknown(error),
            Self::Denied(text) => Row { connect_error: Told::Text(text), ..Row::DENIED }.saying(text),
            Self::Groups(error) => {
                let row = match error {
                    GroupError::Ambiguous(_) => Row { label: AMBIGUOUS, level: Level::Warn, ..Row::DENIED },
                    GroupError::Name { .. } => Row { level: Level::Warn, ..Row::DENIED },
                    GroupError::Value(_) | GroupError::NotAllowed(_) => Row::DENIED,
                };
                row.saying(error.to_string())
            }
            Self::State => {
                let text = "the query, the token and what the client connects with are too large together";
                let row = Row { label: "state_too_large", level: Level::Warn, status: 431, ..Row::DENIED };
                Row { connect_error: Told::Text(text), ..row }.saying(text)
            }
            Self::Layer(LayerError::Unavailable { reason, retry_after }) => {
                Row { retry_after: Some(*retry_after), ..Row::UNAVAILABLE }
                    .saying(format!("the channel layer is not ready: {reason}"))
            }
            Self::Layer(LayerError::TooLarge(_) | LayerError::Refused(_)) => {
                Row { retry_after: SOON, ..Row::UNAVAILABLE }.saying("the channel layer refused")
            }
            Self::Late => Row { label: "timeout", retry_after: SOON, ..Row::UNAVAILABLE }
                .saying("it took too long to let the client in"),
        }
    }

    /// As a client of Engine.IO learns of it: of what is between it and a consumer, only that it is not allowed.
    #[must_use]
    pub fn for_engine_io(self) -> Self {
        match self {
            Self::Auth(_) | Self::Denied(_) | Self::Groups(_) | Self::Layer(_) | Self::Namespace => {
                Self::EngineIo(Breach::Forbidden)
            }
            other => other,
        }
    }

    /// The message of Socket.IO's `connect_error`, where this consumer has the word.
    pub fn connect_error<'a>(&'a self, consumer: &'a Consumer) -> &'a str {
        match self.row().connect_error {
            Told::Text(text) => text,
            Told::Missing => consumer.rejection_text(true),
            Told::Invalid => consumer.rejection_text(false),
            Told::Unavailable => UNAVAILABLE,
        }
    }

    /// Logs it; `who` refuses.
    pub fn log(&self, who: &str) {
        let Row { level, detail, .. } = self.row();
        match self {
            _ if level > Level::Warn => log::debug!("{who}: a client is refused: {detail}"),
            // Each bounded for itself, so that a storm of one does not hide another.
            Self::Layer(error) => warn_bounded!("{who}: a client is refused: {error}"),
            Self::Groups(error) => warn_bounded!("{who}: a client is refused: {error}"),
            Self::Late => warn_bounded!("{who}: a client is refused: letting it in took longer than admission_timeout"),
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
        connect_error: Told::Unavailable,
    };

    /// A consumer stands against it.
    const DENIED: Self = Row {
        label: "denied",
        status: 403,
        close: Close::AsConfigured,
        connect_error: Told::Invalid,
        ..Self::BAD_REQUEST
    };

    /// The node is at fault.
    const UNAVAILABLE: Self = Row { label: "unavailable", level: Level::Warn, status: 503, ..Self::BAD_REQUEST };
}

impl<'a> Row<'a> {
    /// The code with which a plain WebSocket is closed instead of an answer, where its consumer has one, and the outcome that
    /// is counted then.
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
            Self::Version => (5, 400, "bad_request", "Unsupported protocol version"),
        };
        Row { label, status, detail: Cow::Borrowed(text), code: Some(code), ..Row::BAD_REQUEST }
    }
}

/// 429 where the limit is the client's own: somebody else could be let in now. Else 503.
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
        connect_error: if status == 429 { Told::Text(text) } else { Told::Unavailable },
        ..Row::BAD_REQUEST
    }
}

fn unknown(error: &AuthError) -> Row<'static> {
    let row = match error {
        AuthError::Missing => Row { connect_error: Told::Missing, ..Row::DENIED },
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

    /// What is counted and how loudly it is logged; the answer, with its headers; the close where `reject.close`
    /// is 4401; `connect_error`.
    const ROWS: &str = "\
Handshake Key          | bad_request DEBUG        | 400 Sec-WebSocket-Key must be given once and be 16 bytes in base64 | - | Service unavailable
Handshake MissingVersion | bad_request DEBUG      | 400 Sec-WebSocket-Version must be given once; Sec-WebSocket-Version: 13 | - | Service unavailable
Handshake Version      | bad_request DEBUG        | 426 only WebSocket version 13 is spoken here; Sec-WebSocket-Version: 13; Upgrade: websocket | - | Service unavailable
NotAnUpgrade           | bad_request DEBUG        | 426 this path speaks WebSocket; Upgrade: websocket | - | Service unavailable
EngineIo Transport     | bad_request DEBUG        | 400 0 Transport unknown | - | Service unavailable
EngineIo Session       | bad_request DEBUG        | 400 1 Session ID unknown | - | Service unavailable
EngineIo Method        | bad_request DEBUG        | 400 2 Bad handshake method | - | Service unavailable
EngineIo Request       | bad_request DEBUG        | 400 3 Bad request | - | Service unavailable
EngineIo TooLarge      | bad_request DEBUG        | 413 3 Bad request | - | Service unavailable
EngineIo Forbidden     | origin DEBUG             | 403 4 Forbidden | - | Service unavailable
EngineIo Version       | bad_request DEBUG        | 400 5 Unsupported protocol version | - | Service unavailable
Draining               | draining DEBUG           | 503 the node is draining; Retry-After 1s | - | Service unavailable
Limited Connections    | full DEBUG               | 503 4 the node has no room for more connections; max_connections; Retry-After 2.5s | - | Service unavailable
Limited Rate           | rate_limit DEBUG         | 503 4 too many handshakes; handshakes_per_second; Retry-After 2.5s | - | Service unavailable
Limited Address        | address_limit DEBUG      | 429 4 too many connections from this address; connections_per_address; Retry-After 2.5s | - | too many connections from this address
Limited AddressRate    | address_rate_limit DEBUG | 429 4 too many handshakes from this address; handshakes_per_second_per_address; Retry-After 2.5s | - | too many handshakes from this address
Limited User           | user_limit DEBUG         | 429 4 too many connections of this user; connections_per_user; Retry-After 2.5s | user_limit 1013 | too many connections of this user
Limited UserUnknown    | unavailable DEBUG        | 503 4 the connections of this user cannot be counted now; connections_per_user; Retry-After 2.5s | - | Service unavailable
Overloaded             | unavailable DEBUG        | 503 too much is being sent to the node; Retry-After 1s | - | Service unavailable
NotReady               | unavailable DEBUG        | 503 the channel layer is not ready; Retry-After 1s | - | Service unavailable
Namespace              | bad_request DEBUG        | 400 Invalid namespace | - | Invalid namespace
Auth missing           | missing DEBUG            | 403 no credential was given | denied 4401 | show a token
Auth invalid           | invalid DEBUG            | 403 expired | denied 4401 | a bad token
Auth revoked           | revoked DEBUG            | 403 the token was revoked | denied 4401 | a bad token
Auth origin            | origin DEBUG             | 403 the origin is not allowed | - | a bad token
Auth unconfigured      | unconfigured WARN        | 503 no key; Retry-After 60s | - | Service unavailable
Auth unavailable       | unavailable WARN         | 503 the token store is not reachable; Retry-After 2.5s | - | Service unavailable
Denied                 | denied DEBUG             | 403 not today | denied 4401 | not today
Groups Value           | denied DEBUG             | 403 `user.id` is empty | denied 4401 | a bad token
Groups NotAllowed      | denied DEBUG             | 403 \"user_9\" is not among what \"allow\" lets a client name | denied 4401 | a bad token
Groups Name            | denied WARN              | 403 \"é\" is no group: a group name must be shorter than 100 characters, this one has 104 | denied 4401 | a bad token
Groups Ambiguous       | ambiguous_group WARN     | 403 \"user_7_notifications\" could also be the name of another group: a value in it holds what is text of a name | ambiguous_group 4401 | a bad token
Layer Unavailable      | unavailable WARN         | 503 the channel layer is not ready: reset; Retry-After 2.5s | - | Service unavailable
Layer Refused          | unavailable WARN         | 503 the channel layer refused; Retry-After 1s | - | Service unavailable
State                  | state_too_large WARN     | 431 the query, the token and what the client connects with are too large together | denied 4401 | the query, the token and what the client connects with are too large together
Late                   | timeout WARN             | 503 it took too long to let the client in; Retry-After 1s | - | Service unavailable";

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
            AuthError::Invalid("expired"),
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
        ];
        all.extend(groups.map(Refusal::Groups));
        all.extend(layer.map(Refusal::Layer));
        all.extend([Refusal::State, Refusal::Late]);
        all
    }

    /// Without a wildcard, so that a new cause is missed here.
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
        let told = refusal.connect_error(consumer);
        format!("{} | {label} {level} | {answer} | {close} | {told}", cause(refusal))
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
    fn a_client_of_engine_io_learns_of_limits_and_of_time_and_otherwise_that_it_is_forbidden() {
        let (consumer, forbidden) = (consumer(), written(&Breach::Forbidden.into(), &consumer()));
        for refusal in every_cause() {
            let own = written(&refusal, &consumer);
            let hidden = ["Auth", "Denied", "Groups", "Layer", "Namespace"].iter().any(|cause| own.starts_with(cause));
            assert_eq!(written(&refusal.for_engine_io(), &consumer), if hidden { &forbidden } else { &own }.as_str());
        }
    }
}
