use std::time::UNIX_EPOCH;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::*;

const VECTORS: &str = include_str!("../../../tests/fixtures/jwt-vectors.json");
const SECRET: &str = "wire-reference-secret-key-0123456789abcdef";

#[derive(Deserialize)]
struct Fixture {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    at: u64,
    accepted: Option<bool>,
    user_id: Option<Value>,
    error: Option<String>,
    verify: Option<Key>,
    payload_bytes: Option<String>,
    settings: Option<Value>,
}

#[derive(Deserialize)]
struct Key {
    algorithm: String,
    key_utf8: Option<String>,
    public_key_pem: Option<String>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str::<Fixture>(VECTORS).unwrap().vectors
}

fn auth() -> Auth {
    Auth { secret_key: Some(Secret::new(SECRET)), ..Auth::default() }
}

fn with(change: impl FnOnce(&mut Auth)) -> Verifier {
    let mut auth = auth();
    change(&mut auth);
    Verifier::new(&auth).unwrap().unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A token with these claims signed with the secret of the vectors, without the claims that simplejwt adds.
fn signed(claims: &str) -> String {
    let claims: Value = serde_json::from_str(claims).unwrap();
    claims::sign(&claims, jsonwebtoken::Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

impl Verifier {
    /// The claims of a valid token.
    fn read(&self, token: &str, now: SystemTime) -> Result<Value, AuthError> {
        let (claims, result) = (claims::open(token, self.algorithm, &self.keys), self.identify_offline(token, now));
        match result {
            // simplejwt itself reads the user from the claims only later.
            Err(AuthError::Invalid(Fault { reason: Reason::NoUser, .. })) => Ok(claims?),
            result => Ok(result?.claims),
        }
    }
}

fn reason<T: fmt::Debug>(result: Result<T, AuthError>) -> &'static str {
    match result {
        Err(AuthError::Invalid(fault)) => fault.reason.text(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tokens_are_accepted_and_refused_as_by_simplejwt() {
    // PyJWT before 2.10 accepted numbers for `sub` and `jti`, and systems with it have such tokens.
    const NUMBERS: [&str; 2] = ["sub_int", "jti_int"];
    let verifier = with(|_| {});
    let mut ran = 0;
    for vector in vectors() {
        let Some(accepted) = vector.accepted else { continue };
        let result = verifier.read(&vector.token, at(vector.at));
        if accepted || NUMBERS.iter().any(|name| vector.id.ends_with(name)) {
            let claims = result.unwrap_or_else(|error| panic!("{}: {error}", vector.id));
            assert!(!accepted || claims.get("user_id") == vector.user_id.as_ref(), "{}", vector.id);
        } else {
            let reason = reason(result);
            // The wording is that of 5.5; 5.3 says less, and text in `exp` breaks both.
            let said = vector.error.unwrap();
            if vector.id.starts_with("jwt55/") && !said.starts_with("TypeError") {
                assert!(said.ends_with(reason), "{}: {said} / {reason}", vector.id);
            }
        }
        ran += 1;
    }
    assert_eq!(ran, 46);
}

#[test]
fn tokens_of_every_algorithm_are_read_with_their_key_and_with_no_other() {
    let mut ran = 0;
    for vector in vectors() {
        let Some(key) = vector.verify else { continue };
        let configure = |algorithm: &str, auth: &mut Auth| {
            auth.jwt.algorithm = algorithm.to_owned();
            auth.jwt.signing_key = key.key_utf8.as_deref().map(Secret::new);
            auth.jwt.verifying_key = key.public_key_pem.as_deref().map(Secret::new);
        };
        let verifier = with(|auth| configure(&key.algorithm, auth));
        let result = verifier.read(&vector.token, at(vector.at));
        if vector.id.contains("/refresh_default") || vector.id.contains("/sliding") {
            assert_eq!(reason(result), "Token has wrong type", "{}", vector.id);
        } else {
            let claims = result.unwrap_or_else(|error| panic!("{}: {error}", vector.id));
            let payload: Value = serde_json::from_str(&vector.payload_bytes.unwrap()).unwrap();
            assert_eq!(claims, payload, "{}", vector.id);
        }
        // The same key under another algorithm of its family, and the token with one bit of its payload changed.
        let other = match key.algorithm.as_str() {
            "HS256" => "HS384",
            "RS256" => "PS256",
            "ES256" => "ES384",
            "EdDSA" => "ES256",
            name if name.starts_with("HS") => "HS256",
            name if name.starts_with("ES") => "ES256",
            _ => "RS256",
        };
        let mut auth = auth();
        configure(other, &mut auth);
        if let Ok(Some(verifier)) = Verifier::new(&auth) {
            assert_eq!(reason(verifier.read(&vector.token, at(vector.at))), "Token is invalid", "{}", vector.id);
        }
        let (head, signature) = vector.token.rsplit_once('.').unwrap();
        let (head, last) = head.split_at(head.len() - 4);
        let changed = if last == "AAAA" { "BBBB" } else { "AAAA" };
        let tampered = format!("{head}{changed}.{signature}");
        assert_eq!(reason(verifier.read(&tampered, at(vector.at))), "Token is invalid", "{}", vector.id);
        ran += 1;
    }
    assert_eq!(ran, 35);
}

#[test]
fn the_defaults_are_those_of_simplejwt() {
    let (rules, mut ran) = (Jwt::default(), 0);
    for settings in vectors().into_iter().filter_map(|vector| vector.settings) {
        let said = |name: &str| settings.get(name).and_then(Value::as_str).unwrap().to_owned();
        assert_eq!(said("ALGORITHM"), rules.algorithm);
        assert_eq!(said("USER_ID_CLAIM"), rules.user_id_claims[0]);
        assert_eq!(said("TOKEN_TYPE_CLAIM"), rules.token_type_claim);
        assert_eq!(said("JTI_CLAIM"), rules.jti_claim);
        assert_eq!(said("LEEWAY"), rules.leeway.0.as_secs().to_string());
        assert_eq!((said("AUDIENCE"), said("ISSUER")), ("None".to_owned(), "None".to_owned()));
        assert!(rules.audience.is_none() && rules.issuer.is_none());
        ran += 1;
    }
    assert_eq!(ran, 2);
}

#[test]
fn a_token_ends_at_its_second_and_leeway_moves_that() {
    let token = signed(r#"{"token_type":"access","exp":1000,"jti":"x","user_id":7}"#);
    let strict = with(|_| {});
    assert!(strict.read(&token, at(999)).is_ok());
    assert_eq!(reason(strict.read(&token, at(1000))), "Token is expired");
    let lenient = with(|auth| auth.jwt.leeway = crate::config::Span::seconds(10));
    assert!(lenient.read(&token, at(1009)).is_ok());
    assert_eq!(reason(lenient.read(&token, at(1010))), "Token is expired");
    let early = signed(r#"{"token_type":"access","exp":1000,"nbf":510,"iat":510,"jti":"x","user_id":7}"#);
    assert_eq!(reason(strict.read(&early, at(500))), "Token is invalid");
    assert!(lenient.read(&early, at(500)).is_ok());
}

#[test]
fn audience_and_issuer_count_where_they_are_configured() {
    let token = |more: &str| signed(&format!(r#"{{"token_type":"access","exp":1000,"jti":"x","user_id":7{more}}}"#));
    let audience = with(|auth| auth.jwt.audience = Some(Names::one("web")));
    for good in [r#","aud":"web""#, r#","aud":["app","web"]"#] {
        assert!(audience.read(&token(good), at(0)).is_ok(), "{good}");
    }
    for bad in ["", r#","aud":"app""#, r#","aud":[]"#, r#","aud":["web",7]"#, r#","aud":null"#] {
        assert_eq!(reason(audience.read(&token(bad), at(0))), "Token is invalid", "{bad}");
    }
    let issuer = with(|auth| auth.jwt.issuer = Some(Names::one("https://idp.example")));
    assert!(issuer.read(&token(r#","iss":"https://idp.example""#), at(0)).is_ok());
    for bad in ["", r#","iss":"https://idp.example/""#, r#","iss":["https://idp.example"]"#] {
        assert_eq!(reason(issuer.read(&token(bad), at(0))), "Token is invalid", "{bad}");
    }
}

#[test]
fn keys_that_were_current_before_are_still_accepted() {
    let token = &vectors()[1].token;
    let now = at(1_760_000_000);
    assert!(with(|auth| auth.secret_key = Some(Secret::new("new"))).read(token, now).is_err());
    let previous = with(|auth| {
        auth.jwt.signing_key = Some(Secret::new("new"));
        auth.jwt.previous_keys = vec![Secret::new("older"), Secret::new(SECRET)];
    });
    assert!(previous.read(token, now).is_ok());
    let fallbacks = |auth: &mut Auth| {
        auth.secret_key = Some(Secret::new("new"));
        auth.secret_key_fallbacks = vec![Secret::new(SECRET)];
    };
    assert!(with(fallbacks).read(token, now).is_ok());
    // A configured signing key is not the SECRET_KEY, so the old SECRET_KEY does not count.
    let own_key = |auth: &mut Auth| {
        fallbacks(auth);
        auth.jwt.signing_key = Some(Secret::new("own"));
    };
    assert!(with(own_key).read(token, now).is_err());
}

#[test]
fn the_user_has_one_id_in_any_form_and_the_claims_about_them() {
    let verifier = with(|auth| auth.jwt.user_id_claims = vec!["user_id".to_owned(), "uid".to_owned()]);
    let user = |more: &str| {
        let token = signed(&format!(r#"{{"token_type":"access","exp":1000,"jti":"x",{more}}}"#));
        verifier.identify_offline(&token, at(0)).map(|identity| serde_json::to_string(&identity.user).unwrap())
    };
    for (claims, expected) in [
        (r#""user_id":7"#, r#"{"id":7}"#),
        (r#""user_id":"7""#, r#"{"id":7}"#),
        (r#""uid":"007""#, r#"{"id":"007"}"#),
        (r#""user_id":"ab-1","role":"admin","id":8,"sub":"9""#, r#"{"id":"ab-1","role":"admin"}"#),
    ] {
        assert_eq!(user(claims).unwrap(), expected);
    }
    for claims in [r#""role":"admin""#, r#""user_id":null"#, r#""user_id":true"#, r#""user_id":"""#, r#""user_id":[7]"#]
    {
        assert_eq!(reason(user(claims)), Reason::NoUser.text(), "{claims}");
    }
    let token = signed(r#"{"token_type":"access","exp":1000.9,"jti":"x","user_id":7}"#);
    assert_eq!(verifier.identify_offline(&token, at(0)).unwrap().expires, Some(at(1000)));
}

#[test]
fn a_token_of_another_use_is_known_by_every_claim_that_says_so() {
    // A kind without types, beside a Django with TOKEN_TYPE_CLAIM = "tt".
    let mut auth = auth();
    auth.jwt.token_type_claim = "tt".to_owned();
    let rules = Jwt { token_type_claim: String::new(), jti_claim: String::new(), ..auth.jwt.clone() };
    let kind = Verifier::of_kind(&auth, "node", &rules).unwrap().unwrap();
    let read = |claims: &str| kind.identify_offline(&signed(&format!(r#"{{"exp":9999999999,"id":7{claims}}}"#)), at(0));
    for good in ["", r#","tt":"access""#, r#","type":"student""#, r#","tokenType":"Bearer""#, r#","kind":"refresh""#] {
        assert!(read(good).is_ok(), "{good}");
    }
    for bad in [
        r#","tt":"refresh""#,
        r#","tt":"reset""#,
        r#","tt":7"#,
        r#","token_type":"sliding""#,
        r#","tokenType":"refresh""#,
        r#","token-type":"refresh-token""#,
        r#","TYPE":"Refresh Token""#,
        r#","tokenUse":"refreshToken""#,
        r#","type":"wsToken""#,
    ] {
        assert_eq!(reason(read(bad)), Reason::WrongType.text(), "{bad}");
    }
}

#[test]
fn malformed_tokens_are_refused_and_never_a_panic() {
    let verifier = with(|_| {});
    let valid = signed(r#"{"token_type":"access","exp":1000,"jti":"x","user_id":7}"#);
    let (message, signature) = valid.rsplit_once('.').unwrap();
    let (_, payload) = message.split_once('.').unwrap();
    for bad in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "é.é.é",
        message,
        &format!("{message}."),
        &format!(".{payload}.{signature}"),
        &format!("{message}.{signature}==="),
        &format!("{message}.{}", &signature[1..]),
        &format!("{valid}.{signature}"),
        &"e".repeat(1 << 20),
    ] {
        assert_eq!(reason(verifier.read(bad, at(0))), "Token is invalid", "{bad:.40}");
    }
    for claims in ["[]", "7", r#"{"exp":true}"#, r#"{"exp":null}"#, r#"{"exp":[1000]}"#] {
        assert_eq!(reason(verifier.read(&signed(claims), at(0))), "Token is invalid", "{claims}");
    }
}

#[test]
fn a_header_with_other_demands_is_refused_even_with_a_valid_signature() {
    let payload = signed(r#"{"token_type":"access","exp":1000,"jti":"x","user_id":7}"#);
    let payload = payload.split('.').nth(1).unwrap();
    let judged = |header: &str| {
        let message = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header));
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
        with(|_| {}).read(&format!("{message}.{signature}"), at(0))
    };
    assert!(judged(r#"{"alg":"HS256"}"#).is_ok());
    for header in [
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#""HS256""#,
    ] {
        assert_eq!(reason(judged(header)), "Token is invalid", "{header}");
    }
}

#[test]
fn a_minted_token_equals_simplejwts() {
    let extra = IndexMap::from([("role".into(), "manager".into())]);
    let token = mint(&auth(), "7", Duration::from_secs(300), extra, at(1_760_000_000)).unwrap();
    let claims = with(|_| {}).read(&token, at(1_760_000_001)).unwrap();
    let names: Vec<&str> = claims.as_map().unwrap().keys().map(|name| &**name).collect();
    assert_eq!(names, ["token_type", "exp", "iat", "jti", "user_id", "role"]);
    assert_eq!(claims.get("exp"), Some(&Value::Int(1_760_000_300)));
    assert!(token.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."), "the header is not that of PyJWT");
    assert_eq!(mint(&Auth::default(), "7", Duration::ZERO, IndexMap::new(), at(0)), Err(NO_KEY));
}

#[test]
fn a_bad_key_or_algorithm_is_an_error_with_its_name_in_the_file_and_without_the_key() {
    let error = |change: fn(&mut Auth)| {
        let mut auth = auth();
        change(&mut auth);
        Verifier::new(&auth).unwrap_err()
    };
    assert_eq!(error(|auth| auth.jwt.algorithm = "none".to_owned()).key, "auth.jwt.algorithm");
    assert_eq!(error(|auth| auth.jwt.user_id_claims.clear()).key, "auth.jwt.user_id_claims");
    assert_eq!(error(|auth| auth.secret_key = Some(Secret::new(""))).key, "auth.secret_key");
    let error = error(|auth| {
        auth.jwt.algorithm = "RS256".to_owned();
        auth.jwt.verifying_key = Some(Secret::new("not-a-pem"));
    });
    assert_eq!(error.to_string(), "auth.jwt.verifying_key: is not a PEM public key for RS256");
    assert!(Verifier::new(&Auth::default()).unwrap().is_none());
}
