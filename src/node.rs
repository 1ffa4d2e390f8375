//! The composition root: the only place that knows every part, and the life of a node from start to end.
//!
//! - `build`: makes every part and connects it with the others; nothing is received and no client is admitted yet
//! - `start`: the channel layer starts to deliver its signals, then clients are admitted
//! - `run`: until a signal asks the node to stop; SIGHUP reloads the configuration meanwhile
//! - `drain`: clients are sent elsewhere, and the node removes what it has in Redis

mod access;
mod answers;
mod build;
mod check;
mod drain;
mod layer;
mod overview;
mod presence;
mod reload;
mod signals;
mod start;
mod systemd;
mod tokens;

use std::process::ExitCode;

use anyhow::Context as _;

use self::{
    build::Node,
    signals::{Signals, StopRequest},
    start::Serving,
};
pub use self::{check::check, reload::ReadConfig};
use crate::{config::Config, consumer::ConsumerSet};

/// The node stopped by itself, or by order with every connection closed in time.
pub const EXIT_DRAINED: u8 = 0;
/// It could not start, or failed while running.
pub const EXIT_FAILED: u8 = 1;
/// The configuration is not valid.
pub const EXIT_CONFIGURATION: u8 = 2;

/// Runs a node until a signal stops it; `reader` reads the configuration again.
pub async fn serve(config: Config, consumers: ConsumerSet, reader: ReadConfig) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    raise_file_limit();
    let mut node = Node::build(config, consumers, reader)?;
    let mut serving = node.start().await?;
    let asked = run(&mut node, &mut serving, &mut signals).await?;
    Ok(node.drain(&serving, &asked, signals).await)
}

/// Runs until a signal asks the node to stop. A server that ends by itself is a failure.
async fn run(node: &mut Node, serving: &mut Serving, signals: &mut Signals) -> anyhow::Result<StopRequest> {
    loop {
        tokio::select! {
            asked = signals.stop.next() => return Ok(asked),
            () = signals.hangup.next() => node.reload.run().await,
            ended = &mut serving.server => {
                ended.context("the server's task failed")?.context("the server failed")?;
                anyhow::bail!("the server ended unexpectedly");
            }
        }
    }
}

/// Allows as many sockets as the system permits; the default soft limit of 1,024 is too low for a server.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => log::debug!("up to {limit} open files"),
        Err(error) => log::warn!("cannot raise the limit of open files: {error}"),
    }
}

#[cfg(test)]
mod tests;
