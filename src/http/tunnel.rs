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

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt as _, net::TcpListener, task::JoinHandle};

    use super::*;

    /// A pair of connected sockets.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    /// A client and a server with a tunnel between them, the sender of its drain, and its task.
    async fn tunnelled() -> (TcpStream, TcpStream, watch::Sender<Option<Duration>>, JoinHandle<()>) {
        let ((client, here), (there, server)) = (pair().await, pair().await);
        let drain = watch::Sender::new(None);
        let (up, down) = ((here, Bytes::from_static(b"early ")), (there, Bytes::from_static(b"first ")));
        let task = tokio::spawn(tunnel(up, down, drain.subscribe()));
        (client, server, drain, task)
    }

    #[tokio::test]
    async fn bytes_that_were_read_before_come_first_and_both_ways_are_carried() {
        let (mut client, mut server, _drain, task) = tunnelled().await;
        client.write_all(b"question").await.unwrap();
        server.write_all(b"answer").await.unwrap();
        let (mut up, mut down) = ([0; 14], [0; 12]);
        server.read_exact(&mut up).await.unwrap();
        client.read_exact(&mut down).await.unwrap();
        assert_eq!((&up, &down), (b"early question", b"first answer"));
        drop(client);
        assert_eq!(server.read(&mut up).await.unwrap(), 0, "the end of the client");
        drop(server);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn the_end_of_the_server_reaches_the_client_after_its_last_bytes() {
        let (mut client, mut server, _drain, task) = tunnelled().await;
        server.write_all(b"bye").await.unwrap();
        server.shutdown().await.unwrap();
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"first bye");
        client.write_all(b"answer").await.unwrap();
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"early answer", "the other direction may finish");
        task.await.unwrap();
    }

    #[tokio::test]
    async fn the_drain_ends_a_tunnel_whose_ends_say_nothing() {
        let (mut client, _server, drain, task) = tunnelled().await;
        drain.send(Some(Duration::ZERO)).unwrap();
        task.await.unwrap();
        let mut all = Vec::new();
        let _ = client.read_to_end(&mut all).await;
    }
}
