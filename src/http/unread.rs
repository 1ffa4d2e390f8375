//! Bodies that a route does not read to their end.
//!
//! In: requests with a body. Out: their answers, which keep the body's stream until they are written. So actix-http sees
//! that the body is unread, says `Connection: close`, and reads and discards what the client still sends, for
//! `server.body_timeout` at most. Closed at once, the kernel would answer the rest with a reset, and the client, or
//! nginx, would lose the answer.

use std::{
    cell::RefCell,
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

/// A body with two holders: the route that may read it, and the answer.
pub(super) struct SharedBody(Rc<RefCell<Payload>>);

impl SharedBody {
    /// The body of a request; `None` if it has none.
    pub fn of(request: &mut ServiceRequest) -> Option<Self> {
        let payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return None;
        }
        let body = Rc::new(RefCell::new(payload));
        request.set_payload(Payload::Stream { payload: Box::pin(Self(Rc::clone(&body))) });
        Some(Self(body))
    }

    /// The answer, which keeps the body.
    pub fn kept_by(self, answer: ServiceResponse) -> ServiceResponse {
        answer.map_body(|_, body| BoxBody::new(Answer { body, _request: self }))
    }
}

impl Stream for SharedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// The body of an answer, with the body of its request.
struct Answer {
    body: BoxBody,
    _request: SharedBody,
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
