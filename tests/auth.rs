//! Tokens in Django's cache, on real Redis servers that each test owns.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[allow(dead_code, clippy::expect_used, reason = "shared with the tests of the layers")]
#[path = "support/redis.rs"]
mod redis_server;

use std::{
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix_web::test;
use channelgate::{
    auth::{AuthError, Authenticator, Identity, RedisCache, RequestHead, jwt},
    config::{Auth, AuthMethod, Cache, Config, Secret, Span},
    event::Value,
    http::ws_token,
    layer::codec::cache_value,
    telemetry::Metrics,
};
use futures_util::future::join_all;
use indexmap::IndexMap;
use redis::{Commands, Connection};
use redis_server::{RedisServer, free_port};

/// For a Redis that answers, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(10);

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config {
        auth: Auth { secret_key: Some(Secret::new("a-secret-of-the-tests")), ..Auth::default() },
        cache: Cache { timeout: Span(DEADLINE), ..Cache::default() },
        ..Config::default()
    };
    change(&mut config);
    config
}

fn node(url: &str, change: impl FnOnce(&mut Config)) -> Authenticator {
    let config = config(change);
    let cache = RedisCache::new(&config.cache, &Secret::new(url)).unwrap();
    Authenticator::new(&config, Arc::new(cache)).unwrap()
}

async fn connect(node: &Authenticator, token: &str) -> Result<Identity, AuthError> {
    let query = format!("token={token}");
    node.authenticate(&[AuthMethod::WsToken], &RequestHead { query: &query, ..RequestHead::default() }).await
}

fn access() -> String {
    let auth = config(|_| {}).auth;
    let token = jwt::mint(&auth, "7", Duration::from_secs(60), IndexMap::new(), SystemTime::now()).unwrap();
    format!("Bearer {token}")
}

async fn issue(node: &Authenticator) -> Result<String, AuthError> {
    Ok(node.issue_ws_token(&RequestHead { authorization: Some(&access()), ..RequestHead::default() }).await?.token)
}

fn put(redis: &mut Connection, key: &str, value: &[u8]) {
    redis.set_ex::<_, _, ()>(key, value, 60).unwrap();
}

#[tokio::test]
async fn an_issued_token_is_stored_for_django_and_expires_with_its_lifetime() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    for (prefix, key) in [(":1:", ":1:ws_token_7"), ("myapp:3:", "myapp:3:ws_token_7")] {
        let node = node(&server.url(), |config| config.cache.prefix = prefix.to_owned());
        let token = issue(&node).await.unwrap();
        let stored: Vec<u8> = redis.get(key).unwrap();
        // A pickle, which both Django's RedisCache and django-redis read by default.
        assert_eq!(stored[0], 0x80);
        assert_eq!(cache_value::decode(&stored).unwrap(), Value::from(token.as_str()));
        let ttl: u64 = redis.ttl(key).unwrap();
        assert!((1790..=1800).contains(&ttl), "{ttl}");
        assert_eq!(connect(&node, &token).await.unwrap().user.get("id"), Some(&Value::Int(7)));
        redis.del::<_, ()>(key).unwrap();
        assert!(matches!(connect(&node, &token).await, Err(AuthError::Invalid(_))), "revoked by Django");
    }
}

#[tokio::test]
async fn of_concurrent_uses_of_a_single_use_token_one_wins() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let single_use = |config: &mut Config| config.auth.ws_token.single_use = true;
    let (one, two) = (node(&server.url(), single_use), node(&server.url(), single_use));
    for round in 0..20 {
        put(&mut redis, ":1:ws_token_opaque", b"7");
        for token in [issue(&one).await.unwrap(), "opaque".to_owned()] {
            let uses = (0..8).map(|n| connect(if n % 2 == 0 { &one } else { &two }, &token));
            let results = join_all(uses).await;
            let won = results.iter().filter(|result| result.is_ok()).count();
            assert_eq!(won, 1, "round {round}: {results:?}");
            let judged = |result: &Result<_, _>| !matches!(result, Err(AuthError::Unavailable { .. }));
            assert!(results.iter().all(judged), "round {round}: {results:?}");
        }
    }
    assert!(!redis.exists::<_, bool>(&[":1:ws_token_7", ":1:ws_token_opaque"]).unwrap());
}

#[tokio::test]
async fn a_spent_or_older_token_cannot_delete_the_current_one() {
    let server = RedisServer::start();
    let node = node(&server.url(), |config| config.auth.ws_token.single_use = true);
    let older = issue(&node).await.unwrap();
    let current = issue(&node).await.unwrap();
    for bad in [older.as_str(), "7"] {
        assert!(matches!(connect(&node, bad).await, Err(AuthError::Invalid(_))));
    }
    assert!(connect(&node, &current).await.is_ok());
}

#[tokio::test]
async fn an_unreachable_redis_refuses_no_token_and_is_used_again_at_once() {
    let mut server = RedisServer::start();
    let node = node(&server.url(), |_| {});
    issue(&node).await.unwrap();
    // The restart leaves dead connections in the pool, which the first use detects.
    server.restart();
    let token = issue(&node).await.unwrap();
    assert!(connect(&node, &token).await.is_ok());
    server.kill();
    for _ in 0..3 {
        let error = connect(&node, &token).await.unwrap_err();
        assert_eq!((error.status(), error.label()), (503, "unavailable"));
        assert!(error.retry_after().is_some());
    }
    server.restart();
    assert!(issue(&node).await.is_ok());
}

#[tokio::test]
async fn a_redis_that_does_not_answer_costs_no_more_than_the_deadline() {
    let server = RedisServer::start();
    let deadline = Duration::from_secs(1);
    let node = node(&server.url(), |config| {
        config.cache.pool = 2;
        config.cache.timeout = Span(deadline);
    });
    let token = issue(&node).await.unwrap();
    server.freeze();
    let started = Instant::now();
    let results = join_all((0..20).map(|_| connect(&node, &token))).await;
    let took = started.elapsed();
    server.thaw();
    assert!(results.iter().all(|result| matches!(result, Err(AuthError::Unavailable { .. }))), "{results:?}");
    // One after the other on two connections they would take ten times as long.
    assert!(took < deadline * 8, "{took:?}");
    assert!(connect(&node, &token).await.is_ok());
}

#[tokio::test]
async fn a_key_of_another_type_or_damaged_bytes_admit_no_client() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let node = node(&server.url(), |_| {});
    // A pickle that would call os.system, a truncated one, and a list.
    put(&mut redis, ":1:ws_token_evil", b"\x80\x04cos\nsystem\n\x8c\x02id\x85R.");
    put(&mut redis, ":1:ws_token_cut", b"\x80\x04\x95\x10");
    put(&mut redis, ":1:ws_token_empty", b"");
    for token in ["evil", "cut", "empty", "nowhere"] {
        assert!(matches!(connect(&node, token).await, Err(AuthError::Invalid(_))), "{token}");
    }
    redis.rpush::<_, _, ()>(":1:ws_token_list", "7").unwrap();
    assert!(connect(&node, "list").await.is_err());
    put(&mut redis, ":1:ws_token_good", b"7");
    assert!(connect(&node, "good").await.is_ok());
}

#[tokio::test]
async fn a_unix_socket_works_as_well() {
    let server = RedisServer::start();
    let node = node(&format!("redis+unix://{}", server.socket().display()), |_| {});
    let token = issue(&node).await.unwrap();
    assert!(connect(&node, &token).await.is_ok());
}

/// A process that ends with its test.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_master_that_sentinel_names_now_is_used_after_a_failure() {
    let (mut before, after) = (RedisServer::start(), RedisServer::start());
    let directory = tempfile::tempdir().unwrap();
    let (file, port) = (directory.path().join("sentinel.conf"), free_port());
    let monitored = format!("sentinel monitor mymaster 127.0.0.1 {} 1\n", before.port());
    std::fs::write(&file, format!("port {port}\nbind 127.0.0.1\n{monitored}")).unwrap();
    let mut command = Command::new("redis-server");
    command.arg(&file).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null());
    let _sentinel = Owned(command.spawn().unwrap());
    let client = redis::Client::open((Ipv4Addr::LOCALHOST.to_string(), port)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut sentinel = loop {
        match client.get_connection() {
            Ok(connection) => break connection,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };

    let node = node(&format!("redis+sentinel://127.0.0.1:{port}/mymaster"), |_| {});
    issue(&node).await.unwrap();
    assert!(before.connection().exists::<_, bool>(":1:ws_token_7").unwrap());
    redis::cmd("SENTINEL").arg(&["REMOVE", "mymaster"]).exec(&mut sentinel).unwrap();
    let monitor = ["MONITOR", "mymaster", "127.0.0.1", &after.port().to_string(), "1"];
    redis::cmd("SENTINEL").arg(&monitor).exec(&mut sentinel).unwrap();
    before.kill();
    assert!(matches!(issue(&node).await, Err(AuthError::Unavailable { .. })));
    let token = issue(&node).await.unwrap();
    assert!(after.connection().exists::<_, bool>(":1:ws_token_7").unwrap());
    assert!(connect(&node, &token).await.is_ok());
}

#[actix_web::test]
async fn the_route_answers_503_with_retry_after_while_redis_is_unreachable() {
    let mut server = RedisServer::start();
    let (node, metrics) = (node(&server.url(), |_| {}), Metrics::new());
    let request = test::TestRequest::get().insert_header(("authorization", access())).to_http_request();
    assert_eq!(ws_token::get(&request, &node, &metrics).await.status(), 200);
    server.kill();
    let answer = ws_token::get(&request, &node, &metrics).await;
    assert_eq!((answer.status().as_u16(), answer.headers().get("retry-after").unwrap().as_bytes()), (503, &b"2"[..]));
    let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
    assert_eq!(body, r#"{"detail":"the token store is not reachable"}"#);
}
