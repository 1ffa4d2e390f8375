//! How many calls Django gets at once, and which of them wait.

use std::{sync::Arc, time::Duration};

use channelgate::{
    backend::bridge::{Bridge as _, End, Failure, Line},
    config::Span,
};
use futures_util::future::join_all;
use tokio::{sync::Notify, time::Instant};

use crate::{
    Settings, all, connect, failure, message, metric,
    server::{LINES, Server},
    text, until,
};

/// Answers messages at once; connects and the message `"stay"` only when the test says so.
async fn server(go: &Arc<Notify>) -> Server {
    let go = Arc::clone(go);
    Server::start(move |received, out| {
        let go = Arc::clone(&go);
        async move {
            let event = &received.json()["event"];
            if event["type"] == "websocket.connect" || event["text"] == "stay" {
                go.notified().await;
            }
            out.lines(&[r#"{"end":"stopped"}"#]).await
        }
    })
    .await
}

#[tokio::test]
async fn connects_do_not_take_the_turns_of_messages_nor_messages_those_of_connects() {
    let go = Arc::new(Notify::new());
    let server = server(&go).await;
    let mut settings = Settings::default();
    settings.config.backend.concurrency = 8;
    let (bridge, metrics) = settings.bridge(&server.url());
    let connects: Vec<_> = (0..50).map(|_| bridge.call(connect())).collect();
    until("all but two wait", || metric(&metrics, "channelgate_bridge_waiting") == 48).await;
    for _ in 0..20 {
        assert_eq!(all(bridge.call(message("m"))).await.1, End::Stopped);
    }
    let messages: Vec<_> = (0..10).map(|_| bridge.call(message("stay"))).collect();
    until("six messages and two connects run", || metric(&metrics, "channelgate_bridge_waiting") == 52).await;
    until("they are asked", || server.count() == 20 + 2 + 6).await;
    let running = tokio::spawn(join_all(connects.into_iter().chain(messages).map(all)));
    while !running.is_finished() {
        go.notify_one();
        tokio::task::yield_now().await;
    }
    assert!(running.await.unwrap().into_iter().all(|ended| ended.1 == End::Stopped));
}

#[tokio::test]
async fn too_many_connects_are_refused_at_once_and_messages_after_their_wait() {
    let go = Arc::new(Notify::new());
    let server = server(&go).await;
    let mut settings = Settings::default();
    settings.config.backend.concurrency = 2;
    settings.config.bridge.wait = Span::millis(300);
    let (bridge, _) = settings.bridge(&server.url());
    let _waiting: Vec<_> = (0..32).map(|_| bridge.call(connect())).collect();
    until("one is asked", || server.count() == 1).await;
    assert_eq!(failure(bridge.call(connect())).await, Failure::Overloaded);
    let _running = bridge.call(message("stay"));
    until("it is asked", || server.count() == 2).await;
    let began = Instant::now();
    assert_eq!(failure(bridge.call(message("m"))).await, Failure::Overloaded);
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_long_call_that_has_answered_leaves_its_turn_while_there_is_room_for_streams() {
    let server = Server::start(move |received, mut out| async move {
        let event = &received.json()["event"];
        if event["text"] == "m" {
            return out.lines(&[r#"{"end":"stopped"}"#]).await;
        }
        if event["text"] == "stream" {
            out.raw(LINES).await;
            out.line(r#"{"do":"send","text":"begun"}"#).await;
        }
        out.closed().await;
        None
    })
    .await;
    let mut settings = Settings::default();
    settings.config.backend.concurrency = 1;
    settings.config.bridge.streams = 1;
    settings.config.bridge.timeout = Span::seconds(60);
    let (bridge, metrics) = settings.bridge(&server.url());
    let began = Instant::now();
    let mut first = bridge.call(message("stream"));
    assert_eq!(first.next().await, Line::Command(text("begun")));
    assert_eq!(all(bridge.call(message("m"))).await.1, End::Stopped);
    assert!(began.elapsed() >= Duration::from_secs(5), "it had its turn for five seconds");
    assert_eq!(metric(&metrics, "channelgate_bridge_streams"), 1);
    // The second one finds no room and keeps its turn.
    let mut second = bridge.call(message("stream"));
    assert_eq!(second.next().await, Line::Command(text("begun")));
    let waiting = tokio::spawn(all(bridge.call(message("m"))));
    tokio::time::sleep(Duration::from_millis(5500)).await;
    assert!(!waiting.is_finished());
    drop(first);
    until("the room is free", || metric(&metrics, "channelgate_bridge_streams") == 0).await;
    drop(second);
    assert_eq!(waiting.await.unwrap().1, End::Stopped);
}
