//! The bodies of what is passed on, each as a stream: nothing is collected.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, MessageBody},
    dev::Payload,
};
use bytes::Bytes;
use futures_util::{Stream as _, future::LocalBoxFuture};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::exchange::Link;

/// The body of a client's request, for the other server.
pub(super) struct RequestBody {
    /// `None` once it has ended.
    payload: Option<Payload>,
    /// The next piece, if it is there already.
    ahead: Option<Bytes>,
    /// Bytes that are still to come, if the client has announced them.
    left: Option<u64>,
    /// When the last piece came.
    moved: Rc<Cell<Instant>>,
}

impl RequestBody {
    /// A body of this length, or of an unknown one.
    pub fn new(payload: Payload, length: Option<u64>) -> Self {
        let payload = (!matches!(payload, Payload::None)).then_some(payload);
        Self { payload, ahead: None, left: length, moved: Rc::new(Cell::new(Instant::now())) }
    }

    /// When the last piece came, from now on.
    pub fn moved(&self) -> Rc<Cell<Instant>> {
        Rc::clone(&self.moved)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Some(payload) = &mut self.payload else { return Poll::Ready(None) };
        let piece = ready!(Pin::new(payload).poll_next(cx));
        if piece.is_none() {
            self.payload = None;
        }
        Poll::Ready(piece.map(|piece| piece.map_err(|error| io::Error::other(error.to_string()))))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match self.ahead.take() {
            Some(piece) => piece,
            None => match ready!(self.poll_piece(cx)) {
                Some(piece) => piece?,
                None => return Poll::Ready(None),
            },
        };
        self.moved.set(Instant::now());
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        // The client's stream asks for nothing after the last announced byte, and its end must be seen (`unread.rs`).
        if let Poll::Ready(next) = self.poll_piece(cx) {
            self.ahead = next.transpose()?;
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.payload.is_none() && self.ahead.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            _ if self.is_end_stream() => SizeHint::with_exact(0),
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

/// The body of the other server's answer, for the client. It drives the connection to that server.
pub(super) struct AnswerBody {
    link: Link,
    body: Incoming,
    size: BodySize,
    /// Resolves when the node ends what is still open.
    cut: LocalBoxFuture<'static, ()>,
}

impl AnswerBody {
    /// What comes over this connection.
    pub const fn new(link: Link, body: Incoming, size: BodySize, cut: LocalBoxFuture<'static, ()>) -> Self {
        Self { link, body, size, cut }
    }
}

impl MessageBody for AnswerBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the node stops".into())));
        }
        self.link.poll(cx);
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else { return Poll::Ready(None) };
            match frame?.into_data() {
                // An empty chunk would be the end.
                Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                _ => {}
            }
        }
    }
}
