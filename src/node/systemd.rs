//! Notifies the service manager and takes the socket that it may pass; without a service manager all of this does
//! nothing.
//!
//! In: `NOTIFY_SOCKET`, `LISTEN_FDS` and `WATCHDOG_USEC` of the environment. Out: notifications (sd_notify(3)) and a
//! listener (sd_listen_fds(3)). A failure here never prevents serving, and a manager that does not read is never waited
//! for long.

use std::{env, ffi::OsStr, io, sync::Arc, time::Duration};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::{net::UnixDatagram, time::timeout};

use crate::{
    http::listener::Listener,
    hub::Dispatcher,
    layer::{Layer, Readiness},
    warn_bounded,
};

/// A start counts as done when events arrive, or after this time: an unreachable Redis does not prevent running.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often readiness is checked.
const LOOK: Duration = Duration::from_millis(20);

/// How long a notification may take.
const NOTIFY: Duration = Duration::from_millis(500);

/// The listener passed to this process, if any.
pub fn listener() -> io::Result<Option<Listener>> {
    let mut given = ListenFd::from_env();
    if given.len() > 1 {
        let reason = format!("the service manager passed {} sockets, and the node serves one", given.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    // Of the other kind it is left in its place.
    if let Ok(Some(listener)) = given.take_unix_listener(0) {
        return Ok(Some(Listener::Unix(listener)));
    }
    Ok(given.take_tcp_listener(0)?.map(Listener::Tcp))
}

/// Does not use [`sd_notify::notify`], which blocks the thread while the manager does not read.
async fn tell(states: &[NotifyState<'_>]) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    let message: String = states.iter().map(|state| format!("{state}\n")).collect();
    let late = |_| Err(io::ErrorKind::TimedOut.into());
    if let Err(error) = timeout(NOTIFY, send(&path, &message)).await.unwrap_or_else(late) {
        warn_bounded!("cannot notify the service manager: {error}");
    }
}

async fn send(path: &OsStr, message: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.send(message.as_bytes()).await.map(drop)
}

/// Waits until events arrive, for a limited time; returns whether they do.
pub async fn ready(layer: &Arc<dyn Layer>) -> bool {
    let ready = async {
        while !matches!(layer.readiness(), Readiness::Ready) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.is_ok()
}

/// Reports that the start is done, once it is.
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
        Err(error) => log::warn!("cannot notify the service manager: {error}"),
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

/// With a watchdog: sends it a sign of life as long as every worker thread gives one.
pub async fn watched(dispatcher: Arc<Dispatcher>) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut turn = tokio::time::interval(limit / 3);
    loop {
        turn.tick().await;
        if dispatcher.ask_workers(|_| (), limit / 3).await.silent == 0 {
            tell(&[NotifyState::Watchdog]).await;
        } else {
            log::warn!("a worker thread is stuck; the watchdog gets no sign of life");
        }
    }
}
