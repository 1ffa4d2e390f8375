//! One request on a connection of its own, and its answer.
//!
//! In: a request. Out: the head of the answer, and the connection, which the reader of the body drives. It is polled in
//! the task of the client's connection: it waits for a client that reads slowly, and ends with a client that goes.

use std::{
    cell::Cell,
    error::Error,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{self, Connection, Parts},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

use super::{Trouble, body::RequestBody};
use crate::config::Upstream;

/// How long connecting may take, with the look-up of the name.
const CONNECT: Duration = Duration::from_secs(5);

/// How long the beginning of an answer may take, from the last byte of the request; a debugger may hold Django meanwhile.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

type Socket = TokioIo<TcpStream>;

/// A connection to the other server; closed when it is dropped.
pub(super) struct Link {
    connection: Connection<Socket, RequestBody>,
    has_ended: bool,
}

impl Link {
    /// Reads and writes what can be read and written now.
    pub fn poll(&mut self, cx: &mut Context<'_>) {
        if !self.has_ended
            && let Poll::Ready(ended) = self.connection.poll_without_shutdown(cx)
        {
            self.has_ended = true;
            if let Err(error) = ended {
                log::debug!("server.proxy: a connection ends: {error}");
            }
        }
    }

    /// The socket of an upgraded connection, with what was already read from it.
    pub async fn into_socket(mut self) -> (TcpStream, Bytes) {
        poll_fn(|cx| {
            self.poll(cx);
            if self.has_ended { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let Parts { io, read_buf, .. } = self.connection.into_parts();
        (io.into_inner(), read_buf)
    }
}

/// Sends a request; returns when the head of its answer is there.
pub(super) async fn ask(
    upstream: &Upstream,
    request: Request<RequestBody>,
    patience: Duration,
) -> Result<(Link, Response<Incoming>), Trouble> {
    let address = (upstream.host(), upstream.port());
    let connected = timeout(CONNECT, TcpStream::connect((address.0.as_str(), address.1))).await;
    let stream = connected.map_err(|_| Trouble::Away("connecting took too long".to_owned()))?;
    let stream = stream.map_err(|error| Trouble::Away(error.to_string()))?;
    // The exchange works without it, too.
    let _ = stream.set_nodelay(true);
    let moved = request.body().moved();
    moved.set(Instant::now());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let mut link = Link { connection, has_ended: false };
    let answer = {
        let mut answer = pin!(sender.send_request(request));
        let answered = poll_fn(|cx| {
            link.poll(cx);
            answer.as_mut().poll(cx)
        });
        tokio::select! {
            answer = answered => answer.map_err(|error| broken(&error))?,
            () = silence(moved, patience) => return Err(Trouble::Late(patience)),
        }
    };
    Ok((link, answer))
}

/// Resolves when the body has not moved for this long.
async fn silence(moved: Rc<Cell<Instant>>, patience: Duration) {
    loop {
        let end = moved.get() + patience;
        if Instant::now() >= end {
            return;
        }
        sleep_until(end).await;
    }
}

/// The innermost reason is the most precise.
fn broken(error: &hyper::Error) -> Trouble {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Trouble::Broken(innermost.to_string())
}
