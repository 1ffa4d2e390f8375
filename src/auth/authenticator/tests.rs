use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{self, BoxFuture};
use indexmap::IndexMap;
use serde::{
    Deserialize as _,
    de::value::{Error, StrDeserializer},
};

use super::*;
use crate::{
    auth::{Cached, IssuedToken, KeyExpiries, MemoryCache},
    config::{Auth, Jwt, Secret, Server},
    event::Value,
};

const SECRET: &str = "a-secret-of-the-tests-0123456789abcdef";
const LATER: Duration = Duration::from_secs(2);

/// A cache with an unreachable Redis.
struct Away;

impl Cache for Away {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Cached>, AuthError>> {
        Box::pin(future::ready(Err(AuthError::Unavailable { retry_after: LATER })))
    }
    fn ends<'a>(&'a self, _: &'a [Arc<str>]) -> BoxFuture<'a, Result<KeyExpiries, AuthError>> {
        Box::pin(future::ready(Err(AuthError::Unavailable { retry_after: LATER })))
    }
    fn set<'a>(&'a self, _: &'a str, _: Bytes, _: Duration) -> BoxFuture<'a, Result<(), AuthError>> {
        Box::pin(future::ready(Err(AuthError::Unavailable { retry_after: LATER })))
    }
    fn compare_and_delete<'a>(&'a self, _: &'a str, _: &'a Bytes) -> BoxFuture<'a, Result<bool, AuthError>> {
        Box::pin(future::ready(Err(AuthError::Unavailable { retry_after: LATER })))
    }
}

fn config() -> Config {
    Config { auth: Auth { secret_key: Some(Secret::new(SECRET)), ..Auth::default() }, ..Config::default() }
}

fn authenticator() -> Authenticator {
    Authenticator::new(&config(), Arc::new(MemoryCache::new())).unwrap()
}

fn access() -> String {
    let extra = IndexMap::from([("role".into(), "admin".into())]);
    jwt::mint(&config().auth, "7", Duration::from_secs(60), extra, SystemTime::now()).unwrap()
}

async fn user(node: &Authenticator, methods: &str, query: &str) -> Result<String, AuthError> {
    let named = |name: &str| AuthMethod::deserialize(StrDeserializer::<Error>::new(name)).unwrap();
    let methods: Vec<_> = methods.split(',').map(named).collect();
    let head = RequestHead { query, ..RequestHead::default() };
    Ok(serde_json::to_string(&node.authenticate(&methods, &head).await?.user).unwrap())
}

async fn issue(node: &Authenticator, authorization: Option<&str>) -> Result<IssuedToken, AuthError> {
    node.issue_ws_token(&RequestHead { authorization, ..RequestHead::default() }).await
}

#[tokio::test]
async fn the_first_method_that_yields_a_user_wins() {
    let node = authenticator();
    let access = format!("token={}", access());
    let issued = issue(&node, Some(&access.replace("token=", "Bearer "))).await.unwrap();
    let ws = format!("token={}", issued.token);
    for methods in ["ws_token,jwt", "jwt,ws_token", "anonymous,jwt,ws_token"] {
        assert_eq!(user(&node, methods, &access).await.unwrap(), r#"{"id":7,"role":"admin"}"#, "{methods}");
        assert_eq!(user(&node, methods, &ws).await.unwrap(), r#"{"id":7}"#, "{methods}");
    }
    assert!(matches!(user(&node, "ws_token", &access).await, Err(AuthError::Invalid(_))), "not the main JWT");
    assert!(matches!(user(&node, "jwt", &ws).await, Err(AuthError::Invalid(_))));
}

#[tokio::test]
async fn anonymous_applies_without_a_credential_and_never_with_a_bad_one() {
    let node = authenticator();
    for methods in ["anonymous", "jwt,anonymous", "anonymous,jwt", "ws_token,jwt,anonymous"] {
        assert_eq!(user(&node, methods, "other=1").await.unwrap(), "null", "{methods}");
    }
    assert_eq!(user(&node, "anonymous", "token=whatever").await.unwrap(), "null", "the token is not read");
    for methods in ["jwt,anonymous", "anonymous,jwt", "ws_token,anonymous"] {
        assert!(matches!(user(&node, methods, "token=bad").await, Err(AuthError::Invalid(_))), "{methods}");
    }
    assert_eq!(user(&node, "jwt,ws_token", "").await, Err(AuthError::Missing));
}

#[tokio::test]
async fn a_node_without_a_key_reports_that_instead_of_refusing_the_user() {
    let keyless = Authenticator::new(&Config::default(), Arc::new(MemoryCache::new())).unwrap();
    for query in ["", "token=a.b.c"] {
        let error = user(&keyless, "jwt", query).await.unwrap_err();
        assert!(error.to_string().contains("DJANGO_SECRET_KEY is not set"), "{error}");
        assert_eq!((error.status(), error.label()), (503, "unconfigured"));
    }
    assert_eq!(user(&keyless, "jwt,anonymous", "").await.unwrap(), "null");
    assert_eq!(user(&keyless, "jwt,anonymous", "token=x").await, Err(jwt::NO_KEY));
    assert_eq!(user(&keyless, "ws_token", "").await, Err(AuthError::Missing), "opaque tokens need no key");
    assert_eq!(issue(&keyless, None).await, Err(jwt::NO_KEY));
}

#[tokio::test]
async fn a_token_of_the_page_opens_connections_and_nothing_else() {
    let with_kind = |mut config: Config| {
        let signing_key = Some(Secret::new("the-key-of-devices"));
        config.auth.jwt.kinds.insert("device".to_owned(), Jwt { signing_key, ..Jwt::default() });
        config
    };
    for config in [with_kind(config()), with_kind(Config::default())] {
        let tokens = Arc::new(PageTokens::new(&config.auth).unwrap());
        let token = tokens.sign("7", IndexMap::from([("role".into(), "admin".into())]), SystemTime::now()).unwrap();
        let without = Authenticator::new(&config, Arc::new(MemoryCache::new())).unwrap();
        let query = format!("token={token}");
        assert!(user(&without, "jwt", &query).await.is_err(), "a node without a page");
        let node = Authenticator::new(&config, Arc::new(MemoryCache::new())).unwrap().with_page_tokens(Some(tokens));
        assert_eq!(user(&node, "jwt", &query).await.unwrap(), r#"{"id":7,"role":"admin"}"#);
        assert_eq!(user(&node, "jwt:device", &query).await.unwrap(), r#"{"id":7,"role":"admin"}"#);
        assert!(user(&without, "jwt:device", &query).await.is_err());
        assert!(node.identify_by(&[AuthMethod::Jwt], &token).await.is_ok());
        assert!(user(&node, "ws_token", &query).await.is_err());
        assert!(node.identify(&AuthMethod::Jwt, &token).await.is_err(), "as the admin API asks");
        assert!(issue(&node, Some(&format!("Bearer {token}"))).await.is_err());

        let (fingerprint, ends) = node.recognise(&token);
        node.revocations().add(fingerprint, ends.unwrap());
        assert_eq!(user(&node, "jwt", &query).await, Err(AuthError::Revoked));
    }
}

#[tokio::test]
async fn an_unreachable_store_does_not_refuse_the_user() {
    let node = Authenticator::new(&config(), Arc::new(Away)).unwrap();
    let away = AuthError::Unavailable { retry_after: LATER };
    assert_eq!(user(&node, "ws_token,jwt", "token=opaque").await, Err(away.clone()));
    assert_eq!(user(&node, "ws_token,jwt,anonymous", "token=opaque").await, Err(away.clone()));
    assert_eq!((away.status(), away.retry_after()), (503, Some(LATER)));
    assert!(
        user(&node, "ws_token,jwt", &format!("token={}", access())).await.is_ok(),
        "an access token needs no store"
    );
    assert_eq!(issue(&node, Some(&format!("Bearer {}", access()))).await, Err(away));
}

#[tokio::test]
async fn the_subprotocol_of_the_token_is_returned_to_be_echoed() {
    let node = authenticator();
    let bearer = format!("Bearer {}", access());
    let token = issue(&node, Some(&bearer)).await.unwrap().token;
    let offered = format!("Bearer, {token}");
    let head = RequestHead { subprotocols: offered.into(), ..RequestHead::default() };
    let identity = node.authenticate(&[AuthMethod::WsToken], &head).await.unwrap();
    assert_eq!(identity.subprotocol.as_deref(), Some("Bearer"));
    assert_eq!(identity.user.get("id"), Some(&Value::Int(7)));
}

#[test]
fn a_mistyped_setting_is_refused_with_its_key() {
    let error = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        Authenticator::new(&config, Arc::new(MemoryCache::new())).unwrap_err().key
    };
    assert_eq!(error(|config| config.auth.jwt.sources[0] = "qery:token".to_owned()), "auth.jwt.sources[0]");
    assert_eq!(error(|config| config.auth.ws_token.sources.clear()), "auth.ws_token.sources");
    assert_eq!(error(|config| config.auth.jwt.algorithm = "HS1".to_owned()), "auth.jwt.algorithm");
}

#[test]
fn the_origin_is_checked_against_the_configured_list() {
    let allowed = |list: Option<Vec<String>>, origin| {
        let server = Server { allowed_origins: list, ..Server::default() };
        let node = Authenticator::new(&Config { server, ..config() }, Arc::new(MemoryCache::new())).unwrap();
        node.check_origin(&RequestHead { origin, host: Some("example.com"), ..RequestHead::default() })
    };
    assert_eq!(allowed(None, None), Ok(()));
    assert_eq!(allowed(Some(vec!["example.com".to_owned()]), None), Err(AuthError::Origin));
    assert_eq!(allowed(None, Some("https://evil.example")), Err(AuthError::Origin));
}

#[test]
fn one_authenticator_serves_every_worker() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&authenticator());
}
