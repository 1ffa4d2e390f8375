//! The composition root: the only place that knows every part, and the story of a node's life.
//!
//! - `build`: every part is made and connected with the others; nothing is heard and nobody is let in yet
//! - `start`: the channel layer hands over its signals, then clients are let in
//! - `run`: until a signal asks the node to stop; SIGHUP reloads the configuration meanwhile
//! - `drain`: clients are sent elsewhere, and what the node has in Redis is taken back

mod access;
mod answers;
mod build;
mod check;
mod drain;
mod layer;
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
    signals::{Asked, Signals},
    start::Serving,
};
pub use self::{check::check, reload::Reader};
use crate::{config::Config, consumer::ConsumerSet};

/// The node stopped by itself, or was told to and every connection was closed in time.
pub const EXIT_DRAINED: u8 = 0;
/// It could not start, or failed while it ran.
pub const EXIT_FAILED: u8 = 1;
/// The configuration is not valid.
pub const EXIT_CONFIGURATION: u8 = 2;

/// Runs a node until it is told to stop; `reader` reads the configuration again.
pub async fn serve(config: Config, consumers: ConsumerSet, reader: Reader) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    raise_file_limit();
    let mut node = Node::build(config, consumers, reader)?;
    let mut serving = node.start().await?;
    let asked = run(&mut node, &mut serving, &mut signals).await?;
    Ok(node.drain(&serving, &asked, signals).await)
}

/// Until it is asked to stop. A server that ends by itself is a failure.
async fn run(node: &mut Node, serving: &mut Serving, signals: &mut Signals) -> anyhow::Result<Asked> {
    loop {
        tokio::select! {
            asked = signals.stop.next() => return Ok(asked),
            () = signals.hangup.next() => node.reload.run().await,
            ended = &mut serving.server => {
                ended.context("the server's task failed")?.context("the server failed")?;
                anyhow::bail!("the server ended by itself");
            }
        }
    }
}

/// As many sockets as the system allows; the default soft limit of 1,024 is for other programs.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => log::debug!("up to {limit} open files"),
        Err(error) => log::warn!("the limit of open files cannot be raised: {error}"),
    }
}

#[cfg(test)]
mod tests;
