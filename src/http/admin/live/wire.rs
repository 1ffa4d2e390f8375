//! The socket of a live stream: actix-ws speaks WebSocket, over the socket that was taken over after the handshake.
//!
//! In: a handshake. Out: the session and the messages of actix-ws, and who carries their bytes. actix-ws expects a request
//! with a body that goes on after the answer; on this server the socket leaves actix-http instead (decision 0001), so its
//! two halves become the body of the request and the reader of the answer.

use std::{future::poll_fn, io, pin::pin, time::Duration};

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
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::oneshot,
    task::yield_now,
    time::{sleep, timeout},
};

use super::MAX_MESSAGE;
use crate::http::tunnel::{Drain, drained};

/// How long the kernel may accept no byte: then the reader is gone, or does not read.
const WRITE_DEADLINE: Duration = Duration::from_secs(20);

/// How long a stream may go on once the drain's period is over.
const GRACE: Duration = Duration::from_secs(2);

/// Bytes that are read at once.
const CHUNK: usize = 4 << 10;

/// How long the page has to answer a Close.
const FAREWELL: Duration = Duration::from_secs(2);

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
            let mut piece = BytesMut::with_capacity(CHUNK);
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
    /// Runs until both sides have ended the stream, its reader does not read, or the node has drained.
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
            writing.shutdown().await?;
            // A socket that is closed with unread bytes is reset, and the page might not see why the stream ends.
            timeout(FAREWELL, read_to_end(writing.as_ref())).await?
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

/// Reads what the page still sends. The reader of messages may do so at the same time: they have no effect any more.
async fn read_to_end(socket: &TcpStream) -> io::Result<()> {
    let mut chunk = [0; CHUNK];
    loop {
        socket.readable().await?;
        match socket.try_read(&mut chunk) {
            Ok(0) => return Ok(()),
            // A page that goes on sending must not hold the worker.
            Ok(_) => yield_now().await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
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

#[cfg(test)]
mod tests {
    use actix_web::body::BodyStream;
    use tokio::{net::TcpListener, sync::watch};

    use super::*;

    /// Both ends of a connection: the page's, and the node's.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (page, listener.accept().await.unwrap().0)
    }

    fn carrier(frames: impl stream::Stream<Item = Bytes> + 'static) -> (Carrier, oneshot::Receiver<Readable>) {
        let (give, taken) = oneshot::channel();
        let frames = BodyStream::new(frames.map(Ok::<_, io::Error>).boxed_local());
        (Carrier { give, frames: BoxBody::new(frames) }, taken)
    }

    fn no_drain() -> (watch::Sender<Option<Duration>>, Drain) {
        watch::channel(None)
    }

    #[actix_web::test]
    async fn bytes_are_carried_both_ways_from_the_first_one_on() {
        let (mut page, node) = pair().await;
        let (end, ended) = oneshot::channel::<()>();
        let frames = stream::iter(["a", "b"]).map(|text| Bytes::from_static(text.as_bytes()));
        let (carrier, taken) = carrier(frames.chain(stream::once(ended).filter_map(async |_| None)));
        let (_begin, drain) = no_drain();
        let carried = actix_rt::spawn(carrier.carry(node, BytesMut::from("early "), drain));
        page.write_all(b"late").await.unwrap();
        page.shutdown().await.unwrap();
        let arrived: Vec<Bytes> = read(taken).map(|piece| piece.unwrap()).collect().await;
        assert_eq!(arrived.concat(), b"early late");
        drop(end);
        let mut text = String::new();
        page.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "ab");
        carried.await.unwrap();
    }

    #[actix_web::test]
    async fn a_page_that_still_sends_sees_the_end_and_no_reset() {
        let (mut page, node) = pair().await;
        let (carrier, taken) = carrier(stream::iter([Bytes::from_static(b"the end")]));
        let (_begin, drain) = no_drain();
        page.write_all(b"nobody reads this").await.unwrap();
        let carried = actix_rt::spawn(carrier.carry(node, BytesMut::new(), drain));
        let mut text = String::new();
        page.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "the end");
        drop(taken);
        page.write_all(b"an answer").await.unwrap();
        page.shutdown().await.unwrap();
        carried.await.unwrap();
        assert!(page.take_error().unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_does_not_answer_the_end_is_given_up() {
        let (_page, node) = pair().await;
        let (carrier, _taken) = carrier(stream::empty());
        let (_begin, drain) = no_drain();
        let began = tokio::time::Instant::now();
        carrier.carry(node, BytesMut::new(), drain).await;
        assert!(began.elapsed() >= FAREWELL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_does_not_read_is_given_up() {
        let (_page, node) = pair().await;
        let (carrier, _taken) = carrier(stream::repeat(Bytes::from(vec![0; 1 << 20])));
        let (_begin, drain) = no_drain();
        let began = tokio::time::Instant::now();
        carrier.carry(node, BytesMut::new(), drain).await;
        assert!(began.elapsed() >= WRITE_DEADLINE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_does_not_outlast_the_drain() {
        let (_page, node) = pair().await;
        let (carrier, _taken) = carrier(stream::pending());
        let (begin, drain) = no_drain();
        begin.send(Some(Duration::from_secs(3))).unwrap();
        let began = tokio::time::Instant::now();
        carrier.carry(node, BytesMut::new(), drain).await;
        assert!((5..7).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }
}
