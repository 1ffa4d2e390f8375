//! Requests that are passed on, against servers that answer as the test says.

use std::{cell::RefCell, rc::Rc};

use actix_web::{
    FromRequest as _,
    body::{BodySize, MessageBody as _, to_bytes},
    error::PayloadError,
    test::TestRequest,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
};

use super::*;
use crate::config::Server;

const GET: &str = "GET / HTTP/1.1";

/// A server for one connection; `answer` continues with its socket after the head of the request.
async fn server<F: Future<Output = ()> + 'static>(
    answer: impl FnOnce(String, TcpStream) -> F + 'static,
) -> (Upstream, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let serving = actix_web::rt::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        answer(String::from_utf8_lossy(&head).into_owned(), socket).await;
    });
    (upstream, serving)
}

/// A proxy, and the sender of its drain.
fn proxy() -> (Proxy, watch::Sender<Option<Duration>>) {
    let sender = watch::Sender::new(None);
    let hops = TrustedHops::new(&Server::default(), false);
    let proxy =
        Proxy { hops, draining: Draining::default(), drain: sender.subscribe(), patience: Duration::from_secs(10) };
    (proxy, sender)
}

fn request() -> TestRequest {
    TestRequest::get().uri("/").insert_header(("Host", "localhost:8000"))
}

async fn payload(request: &HttpRequest, mut payload: Payload) -> web::Payload {
    web::Payload::from_request(request, &mut payload).await.unwrap()
}

async fn pass(upstream: &Upstream, request: TestRequest) -> HttpResponse {
    let (proxy, _sender) = proxy();
    let (request, body) = request.to_http_parts();
    let body = payload(&request, body).await;
    proxy.serve(upstream, &request, body).await
}

async fn text(response: HttpResponse) -> String {
    String::from_utf8_lossy(&to_bytes(response.into_body()).await.unwrap()).into_owned()
}

/// What a client gets for this answer.
async fn answered(answer: &'static str, request: TestRequest) -> HttpResponse {
    let (upstream, _) = server(move |_, mut socket| async move {
        socket.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    pass(&upstream, request).await
}

#[actix_web::test]
async fn an_answer_comes_back_in_each_framing() {
    for (answer, size) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", BodySize::Sized(5)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", BodySize::Stream),
        ("HTTP/1.0 200 OK\r\n\r\nhello", BodySize::Stream),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            BodySize::Sized(5),
        ),
    ] {
        let response = answered(answer, request()).await;
        assert_eq!((response.status(), response.body().size()), (StatusCode::OK, size), "{answer}");
        assert_eq!(text(response).await, "hello", "{answer}");
    }
}

#[actix_web::test]
async fn an_old_client_gets_no_chunks_and_sees_the_end_of_the_body() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for (version, is_old) in [(Version::HTTP_10, true), (Version::HTTP_11, false)] {
        let response = answered(chunked, request().version(version)).await;
        assert_eq!((response.head().chunked(), response.head().keep_alive()), (!is_old, !is_old), "{version:?}");
        assert_eq!(text(response).await, "hello");
    }
}

#[actix_web::test]
async fn an_answer_without_a_body_keeps_its_length_and_needs_none() {
    let head = || request().method(Method::HEAD);
    for (request, answer, size) in [
        (head(), "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n", BodySize::Sized(20_000)),
        (head(), "HTTP/1.1 200 OK\r\n\r\n", BodySize::None),
        (request(), "HTTP/1.1 204 No Content\r\n\r\n", BodySize::None),
        (request(), "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", BodySize::None),
        (request(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BodySize::Sized(0)),
    ] {
        let response = answered(answer, request).await;
        assert_eq!(response.body().size(), size, "{answer}");
        assert_eq!(text(response).await, "", "{answer}");
    }
}

#[actix_web::test]
async fn a_redirect_is_not_followed() {
    let response = answered("HTTP/1.1 302 Found\r\nLocation: /login/\r\nContent-Length: 0\r\n\r\n", request()).await;
    assert_eq!(
        (response.status(), response.headers().get("location").unwrap().as_bytes()),
        (StatusCode::FOUND, &b"/login/"[..])
    );
}

#[actix_web::test]
async fn an_answer_that_breaks_off_does_not_look_whole() {
    let whole = [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ];
    for answer in whole {
        let response = answered(answer, request()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(to_bytes(response.into_body()).await.is_err(), "{answer}");
    }
}

#[actix_web::test]
async fn a_server_that_is_away_or_answers_nonsense_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let upstream = format!("http://{free}").parse().unwrap();
    let response = pass(&upstream, request()).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(response.headers().get("content-type").unwrap(), "text/plain; charset=utf-8");
    let told = text(response).await;
    assert!(
        told.contains(&format!("server.proxy = \"http://{free}\": no server answers (Connection refused")),
        "{told}"
    );
    assert!(told.contains(&format!("manage.py runserver {}", free.port())), "{told}");
    for answer in
        ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n"]
    {
        let response = answered(answer, request()).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{answer:?}");
        assert!(text(response).await.contains("the server broke off before its answer ("), "{answer:?}");
    }
}

#[actix_web::test]
async fn requests_that_lead_nowhere_are_refused_and_not_sent() {
    let nowhere: Upstream = "http://127.0.0.1:9".parse().unwrap();
    for (request, status) in [
        (request().method(Method::CONNECT), StatusCode::NOT_IMPLEMENTED),
        (request().method(Method::TRACE), StatusCode::NOT_IMPLEMENTED),
        (request().insert_header((headers::PASSED_ON, "1")), StatusCode::LOOP_DETECTED),
        (request().uri("http://evil.example/"), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(pass(&nowhere, request).await.status(), status);
    }
}

/// The body of a request that comes through a channel.
fn body(pieces: mpsc::UnboundedReceiver<&'static str>) -> Payload {
    let pieces = stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((Ok::<_, PayloadError>(Bytes::from_static(piece.as_bytes())), pieces))
    });
    Payload::Stream { payload: pieces.boxed_local() }
}

#[actix_web::test]
async fn a_body_is_passed_on_as_it_comes_and_in_its_framing() {
    for (header, framing, pieces) in [
        (("Content-Length", "5"), "content-length: 5", ["he", "llo", ""]),
        (("Transfer-Encoding", "chunked"), "transfer-encoding: chunked", ["2\r\nhe\r\n", "3\r\nllo\r\n", "0\r\n\r\n"]),
    ] {
        let (arrived, mut sees) = mpsc::unbounded_channel();
        let (upstream, _) = server(move |head, mut socket| async move {
            assert!(head.starts_with("POST / HTTP/1.1\r\n") && head.contains(&format!("\r\n{framing}\r\n")), "{head}");
            for piece in pieces {
                let mut read = vec![0; piece.len()];
                socket.read_exact(&mut read).await.unwrap();
                // The end of the body is awaited here only.
                let _ = arrived.send(String::from_utf8(read).unwrap());
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        })
        .await;
        let (send, come) = mpsc::unbounded_channel();
        let request = request().method(Method::POST).insert_header(header).to_http_request();
        let (proxy, _sender) = proxy();
        let asked = async {
            let body = payload(&request, body(come)).await;
            text(proxy.serve(&upstream, &request, body).await).await
        };
        let steps = async move {
            // The second piece is sent only when the first has arrived.
            send.send("he").unwrap();
            assert_eq!(sees.recv().await.as_deref(), Some(pieces[0]));
            send.send("llo").unwrap();
            assert_eq!(sees.recv().await.as_deref(), Some(pieces[1]));
        };
        let (answer, ()) = futures_util::future::join(asked, steps).await;
        assert_eq!(answer, "ok");
    }
}

#[actix_web::test]
async fn the_end_of_a_body_is_seen_also_if_its_length_is_known() {
    let is_read = Rc::new(RefCell::new(false));
    let seen = Rc::clone(&is_read);
    let ends = stream::once(async move {
        *seen.borrow_mut() = true;
        None::<Result<Bytes, PayloadError>>
    });
    let pieces = stream::iter([Some(Ok(Bytes::from_static(b"hello")))]).chain(ends).filter_map(async |piece| piece);
    let (upstream, _) = server(|_, mut socket| async move {
        socket.read_exact(&mut [0; 5]).await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    })
    .await;
    let request = request().method(Method::POST).insert_header(("Content-Length", "5")).to_http_request();
    let (proxy, _sender) = proxy();
    let body = payload(&request, Payload::Stream { payload: pieces.boxed_local() }).await;
    assert_eq!(text(proxy.serve(&upstream, &request, body).await).await, "ok");
    assert!(*is_read.borrow());
}

/// An endless answer, and what its server learns when the client goes.
async fn endless() -> (Upstream, oneshot::Receiver<()>) {
    let (gone, learns) = oneshot::channel();
    let (upstream, _) = server(|_, mut socket| async move {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n";
        socket.write_all(head).await.unwrap();
        assert_eq!(socket.read(&mut [0; 1]).await.unwrap_or(0), 0);
        let _ = gone.send(());
    })
    .await;
    (upstream, learns)
}

#[actix_web::test]
async fn a_stream_is_passed_on_at_once_and_ends_with_its_client() {
    let (upstream, learns) = endless().await;
    let (proxy, _sender) = proxy();
    let request = request().to_http_request();
    let none = payload(&request, Payload::None).await;
    let response = proxy.serve(&upstream, &request, none).await;
    let mut body = Box::pin(response.into_body());
    let first = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await.unwrap().unwrap();
    assert_eq!(first, "data: 1\n\n");
    drop(body);
    learns.await.unwrap();
}

#[actix_web::test]
async fn the_drain_ends_what_is_open() {
    let (upstream, learns) = endless().await;
    let (proxy, sender) = proxy();
    let request = request().to_http_request();
    let none = payload(&request, Payload::None).await;
    let response = proxy.serve(&upstream, &request, none).await;
    sender.send(Some(Duration::ZERO)).unwrap();
    assert!(to_bytes(response.into_body()).await.is_err());
    learns.await.unwrap();
}

#[actix_web::test]
async fn a_server_without_an_answer_is_waited_for_and_then_given_up() {
    let (upstream, _) = server(|head, mut socket| async move {
        assert!(head.starts_with(GET));
        assert_eq!(socket.read(&mut [0; 1]).await.unwrap_or(0), 0);
    })
    .await;
    let (proxy, _sender) = proxy();
    let proxy = Proxy { patience: Duration::from_millis(30), ..proxy };
    let request = request().to_http_request();
    let none = payload(&request, Payload::None).await;
    assert_eq!(proxy.serve(&upstream, &request, none).await.status(), StatusCode::GATEWAY_TIMEOUT);
}

/// A request for a WebSocket, as the takeover passes it here.
fn handshake() -> HttpRequest {
    let request = request().insert_header(("Upgrade", "websocket")).insert_header(("Connection", "Upgrade"));
    let request = request.insert_header(("Sec-WebSocket-Key", "a2V5")).to_http_request();
    request.extensions_mut().insert(AcceptedSlot::default());
    request
}

#[actix_web::test]
async fn the_other_server_decides_about_a_handshake() {
    for (answer, status, told) in [
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\
             Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            StatusCode::SWITCHING_PROTOCOLS,
            "",
        ),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\ndenied", StatusCode::FORBIDDEN, "denied"),
    ] {
        let (upstream, _) = server(move |head, mut socket| async move {
            for line in ["connection: Upgrade", "upgrade: websocket", "sec-websocket-key: a2V5"] {
                assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let (proxy, _sender) = proxy();
        let request = handshake();
        let none = payload(&request, Payload::None).await;
        let response = proxy.serve(&upstream, &request, none).await;
        assert_eq!(response.status(), status);
        if status == StatusCode::SWITCHING_PROTOCOLS {
            assert_eq!(response.headers().get("sec-websocket-protocol").unwrap(), "chat");
            assert_eq!(response.headers().get("sec-websocket-extensions").unwrap(), "permessage-deflate");
        }
        assert_eq!(text(response).await, told);
    }
}

#[actix_web::test]
async fn an_answer_to_a_handshake_that_is_too_long_is_not_collected() {
    let (upstream, _) = server(|_, mut socket| async move {
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while socket.write_all(&[0; 1 << 16]).await.is_ok() {}
    })
    .await;
    let (proxy, _sender) = proxy();
    let request = handshake();
    let none = payload(&request, Payload::None).await;
    assert_eq!(proxy.serve(&upstream, &request, none).await.status(), StatusCode::BAD_GATEWAY);
}

#[actix_web::test]
async fn a_draining_node_and_a_handshake_with_a_body_open_no_tunnel() {
    let nowhere: Upstream = "http://127.0.0.1:9".parse().unwrap();
    let (proxy, _sender) = proxy();
    let request = request().insert_header(("Content-Length", "5")).to_http_request();
    request.extensions_mut().insert(AcceptedSlot::default());
    let none = payload(&request, Payload::None).await;
    assert_eq!(proxy.serve(&nowhere, &request, none).await.status(), StatusCode::BAD_REQUEST);
    proxy.draining.begin();
    let request = handshake();
    let none = payload(&request, Payload::None).await;
    let response = proxy.serve(&nowhere, &request, none).await;
    assert_eq!(
        (response.status(), response.headers().contains_key("retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, true)
    );
}
