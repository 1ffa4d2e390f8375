//! Where the node listens, which proxies it trusts, and how it stops.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Network, Span, Upstream};

/// Listening, origins, drain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port, or `unix:` and a path.
    pub listen: String,
    /// The permissions of the unix socket's file, in octal; unset: `660`.
    pub socket_mode: Option<String>,
    /// Worker threads; 0: one per core.
    pub workers: usize,
    /// Connections a node accepts, over all workers.
    pub max_connections: usize,
    /// Time for a client to send its request's headers.
    pub handshake_timeout: Span,
    /// Time for a client to send the body of its request.
    pub body_timeout: Span,
    /// Proxies that are trusted to report a client's address.
    pub trusted_proxies: Vec<Network>,
    /// The header in which they report it.
    pub forwarded_header: ForwardedHeader,
    /// Whether those proxies begin each connection with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Where requests at paths of no consumer are passed on to, for development.
    pub proxy: Option<Upstream>,
    /// `None`: the request's own host; requests without an Origin pass. A list: Django's `ALLOWED_HOSTS` rules.
    pub allowed_origins: Option<Vec<String>>,
    /// After SIGTERM: how long readiness answers 503 before the listener closes.
    pub drain_delay: Span,
    /// The period over which connections are closed, evenly.
    pub drain_period: Span,
    /// How long a client may take to answer its Close before the connection is dropped.
    pub drain_grace: Span,
    /// A thread that does not beat for this long, while another does, is stuck: liveness answers 503.
    pub stuck_after: Span,
}

/// Who may use a unix socket, unless it is configured: owner and group.
const SOCKET_MODE: u32 = 0o660;

impl Server {
    /// The path of the unix socket to listen on; `None` with a TCP address.
    pub fn unix_socket(&self) -> Option<&Path> {
        self.listen.strip_prefix("unix:").map(Path::new)
    }

    /// The permissions of its file.
    pub fn socket_mode(&self) -> u32 {
        self.socket_mode.as_deref().and_then(|mode| u32::from_str_radix(mode, 8).ok()).unwrap_or(SOCKET_MODE)
    }

    /// Where a program on this machine reaches a node with these settings: `http://host:port`, or `unix:` and a path.
    pub fn url(&self) -> String {
        match self.unix_socket() {
            Some(_) => self.listen.clone(),
            None => format!("http://{}", self.listen),
        }
    }

    /// The number of worker threads.
    pub fn worker_threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(32),
            workers => workers,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8000".to_owned(),
            socket_mode: None,
            workers: 0,
            max_connections: 100_000,
            handshake_timeout: Span::seconds(5),
            body_timeout: Span::seconds(10),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            proxy_protocol: false,
            proxy: None,
            allowed_origins: None,
            drain_delay: Span::seconds(2),
            drain_period: Span::seconds(15),
            drain_grace: Span::seconds(5),
            stuck_after: Span::seconds(15),
        }
    }
}

/// The header in which a proxy reports the client. Only one is read: the client controls the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, as nginx writes it.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

/// The live page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Page {
    /// On or off; unset: on with the embedded layer, off with Redis.
    pub enabled: Option<bool>,
}
