//! A Django that is away, slow, broken, or not Django.

use std::time::Duration;

use channelgate::{
    backend::bridge::{Bridge as _, Command, End, Failure, Line},
    config::Span,
};
use tokio::time::{Instant, sleep};

use crate::{
    Settings, all, connect, ended, failure, message, metric,
    nobody::nobody,
    open,
    server::{LINES, Server},
};

fn broken(failure: Failure) -> String {
    match failure {
        Failure::Broken(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wrong_line_is_named_and_breaks_the_call() {
    for (lines, reason) in [
        (vec![r#"{"do":"explode"}"#], "line 1 of the answer: the command \"explode\" is unknown"),
        (
            vec![r#"{"do":"send","text":"a"}"#, "garbage"],
            "line 2 of the answer: not JSON: a value was expected at byte 0",
        ),
        (vec![r#"{"do":"send","text":"a"}"#], "the answer ended after 1 lines, before the last one"),
        (vec![r#"{"do":"close","code":1008}"#], "line 1 of the answer: close: the code is not 1000, nor 3000 to 4999"),
        (vec![r#"{"n":1,"end":"stopped"}"#], "line 1 of the answer: n is not the number of a call of this request"),
    ] {
        let server = Server::start(move |_, out| {
            let lines = lines.clone();
            async move { out.lines(&lines).await }
        })
        .await;
        let (bridge, metrics) = Settings::default().bridge(&server.url());
        assert_eq!(broken(failure(bridge.call(message("m"))).await), reason);
        assert_eq!(ended(&metrics, "message", "broken"), 1);
    }
    // In one piece with the end.
    let server = Server::start(|_, mut out| async {
        let lines = "{\"end\":\"stopped\"}\n{\"do\":\"close\"}\n";
        out.raw(format!("{LINES}{:x}\r\n{lines}\r\n", lines.len())).await;
        out.end().await
    })
    .await;
    let (bridge, _) = Settings::default().bridge(&server.url());
    let reason = broken(failure(bridge.call(message("m"))).await);
    assert_eq!(reason, "line 1 of the answer: it is the end, and another line follows");
}

#[tokio::test]
async fn before_accept_a_close_has_any_code() {
    let server = Server::start(|_, out| async {
        out.lines(&[r#"{"do":"close","code":403}"#, r#"{"end":"open","state":"s"}"#]).await
    })
    .await;
    let (bridge, _) = Settings::default().bridge(&server.url());
    let close = Command::Close { code: 403, reason: String::new() };
    assert_eq!(all(bridge.call(connect())).await, (vec![close], open("s")));
}

#[tokio::test]
async fn what_broke_off_is_away_for_a_connect_and_broken_for_a_message() {
    for cut in [
        "",
        "HTTP/1.1 200",
        LINES,
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 99\r\n\r\n{\"do\"",
    ] {
        let server = Server::start(move |_, mut out| async move {
            out.raw(cut).await;
            None
        })
        .await;
        let (bridge, _) = Settings::default().bridge(&server.url());
        assert!(matches!(failure(bridge.call(connect())).await, Failure::Away { .. }), "{cut}");
        broken(failure(bridge.call(message("m"))).await);
        assert_eq!(server.count(), 2, "nothing is asked twice");
    }
    // Once it is accepted, there is no handshake left that could fail.
    let server = Server::start(|_, mut out| async move {
        out.raw(LINES).await;
        out.line(r#"{"do":"accept"}"#).await;
        None
    })
    .await;
    let (bridge, _) = Settings::default().bridge(&server.url());
    broken(failure(bridge.call(connect())).await);
}

#[tokio::test]
async fn a_status_without_lines_has_its_meaning() {
    for status in
        ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout", "500 Oops", "429 Too Many Requests"]
    {
        let server =
            Server::start(
                move |_, out| async move { out.answer(status, "Retry-After: 99999\r\n", "<h1>no</h1>").await },
            )
            .await;
        let (bridge, _) = Settings::default().bridge(&server.url());
        let Failure::Away { retry_after, reason } = failure(bridge.call(connect())).await else { panic!("{status}") };
        assert_eq!(retry_after, Some(Duration::from_secs(3600)), "at most an hour");
        assert!(reason.starts_with("Django answered "), "{reason}");
        broken(failure(bridge.call(message("m"))).await);
    }
    for (status, headers, hint) in [
        ("400 Bad Request", "", "ALLOWED_HOSTS"),
        ("401 Unauthorized", "", "set backend.secret"),
        ("403 Forbidden", "", "set backend.secret"),
        ("404 Not Found", "", "nothing is mounted"),
        ("405 Method Not Allowed", "", "to a POST"),
        ("418 I'm a teapot", "", "check backend.url"),
        ("301 Moved", "Location: https://x/channels?token=secret\r\n", "no redirect is followed"),
        ("200 OK", "Content-Type: text/html\r\n", "\"text/html\" instead of application/x-ndjson"),
        ("200 OK", "Content-Type: application/x-ndjson\r\nContent-Encoding: gzip\r\n", "a proxy compresses"),
    ] {
        let server = Server::start(move |_, out| async move { out.answer(status, headers, "x").await }).await;
        let (bridge, metrics) = Settings::default().bridge(&server.url());
        for asked in [connect(), message("m")] {
            let Failure::Misconfigured(reason) = failure(bridge.call(asked)).await else { panic!("{status}") };
            assert!(reason.contains(hint) && !reason.contains("secret=") && !reason.contains("token="), "{reason}");
        }
        assert_eq!(ended(&metrics, "connect", "misconfigured"), 1);
    }
    let server = Server::start(|_, out| async { out.answer("413 Too Large", "", "").await }).await;
    let (bridge, _) = Settings::default().bridge(&server.url());
    let Failure::TooLarge(size) = failure(bridge.call(message("m"))).await else { panic!() };
    assert_eq!(size, server.last().body.len());
}

#[tokio::test]
async fn a_django_that_is_silent_is_given_up_and_each_line_begins_its_time_anew() {
    let server = Server::start(|received, mut out| async move {
        let text = received.json()["event"]["text"].as_str().unwrap_or_default().to_owned();
        if text == "slow" {
            out.raw(LINES).await;
            for _ in 0..4 {
                sleep(Duration::from_millis(1000)).await;
                out.line(r#"{"do":"send","text":"a"}"#).await;
            }
            out.line(r#"{"end":"stopped"}"#).await;
            return out.end().await;
        }
        if text == "begins" {
            out.raw(LINES).await;
            out.line(r#"{"do":"send","text":"a"}"#).await;
        }
        out.closed().await;
        None
    })
    .await;
    let mut settings = Settings { connect: Duration::from_millis(300), ..Settings::default() };
    settings.config.bridge.timeout = Span::millis(500);
    let (bridge, _) = settings.bridge(&server.url());
    let began = Instant::now();
    let Failure::Away { reason, .. } = failure(bridge.call(connect())).await else { panic!("it is away") };
    assert!(reason.contains("no answer in 300 ms"), "{reason}");
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(broken(failure(bridge.call(message("never"))).await), "no answer in 500 ms");
    let mut begins = bridge.call(message("begins"));
    assert!(matches!(begins.next().await, Line::Command(_)));
    assert_eq!(broken(failure(begins).await), "no answer in 500 ms");
    // A pause of the machine between two lines must not end it.
    settings.config.bridge.timeout = Span::millis(3500);
    let (bridge, _) = settings.bridge(&server.url());
    let (commands, end) = all(bridge.call(message("slow"))).await;
    assert_eq!((commands.len(), end), (4, End::Stopped), "4 s in all");
}

#[tokio::test]
async fn a_connect_that_goes_on_after_accept_is_refused_and_not_lost() {
    let server = Server::start(|_, mut out| async move {
        out.raw(LINES).await;
        out.line(r#"{"do":"accept"}"#).await;
        // A line does not begin its time anew.
        sleep(Duration::from_secs(2)).await;
        out.line(r#"{"do":"send","text":"a"}"#).await;
        out.closed().await;
        None
    })
    .await;
    let settings = Settings { connect: Duration::from_secs(4), ..Settings::default() };
    let (bridge, metrics) = settings.bridge(&server.url());
    let began = Instant::now();
    let (commands, end) = all(bridge.call(connect())).await;
    assert_eq!(commands.len(), 2);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let End::Refused { kind, text } = end else { panic!("{end:?}") };
    assert_eq!(kind, "long");
    assert!(text.starts_with("connect() at /ws/room/7/ did not finish within 4 s: "), "{text}");
    assert_eq!(metric(&metrics, "channelgate_bridge_refused_total{kind=\"long\"}"), 1);
}

#[tokio::test]
async fn a_call_waits_while_nobody_listens_and_is_sent_once_somebody_does() {
    let address = nobody();
    let url = format!("http://{address}/channelgate");
    let (bridge, metrics) = Settings::default().bridge(&url);
    let waiting: Vec<_> = (0..50).map(|_| tokio::spawn(all(bridge.call(message("m"))))).collect();
    let connecting = tokio::spawn(all(bridge.call(connect())));
    crate::until("it is tried again", || metric(&metrics, "channelgate_bridge_retries_total") > 2).await;
    crate::until("all wait", || metric(&metrics, "channelgate_bridge_waiting") == 51).await;
    let tries = metric(&metrics, "channelgate_bridge_retries_total");
    assert!(tries < 70, "one tries for all: {tries}");
    let server = Server::at(address, |_, out| async { out.lines(&[r#"{"end":"stopped"}"#]).await }).await;
    for one in waiting {
        assert_eq!(one.await.unwrap(), (vec![], End::Stopped));
    }
    assert_eq!(connecting.await.unwrap(), (vec![], End::Stopped));
    assert_eq!(server.count(), 51, "each is sent once");
    assert_eq!(metric(&metrics, "channelgate_bridge_waiting"), 0);
}

#[tokio::test]
async fn a_django_that_stays_away_is_reported_in_time() {
    let mut settings = Settings { connect: Duration::from_millis(200), ..Settings::default() };
    settings.config.bridge.wait = Span::millis(600);
    let (bridge, metrics) = settings.bridge(&format!("http://{}/channelgate", nobody()));
    for (asked, time) in [(connect(), 200), (message("m"), 600)] {
        let began = Instant::now();
        let Failure::Away { reason, retry_after: None } = failure(bridge.call(asked)).await else { panic!() };
        assert!(reason.starts_with("the backend is not reachable"), "{reason}");
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(time) && took < Duration::from_millis(time + 1500), "{took:?}");
    }
    assert_eq!((ended(&metrics, "connect", "away"), ended(&metrics, "message", "away")), (1, 1));
}
