//! A consumer as written in the file; `crate::consumer` compiles it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{
    AtExpiry, AuthMethod, Close, Django, Emits, EventHandler, Handler, Heartbeat, InvalidToken, Notice, OneOrMany,
    Presence, Reject, Slow, Span, Step, Topics,
};

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
    /// The parts of the project's own consumer that Django runs.
    #[serde(default)]
    pub django: Django,
    /// Attributes of that consumer that become `vars` after each of its calls: `self.user.id` is `vars.user.id`.
    #[serde(default)]
    pub export: Vec<String>,
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
    /// How long a client that was admitted without a user may stay so; unset: as long as it likes.
    #[serde(default)]
    pub anonymous_for: Option<Span>,
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
    /// A message of the application that clients answer.
    #[serde(default)]
    pub heartbeat: Option<Heartbeat>,
    /// Event types (dots and underscores are the same) and what is sent for them; `*` matches all other types.
    #[serde(default)]
    pub on_event: IndexMap<String, EventHandler>,
    /// What a client receives when events may have been missed; unset: nothing.
    #[serde(default)]
    pub on_gap: Option<Notice>,
    /// What a client receives first, before everything else; unset: nothing.
    #[serde(default)]
    pub hello: Option<Notice>,
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

    /// Whether Django is asked who its clients are.
    pub fn asks_django(&self) -> bool {
        self.auth.contains(&AuthMethod::Django)
    }

    /// Whether its users are those whom Django names, and no others.
    pub fn has_django_users(&self) -> bool {
        let asked = |method: &AuthMethod| matches!(method, AuthMethod::Django | AuthMethod::Anonymous);
        self.django.is_any() || (self.asks_django() && self.auth.iter().all(asked))
    }

    /// Whether its clients never send a token.
    pub fn is_anonymous(&self) -> bool {
        !self.auth.is_empty() && self.auth.iter().all(|method| *method == AuthMethod::Anonymous)
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

/// A sample event for the live page.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The group it is published to.
    pub group: String,
    /// The event.
    pub event: toml::Value,
}
