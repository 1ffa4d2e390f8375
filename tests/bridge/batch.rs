//! Group events of several connections in one request.

use std::{collections::HashSet, sync::Arc, time::Duration};

use channelgate::{
    backend::bridge::{Bridge as _, Command, End, Failure},
    event::{GroupName, Value},
};
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    Settings, all, ended, event, failure, metric, open,
    server::{LINES, Server},
    text, until,
};

fn body() -> Value {
    [("type", Value::from("room.stats"))].into_iter().collect()
}

/// The line of a call in a batch; of the only call without its number.
fn of(index: usize, calls: usize, mut line: serde_json::Value) -> String {
    if calls > 1 {
        line["n"] = json!(index);
    }
    line.to_string()
}

#[tokio::test]
async fn calls_of_one_moment_share_a_request_and_each_gets_its_own_lines() {
    let server = Server::start(|received, out| async move {
        let calls = received.calls();
        let mut lines = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            lines.push(of(index, calls.len(), json!({"do": "send", "text": call["connection"]})));
        }
        for (index, call) in calls.iter().enumerate().rev() {
            lines.push(of(index, calls.len(), json!({"end": "open", "state": call["connection"]})));
        }
        out.lines(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await
    })
    .await;
    let (bridge, metrics) = Settings::default().bridge(&server.url());
    let calls: Vec<_> = (0..200).map(|number| bridge.call(event(&format!("c{number}"), body()))).collect();
    for (number, ended) in join_all(calls.into_iter().map(all)).await.into_iter().enumerate() {
        let name = format!("c{number}");
        assert_eq!(ended, (vec![text(&name)], open(&name)));
    }
    assert_eq!(server.count(), 4, "of 64 at most");
    let received = server.received.lock().unwrap().clone();
    assert!(received.iter().all(|one| one.json()["v"] == 1));
    let first = received.iter().flat_map(|one| one.calls()).find(|call| call["connection"] == "c0");
    assert_eq!(
        first.unwrap(),
        json!({
            "connection": "c0", "seq": 1, "channel_name": "specific.gw1!c.c0", "consumer": "room", "state": "signed",
            "event": {"type": "room.stats"}
        })
    );
    let seen: HashSet<_> =
        received.iter().flat_map(|one| one.calls()).map(|call| call["connection"].to_string()).collect();
    assert_eq!(seen.len(), 200);
    assert_eq!(ended(&metrics, "event", "open"), 200);
    assert_eq!(metric(&metrics, "channelgate_bridge_batch_calls_sum"), 200);
    assert_eq!(metric(&metrics, "channelgate_bridge_batch_calls_count"), 4);
    assert_eq!(metric(&metrics, "channelgate_bridge_waiting"), 0);
}

#[tokio::test]
async fn one_call_is_no_batch_and_two_of_one_connection_are_two_requests() {
    let server = Server::start(|received, out| async move {
        let calls = received.calls().len();
        let lines: Vec<_> = (0..calls).map(|index| of(index, calls, json!({"end": "stopped"}))).collect();
        out.lines(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await
    })
    .await;
    let (bridge, _) = Settings::default().bridge(&server.url());
    let calls = ["a", "a", "b"].map(|connection| all(bridge.call(event(connection, body()))));
    for ended in join_all(calls).await {
        assert_eq!(ended, (vec![], End::Stopped));
    }
    let mut sizes: Vec<_> = server.received.lock().unwrap().iter().map(|one| one.calls().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2]);
    let single = server.received.lock().unwrap().iter().find(|one| one.calls().len() == 1).unwrap().json();
    assert_eq!((&single["v"], &single["connection"]), (&json!(1), &json!("a")));
}

#[tokio::test]
async fn a_slow_broken_or_forgotten_call_does_not_touch_the_others() {
    let more = Arc::new(Notify::new());
    let gate = Arc::clone(&more);
    let server = Server::start(move |received, mut out| {
        let gate = Arc::clone(&gate);
        async move {
            assert_eq!(received.calls().len(), 5);
            out.raw(LINES).await;
            // More than waits in the channel of a session that does not read.
            for _ in 0..500 {
                out.line(r#"{"n":0,"do":"send","text":"flood"}"#).await;
            }
            out.line(r#"{"n":1,"do":"explode"}"#).await;
            out.line(r#"{"n":3,"do":"send","text":"for nobody"}"#).await;
            out.line(r#"{"n":2,"do":"group_add","group":"a"}"#).await;
            out.line(r#"{"n":2,"end":"stopped"}"#).await;
            out.line(r#"{"n":4,"end":"error","type":"ValueError","text":"no"}"#).await;
            gate.notified().await;
            out.line(r#"{"n":0,"end":"open","state":"s"}"#).await;
            out.line(r#"{"n":3,"end":"stopped"}"#).await;
            out.end().await
        }
    })
    .await;
    let (bridge, _) = Settings::default().bridge(&server.url());
    let mut calls: Vec<_> = (0..5).map(|number| bridge.call(event(&format!("c{number}"), body()))).collect();
    let (erring, forgotten, quick, broken, slow) =
        (calls.pop().unwrap(), calls.pop().unwrap(), calls.pop().unwrap(), calls.pop().unwrap(), calls.pop().unwrap());
    until("they are asked", || server.count() == 1).await;
    drop(forgotten);
    let joined = Command::GroupAdd(GroupName::new("a").unwrap());
    assert_eq!(all(quick).await, (vec![joined], End::Stopped));
    let Failure::Broken(reason) = failure(broken).await else { panic!() };
    assert_eq!(reason, "line 501 of the answer: the command \"explode\" is unknown");
    assert!(matches!(all(erring).await.1, End::Error { .. }));
    more.notify_one();
    let (commands, end) = all(slow).await;
    assert_eq!((commands.len(), end), (500, open("s")), "nothing of the flood is lost");
}

#[tokio::test]
async fn a_batch_that_breaks_off_ends_only_what_has_not_ended() {
    let server = Server::start(|_, mut out| async move {
        out.raw(LINES).await;
        out.line(r#"{"n":1,"end":"stopped"}"#).await;
        out.line(r#"{"n":0,"do":"send","text":"a"}"#).await;
        None
    })
    .await;
    let (bridge, _) = Settings::default().bridge(&server.url());
    let (one, two) = (bridge.call(event("a", body())), bridge.call(event("b", body())));
    let (one, two) = (all(one).await, all(two).await);
    assert!(matches!(one.1, End::Failed(Failure::Broken(_))), "{one:?}");
    assert_eq!(two.1, End::Stopped);
}

#[tokio::test]
async fn a_refusal_without_a_number_is_one_of_the_whole_batch() {
    for (line, refused) in [(r#"{"end":"refused","kind":"version","text":"t"}"#, true), (r#"{"end":"stopped"}"#, false)]
    {
        let server = Server::start(move |_, out| async move { out.lines(&[line]).await }).await;
        let (bridge, _) = Settings::default().bridge(&server.url());
        for ended in join_all(["a", "b"].map(|connection| all(bridge.call(event(connection, body()))))).await {
            assert_eq!(matches!(ended.1, End::Refused { .. }), refused, "{ended:?}");
            assert_eq!(matches!(ended.1, End::Failed(Failure::Broken(_))), !refused, "{ended:?}");
        }
        assert_eq!(server.count(), 1);
    }
}

#[tokio::test]
async fn a_batch_whose_sessions_have_all_gone_is_closed() {
    let closed = Arc::new(Notify::new());
    let gate = Arc::clone(&closed);
    let server = Server::start(move |_, out| {
        let gate = Arc::clone(&gate);
        async move {
            out.closed().await;
            gate.notify_one();
            None
        }
    })
    .await;
    let (bridge, metrics) = Settings::default().bridge(&server.url());
    let calls = [bridge.call(event("a", body())), bridge.call(event("b", body()))];
    until("they are asked", || server.count() == 1).await;
    drop(calls);
    closed.notified().await;
    until("both are counted", || ended(&metrics, "event", "cancelled") == 2).await;
}

#[tokio::test]
async fn a_batch_has_at_most_the_bytes_of_a_request_and_grows_while_the_turns_are_taken() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (is_begun, gate) = (Arc::clone(&begun), Arc::clone(&go));
    let server = Server::start(move |received, out| {
        let (is_begun, gate) = (Arc::clone(&is_begun), Arc::clone(&gate));
        async move {
            let calls = received.calls();
            if calls[0]["connection"] == "first" {
                is_begun.notify_one();
                gate.notified().await;
            }
            let lines: Vec<_> =
                (0..calls.len()).map(|index| of(index, calls.len(), json!({"end": "stopped"}))).collect();
            out.lines(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await
        }
    })
    .await;
    let mut settings = Settings::default();
    settings.config.backend.concurrency = 1;
    settings.config.backend.max_request = 3000;
    let (bridge, _) = settings.bridge(&server.url());
    let first = bridge.call(event("first", body()));
    begun.notified().await;
    let large: Value = [("type", Value::from("t")), ("text", "x".repeat(800).into())].into_iter().collect();
    let mut calls = Vec::new();
    for number in 0..7 {
        calls.push(all(bridge.call(event(&format!("c{number}"), large.clone()))));
        // Not of one moment.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    go.notify_one();
    assert_eq!(all(first).await.1, End::Stopped);
    assert!(join_all(calls).await.into_iter().all(|ended| ended.1 == End::Stopped));
    let received = server.received.lock().unwrap().clone();
    assert!(received.iter().all(|one| one.body.len() <= 3000));
    assert_eq!(received.iter().map(|one| one.calls().len()).collect::<Vec<_>>(), [1, 3, 3, 1]);
}
