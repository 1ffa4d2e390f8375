//! The socket of a live stream: actix-ws speaks WebSocket, over the socket that was taken over after the handshake.
//!
//! In: a handshake. Out: the session and the messages of actix-ws, and who carries their bytes. actix-ws expects a request
//! with a body that goes on after the answer; on this server the socket leaves actix-http instead (decision 0001), so its
//! two halves become the body of the request and the reader of the answer.

use std::{io, pin::pin, time::Duration};

use actix_web::{
    FromRequest as _, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody as _},
    dev::Payload,
    error::PayloadError,
    web,
};
use actix_ws::{AggregatedMessageStream, Session};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use std::future::poll_fn;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::oneshot,
    time::{sleep, timeout},
};

use super::MAX_MESSAGE;
use crate::http::tunnel::{Drain, drained};

/// How long the kernel may accept no byte: then the reader is gone, or does not read.
const WRITE_DEADLINE: Duration = Duration::from_secs(20);

/// How long a stream may go on once the drain's period is over.
const GRACE: Duration = Duration::from_secs(2);

/// Bytes that are read at once.
const PIECE: usize = 4 << 10;

/// A socket's reading half, with the bytes that came with the handshake.
type Readable = (OwnedReadHalf, BytesMut);

/// An accepted handshake.
pub struct Opened {
    /// The answer, without a body.
    pub response: HttpResponse,
    pub session: Session,
    pub messages: AggregatedMessageStream,
    pub carrier: Carrier,
}

/// Answers a handshake; an error is a request that is not one.
pub async fn open(request: &HttpRequest) -> Result<Opened, actix_web::Error> {
    let (give, taken) = oneshot::channel();
    let mut body = Payload::Stream { payload: read(taken).boxed_local() };
    let body = web::Payload::from_request(request, &mut body).await?;
    let (response, session, messages) = actix_ws::handle(request, body)?;
    let messages = messages.max_frame_size(MAX_MESSAGE).aggregate_continuations().max_continuation_size(MAX_MESSAGE);
    let (head, frames) = response.into_parts();
    let response = head.set_body(BoxBody::new(()));
    Ok(Opened { response, session, messages, carrier: Carrier { give, frames } })
}

/// The bytes that arrive, once the socket is there.
fn read(socket: oneshot::Receiver<Readable>) -> impl stream::Stream<Item = Result<Bytes, PayloadError>> {
    stream::once(socket).filter_map(async |socket| socket.ok()).flat_map(|(socket, early)| {
        let first = (!early.is_empty()).then(|| Ok(early.freeze()));
        stream::iter(first).chain(stream::unfold(socket, |mut socket| async {
            let mut piece = BytesMut::with_capacity(PIECE);
            match socket.read_buf(&mut piece).await {
                Ok(0) => None,
                Ok(_) => Some((Ok(piece.freeze()), socket)),
                Err(error) => Some((Err(PayloadError::Io(error)), socket)),
            }
        }))
    })
}

/// Carries the frames of a stream to its socket.
pub struct Carrier {
    give: oneshot::Sender<Readable>,
    frames: BoxBody,
}

impl Carrier {
    /// Runs until the stream ends, its reader does not read, or the node has drained.
    pub async fn carry(self, socket: TcpStream, early: BytesMut, drain: Drain) {
        let (reading, mut writing) = socket.into_split();
        if self.give.send((reading, early)).is_err() {
            return;
        }
        let writes = async {
            let mut frames = pin!(self.frames);
            while let Some(Ok(piece)) = poll_fn(|cx| frames.as_mut().poll_next(cx)).await {
                write(&mut writing, piece).await?;
            }
            writing.shutdown().await
        };
        let over = async {
            drained(drain, 1.0).await;
            sleep(GRACE).await;
        };
        tokio::select! {
            // A broken connection is an end like any other.
            _ = writes => {}
            () = over => {}
        }
    }
}

/// Writes it all, as long as the kernel accepts something from time to time.
async fn write(socket: &mut (impl tokio::io::AsyncWrite + Unpin), mut piece: Bytes) -> io::Result<()> {
    while !piece.is_empty() {
        let taken = timeout(WRITE_DEADLINE, socket.write_buf(&mut piece)).await;
        if taken.map_err(|_| io::ErrorKind::TimedOut)?? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}
