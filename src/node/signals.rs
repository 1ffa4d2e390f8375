//! The signals of the operating system: SIGTERM and SIGINT stop a node, SIGHUP reloads its configuration.

use std::{convert::Infallible, io};

use tokio::signal::unix::{self, SignalKind, signal};

/// All signals that a node listens to.
pub struct Signals {
    /// The signals that stop it.
    pub stop: StopSignals,
    /// The signal that reloads.
    pub hangup: Hangup,
}

impl Signals {
    /// Listens from now on.
    pub fn new() -> io::Result<Self> {
        let stop = StopSignals { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Self { stop, hangup: Hangup(signal(SignalKind::hangup())?) })
    }
}

/// SIGTERM and SIGINT.
pub struct StopSignals {
    term: unix::Signal,
    interrupt: unix::Signal,
}

/// Which signal asked the node to stop.
pub struct StopRequest {
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub number: u8,
    /// Ctrl-C: a person waits.
    pub interactive: bool,
}

impl StopSignals {
    /// Waits for the next one.
    pub async fn next(&mut self) -> StopRequest {
        tokio::select! {
            _ = self.term.recv() => StopRequest { name: "SIGTERM", number: 15, interactive: false },
            _ = self.interrupt.recv() => StopRequest { name: "SIGINT", number: 2, interactive: true },
        }
    }
}

/// SIGHUP.
pub struct Hangup(unix::Signal);

impl Hangup {
    /// Waits for the next one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Refuses every further reload.
    pub async fn refuse(&mut self) -> Infallible {
        loop {
            self.next().await;
            log::warn!("SIGHUP received: the node is draining and reloads nothing");
        }
    }
}
