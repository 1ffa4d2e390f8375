//! What reaches the other server, and what comes back.

use std::net::SocketAddr;

use actix_web::test::TestRequest;
use hyper::Response;

use super::*;
use crate::config::Server;

const CLIENT: &str = "198.51.100.7";
const HOP: &str = "10.0.0.1";

fn hops() -> TrustedHops {
    let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    TrustedHops::new(&Server { trusted_proxies, ..Server::default() }, false)
}

fn from(peer: &str) -> TestRequest {
    let peer: SocketAddr = format!("{peer}:4711").parse().unwrap();
    TestRequest::get().uri("/board/?q=1").peer_addr(peer).insert_header(("Host", "localhost:8000"))
}

fn sent(request: TestRequest, is_upgrade: bool) -> Result<Request<()>, Trouble> {
    let upstream: Upstream = "http://127.0.0.1:8001".parse().unwrap();
    Ok(to_upstream(&request.to_http_request(), &upstream, &hops(), is_upgrade)?.body(()).unwrap())
}

fn values<'a>(request: &'a Request<()>, name: &str) -> Vec<&'a [u8]> {
    request.headers().get_all(name).iter().map(UpstreamValue::as_bytes).collect()
}

#[test]
fn a_request_keeps_its_host_its_cookies_and_every_byte_of_its_target() {
    for target in ["/a/../b/%2e%2e/./c%2Fd?x=%41&y=/../", "//double", "/?", "*", "/a;b=c,d'()*!$&~"] {
        let request = sent(from(CLIENT).uri(target), false).unwrap();
        assert_eq!(request.uri().to_string(), target);
    }
    let strange = HeaderValue::from_bytes(b"caf\xe9 \xff").unwrap();
    let request = from(CLIENT)
        .append_header(("Cookie", "sessionid=a; csrftoken=b"))
        .append_header(("X-Strange", strange))
        .append_header(("Accept-Encoding", "gzip, br"))
        .append_header(("Authorization", "Bearer x"))
        .append_header(("Sec-WebSocket-Protocol", "chat, access_token"));
    let request = sent(request, false).unwrap();
    for (name, value) in [
        ("host", &b"localhost:8000"[..]),
        ("cookie", b"sessionid=a; csrftoken=b"),
        ("x-strange", b"caf\xe9 \xff"),
        ("accept-encoding", b"gzip, br"),
        ("authorization", b"Bearer x"),
        ("sec-websocket-protocol", b"chat, access_token"),
        ("connection", b"close"),
    ] {
        assert_eq!(values(&request, name), [value], "{name}");
    }
}

#[test]
fn headers_about_the_clients_link_stay_on_it() {
    let request = from(CLIENT)
        .append_header(("Connection", "keep-alive, X-Hop,HTTP2-Settings"))
        .append_header(("Connection", "Upgrade, Host, X-Forwarded-For"))
        .append_header(("Keep-Alive", "timeout=5"))
        .append_header(("X-Hop", "1"))
        .append_header(("Upgrade", "h2c"))
        .append_header(("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"))
        .append_header(("Transfer-Encoding", "chunked"))
        .append_header(("Content-Length", "7"))
        .append_header(("TE", "trailers"))
        .append_header(("Trailer", "Expires"))
        .append_header(("Expect", "100-continue"))
        .append_header(("Proxy-Authorization", "Basic eDp5"))
        .append_header(("X_Forwarded_For", "203.0.113.9"));
    let request = sent(request, false).unwrap();
    let mut names: Vec<&str> = request.headers().keys().map(UpstreamName::as_str).collect();
    names.sort_unstable();
    let expected = ["connection", "host", "x-channelgate-proxied", "x-forwarded-for", "x-forwarded-host"];
    assert_eq!(names, [&expected[..], &["x-forwarded-proto"]].concat());
    assert_eq!(values(&request, "connection"), [b"close"]);
    let upgrade = sent(from(CLIENT).append_header(("Upgrade", "websocket")), true).unwrap();
    assert_eq!(
        (values(&upgrade, "connection"), values(&upgrade, "upgrade")),
        (vec![&b"Upgrade"[..]], vec![&b"websocket"[..]])
    );
}

#[test]
fn what_a_client_claims_about_itself_counts_only_from_a_trusted_proxy() {
    let claim = |peer| {
        from(peer)
            .append_header(("X-Forwarded-For", "203.0.113.9, 192.0.2.4"))
            .append_header(("X-Forwarded-Proto", "https"))
            .append_header(("X-Forwarded-Host", "shop.example"))
            .append_header(("X-Forwarded-Port", "443"))
            .append_header(("Forwarded", "for=203.0.113.9"))
            .append_header(("X-Real-IP", "203.0.113.9"))
    };
    for (peer, client, proto, host, others) in [
        (CLIENT, CLIENT, "http", "localhost:8000", [None, None, None]),
        (HOP, "192.0.2.4", "https", "shop.example", [Some("443"), Some("for=203.0.113.9"), Some("203.0.113.9")]),
    ] {
        let request = sent(claim(peer), false).unwrap();
        let one = |name: &str| {
            let found = values(&request, name);
            assert!(found.len() < 2, "{name}");
            found.first().map(|value| String::from_utf8_lossy(value).into_owned())
        };
        assert_eq!(one("x-forwarded-for").as_deref(), Some(client), "{peer}");
        assert_eq!(one("x-forwarded-proto").as_deref(), Some(proto), "{peer}");
        assert_eq!(one("x-forwarded-host").as_deref(), Some(host), "{peer}");
        let names = ["x-forwarded-port", "forwarded", "x-real-ip"];
        assert_eq!(names.map(one), others.map(|value| value.map(str::to_owned)), "{peer}");
        assert_eq!(one("host").as_deref(), Some("localhost:8000"), "{peer}");
    }
}

#[test]
fn a_target_that_names_its_host_must_name_that_of_the_header() {
    for (target, passed) in [
        ("http://localhost:8000/board/?q=1", Some("/board/?q=1")),
        ("http://LOCALHOST:8000", Some("/")),
        ("http://evil.example/board/", None),
        ("http://localhost:8000@evil.example/", None),
    ] {
        let passed_on = sent(from(CLIENT).uri(target), false).ok().map(|request| request.uri().to_string());
        assert_eq!(passed_on.as_deref(), passed, "{target}");
    }
    let bare = TestRequest::get().uri("/");
    assert_eq!(values(&sent(bare, false).unwrap(), "host"), [b"127.0.0.1:8001"]);
}

fn back(answer: &[(&str, &str)], status: u16, request: TestRequest) -> Vec<(String, String)> {
    let mut response = Response::builder().status(status);
    for (name, value) in answer {
        response = response.header(*name, *value);
    }
    let (parts, ()) = response.body(()).unwrap().into_parts();
    let response = to_client(&parts, &request.to_http_request()).unwrap().finish();
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let mut all: Vec<_> = response.headers().iter().map(text).collect();
    all.sort();
    all
}

#[test]
fn an_answer_comes_back_with_all_its_cookies_and_without_its_link() {
    let answer = [
        ("Set-Cookie", "a=1; HttpOnly"),
        ("Set-Cookie", "b=2; SameSite=Lax"),
        ("Location", "http://localhost:8000/login/"),
        ("Content-Encoding", "gzip"),
        ("Content-Length", "9"),
        ("Connection", "close, X-Hop"),
        ("Keep-Alive", "timeout=5"),
        ("X-Hop", "1"),
        ("Upgrade", "h2c"),
        ("Transfer-Encoding", "chunked"),
        ("Server", "WSGIServer/0.2"),
    ];
    let expected = [
        ("content-encoding", "gzip"),
        ("location", "http://localhost:8000/login/"),
        ("server", "WSGIServer/0.2"),
        ("set-cookie", "a=1; HttpOnly"),
        ("set-cookie", "b=2; SameSite=Lax"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(back(&answer, 302, from(CLIENT)), expected);
}

#[test]
fn an_unchanged_file_keeps_its_length() {
    let length = [("Content-Length", "9")];
    assert_eq!(back(&length, 304, from(CLIENT)), [("content-length".to_owned(), "9".to_owned())]);
    assert_eq!(back(&length, 200, from(CLIENT)), []);
}
