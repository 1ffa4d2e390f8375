//! The other server's answer, for the client: a stream of which nothing is collected, or a short text.

use std::{
    future::{pending, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use hyper::{
    Response,
    body::{Body as _, Incoming},
    http::response,
};

use super::{Trouble, exchange::Link, headers};

/// The longest answer to a handshake that is not accepted; it is sent as a whole.
const MAX_REFUSAL: usize = 1 << 20;

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

/// How the client learns where the body ends.
pub(super) fn size(head: &response::Parts, body: &Incoming, is_head: bool) -> BodySize {
    let announced = || head.headers.get("content-length")?.to_str().ok()?.parse().ok();
    match head.status.as_u16() {
        204 | 304 => BodySize::None,
        _ if is_head => announced().map_or(BodySize::None, BodySize::Sized),
        _ => body.size_hint().exact().map_or(BodySize::Stream, BodySize::Sized),
    }
}

/// The answer to a handshake that the other server does not accept. The client's connection ends with it, so that it is
/// collected first (`socket/takeover.rs`).
pub(super) async fn refused(
    link: Link,
    answer: Response<Incoming>,
    request: &HttpRequest,
) -> Result<HttpResponse, Trouble> {
    let (head, body) = answer.into_parts();
    let mut body = pin!(AnswerBody::new(link, body, BodySize::Stream, pending().boxed_local()));
    let mut collected = BytesMut::new();
    while let Some(piece) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        let piece: Bytes = piece.map_err(|error| Trouble::Broken(error.to_string()))?;
        if collected.len() + piece.len() > MAX_REFUSAL {
            return Err(Trouble::Broken("its answer to a handshake is longer than 1 MiB".to_owned()));
        }
        collected.extend_from_slice(&piece);
    }
    Ok(headers::to_client(&head, request)?.body(collected.freeze()))
}
