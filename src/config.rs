//! The configuration as typed data, one small file per concern. Defaults are defined only here.
//!
//! In: a TOML file (or the built-in default), then `CHANNELGATE__SECTION__KEY` and the named variables of the
//! environment. Out: [`Config`], complete and checked, or an error with file, line, key and reason.
//!
//! A table's type is named like the table; where another module has the same word, it is written `config::Layer`.

mod auth_method;
mod backend;
mod bridge;
mod check;
mod consumer;
mod decode;
mod difference;
mod duration;
mod ending;
mod environment;
mod error;
mod event_handler;
mod handler;
mod heartbeat;
mod kinds;
mod layer;
mod limits;
mod list;
mod load;
mod locations;
mod log;
mod names;
mod network;
mod presence;
mod presets;
mod print;
mod redis_address;
mod secret;
mod security;
mod server;
mod socket;
mod socketio;
mod token_source;
mod topics;
mod tree;
mod upstream;

use serde::{Deserialize, Serialize};

pub use auth_method::{AtExpiry, AuthMethod, InvalidToken};
pub use backend::{Backend, Cluster};
pub use bridge::{Bridge, Django, PythonPer};
pub use check::hints::hints;
pub use consumer::{Consumer, Policy, Protocol, Sample};
pub use difference::Change;
pub use duration::Span;
pub use ending::{Close, CloseCodes, EventClose, EventCode, Refuse, Reject, RejectClose, is_close_code};
pub use environment::{CONFIG_VARIABLE, Environment, GENERIC_PREFIX, NAMED};
pub use error::{ConfigError, ConfigErrors, ConfigSource, Key, KeyLocation, KeyPath, did_you_mean};
pub use event_handler::{EventHandler, Notice, Slow};
pub use handler::{Call, Emit, Emits, Expect, Handler, Publish, Rate, Step};
pub use heartbeat::Heartbeat;
pub use layer::{Cache, Emitters, Layer, LayerKind, PythonList, Serializer, SourceMapping};
pub use limits::Limits;
pub use list::OneOrMany;
pub use load::{load, load_lenient, load_text};
pub use locations::KeyLocations;
pub use log::{Log, LogFormat};
pub use names::Names;
pub use network::Network;
pub use presence::Presence;
pub use presets::PRESETS;
pub use print::effective_toml;
pub use secret::Secret;
pub use security::{Api, Auth, DjangoLogin, Jwt, WsToken, WsTokenForm};
pub use server::{ForwardedHeader, Page, Server};
pub use socket::{Compression, Socket};
pub use socketio::{SocketIo, Transport};
pub use token_source::{TokenHeader, TokenSource};
pub use topics::{BeforeSubscribe, TopicMatching, Topics};
pub use upstream::Upstream;

/// The whole configuration of a node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Listening, origins, drain.
    pub server: Server,
    /// Admission limits: connections and handshakes, of an address, of a user, of the node.
    pub limits: Limits,
    /// Connections: heartbeat, limits, compression.
    pub socket: Socket,
    /// Socket.IO: heartbeat, limits, transports.
    pub socketio: SocketIo,
    /// Redis and the channel layer.
    pub layer: Layer,
    /// The Django cache.
    pub cache: Cache,
    /// Keys and rules for tokens.
    pub auth: Auth,
    /// Calls to Django.
    pub backend: Backend,
    /// Calls that run a project's own consumers.
    pub bridge: Bridge,
    /// Several nodes on one Redis.
    pub cluster: Cluster,
    /// `POST /api/publish` and the admin API.
    pub api: Api,
    /// How the log is written.
    pub log: Log,
    /// The live page at `/`.
    pub page: Page,
    /// Redis channels or patterns mapped to groups.
    #[serde(rename = "source")]
    pub sources: Vec<SourceMapping>,
    /// Consumers: what is served, and to which clients.
    #[serde(rename = "consumer")]
    pub consumers: Vec<Consumer>,
    /// Built-in presets that are served after the file's own consumers; unset: all, or none if the file has consumers.
    pub presets: Option<Vec<String>>,
    /// Where each key was read, for errors.
    #[serde(skip)]
    pub locations: KeyLocations,
}

impl Config {
    /// Whether events stay in this process, because no Redis is configured.
    pub fn is_embedded(&self) -> bool {
        self.layer.url.is_none() && self.layer.hosts.is_empty()
    }

    /// Whether a consumer takes JWTs of this kind.
    pub fn uses_kind(&self, kind: &str) -> bool {
        let is_kind = |method: &AuthMethod| matches!(method, AuthMethod::JwtKind(name) if **name == *kind);
        self.consumers.iter().any(|consumer| consumer.auth.iter().any(is_kind))
    }

    /// Whether Django is asked who the clients of any consumer are.
    pub fn asks_django(&self) -> bool {
        self.consumers.iter().any(Consumer::asks_django)
    }

    /// The Redis of presence and of the cluster: the first of the layer; `None` with the embedded layer.
    pub fn redis_url(&self) -> Option<&Secret> {
        self.layer.hosts.first().or(self.layer.url.as_ref())
    }

    /// The secrets that the node shares with Django: either can sign groups for clients.
    pub fn signing_secrets(&self) -> impl Iterator<Item = &Secret> {
        let auth = &self.auth;
        self.backend.secret.iter().chain(&auth.secret_key).chain(&auth.secret_key_fallbacks)
    }

    /// The Redis of the Django cache: its own, or the first of the layer.
    pub fn cache_url(&self) -> Option<&Secret> {
        self.cache.url.as_ref().or(self.redis_url())
    }
}

#[cfg(test)]
mod tests;
