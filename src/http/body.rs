//! The body of a request, for every route that reads one.
//!
//! In: a request with checked method and access, and its payload. Out: the bytes, within a limit and a deadline, or the
//! reason why not. It never reads before the announced length is checked. What no route reads
//! is discarded at the end of the connection (`unread.rs`).

use std::{sync::atomic::AtomicI64, time::Duration};

use actix_web::{HttpRequest, error::PayloadError, http::header, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::timeout;

use crate::{config::Config, telemetry::Metrics};

/// The read-ahead of actix-http; it is counted, too.
const AHEAD: usize = 32 << 10;

/// Limits of one body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// Bytes.
    pub max: usize,
    /// From the first read to the end; a client that sends slowly does not extend it.
    pub timeout: Duration,
    /// Bytes of all incomplete messages and bodies of the node, `socket.inbox_total`; 0: no limit.
    pub total: usize,
}

impl BodyLimits {
    /// Limits of a body of at most `max` bytes.
    pub fn new(max: usize, config: &Config) -> Self {
        Self { max, timeout: config.server.body_timeout.0, total: config.socket.inbox_total }
    }
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// It is longer than allowed, or its announced length is.
    #[error("the body is too large")]
    TooLarge,
    /// It did not arrive in time.
    #[error("the body did not arrive within server.body_timeout")]
    Late,
    /// The node has no room for it.
    #[error("the node is receiving too much data")]
    NoRoom,
    /// It ended early, or its encoding is invalid.
    #[error("{0}")]
    Broken(#[from] PayloadError),
}

/// The received bytes of a body, counted in the node's total.
struct Counted {
    node: Gauge<i64, AtomicI64>,
    bytes: i64,
}

impl Counted {
    /// Adds bytes; returns the node's total.
    fn more(&mut self, bytes: usize) -> usize {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.bytes += bytes;
        usize::try_from(self.node.inc_by(bytes) + bytes).unwrap_or(0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.node.dec_by(self.bytes);
    }
}

/// Reads a body.
pub(super) async fn read(request: &HttpRequest, payload: web::Payload, limits: BodyLimits) -> Result<Bytes, BodyError> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limits.max) {
        return Err(BodyError::TooLarge);
    }
    let node = request.app_data::<web::Data<Metrics>>().map(|metrics| metrics.inbox_bytes.clone()).unwrap_or_default();
    timeout(limits.timeout, collect(payload, limits, Counted { node, bytes: 0 })).await.unwrap_or(Err(BodyError::Late))
}

async fn collect(mut payload: web::Payload, limits: BodyLimits, mut counted: Counted) -> Result<Bytes, BodyError> {
    let has_room = |bytes| limits.total == 0 || bytes <= limits.total;
    if !has_room(counted.more(AHEAD)) {
        return Err(BodyError::NoRoom);
    }
    let mut body = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece?;
        if body.len() + piece.len() > limits.max {
            return Err(BodyError::TooLarge);
        }
        let before = body.capacity();
        body.reserve(piece.len());
        if !has_room(counted.more(body.capacity() - before)) {
            return Err(BodyError::NoRoom);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use actix_web::{FromRequest as _, dev::Payload, error::PayloadError, test::TestRequest};
    use futures_util::{StreamExt as _, stream};

    use super::*;

    /// The outcome for a body in these chunks, after which the client sends nothing more or ends it.
    async fn outcome(pieces: &'static [&'static str], ends: bool, announced: Option<&str>) -> Result<Bytes, BodyError> {
        within(0, &web::Data::new(Metrics::new()), pieces, ends, announced).await
    }

    async fn within(
        total: usize,
        metrics: &web::Data<Metrics>,
        pieces: &'static [&'static str],
        ends: bool,
        announced: Option<&str>,
    ) -> Result<Bytes, BodyError> {
        let mut request = TestRequest::post().app_data(metrics.clone());
        if let Some(length) = announced {
            request = request.insert_header((header::CONTENT_LENGTH, length));
        }
        let request = request.to_http_request();
        let pieces = stream::iter(pieces).map(|piece| Ok::<_, PayloadError>(Bytes::from_static(piece.as_bytes())));
        let mut payload = Payload::Stream {
            payload: match ends {
                true => pieces.boxed_local(),
                false => pieces.chain(stream::pending()).boxed_local(),
            },
        };
        let payload = web::Payload::from_request(&request, &mut payload).await.unwrap();
        read(&request, payload, BodyLimits { max: 10, timeout: Duration::from_millis(50), total }).await
    }

    #[actix_web::test]
    async fn a_body_is_read_within_its_limit_and_in_time() {
        assert_eq!(outcome(&["01234", "56789"], true, Some("10")).await.unwrap(), "0123456789");
        assert!(matches!(outcome(&["01234", "567890"], false, None).await, Err(BodyError::TooLarge)));
        assert!(matches!(outcome(&["0"], false, Some("10")).await, Err(BodyError::Late)));
    }

    #[actix_web::test]
    async fn bodies_of_all_clients_together_are_bounded() {
        let metrics = web::Data::new(Metrics::new());
        metrics.inbox_bytes.set(900);
        assert_eq!(within(AHEAD + 1000, &metrics, &["01", "234"], true, None).await.unwrap(), "01234");
        metrics.inbox_bytes.set(999);
        assert!(matches!(within(AHEAD + 1000, &metrics, &["01", "234"], true, None).await, Err(BodyError::NoRoom)));
        // A body that says nothing takes the read buffer, too: it is not waited for.
        assert!(matches!(within(1000, &metrics, &[], false, Some("10")).await, Err(BodyError::NoRoom)));
        assert_eq!(metrics.inbox_bytes.get(), 999, "nothing of them stays counted");
    }

    #[actix_web::test]
    async fn a_body_with_a_too_large_announced_length_is_not_awaited() {
        let outcome = outcome(&[], false, Some("11"));
        assert!(matches!(timeout(Duration::from_millis(10), outcome).await, Ok(Err(BodyError::TooLarge))));
    }
}
