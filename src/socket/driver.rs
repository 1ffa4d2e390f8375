//! The small future that owns one open connection: reads, passes messages to the handler, writes the outbox.
//!
//! Reads go into one scratch buffer per thread, so an idle connection holds none.

use std::{
    cell::Cell,
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{
    close::ProtocolError,
    connection::{Connection, ConnectionHandler},
    frame,
    meter::Meter,
    reader::{ReadLimits, Reader, Received},
};
use crate::event::Incoming;

/// Maximum number of bytes per read.
const SCRATCH: usize = 64 << 10;

/// Reads before other connections get their turn.
const READS_PER_TURN: usize = 8;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Why a connection ends.
struct End;

/// An open connection; resolves when it has ended.
pub struct Driver {
    connection: Rc<Connection>,
    reader: Reader,
    /// Bytes after the handshake in the same packet.
    early: Option<Box<BytesMut>>,
    meter: Meter,
    /// The client sent too fast; reading resumes after this.
    pause: Option<Pin<Box<Sleep>>>,
    /// Nothing more is written; waiting for the client to hang up.
    shut: bool,
}

impl Driver {
    /// Takes `stream` over for an accepted connection.
    pub fn new(connection: Rc<Connection>, stream: TcpStream, early: BytesMut) -> Self {
        connection.open(stream);
        let reader = Reader::new(connection.deflate().is_some());
        let mut driver = Self::resume(connection, reader);
        driver.early = (!early.is_empty()).then(|| Box::new(early));
        driver
    }

    /// Continues an open connection; another reader has read its socket until now.
    pub(super) fn resume(connection: Rc<Connection>, reader: Reader) -> Self {
        Self { connection, reader, early: None, meter: Meter::default(), pause: None, shut: false }
    }

    /// Reads available data. `Err` ends the connection.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        if let Some(mut early) = self.early.take() {
            self.take(&mut early);
        }
        let connection = Rc::clone(&self.connection);
        let Some(stream) = connection.stream() else { return Err(End) };
        let mut buffer = BUFFER.take().unwrap_or_else(|| vec![0; SCRATCH].into_boxed_slice());
        let result = self.read_some(stream, &mut buffer, cx);
        BUFFER.set(Some(buffer));
        result
    }

    fn read_some(&mut self, stream: &TcpStream, buffer: &mut [u8], cx: &mut Context<'_>) -> Result<(), End> {
        for _ in 0..READS_PER_TURN {
            if self.connection.is_gone() {
                return Err(End);
            }
            if self.connection.is_congested() && !self.connection.is_finishing() {
                // Reading resumes when the outbox is flushed, which wakes this future.
                return Ok(());
            }
            if self.reader.is_incomplete() && self.connection.connections().inbox().is_clearing() {
                // Connections that must drop data were woken: continue after them.
                break;
            }
            if self.is_paused(cx) && !self.connection.is_finishing() {
                return Ok(());
            }
            match stream.poll_read_ready(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) => return Err(End),
                Poll::Ready(Ok(())) => {}
            }
            match stream.try_read(buffer) {
                Ok(0) => return Err(End),
                Ok(count) => self.take(&mut buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(End),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn take(&mut self, bytes: &mut [u8]) {
        let connection = &self.connection;
        connection.heard();
        if connection.is_finishing() {
            return;
        }
        let handler = connection.handler();
        let limits = ReadLimits { max_message: connection.limits().max_message };
        let result = self.reader.read(bytes, &limits, &mut |received| hand_on(connection, handler.as_ref(), received));
        match result {
            Err(error) => fail(connection, error),
            Ok(()) if self.reader.is_incomplete() => self.weigh(),
            Ok(()) => {}
        }
        let connection = &self.connection;
        let (frames, rates) = (u64::from(self.reader.take_frames()), connection.limits().rates);
        let wait = self.meter.take(frames, bytes.len(), rates, connection.micros());
        if !wait.is_zero() {
            connection.throttle(true);
            self.pause = Some(Box::pin(sleep(wait)));
        }
    }

    /// A message is incomplete: its received part counts.
    #[cold]
    fn weigh(&mut self) {
        let connection = &self.connection;
        self.reader.weigh(connection.connections().now(), || connection.begun());
        connection.took_more();
    }

    /// Whether reading is paused because the client sent too fast.
    fn is_paused(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(pause) = &mut self.pause else { return false };
        if pause.as_mut().poll(cx).is_pending() {
            return true;
        }
        self.pause = None;
        self.connection.throttle(false);
        false
    }

    /// Everything is written and the connection must end: tells the kernel, so that the client reads the Close and not
    /// a reset for unread bytes of its own.
    fn shut_down(&mut self) {
        if !self.shut {
            self.shut = true;
            if let Some(stream) = self.connection.stream() {
                let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Write);
            }
        }
    }
}

/// Dispatches one message or control frame of the client.
pub(super) fn hand_on(
    connection: &Rc<Connection>,
    handler: Option<&Rc<dyn ConnectionHandler>>,
    received: Received<'_>,
) -> ControlFlow<()> {
    match received {
        Received::Text(text) => {
            if let (true, Some(handler)) = (connection.is_open(), handler) {
                Rc::clone(handler).received(connection, Incoming::Text(text));
            }
        }
        Received::Binary(bytes) => {
            if let (true, Some(handler)) = (connection.is_open(), handler) {
                Rc::clone(handler).received(connection, Incoming::Binary(bytes));
            }
        }
        Received::Ping(payload) => connection.pong(payload),
        Received::Pong(_) => {}
        Received::Close(close) => {
            connection.closed_by_client(close.map(|close| close.code), &frame::close_reply(close));
            return ControlFlow::Break(());
        }
    }
    ControlFlow::Continue(())
}

/// The client violated the protocol.
pub(super) fn fail(connection: &Connection, error: ProtocolError) {
    connection.metrics().closed(error.label());
    connection.finish(&frame::close(error.code(), &error.to_string()));
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.connection.watch(cx.waker());
        if this.connection.is_finishing() {
            this.reader.stop();
        }
        let over = this.connection.is_gone()
            || matches!(this.connection.poll_flush(cx), Poll::Ready(Err(_)))
            || this.poll_read(cx).is_err();
        if over {
            return Poll::Ready(());
        }
        match this.connection.poll_flush(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) if this.connection.is_finishing() => this.shut_down(),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if this.connection.is_gone() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The client waits for the end, and others may hold the connection for a while, like the sweep.
        if let Some(stream) = self.connection.stream() {
            let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Both);
        }
        self.connection.release();
    }
}
