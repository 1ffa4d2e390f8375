use std::time::UNIX_EPOCH;

use super::*;
use crate::auth::MemoryCache;

const SECRET: &str = "a-secret-of-the-tests-0123456789abcdef";
const NOW: u64 = 1_760_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn with(change: impl FnOnce(&mut Auth)) -> WsTokens {
    let mut auth = Auth { secret_key: Some(Secret::new(SECRET)), ..Auth::default() };
    change(&mut auth);
    WsTokens::new(&auth).unwrap()
}

fn signed(claims: &str, secret: &str) -> String {
    let claims: Value = serde_json::from_str(claims).unwrap();
    claims::sign(&claims, Signing::HS256, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

async fn put(cache: &MemoryCache, key: &str, value: impl AsRef<[u8]>) {
    cache.set(key, Bytes::copy_from_slice(value.as_ref()), Duration::from_secs(60)).await.unwrap();
}

/// The user authenticated by `token`, as JSON.
async fn user(tokens: &WsTokens, cache: &MemoryCache, token: &str) -> Result<String, AuthError> {
    let identity = tokens.identify(cache, token, at(NOW)).await?;
    Ok(serde_json::to_string(&identity.user).unwrap())
}

fn reason<T: std::fmt::Debug>(result: Result<T, AuthError>) -> Reason {
    match result {
        Err(AuthError::Invalid(fault)) => fault.reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_issued_token_is_valid_until_a_newer_one_and_to_its_last_second() {
    let (tokens, cache) = (with(|_| {}), MemoryCache::new());
    let first = tokens.issue(&cache, &"7".into(), at(NOW)).await.unwrap();
    assert_eq!(first.expires_in, Duration::from_secs(1800));
    let identity = tokens.identify(&cache, &first.token, at(NOW)).await.unwrap();
    assert_eq!(identity.user, Value::from_iter([("id", Value::Int(7))]));
    assert_eq!(identity.expires, Some(at(NOW + 1800)));
    assert_eq!(identity.claims.get("type"), Some(&"ws_token".into()));
    assert!(tokens.identify(&cache, &first.token, at(NOW + 1799)).await.is_ok());
    assert_eq!(reason(tokens.identify(&cache, &first.token, at(NOW + 1800)).await), Reason::Expired);
    // Within the same second, too.
    let second = tokens.issue(&cache, &Value::Int(7), at(NOW)).await.unwrap();
    assert_eq!(reason(user(&tokens, &cache, &first.token).await), Reason::Unknown);
    assert_eq!(user(&tokens, &cache, &second.token).await.unwrap(), r#"{"id":7}"#);
}

#[tokio::test]
async fn a_jwt_is_valid_only_while_the_cache_holds_it_and_its_claims_are_right() {
    let (tokens, cache) = (with(|_| {}), MemoryCache::new());
    let good = signed(&format!(r#"{{"user_id":7,"type":"ws_token","exp":{}}}"#, NOW + 60), SECRET);
    assert_eq!(reason(user(&tokens, &cache, &good).await), Reason::Unknown, "not in the cache");
    put(&cache, "ws_token_7", cache_value::encode_cache_str(&good)).await;
    assert_eq!(user(&tokens, &cache, &good).await.unwrap(), r#"{"id":7}"#);
    assert_eq!(reason(user(&tokens, &cache, &format!("{good}=")).await), Reason::Unknown, "not equal");
    for (claims, secret, what) in [
        (format!(r#"{{"user_id":7,"type":"ws_token","exp":{NOW}}}"#), SECRET, "expired"),
        (r#"{"user_id":7,"type":"ws_token","exp":1800}"#.to_owned(), SECRET, "the lifetime as the time"),
        (r#"{"user_id":7,"type":"ws_token"}"#.to_owned(), SECRET, "for ever"),
        (format!(r#"{{"user_id":7,"type":"ws_token","exp":{}}}"#, NOW + 60), "another", "another key"),
        (format!(r#"{{"user_id":7,"token_type":"access","jti":"x","exp":{}}}"#, NOW + 60), SECRET, "an access token"),
        (format!(r#"{{"type":"ws_token","exp":{}}}"#, NOW + 60), SECRET, "without a user"),
    ] {
        let token = signed(&claims, secret);
        put(&cache, "ws_token_7", cache_value::encode_cache_str(&token)).await;
        assert!(matches!(user(&tokens, &cache, &token).await, Err(AuthError::Invalid(_))), "{what}");
    }
}

#[tokio::test]
async fn a_token_signed_with_an_earlier_key_is_accepted_and_new_ones_use_the_current_key() {
    let cache = MemoryCache::new();
    let before = with(|_| {}).issue(&cache, &Value::Int(7), at(NOW)).await.unwrap().token;
    let rotated = with(|auth| {
        auth.secret_key = Some(Secret::new("new"));
        auth.secret_key_fallbacks = vec![Secret::new(SECRET)];
    });
    assert!(user(&rotated, &cache, &before).await.is_ok());
    let after = rotated.issue(&cache, &Value::Int(7), at(NOW)).await.unwrap().token;
    assert!(user(&with(|auth| auth.secret_key = Some(Secret::new("new"))), &cache, &after).await.is_ok());
}

#[tokio::test]
async fn an_opaque_token_names_an_id_or_a_dict_with_one() {
    let (tokens, cache) = (with(|_| {}), MemoryCache::new());
    let cases: [(&[u8], &str); 6] = [
        (b"7", r#"{"id":7}"#),
        (br#""7""#, r#"{"id":7}"#),
        (br#""2f1d0a4e-1111-4222-8333-444455556666""#, r#"{"id":"2f1d0a4e-1111-4222-8333-444455556666"}"#),
        (br#"{"user_id": 7, "role": "admin"}"#, r#"{"id":7,"role":"admin"}"#),
        (br#"{"user_type": "staff", "user_pk": "9", "id": 1}"#, r#"{"id":9,"user_type":"staff"}"#),
        (br#"{"id": 5, "name": "Z"}"#, r#"{"id":5,"name":"Z"}"#),
    ];
    for (value, expected) in cases {
        put(&cache, "ws_token_T-o_k.en", value).await;
        assert_eq!(user(&tokens, &cache, "T-o_k.en").await.unwrap(), expected);
    }
    for value in ["null", "true", "[7]", "{}", r#"{"user_id": null}"#, r#""""#, r#""a b""#, "nonsense"] {
        put(&cache, "ws_token_T", value).await;
        let error = user(&tokens, &cache, "T").await.unwrap_err();
        assert_eq!((error.label(), error.outcome(), error.status()), ("invalid", "unreadable", 403), "{value}");
        let AuthError::Invalid(Fault { reason: Reason::Unreadable, advice }) = error else { panic!("{error:?}") };
        assert!(advice.contains(r#""ws_token_{token}""#) && !advice.contains("ws_token_T"), "{advice}");
    }
}

#[tokio::test]
async fn a_token_that_names_the_key_of_a_jwt_proves_nothing_and_deletes_nothing() {
    let cache = MemoryCache::new();
    for form in [WsTokenForm::Any, WsTokenForm::Opaque] {
        let tokens = with(|auth| {
            auth.ws_token.form = form;
            auth.ws_token.single_use = true;
        });
        let token = tokens.issue(&cache, &Value::Int(7), at(NOW)).await.unwrap().token;
        assert_eq!(reason(user(&tokens, &cache, "7").await), Reason::Unknown);
        let kept = cache.get("ws_token_7").await.unwrap().unwrap().value;
        assert_eq!(cache_value::decode(&kept).unwrap().as_str(), Some(&*token));
    }
}

#[tokio::test]
async fn a_token_cannot_reach_keys_of_other_data() {
    let tokens = with(|auth| auth.ws_token.opaque_key = "{token}".to_owned());
    let cache = MemoryCache::new();
    let long = "x".repeat(MAX_OPAQUE + 1);
    for bad in ["", "a b", "a\nb", "a\0", "\u{7f}", "é", &long] {
        put(&cache, bad, "7").await;
        assert_eq!(reason(user(&tokens, &cache, bad).await), Reason::Malformed, "{bad:.20}");
    }
    put(&cache, "{token}", "7").await;
    assert!(user(&tokens, &cache, "{token}").await.is_ok(), "braces in a token are text");
}

#[tokio::test]
async fn a_single_use_token_is_valid_once() {
    let (tokens, cache) = (with(|auth| auth.ws_token.single_use = true), MemoryCache::new());
    let issued = tokens.issue(&cache, &Value::Int(7), at(NOW)).await.unwrap().token;
    put(&cache, "ws_token_opaque", "8").await;
    for token in [&*issued, "opaque"] {
        assert!(user(&tokens, &cache, token).await.is_ok());
        assert_eq!(reason(user(&tokens, &cache, token).await), Reason::Unknown);
    }
}

#[tokio::test]
async fn the_form_decides_the_lookup_and_a_missing_key_is_reported() {
    let cache = MemoryCache::new();
    put(&cache, "ws_token_opaque", "8").await;
    let jwt_only = with(|auth| auth.ws_token.form = WsTokenForm::Jwt);
    assert_eq!(reason(user(&jwt_only, &cache, "opaque").await), Reason::Malformed);
    let keyless = with(|auth| auth.secret_key = None);
    assert!(!keyless.needs_key());
    assert!(user(&keyless, &cache, "opaque").await.is_ok());
    assert_eq!(user(&keyless, &cache, &signed("{}", SECRET)).await, Err(NO_KEY));
    assert_eq!(keyless.issue(&cache, &Value::Int(7), at(NOW)).await, Err(NO_KEY));
}

#[test]
fn settings_that_cannot_work_are_refused_with_their_key() {
    let error = |change: fn(&mut Auth)| {
        let mut auth = Auth::default();
        change(&mut auth);
        WsTokens::new(&auth).unwrap_err().key
    };
    assert_eq!(error(|auth| auth.ws_token.jwt_key = "ws_token".to_owned()), "auth.ws_token.jwt_key");
    assert_eq!(error(|auth| auth.ws_token.opaque_key = "ws_{user_id}".to_owned()), "auth.ws_token.opaque_key");
    assert_eq!(error(|auth| auth.ws_token.lifetime = crate::config::Span::millis(10)), "auth.ws_token.lifetime");
    assert_eq!(error(|auth| auth.secret_key = Some(Secret::new(""))), "auth.secret_key");
}

#[tokio::test]
async fn no_token_and_no_key_is_shown_in_debug_output() {
    let (tokens, cache) = (with(|_| {}), MemoryCache::new());
    let issued = tokens.issue(&cache, &Value::Int(7), at(NOW)).await.unwrap();
    let shown = format!("{issued:?} {tokens:?}");
    assert!(!shown.contains(&issued.token) && !shown.contains(SECRET), "{shown}");
}
