//! Records of this node and of another one, and those that do not arrive.

use std::iter;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::{
    auth::MemoryCache,
    config::{Auth, Config, Secret},
    telemetry::{DropReason, tail::MAX_WATCHERS},
};

const PATIENCE: Duration = Duration::from_secs(20);

fn feed(metrics: &Metrics) -> Feed {
    let auth = Auth { secret_key: Some(Secret::new("a-secret")), ..Auth::default() };
    let config = Config { auth, ..Config::default() };
    let authenticator = Arc::new(Authenticator::new(&config, Arc::new(MemoryCache::new())).unwrap());
    Feed::new(TailFilter::default(), authenticator, Rc::default(), "here".into(), metrics)
}

/// The messages up to the first one like this.
async fn up_to(feed: &mut Feed, is_it: impl Fn(&Json) -> bool) -> Vec<Json> {
    let mut messages = Vec::new();
    let work = async {
        while !messages.iter().any(&is_it) {
            messages.extend(feed.next().await.iter().map(|text| serde_json::from_str::<Json>(text).unwrap()));
        }
    };
    let found = timeout(PATIENCE, work).await;
    assert!(found.is_ok(), "{messages:?}");
    messages
}

fn silent(nodes: &[&str]) -> Json {
    json!({ "type": "tail_silent", "nodes": nodes })
}

fn is_record(reason: &str) -> impl Fn(&Json) -> bool {
    move |message| message["type"] == "tail" && message["record"]["reason"] == reason
}

fn dropped(messages: &[Json]) -> u64 {
    let dropped = messages.iter().filter(|message| message["type"] == "tail_dropped");
    dropped.map(|message| message["count"].as_u64().unwrap()).sum()
}

#[actix_web::test]
async fn a_feed_begins_with_the_silent_nodes_also_if_there_are_none() {
    let mut feed = feed(&Metrics::new());
    assert_eq!(feed.next().await, [silent(&[]).to_string()]);
}

#[actix_web::test]
async fn a_node_with_too_many_watchers_is_silent_until_one_of_them_leaves() {
    tokio::time::pause();
    let metrics = Metrics::new();
    let mut watchers: Vec<_> = iter::from_fn(|| metrics.tail.watch(TailFilter::default())).collect();
    assert_eq!(watchers.len(), MAX_WATCHERS);
    let mut feed = feed(&metrics);
    up_to(&mut feed, |message| *message == silent(&["here"])).await;
    watchers.pop();
    up_to(&mut feed, |message| *message == silent(&[])).await;
    metrics.dropped(DropReason::Decode, 1);
    up_to(&mut feed, is_record("decode")).await;
}

#[actix_web::test]
async fn a_feed_takes_the_place_of_the_one_before() {
    let metrics = Metrics::new();
    let mut watchers: Vec<_> = iter::from_fn(|| metrics.tail.watch(TailFilter::default())).collect();
    watchers.pop();
    let mut first = feed(&metrics);
    up_to(&mut first, |_| metrics.tail.watchers() == MAX_WATCHERS).await;
    drop(first);
    let mut second = feed(&metrics);
    let state = || second.shared.with(|states| states[&second.here]);
    let tried = async {
        while state() == State::Trying {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(PATIENCE, tried).await.is_ok());
    assert_eq!(state(), State::Following);
    metrics.dropped(DropReason::Decode, 1);
    up_to(&mut second, is_record("decode")).await;
}

#[actix_web::test]
async fn a_record_that_is_too_long_is_counted_and_the_next_one_arrives() {
    let metrics = Metrics::new();
    let mut feed = feed(&metrics);
    up_to(&mut feed, |_| metrics.tail.watchers() == 1).await;
    metrics.lost(DropReason::Mapping, 1, None, None, &"x".repeat(MAX_RECORD));
    metrics.dropped(DropReason::Decode, 1);
    let messages = up_to(&mut feed, is_record("decode")).await;
    assert!(!messages.iter().any(is_record("mapping")));
    let late =
        if dropped(&messages) == 0 { up_to(&mut feed, |message| message["count"] == 1).await } else { Vec::new() };
    assert_eq!(dropped(&messages) + dropped(&late), 1);
}

#[actix_web::test]
async fn a_line_that_is_too_long_does_not_end_the_tail_of_another_node() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Arc<str> = listener.local_addr().unwrap().to_string().into();
    let metrics = Metrics::new();
    let mut feed = feed(&metrics);
    feed.follow(&[("there".into(), NodeFacts { address, started: 1, connections: 0 })].into());
    let (mut node, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut head = vec![0; 4096];
    let length = node.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    assert!(head.starts_with("GET /api/tail") && head.contains("x-channelgate-ticket: "), "{head}");
    node.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut wanted = 0;
    for length in [MAX_RECORD + 1, 3 * MAX_RECORD] {
        node.write_all(&vec![b'x'; length]).await.unwrap();
        node.write_all(b"\n{\"kind\": \"dropped\", \"reason\": \"next\"}\n").await.unwrap();
        let messages = up_to(&mut feed, is_record("next")).await;
        assert!(!messages.contains(&silent(&["there"])), "{messages:?}");
        wanted += dropped(&messages);
    }
    node.write_all(b"{\"kind\": \"missed\", \"lines\": 5}\n").await.unwrap();
    while wanted < 7 {
        wanted += dropped(&up_to(&mut feed, |message| message["type"] == "tail_dropped").await);
    }
    assert_eq!(wanted, 7);
    drop(node);
    up_to(&mut feed, |message| *message == silent(&["there"])).await;
    feed.follow(&BTreeMap::new());
    up_to(&mut feed, |message| *message == silent(&[])).await;
}
