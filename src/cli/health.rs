//! `channelgate health`: the exit status says whether a node is ready, for containers without curl.

use std::{net::ToSocketAddrs as _, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The node, http://host:port or unix:/path; default: the node of this configuration on this machine.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Ask only whether the process answers (/health/live), not whether events arrive (/health/ready).
    #[arg(long)]
    live: bool,
    /// Seconds to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    timeout: u64,
}

pub(super) async fn run(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let url = match arguments.url {
        Some(url) => url,
        None if config.server.unix_socket().is_some() => config.server.url(),
        None => here(&config.server.listen)?,
    };
    let (client, base) = super::client(&url)?;
    let path = if arguments.live { "/health/live" } else { "/health/ready" };
    let request = client.get(format!("{base}{path}")).timeout(Duration::from_secs(arguments.timeout));
    let answer = request.send().await.with_context(|| format!("{url}{path} is not reachable"))?;
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    if !status.is_success() {
        bail!("{url}{path} answered {status}: {body}");
    }
    println!("{body}");
    Ok(ExitCode::SUCCESS)
}

/// The URL at which a node with this listen address is reached from its own machine.
fn here(listen: &str) -> anyhow::Result<String> {
    let mut address = listen.to_socket_addrs()?.next().context("the listen address does not resolve")?;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(format!("http://{address}"))
}

#[cfg(test)]
mod tests {
    use super::here;

    #[test]
    fn a_node_that_listens_on_all_addresses_is_asked_on_loopback() {
        assert_eq!(here("0.0.0.0:8000").unwrap(), "http://127.0.0.1:8000");
        assert_eq!(here("[::]:80").unwrap(), "http://[::1]:80");
        assert_eq!(here("127.0.0.1:9").unwrap(), "http://127.0.0.1:9");
    }
}
