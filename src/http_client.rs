//! The HTTP client for requests that a node makes: to the backend, to other nodes, and for a set of keys.
//!
//! It follows no redirect, uses no proxy and repeats nothing.

use std::{cell::RefCell, collections::HashMap, path::Path, sync::Arc, time::Duration};

use reqwest::{Client, ClientBuilder, redirect::Policy};
use rustls::ClientConfig;

use crate::authorities::system_roots;

/// Deadline for connecting; a backend in the same network needs a thousandth of that.
const CONNECT: Duration = Duration::from_secs(2);

/// Django's servers close idle connections after a few seconds (gunicorn: 2 s), and a connection closed during a write
/// fails.
const KEEP_IDLE: Duration = Duration::from_millis(1500);

/// Clients of nodes that are kept; addresses of ended nodes stay until then.
const MAX_NODE_CLIENTS: usize = 64;

/// A client for HTTP and for HTTPS, with the authorities of the system.
///
/// # Errors
/// The TLS library cannot be set up.
pub fn http_client() -> reqwest::Result<Client> {
    client().build()
}

/// The same through a unix socket, to a node of this machine.
///
/// # Errors
/// The TLS library cannot be set up.
pub fn unix_client(socket: &Path) -> reqwest::Result<Client> {
    client().unix_socket(socket).build()
}

/// The clients for other nodes: one for all that listen on TCP, and one for each unix socket. Each costs a setup of
/// TLS.
#[derive(Default)]
pub struct NodeClients(RefCell<HashMap<Arc<str>, Client>>);

impl NodeClients {
    /// The client for a node's address, and the host of its URLs.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn client_for<'a>(&self, address: &'a str) -> reqwest::Result<(Client, &'a str)> {
        let (key, host, socket) = match address.strip_prefix("unix:") {
            Some(path) => (address, "localhost", Some(Path::new(path))),
            None => ("", address, None),
        };
        let mut known = self.0.borrow_mut();
        if let Some(client) = known.get(key) {
            return Ok((client.clone(), host));
        }
        let client = socket.map_or_else(http_client, unix_client)?;
        if known.len() >= MAX_NODE_CLIENTS {
            known.clear();
        }
        known.insert(key.into(), client.clone());
        Ok((client, host))
    }
}

fn client() -> ClientBuilder {
    // If the program has chosen a provider already, that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tls = ClientConfig::builder().with_root_certificates(system_roots().clone()).with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("channelgate/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(CONNECT)
        .pool_idle_timeout(KEEP_IDLE)
        .tcp_nodelay(true)
}
