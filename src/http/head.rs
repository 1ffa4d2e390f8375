//! Converts an HTTP request to a [`RequestHead`].

use std::borrow::Cow;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};

use crate::auth::{RequestHead, credential::Headers};

impl Headers for HeaderMap {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.to_str().ok()
    }
}

/// The parts of a request's head that identify the client. A header that is not text counts as missing, and such an
/// origin as `null`.
pub(super) fn of(request: &HttpRequest) -> RequestHead<'_> {
    let all = |name| request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    let one = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let subprotocols = all(header::SEC_WEBSOCKET_PROTOCOL).fold(Cow::Borrowed(""), |known, more| match &*known {
        "" => Cow::Borrowed(more),
        known => format!("{known},{more}").into(),
    });
    RequestHead {
        query: request.query_string(),
        authorization: one(header::AUTHORIZATION),
        headers: Some(request.headers()),
        cookie: all(header::COOKIE).collect(),
        subprotocols,
        // No browser sends one that is not text; it is not taken for a request without one.
        origin: request.headers().get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null")),
        host: one(header::HOST),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::HeaderValue, test::TestRequest};

    use super::*;

    #[test]
    fn repeated_headers_are_one_list() {
        let request = TestRequest::with_uri("/ws/?token=x")
            .append_header(("Cookie", "a=1"))
            .append_header(("Cookie", "b=2"))
            .append_header(("Sec-WebSocket-Protocol", "access_token"))
            .append_header(("Sec-WebSocket-Protocol", "abc, chat"))
            .to_http_request();
        let head = of(&request);
        assert_eq!(
            (head.query, head.cookie, &*head.subprotocols),
            ("token=x", vec!["a=1", "b=2"], "access_token,abc, chat")
        );
        let bare = TestRequest::default().to_http_request();
        let head = of(&bare);
        assert_eq!((&*head.subprotocols, head.authorization, head.origin), ("", None, None));
        assert!(head.cookie.is_empty());
    }

    #[test]
    fn an_origin_that_is_not_text_is_not_taken_for_none() {
        let origin = HeaderValue::from_bytes(b"https://evil\xff").unwrap();
        let request = TestRequest::with_uri("/ws/").insert_header(("Origin", origin)).to_http_request();
        assert_eq!(of(&request).origin, Some("null"));
    }
}
