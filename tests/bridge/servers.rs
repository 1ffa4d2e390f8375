//! What servers and proxies do with connections and answers.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Duration,
};

use channelgate::backend::bridge::{Bridge as _, End};

use crate::{Settings, all, message, server::Server, text};

/// Reads a request up to the end of its body.
fn request(stream: &mut TcpStream) -> Option<()> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            if body.len() >= length {
                return Some(());
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 18\r\n\r\n{\"end\":\"stopped\"}\n";

#[tokio::test]
async fn a_connection_that_django_has_just_closed_is_not_used() {
    let (close, closes) = mpsc::channel::<()>();
    let (closed, is_closed) = mpsc::channel::<()>();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/channelgate", listener.local_addr().unwrap());
    // A thread of its own: the runtime of the node does nothing while Django closes.
    let server = std::thread::spawn(move || {
        let mut served = 0;
        for _ in 0..20 {
            let (mut stream, _) = listener.accept().unwrap();
            if request(&mut stream).is_some() {
                stream.write_all(ANSWER.as_bytes()).unwrap();
                served += 1;
            }
            closes.recv().unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
        served
    });
    let (bridge, _) = Settings::default().bridge(&url);
    for number in 0..20 {
        assert_eq!(all(bridge.call(message("m"))).await, (vec![], End::Stopped), "call {number}");
        // The connection goes back to the idle ones.
        tokio::time::sleep(Duration::from_millis(20)).await;
        close.send(()).unwrap();
        is_closed.recv().unwrap();
    }
    assert_eq!(server.join().unwrap(), 20);
}

#[tokio::test]
async fn an_answer_without_chunks_ends_with_its_connection() {
    for version in ["1.0", "1.1"] {
        let server = Server::start(move |_, mut out| async move {
            let head = format!("HTTP/{version} 200 OK\r\nContent-Type: application/x-ndjson; charset=utf-8\r\nConnection: close\r\n\r\n");
            out.raw(head).await;
            out.raw("{\"do\":\"send\",\"text\":\"a\"}\n").await;
            out.raw("{\"end\":\"stopped\"}\n").await;
            None
        })
        .await;
        let (bridge, _) = Settings::default().bridge(&server.url());
        for _ in 0..3 {
            assert_eq!(all(bridge.call(message("m"))).await, (vec![text("a")], End::Stopped));
        }
        assert_eq!(server.connections(), 3);
    }
}

#[tokio::test]
async fn a_line_of_16_mib_is_read_and_a_longer_one_is_refused() {
    for (length, fits) in [((16 << 20) - 24, true), (16 << 20, false)] {
        let server = Server::start(move |_, mut out| async move {
            out.raw(crate::server::LINES).await;
            out.line(&format!(r#"{{"do":"send","text":"{}"}}"#, "x".repeat(length))).await;
            out.line(r#"{"end":"stopped"}"#).await;
            out.end().await
        })
        .await;
        let (bridge, _) = Settings::default().bridge(&server.url());
        let (commands, end) = all(bridge.call(message("m"))).await;
        assert_eq!((commands.len(), end == End::Stopped), (usize::from(fits), fits));
    }
}
