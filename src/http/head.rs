//! Converts an HTTP request to a [`RequestHead`].

use std::borrow::Cow;

use actix_web::{
    HttpRequest,
    http::header::{self, AsHeaderName, HeaderMap, HeaderValue},
};

use super::scope::latin1;
use crate::auth::{RequestHead, credential::Headers};

impl Headers for HeaderMap {
    fn text(&self, name: &str) -> Option<&str> {
        single(self, name)
    }
}

/// The value of a header that is there once. Of several none is trusted: one may be the client's, and another of a proxy
/// that adds its own.
fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok();
    value.filter(|_| values.next().is_none())
}

/// The parts of a request's head that identify the client. A header that is not text counts as missing, unless it
/// has cookies, and such an origin as `null`.
pub(super) fn of(request: &HttpRequest) -> RequestHead<'_> {
    let all = |name| request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    let subprotocols = all(header::SEC_WEBSOCKET_PROTOCOL).fold(Cow::Borrowed(""), |known, more| match &*known {
        "" => Cow::Borrowed(more),
        known => format!("{known},{more}").into(),
    });
    RequestHead {
        query: request.query_string(),
        authorization: single(request.headers(), header::AUTHORIZATION),
        headers: Some(request.headers()),
        cookie: request.headers().get_all(header::COOKIE).map(cookie).collect(),
        subprotocols,
        // No browser sends one that is not text; it is not taken for a request without one.
        origin: request.headers().get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null")),
        host: single(request.headers(), header::HOST),
    }
}

/// Pages may set cookies with any characters. One of them must not hide the others, which are in the same header.
fn cookie(value: &HeaderValue) -> Cow<'_, str> {
    value.to_str().map_or_else(|_| latin1(value).into(), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

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
            ("token=x", vec!["a=1".into(), "b=2".into()], "access_token,abc, chat")
        );
        let of_any_bytes = TestRequest::default()
            .append_header(("Cookie", HeaderValue::from_bytes("name=Jürgen; sessionid=s".as_bytes()).unwrap()))
            .to_http_request();
        // As Daphne reads it: one cookie of the page hides none of the others.
        assert_eq!(of(&of_any_bytes).cookie, ["name=J\u{c3}\u{bc}rgen; sessionid=s"]);
        let bare = TestRequest::default().to_http_request();
        let head = of(&bare);
        assert_eq!((&*head.subprotocols, head.authorization, head.origin), ("", None, None));
        assert!(head.cookie.is_empty());
    }

    #[test]
    fn of_a_header_that_is_there_twice_no_value_counts() {
        for (name, value) in [("Authorization", "Token a"), ("X-User", "ann"), ("Host", "a.example")] {
            let once = TestRequest::default().append_header((name, value)).to_http_request();
            let twice =
                TestRequest::default().append_header((name, value)).append_header((name, "b")).to_http_request();
            let read = |request: &HttpRequest| {
                let head = of(request);
                let own = head.headers.and_then(|headers| headers.text("x-user"));
                head.authorization.or(own).or(head.host).map(str::to_owned)
            };
            assert_eq!((read(&once).as_deref(), read(&twice)), (Some(value), None), "{name}");
        }
    }

    #[test]
    fn an_origin_that_is_not_text_is_not_taken_for_none() {
        let origin = HeaderValue::from_bytes(b"https://evil\xff").unwrap();
        let request = TestRequest::with_uri("/ws/").insert_header(("Origin", origin)).to_http_request();
        assert_eq!(of(&request).origin, Some("null"));
    }
}
