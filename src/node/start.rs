//! The start of a node: from waiting parts to a server that admits clients.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use actix_server::ServerHandle;
use anyhow::Context as _;
use tokio::task::JoinHandle;

use super::{build::Node, overview, systemd, tokens};
use crate::{
    cluster::Listening,
    http::{
        listener::SocketFile,
        server::{self, RunningServer},
    },
};

/// A node that admits clients.
pub struct Serving {
    /// The server; its task ends when the server has stopped.
    pub server: JoinHandle<io::Result<()>>,
    /// Stops the server.
    pub handle: ServerHandle,
    /// Whether the service manager passed the socket, which then outlives this process.
    pub activated: bool,
    /// The file of the server's unix socket, removed with this.
    pub _file: Option<SocketFile>,
}

impl Node {
    /// Starts the layer, then the server, then the answers to the cluster.
    pub async fn start(&self) -> anyhow::Result<Serving> {
        let given = systemd::listener().context("the socket of the service manager")?;
        let activated = given.is_some();
        // Every receiver of a signal exists by now, so no signal is lost.
        self.layer.start(self.sink()).context("the thread of the channel layer cannot start")?;
        actix_rt::spawn(Arc::clone(&self.control).run());
        actix_rt::spawn(overview::keep_history(self.metrics.clone()));
        if activated {
            // Clients that connect meanwhile wait in the socket; admitted now, they would be refused.
            systemd::ready(&self.layer).await;
        }
        let RunningServer { server, handle, listening, file } = server::start(self.services(), given)
            .with_context(|| format!("cannot listen on {}", self.config.server.listen))?;
        let server = actix_rt::spawn(server);
        self.cluster.start(listening.clone(), Arc::new(self.answers()));
        // Last: who reads it may ask at once.
        self.announce(&listening);
        self.watch_tokens();
        actix_rt::spawn(systemd::started(Arc::clone(&self.layer)));
        actix_rt::spawn(systemd::watched(Arc::clone(&self.dispatcher)));
        Ok(Serving { server, handle, activated, _file: file })
    }

    /// Watches the cached tokens of open connections, unless each token serves one handshake only.
    fn watch_tokens(&self) {
        let ws_token = &self.config.auth.ws_token;
        if !ws_token.recheck.0.is_zero() && !ws_token.single_use {
            let (cache, dispatcher) = (Arc::clone(&self.cache), Arc::clone(&self.dispatcher));
            tokio::spawn(tokens::look_after(cache, dispatcher, self.reload.consumers.clone(), ws_token.recheck.0));
        }
    }

    fn announce(&self, listening: &Listening) {
        let config = &self.config;
        let (url, here) = match listening {
            Listening::Tcp(address) => (format!("http://{address}"), Some(from_here(*address))),
            // No browser opens a unix socket.
            Listening::Unix(_) => (listening.to_string(), None),
        };
        log::info!("channelgate {} listens on {url}", env!("CARGO_PKG_VERSION"));
        if config.is_embedded() && config.api.key.is_none() {
            let key = self.reload.made_key.expose();
            // With a proxy, the page at `/` is that of Django.
            let page = if config.server.proxy.is_some() { "/page/" } else { "/" };
            match here.filter(|_| self.reload.page.is_some()) {
                Some(here) => {
                    log::info!(
                        "CHANNELGATE_API_KEY is not set: made a key that is valid until the stop; open http://{here}{page}#key={key}"
                    );
                }
                None => log::info!(
                    "CHANNELGATE_API_KEY is not set: made a key that is valid until the stop; Authorization: Bearer {key}"
                ),
            }
        }
        if config.is_embedded() {
            log::info!(
                "REDIS_URL is not set: the embedded layer serves this one node; publish with POST {url}/api/publish, \
                 or set REDIS_URL to receive what Django's channel_layer.group_send writes"
            );
        }
        match &config.server.proxy {
            Some(upstream) if upstream.is_loopback() => {
                log::info!("paths of no consumer are passed on to {upstream} (server.proxy, for development)");
            }
            Some(upstream) => log::warn!(
                "paths of no consumer are passed on to {upstream}, another machine (server.proxy): it is for development"
            ),
            None => {}
        }
        if config.auth.secret_key.is_none() {
            log::info!("DJANGO_SECRET_KEY is not set: routes that check JWTs answer 503");
        }
    }
}

/// The address at which a browser on this machine reaches a node with this listen address.
fn from_here(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
