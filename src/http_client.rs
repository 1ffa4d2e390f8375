//! The HTTP client for requests that a node makes: to the backend, to other nodes, and for a set of keys.
//!
//! It follows no redirect, uses no proxy and repeats nothing.

use std::{path::Path, time::Duration};

use reqwest::{Client, ClientBuilder, redirect::Policy};
use rustls::ClientConfig;

use crate::authorities::system_roots;

/// Deadline for connecting; a backend in the same network needs a thousandth of that.
const CONNECT: Duration = Duration::from_secs(2);

/// Django's servers close idle connections after a few seconds (gunicorn: 2 s), and a connection closed during a write
/// fails.
const KEEP_IDLE: Duration = Duration::from_millis(1500);

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
