//! The body of a request, for every route that reads one.
//!
//! In: a request whose method and access were judged, and its payload. Out: the bytes, within a limit and a deadline, or
//! why there are none. It never reads before the announced length is judged. A body that no route reads is discarded by
//! actix-http, which closes the connection.

use std::time::Duration;

use actix_web::{HttpRequest, http::header, web};
use bytes::Bytes;
use tokio::time::timeout;

/// What one body may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// Bytes.
    pub max: usize,
    /// From the first look at it to its end; a client that sends slowly does not renew it.
    pub timeout: Duration,
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// It is longer than allowed, or was announced to be.
    #[error("the body is too large")]
    TooLarge,
    /// It did not come in time.
    #[error("the body did not come within server.body_timeout")]
    Late,
    /// It broke off, or its encoding is wrong.
    #[error("{0}")]
    Broken(actix_web::Error),
}

/// Reads a body.
pub(super) async fn read(request: &HttpRequest, payload: web::Payload, limits: BodyLimits) -> Result<Bytes, BodyError> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limits.max) {
        return Err(BodyError::TooLarge);
    }
    match timeout(limits.timeout, payload.to_bytes_limited(limits.max)).await {
        Ok(Ok(body)) => body.map_err(BodyError::Broken),
        Ok(Err(_)) => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Late),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{FromRequest as _, dev::Payload, error::PayloadError, test::TestRequest};
    use futures_util::{StreamExt as _, stream};

    use super::*;

    /// What becomes of a body that comes in these pieces, after which the client says nothing more or ends it.
    async fn outcome(pieces: &'static [&'static str], ends: bool, announced: Option<&str>) -> Result<Bytes, BodyError> {
        let mut request = TestRequest::post();
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
        read(&request, payload, BodyLimits { max: 10, timeout: Duration::from_millis(50) }).await
    }

    #[actix_web::test]
    async fn a_body_is_read_within_its_limit_and_in_time() {
        assert_eq!(outcome(&["01234", "56789"], true, Some("10")).await.unwrap(), "0123456789");
        assert!(matches!(outcome(&["01234", "567890"], false, None).await, Err(BodyError::TooLarge)));
        assert!(matches!(outcome(&["0"], false, Some("10")).await, Err(BodyError::Late)));
    }

    #[actix_web::test]
    async fn a_body_that_is_announced_to_be_too_large_is_not_waited_for() {
        let outcome = outcome(&[], false, Some("11"));
        assert!(matches!(timeout(Duration::from_millis(10), outcome).await, Ok(Err(BodyError::TooLarge))));
    }
}
