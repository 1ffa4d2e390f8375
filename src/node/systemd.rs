//! What the service manager is told, and the socket that it may give; without one, all of this does nothing.
//!
//! In: `NOTIFY_SOCKET`, `LISTEN_FDS` and `WATCHDOG_USEC` of the environment. Out: notifications (sd_notify(3)) and a
//! listener (sd_listen_fds(3)). It must never be a reason not to serve, nor wait long for a manager that does not read.

use std::{env, ffi::OsStr, io, net::TcpListener, sync::Arc, time::Duration};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::{net::UnixDatagram, time::timeout};

use crate::{
    hub::Dispatcher,
    layer::{Layer, Readiness},
    warn_bounded,
};

/// A start counts as done when events arrive; or after this time, because Redis away is no reason not to run.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How long a notification may take.
const NOTIFY: Duration = Duration::from_millis(500);

/// The listener that this process was started with, if any.
pub fn listener() -> io::Result<Option<TcpListener>> {
    let mut given = ListenFd::from_env();
    if given.len() > 1 {
        let reason = format!("{} sockets were given, and the node serves one", given.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    given.take_tcp_listener(0)
}

/// Not by [`sd_notify::notify`]: that blocks the thread for as long as the manager does not read.
async fn tell(states: &[NotifyState<'_>]) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    let message: String = states.iter().map(|state| format!("{state}\n")).collect();
    let late = |_| Err(io::ErrorKind::TimedOut.into());
    if let Err(error) = timeout(NOTIFY, send(&path, &message)).await.unwrap_or_else(late) {
        warn_bounded!("the service manager could not be told: {error}");
    }
}

async fn send(path: &OsStr, message: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.send(message.as_bytes()).await.map(drop)
}

/// Waits until events arrive; whether they do.
pub async fn ready(layer: &Arc<dyn Layer>) -> bool {
    let ready = async {
        while !matches!(layer.readiness(), Readiness::Ready) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.is_ok()
}

/// Says that the start is done, once it is.
pub async fn started(layer: Arc<dyn Layer>) {
    let status = match ready(&layer).await {
        true => "serving",
        false => "serving, without the channel layer for now",
    };
    tell(&[NotifyState::Ready, NotifyState::Status(status)]).await;
}

/// A reload begins.
pub async fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]).await,
        Err(error) => log::warn!("the service manager could not be told: {error}"),
    }
}

/// A reload is over.
pub async fn reloaded(outcome: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving; the last reload: {outcome}"))]).await;
}

/// The drain begins.
pub async fn stopping(connections: i64) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&format!("draining {connections} connections"))]).await;
}

/// Where a watchdog is set: shows it a sign of life for as long as every worker thread gives one.
pub async fn watched(dispatcher: Arc<Dispatcher>) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut turn = tokio::time::interval(limit / 3);
    loop {
        turn.tick().await;
        if dispatcher.ask_workers(|_| (), limit / 3).await.silent == 0 {
            tell(&[NotifyState::Watchdog]).await;
        } else {
            log::warn!("a worker thread is stuck; the watchdog is not told of a sign of life");
        }
    }
}
