//! The configuration as typed data, one small file per concern. Defaults are here and nowhere else.
//!
//! In: a TOML file (or the built-in default), then `CHANNELGATE__SECTION__KEY` and the named variables of the
//! environment. Out: [`Config`], complete and checked, or an error with file, line, key and reason.

mod consumer;
mod duration;
mod layer;
mod secret;
mod security;
mod server;
mod socket;

use serde::{Deserialize, Serialize};

pub use consumer::*;
pub use duration::Span;
pub use layer::{Cache, Layer, LayerKind, SourceMapping};
pub use secret::Secret;
pub use security::{Api, Auth, Jwt, WsToken, WsTokenForm};
pub use server::{Page, Server};
pub use socket::{Compression, Socket};

/// Everything a node can be told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Listening, origins, drain.
    pub server: Server,
    /// Connections: heartbeat, limits, compression.
    pub socket: Socket,
    /// Redis and the channel layer.
    pub layer: Layer,
    /// The Django cache.
    pub cache: Cache,
    /// Keys and rules for tokens.
    pub auth: Auth,
    /// `POST /api/publish`.
    pub api: Api,
    /// The live page at `/`.
    pub page: Page,
    /// Redis channels or patterns mapped to groups.
    #[serde(rename = "source")]
    pub sources: Vec<SourceMapping>,
    /// What is served, and to whom.
    #[serde(rename = "consumer")]
    pub consumers: Vec<Consumer>,
}

impl Config {
    /// Whether events stay in this process: no Redis is named.
    pub fn is_embedded(&self) -> bool {
        self.layer.url.is_none() && self.layer.hosts.is_empty()
    }

    /// The Redis of the Django cache: its own, or the first of the layer.
    pub fn cache_url(&self) -> Option<&Secret> {
        self.cache.url.as_ref().or(self.layer.hosts.first()).or(self.layer.url.as_ref())
    }
}
