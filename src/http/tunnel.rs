//! Carries the bytes of an upgraded connection to another server and back.
//!
//! In: two sockets, each with bytes that were already read from it. It changes nothing that it carries. It ends when
//! either side ends, or with the drain.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy},
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

/// How long one direction goes on after the other has ended, for an answer to the last bytes.
const GRACE: Duration = Duration::from_secs(5);

/// Announces the start of the drain.
pub(super) type Drain = watch::Receiver<Option<Duration>>;

/// Carries bytes until both directions have ended, or the node drains.
pub(super) async fn tunnel(
    (mut here, from_here): (TcpStream, Bytes),
    (there, from_there): (impl AsyncRead + AsyncWrite, Bytes),
    drain: Drain,
) {
    let (near_read, near_write) = here.split();
    let (far_read, far_write) = tokio::io::split(there);
    let (mut up, mut down) =
        (pin!(carry(from_here, near_read, far_write)), pin!(carry(from_there, far_read, near_write)));
    tokio::select! {
        () = &mut up => drop(timeout(GRACE, down).await),
        () = &mut down => drop(timeout(GRACE, up).await),
        () = drained(drain, rand::random()) => {}
    }
}

/// One direction, to its end.
async fn carry(early: Bytes, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    if to.write_all(&early).await.is_ok() {
        // A broken connection is an end like any other.
        let _ = copy(&mut from, &mut to).await;
    }
    let _ = to.shutdown().await;
}

/// Resolves when the node drains and this part of the drain's period, from 0 to 1, is over.
pub(super) async fn drained(mut drain: Drain, part: f64) {
    let period = drain.wait_for(Option::is_some).await.map_or(None, |period| *period);
    sleep(period.unwrap_or_default().mul_f64(part)).await;
}
