//! A consumer as written in the file; `crate::consumer` compiles it.

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Close, Emit, Emits, Handler, OneOrMany, Reject, Span, Step, did_you_mean};

/// A path, its clients, and how events and messages are handled.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// Name for logs and metrics; unset: the path.
    #[serde(default)]
    pub name: Option<String>,
    /// Paths with parameters as Django writes them: `/ws/orders/<int:id>/`.
    pub path: OneOrMany,
    /// The protocol of its clients.
    #[serde(default)]
    pub protocol: Protocol,
    /// The Socket.IO namespace it serves; with parameters, every namespace of this form: `/workspace-<int:id>`.
    #[serde(default = "main_namespace")]
    pub namespace: String,
    /// The application's subprotocols, the preferred first: the first one that a client offers is echoed.
    #[serde(default)]
    pub subprotocols: Vec<String>,
    /// Ways to authenticate, tried in order; the first that yields a user wins.
    #[serde(default = "anonymous")]
    pub auth: Vec<AuthMethod>,
    /// What happens to a client whose token is not valid.
    #[serde(default)]
    pub invalid: InvalidToken,
    /// Templates of the groups joined at connect, over `route`, `user`, `claims` and `query`.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Patterns: which of these groups a client may name.
    #[serde(default)]
    pub allow: Option<OneOrMany>,
    /// How a client is refused.
    #[serde(default)]
    pub reject: Reject,
    /// What happens to a connection when its token expires.
    #[serde(default)]
    pub at_expiry: AtExpiry,
    /// The key of a client message that names its handler.
    #[serde(default = "type_key")]
    pub message_key: String,
    /// What happens on a message that is not JSON.
    #[serde(default)]
    pub on_bad_json: Policy,
    /// What happens on a message whose handler fails.
    #[serde(default)]
    pub on_failed: Policy,
    /// What happens on a message without a handler.
    #[serde(default)]
    pub on_unknown_message: Policy,
    /// Runs before a connection with a known user is admitted.
    #[serde(default)]
    pub on_admit: Option<Handler>,
    /// Runs once the socket is open.
    #[serde(default)]
    pub on_connect: Option<Handler>,
    /// Runs after the socket has closed.
    #[serde(default)]
    pub on_disconnect: Option<Handler>,
    /// Runs when the first connection of a member opens, on that connection.
    #[serde(default)]
    pub on_online: Option<Handler>,
    /// Runs when the last connection of a member has closed, on one node.
    #[serde(default)]
    pub on_offline: Option<Handler>,
    /// Counts connections per member.
    #[serde(default)]
    pub presence: Option<Presence>,
    /// Event types (dots and underscores are the same) and what is sent for them; `*` matches all other types.
    #[serde(default)]
    pub on_event: IndexMap<String, EventHandler>,
    /// What a client receives when events may have been missed; unset: nothing.
    #[serde(default)]
    pub on_gap: Option<GapHandler>,
    /// Client messages by the value of `message_key`, or Socket.IO events by their name; `*` matches all others.
    #[serde(default)]
    pub on_message: IndexMap<String, Handler>,
    /// Text messages taken unparsed, before JSON is tried, by their exact text; `*` matches every text and binary
    /// message.
    #[serde(default)]
    pub on_raw: IndexMap<String, Handler>,
    /// Maximum number of rooms that one connection may join by its messages.
    #[serde(default = "hundred")]
    pub max_rooms: usize,
    /// Maximum number of items in the list of a step's `each`.
    #[serde(default = "thousand")]
    pub max_items: usize,
    /// What happens to events that wait for a slow client when its outbox is full.
    #[serde(default)]
    pub slow: Slow,
    /// Topics: which events a connection gets.
    #[serde(default)]
    pub topics: Topics,
    /// Overrides `socket.max_message` for this consumer, in bytes.
    #[serde(default)]
    pub max_message: Option<usize>,
    /// Free text for the live page: a sample event per line of business, in the order of the file.
    #[serde(default)]
    pub samples: IndexMap<String, Sample>,
}

impl Consumer {
    /// Its name for logs, metrics and other nodes: its own, else its first path with the namespace, because several
    /// namespaces share a path.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("{}{}", self.first_path(), self.namespace.trim_start_matches('/')))
    }

    /// Whether a handler sets the user.
    pub fn sets_user(&self) -> bool {
        self.steps().iter().any(|step| step.user.is_some())
    }

    /// All steps of its handlers, with those after an answer.
    pub fn steps(&self) -> Vec<&Step> {
        let life = [&self.on_admit, &self.on_connect, &self.on_disconnect, &self.on_online, &self.on_offline];
        let handlers = life.into_iter().flatten().chain(self.on_message.values()).chain(self.on_raw.values());
        handlers.flat_map(Handler::steps).collect()
    }

    /// The first of its paths.
    pub fn first_path(&self) -> &str {
        self.path.as_slice().first().map_or("", String::as_str)
    }

    /// Whether its namespace has parameters.
    pub fn has_namespaces(&self) -> bool {
        self.protocol == Protocol::SocketIo && self.namespace.contains('<')
    }

    /// Whether its clients never send a token.
    pub fn is_anonymous(&self) -> bool {
        !self.auth.is_empty() && self.auth.iter().all(|method| *method == AuthMethod::Anonymous)
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

/// A way to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A short-lived token from Django's cache.
    WsToken,
    /// A simplejwt access token.
    Jwt,
    /// A JWT of the kind with this name.
    JwtKind(Box<str>),
    /// No user, if no credential is sent.
    Anonymous,
}

impl AuthMethod {
    /// Before the name of a kind of JWT.
    const KIND: &str = "jwt:";

    /// The methods with names of their own.
    const NAMED: [(&str, Self); 3] = [("ws_token", Self::WsToken), ("jwt", Self::Jwt), ("anonymous", Self::Anonymous)];

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

/// The protocol of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// Plain WebSocket.
    #[default]
    #[serde(rename = "websocket")]
    WebSocket,
    /// Socket.IO 5 over Engine.IO 4.
    #[serde(rename = "socket.io")]
    SocketIo,
    /// Engine.IO 4 alone.
    #[serde(rename = "engine.io")]
    EngineIo,
}

impl Protocol {
    /// Its name in the file, and in labels of metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::SocketIo => "socket.io",
            Self::EngineIo => "engine.io",
        }
    }
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

fn main_namespace() -> String {
    "/".to_owned()
}

fn anonymous() -> Vec<AuthMethod> {
    vec![AuthMethod::Anonymous]
}

fn hundred() -> usize {
    100
}

fn thousand() -> usize {
    1000
}

fn type_key() -> String {
    "type".to_owned()
}

/// What happens on a message that cannot be handled: one word (`ignore`, `close`), or a reply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Policy {
    /// Nothing; it is counted.
    #[default]
    Ignore,
    /// Close with this code and reason.
    Close(Close),
    /// Reply with this.
    Reply(Emits),
}

/// What is sent for an event.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventHandler {
    /// Expression over `event` and `group`: the frame as JSON. A list of expressions gives several frames.
    pub send: Option<OneOrMany>,
    /// Expression; its text is sent unchanged.
    pub send_text: Option<String>,
    /// Expression: only events for which it is true are handled.
    pub when: Option<String>,
    /// Expression: of several events with the same key, only the newest waits for a slow client.
    pub key: Option<String>,
    /// Expression: the event's topic; only connections subscribed to it get the frame.
    pub topic: Option<String>,
    /// What is sent to the group's members, or, with `to`, to those of another room of the consumer.
    pub emit: Option<Emits>,
}

/// What happens to events that wait for a slow client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slow {
    /// All are kept; when the outbox is full, the connection is closed.
    #[default]
    Close,
    /// The oldest are dropped for newer ones.
    DropOldest,
    /// Of those with the same key, only the newest is kept.
    Latest,
}

/// A notice that events may have been missed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GapHandler {
    /// Expression over the connection, evaluated once when it opens: whether it gets the notice. Unset: every
    /// connection does.
    pub when: Option<String>,
    /// Expression over `gap`: the frame as JSON.
    pub send: Option<String>,
    /// The Socket.IO event, over `gap`.
    pub emit: Option<Box<Emit>>,
}

/// Connections counted per member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// Expression: the member's id, text or an integer; null is not counted.
    pub member: String,
    /// How long a member may be without a connection before it is gone.
    #[serde(default = "two_seconds")]
    pub grace: Span,
}

fn two_seconds() -> Span {
    Span::seconds(2)
}

/// How topics select events.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// `exact`, or `words`: a subscribed name also matches topics that contain it as whole words between underscores.
    pub matching: TopicMatching,
    /// What a connection gets before its first subscription.
    pub before_subscribe: BeforeSubscribe,
    /// Maximum number of names per connection; more close it with 1008.
    pub max: usize,
}

impl Default for Topics {
    fn default() -> Self {
        Self { matching: TopicMatching::Exact, before_subscribe: BeforeSubscribe::None, max: 100 }
    }
}

/// When a subscribed name matches a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TopicMatching {
    /// When they are equal.
    #[default]
    Exact,
    /// When the topic contains the name as whole words between underscores.
    Words,
}

/// What a connection gets before its first subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BeforeSubscribe {
    /// No event that has a topic.
    #[default]
    None,
    /// Everything.
    All,
}

/// A sample event for the live page.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The group it is published to.
    pub group: String,
    /// The event.
    pub event: toml::Value,
}
