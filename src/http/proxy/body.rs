//! The body of a client's request, for the other server: a stream of which nothing is collected.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::dev::Payload;
use bytes::Bytes;
use futures_util::Stream as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// The body of a request.
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
