//! Takes over the socket of an HTTP request (docs/decisions/0001).
//!
//! actix-http passes every `Upgrade: websocket` request here together with its socket. The request runs through the
//! same actix-web `App` as any other, so routing, authentication and error bodies are ordinary; the handler that
//! accepts it answers with 101 and fills the request's [`AcceptedSlot`]. Then the socket leaves actix-http: its
//! dispatcher, with two buffers of 8 KiB, is dropped, and the small [`Driver`] continues in the same task, still
//! counted as a connection by actix-server.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt,
    future::{Future, pending, poll_fn},
    io,
    os::fd::{AsRawFd, RawFd},
    pin::{Pin, pin},
    rc::Rc,
    time::Duration,
};

use actix_codec::Framed;
use actix_http::{
    ConnectionType, HttpMessage as _, Request, Response, StatusCode,
    body::{self, BodySize, BoxBody, MessageBody},
    h1::{Codec, Message},
    header,
};
use actix_service::{Service, ServiceFactory, fn_factory, fn_service};
use bytes::BytesMut;
use futures_util::future::LocalBoxFuture;
use socket2::SockRef;
use tokio::{
    io::AsyncWrite as _,
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    connection::Connection,
    driver::Driver,
    http_stream::{self, HttpStream},
    turn::{self, Turn},
};
use crate::admission::Admitting;

/// Deadline for writing the answer to a handshake.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// How long it is at most once the node drains: the answer is on its way, and nothing else waits for the client.
const LINGER_IN_DRAIN: Duration = Duration::from_secs(1);

/// Maximum number of bytes per read of what is discarded.
const DISCARD: usize = 16 << 10;

/// Where the handler of a handshake puts the accepted connection.
#[derive(Clone, Default)]
pub struct AcceptedSlot(Rc<RefCell<Option<Accepted>>>);

impl AcceptedSlot {
    /// Accepts: after the 101, the socket belongs to this connection.
    pub fn accept(&self, accepted: Accepted) {
        *self.0.borrow_mut() = Some(accepted);
    }
}

/// The receiver of a socket; a connection is released if the socket never comes.
pub struct Accepted(Option<Next>);

enum Next {
    /// Counted as a connection in admission until it counts as open.
    Connection(Rc<Connection>, Option<Admitting>),
    Other(TakeSocket),
}

/// Continues with a socket and the bytes already read from it; the connection counts as open until that is done.
type TakeSocket = Box<dyn FnOnce(TcpStream, BytesMut) -> LocalBoxFuture<'static, ()>>;

impl Accepted {
    /// Guards a pending connection.
    pub const fn new(connection: Rc<Connection>, admitting: Option<Admitting>) -> Self {
        Self(Some(Next::Connection(connection, admitting)))
    }

    /// Passes the socket to something other than a new connection.
    pub fn by(take: impl AsyncFnOnce(TcpStream, BytesMut) + 'static) -> Self {
        Self(Some(Next::Other(Box::new(move |stream, early| Box::pin(async move { take(stream, early).await })))))
    }

    /// The client is about to learn that it is accepted: a connection counts as open, and is not admitted any more.
    pub(super) fn count(&mut self) {
        if let Some(Next::Connection(connection, admitting)) = &mut self.0 {
            connection.count();
            drop(admitting.take());
        }
    }

    /// The connection continues without a socket.
    pub fn keep(mut self) {
        self.0 = None;
    }

    fn take(mut self, stream: TcpStream, early: BytesMut) -> Option<Taken> {
        Some(match self.0.take()? {
            Next::Connection(connection, _) => Taken::Driver(Driver::new(connection, stream, early)),
            Next::Other(take) => Taken::Other(take(stream, early)),
        })
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        if let Some(Next::Connection(connection, _)) = self.0.take() {
            connection.release();
        }
    }
}

/// The owner of a socket that was taken over.
enum Taken {
    Driver(Driver),
    Other(LocalBoxFuture<'static, ()>),
}

/// Kernel options for a socket that was taken over.
#[derive(Clone, Copy, Debug)]
pub struct SocketOptions {
    /// `SO_SNDBUF` in bytes; 0: the system's default.
    pub send_buffer: usize,
    /// `TCP_USER_TIMEOUT`; zero: the system's default.
    pub user_timeout: Duration,
    /// How long the rest of a refused request is read and discarded, at most.
    pub linger: Duration,
}

impl SocketOptions {
    fn set(self, stream: &TcpStream) {
        let socket = SockRef::from(stream);
        // The connection works without them, too.
        let _ = socket.set_tcp_nodelay(true);
        if self.send_buffer > 0 {
            let _ = socket.set_send_buffer_size(self.send_buffer);
        }
    }

    /// Sets what holds from the first byte on, so that a client that reads no answer is closed, too.
    pub fn set_early(self, stream: &TcpStream) {
        #[cfg(target_os = "linux")]
        if !self.user_timeout.is_zero() {
            let _ = SockRef::from(stream).set_tcp_user_timeout(Some(self.user_timeout));
        }
        // Elsewhere pings alone find a client that is gone.
        #[cfg(not(target_os = "linux"))]
        let _ = stream;
    }
}

thread_local! {
    /// Sockets on their way from the upgrade service to [`keep_driving`], with their next owner. A socket stays open
    /// while it is here, so its number cannot be reused.
    static TAKEN: RefCell<HashMap<RawFd, Taken>> = RefCell::default();
}

/// The upgrade service of actix-http, around the `App` that answers all requests.
pub fn upgrade<A, B>(
    app: A,
    options: SocketOptions,
) -> impl ServiceFactory<
    (Request, Framed<HttpStream, Codec>),
    Config = (),
    Response = (),
    Error = actix_web::Error,
    InitError = A::InitError,
>
where
    A: ServiceFactory<Request, Config = ()> + 'static,
    A::Service: 'static,
    A::Response: Into<Response<B>>,
    A::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    let app = Rc::new(app);
    fn_factory(move || {
        let app = Rc::clone(&app);
        async move {
            let service = Rc::new(app.new_service(()).await?);
            Ok(fn_service(move |(request, framed): (Request, Framed<HttpStream, Codec>)| {
                handshake(Rc::clone(&service), request, framed, options)
            }))
        }
    })
}

async fn handshake<S, B>(
    app: Rc<S>,
    request: Request,
    mut framed: Framed<HttpStream, Codec>,
    options: SocketOptions,
) -> Result<(), actix_web::Error>
where
    S: Service<Request>,
    S::Response: Into<Response<B>>,
    S::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    let announced = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let has_body = announced.iter().any(|name| request.headers().contains_key(name));
    let slot = AcceptedSlot::default();
    request.extensions_mut().insert(slot.clone());
    let response = match app.call(request).await {
        Ok(response) => response.into().map_into_boxed_body(),
        Err(error) => error.into(),
    };
    let accepted = slot.0.borrow_mut().take();
    match accepted {
        Some(mut accepted) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let (head, _) = response.into_parts();
            accepted.count();
            write(&mut framed, [Message::Item((head, BodySize::None))]).await?;
            let parts = framed.into_parts();
            let stream = parts.io.into_tcp().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
            options.set(&stream);
            let socket = stream.as_raw_fd();
            if let Some(next) = accepted.take(stream, parts.read_buf) {
                TAKEN.with_borrow_mut(|taken| taken.insert(socket, next));
            }
            Ok(())
        }
        _ => {
            refuse(&mut framed, response).await?;
            if has_body || !framed.is_read_buf_empty() {
                turn::mark_unread();
            }
            Ok(())
        }
    }
}

/// Any other answer is written completely, and the connection ends.
async fn refuse(framed: &mut Framed<HttpStream, Codec>, response: Response<BoxBody>) -> io::Result<()> {
    let (mut head, body) = response.into_parts();
    head.head_mut().set_connection_type(ConnectionType::Close);
    let bytes = body::to_bytes(body).await.map_err(|_| io::Error::other("the body of the answer cannot be created"))?;
    let size = BodySize::Sized(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    let head = Message::Item((head, size));
    if bytes.is_empty() {
        write(framed, [head]).await?;
    } else {
        write(framed, [head, Message::Chunk(Some(bytes)), Message::Chunk(None)]).await?;
    }
    let closed = poll_fn(|cx| Pin::new(framed.io_mut()).poll_shutdown(cx));
    closed.await
}

/// How a connection is closed whose client may still send.
struct Lingering {
    time: Duration,
    drain: watch::Receiver<Option<Duration>>,
}

impl Lingering {
    /// Reads and discards, for a limited time, until the client hangs up. The kernel answers unread bytes with a reset,
    /// which can cost the client the answer.
    async fn linger(&self, stream: TcpStream) {
        let _ = SockRef::from(&stream).shutdown(std::net::Shutdown::Write);
        let discarded = async {
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut [0; DISCARD]) {
                    Ok(0) => break,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                    Ok(_) | Err(_) => {}
                }
            }
        };
        let mut drain = self.drain.clone();
        let drained = async {
            // Without a sender there is nothing to wait for: only `time` counts.
            if drain.wait_for(Option::is_some).await.is_err() {
                pending::<()>().await;
            }
            sleep(LINGER_IN_DRAIN).await;
        };
        tokio::select! {
            () = discarded => {}
            () = sleep(self.time) => {}
            () = drained => {}
        }
    }
}

type Reply = Message<(Response<()>, BodySize)>;

async fn write(framed: &mut Framed<HttpStream, Codec>, messages: impl IntoIterator<Item = Reply>) -> io::Result<()> {
    for message in messages {
        Pin::new(&mut *framed).write(message)?;
    }
    let flushed = poll_fn(|cx| Pin::new(&mut *framed).flush::<Reply>(cx));
    timeout(WRITE_DEADLINE, flushed).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Wraps the HTTP service of a socket: when its dispatcher has ended and left a [`Driver`], the driver continues; when a
/// request was not read to its end, the connection lingers, but hardly any longer once `drain` begins.
pub fn keep_driving<F>(
    http: F,
    options: SocketOptions,
    drain: watch::Receiver<Option<Duration>>,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = F::Error, InitError = F::InitError>
where
    F: ServiceFactory<TcpStream, Config = (), Response = ()> + 'static,
    F::Service: 'static,
    F::Error: fmt::Display,
{
    let (http, lingering) = (Rc::new(http), Rc::new(Lingering { time: options.linger, drain }));
    fn_factory(move || {
        let (http, lingering) = (Rc::clone(&http), Rc::clone(&lingering));
        async move { Ok(Wrap { http: http.new_service(()).await?, lingering }) }
    })
}

/// Runs a dispatcher to its end, and closes its socket unless something else has taken it over.
async fn dispatched<E: fmt::Display>(
    socket: RawFd,
    dispatcher: impl Future<Output = Result<(), E>>,
    lingering: Rc<Lingering>,
) -> Result<(), E> {
    // Dropped after the dispatcher, also if this future is dropped.
    let _rest = Rest(socket);
    let mut turn = Turn::default();
    let ended = {
        let mut dispatcher = pin!(dispatcher);
        poll_fn(|cx| turn.poll(cx, |cx| dispatcher.as_mut().poll(cx))).await
    };
    if let Err(error) = &ended {
        log::debug!("an HTTP connection ends: {error}");
    }
    if let Some(stream) = http_stream::left(socket)
        && (turn.is_unread() || ended.is_err())
    {
        lingering.linger(stream).await;
    }
    ended
}

/// Closes a socket that a dispatcher left.
struct Rest(RawFd);

impl Drop for Rest {
    fn drop(&mut self) {
        drop(http_stream::left(self.0));
    }
}

struct Wrap<S> {
    http: S,
    lingering: Rc<Lingering>,
}

impl<S> Service<TcpStream> for Wrap<S>
where
    S: Service<TcpStream, Response = ()>,
    S::Future: 'static,
    S::Error: fmt::Display + 'static,
{
    type Response = ();
    type Error = S::Error;
    type Future = LocalBoxFuture<'static, Result<(), S::Error>>;

    actix_service::forward_ready!(http);

    fn call(&self, stream: TcpStream) -> Self::Future {
        let socket = stream.as_raw_fd();
        // Boxed separately, so that its memory is freed when the driver takes over.
        let dispatched = Box::pin(dispatched(socket, self.http.call(stream), Rc::clone(&self.lingering)));
        Box::pin(async move {
            dispatched.await?;
            match TAKEN.with_borrow_mut(|taken| taken.remove(&socket)) {
                Some(Taken::Driver(driver)) => driver.await,
                Some(Taken::Other(other)) => other.await,
                None => {}
            }
            Ok(())
        })
    }
}
