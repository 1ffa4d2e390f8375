//! Passes requests at paths of no consumer on to the server that `server.proxy` names, so that in development one port
//! serves the page and its sockets (docs/decisions/0038-development-proxy.md).
//!
//! In: a request and its body, a stream. Out: that server's answer, a stream; an accepted WebSocket is a tunnel. It follows no
//! redirect, decodes no content, repeats nothing and keeps no connection.

mod answer;
mod body;
mod exchange;
mod headers;

use std::time::Duration;

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        Method, StatusCode, Version,
        header::{self, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING},
    },
    web,
};
use bytes::BytesMut;
use futures_util::FutureExt as _;
use tokio::time::timeout;

use self::{
    answer::{AnswerBody, refused, size},
    body::RequestBody,
    exchange::ask,
};
use super::{
    client::TrustedHops,
    health::Draining,
    tunnel::{Drain, drained, tunnel},
};
use crate::{
    config::Upstream,
    socket::takeover::{Accepted, AcceptedSlot},
    warn_bounded,
};

/// How long a handshake may wait: nothing notices meanwhile that its client has gone.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// Why a request has no answer of the other server.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("CONNECT and TRACE are not passed on")]
    Method,
    #[error("the request's target cannot be passed on, or names another host than its Host header")]
    Target,
    #[error("a handshake has no body")]
    HandshakeBody,
    #[error("the node stops")]
    Draining,
    #[error("the request came back: the server at server.proxy passes it on to this node")]
    Loop,
    #[error("no server answers ({0})")]
    Away(String),
    #[error("the server broke off before its answer ({0})")]
    Broken(String),
    #[error("the server has not answered within {} s", .0.as_secs())]
    Late(Duration),
}

impl Trouble {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::NOT_IMPLEMENTED,
            Self::Target | Self::HandshakeBody => StatusCode::BAD_REQUEST,
            Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Away(_) | Self::Broken(_) => StatusCode::BAD_GATEWAY,
            Self::Late(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The answer in plain text: what is wrong, where, and what to do.
    fn answer(&self, upstream: &Upstream) -> HttpResponse {
        let (status, todo) = (self.status(), self.todo(upstream));
        let what = format!("server.proxy = \"{upstream}\": {self}.{todo}");
        if matches!(self, Self::Loop | Self::Away(_) | Self::Broken(_) | Self::Late(_)) {
            warn_bounded!("{what}");
        }
        let mut response = HttpResponse::build(status);
        response.insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).insert_header((CACHE_CONTROL, "no-store"));
        if matches!(self, Self::Draining) {
            response.insert_header((header::RETRY_AFTER, 1)).force_close();
        }
        response.body(format!("{status}\n\n{what}\n"))
    }

    fn todo(&self, upstream: &Upstream) -> String {
        match self {
            Self::Away(_) => format!(
                " Start Django there (manage.py runserver {}), or change server.proxy in the configuration of channelgate.",
                upstream.port()
            ),
            Self::Broken(_) => " See the output of that server.".to_owned(),
            _ => String::new(),
        }
    }
}

/// Passes requests on. One per worker.
pub(super) struct Proxy {
    pub hops: TrustedHops,
    pub draining: Draining,
    pub drain: Drain,
    /// How long the beginning of an answer may take.
    pub patience: Duration,
}

impl Proxy {
    /// How long the beginning of an answer may take.
    pub const PATIENCE: Duration = exchange::PATIENCE;

    /// Answers a request for which this node has no route.
    pub async fn serve(&self, upstream: &Upstream, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
        let slot = request.extensions().get::<AcceptedSlot>().cloned();
        let answered = async {
            check(request)?;
            match slot {
                None => self.exchange(upstream, request, payload.into_inner()).await,
                Some(slot) => self.handshake(upstream, request, &slot).await,
            }
        };
        let stopped = drained(self.drain.clone(), 1.0);
        let answered = tokio::select! {
            answered = answered => answered,
            () = stopped => Err(Trouble::Draining),
        };
        answered.unwrap_or_else(|trouble| trouble.answer(upstream))
    }

    /// A request with an ordinary answer.
    async fn exchange(
        &self,
        upstream: &Upstream,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<HttpResponse, Trouble> {
        let mut head = headers::to_upstream(request, upstream, &self.hops, false)?;
        let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        let body = RequestBody::new(payload, length.filter(|_| !is_chunked));
        if is_chunked {
            head = head.header("transfer-encoding", "chunked");
        } else if length == Some(0) {
            head = head.header("content-length", "0");
        }
        let sent = head.body(body).map_err(|_| Trouble::Target)?;
        let (link, answer) = ask(upstream, sent, self.patience).await?;
        let (head, body) = answer.into_parts();
        if head.status.is_informational() {
            return Err(Trouble::Broken(format!("its status is {}", head.status)));
        }
        let size = size(&head, &body, request.method() == Method::HEAD);
        let cut = drained(self.drain.clone(), 1.0).boxed_local();
        let mut response = headers::to_client(&head, request)?.body(AnswerBody::new(link, body, size, cut));
        if request.version() < Version::HTTP_11 {
            // Such a client knows no chunks: the end of the connection is the end of the body.
            response.head_mut().no_chunking(true);
        }
        Ok(response)
    }

    /// A request for a WebSocket. The other server decides; the node only carries the bytes.
    async fn handshake(
        &self,
        upstream: &Upstream,
        request: &HttpRequest,
        slot: &AcceptedSlot,
    ) -> Result<HttpResponse, Trouble> {
        if self.draining.is_draining() {
            return Err(Trouble::Draining);
        }
        if request.headers().get(CONTENT_LENGTH).is_some_and(|length| length != "0") {
            return Err(Trouble::HandshakeBody);
        }
        let head = headers::to_upstream(request, upstream, &self.hops, true)?;
        let sent = head.body(RequestBody::new(Payload::None, None)).map_err(|_| Trouble::Target)?;
        let patience = self.patience.min(HANDSHAKE);
        let (link, answer) = ask(upstream, sent, patience).await?;
        if answer.status() != hyper::StatusCode::SWITCHING_PROTOCOLS {
            return timeout(patience, refused(link, answer, request)).await.unwrap_or(Err(Trouble::Late(patience)));
        }
        let (head, _) = answer.into_parts();
        let mut response = headers::to_client(&head, request)?;
        let there = link.into_socket().await;
        let drain = self.drain.clone();
        slot.accept(Accepted::by(async move |here, early: BytesMut| {
            tunnel((here, early.freeze()), there, drain).await;
        }));
        Ok(response.upgrade("websocket").finish())
    }
}

/// What is passed on to no server.
fn check(request: &HttpRequest) -> Result<(), Trouble> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Trouble::Method);
    }
    if request.headers().contains_key(headers::PASSED_ON) {
        return Err(Trouble::Loop);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
