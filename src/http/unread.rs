//! Bodies that a route does not read to their end.
//!
//! In: requests with a body. Out: their answers, which keep the body's stream until they are written. So actix-http sees
//! that the body is unread and says `Connection: close`, and `socket/takeover.rs` learns of it: it reads and discards what
//! the client still sends, for `server.body_timeout` at most. Closed at once, the kernel would answer the rest with a
//! reset, and the client, or nginx, would lose the answer.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage as _,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
};
use bytes::Bytes;
use futures_util::Stream;

use crate::socket::turn;

/// A body with two holders: the route that may read it, and the answer.
pub(super) struct SharedBody(Rc<Shared>);

struct Shared {
    payload: RefCell<Payload>,
    is_read: Cell<bool>,
}

impl SharedBody {
    /// The body of a request; `None` if it has none.
    pub fn of(request: &mut ServiceRequest) -> Option<Self> {
        let payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return None;
        }
        let body = Rc::new(Shared { payload: RefCell::new(payload), is_read: Cell::new(false) });
        request.set_payload(Payload::Stream { payload: Box::pin(Self(Rc::clone(&body))) });
        Some(Self(body))
    }

    /// The answer, which keeps the body.
    pub fn kept_by(self, answer: ServiceResponse) -> ServiceResponse {
        answer.map_body(|_, body| BoxBody::new(Answer { body, request: self }))
    }
}

impl Stream for SharedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut *self.0.payload.borrow_mut()).poll_next(cx);
        if let Poll::Ready(None) = polled {
            self.0.is_read.set(true);
        }
        turn::want_body(polled.is_pending());
        polled
    }
}

/// The body of an answer, with the body of its request.
struct Answer {
    body: BoxBody,
    request: SharedBody,
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.request.0.is_read.get() {
            turn::mark_unread();
        }
    }
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
