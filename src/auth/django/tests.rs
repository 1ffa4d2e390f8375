use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use tokio::sync::Notify;

use super::*;
use crate::{
    auth::{AuthError, Authenticator, Identity, MemoryCache, RequestHead},
    config::{Auth, AuthMethod, Config, DjangoLogin, InvalidToken, Span},
    consumer::BodyKind,
    event::{Fingerprint, json},
    telemetry::Metrics,
};

/// A Django that gives the answers of a test, when the test says so.
#[derive(Default)]
struct Django {
    asked: AtomicUsize,
    questions: Mutex<Vec<String>>,
    answer: Mutex<Option<Outcome>>,
    holds: Mutex<Option<Arc<Notify>>>,
}

impl Django {
    fn says(&self, status: u16, text: &str) {
        let (body, kind) = match json::read(text.as_bytes()) {
            Ok(body) => (body, BodyKind::Json),
            Err(_) if text.is_empty() => (Value::Null, BodyKind::Empty),
            Err(_) => (Value::Null, BodyKind::Other),
        };
        *self.answer.lock().unwrap() = Some(Outcome::Answer { status, body, kind, retry_after: None });
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl AskDjango for Django {
    fn ask(&self, request: CallRequest) -> BoxFuture<'_, Outcome> {
        assert!(&*request.action == "who_am_i" && request.idempotent && request.user == Value::Null);
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.questions.lock().unwrap().push(json::text(&request.data));
        let holds = self.holds.lock().unwrap().clone();
        Box::pin(async move {
            if let Some(holds) = holds {
                holds.notified().await;
            }
            self.answer.lock().unwrap().clone().unwrap()
        })
    }
}

fn node(django: &Arc<Django>, login: DjangoLogin) -> Authenticator {
    let config = Config { auth: Auth { django: login, ..Auth::default() }, ..Config::default() };
    let logins = DjangoLogins::new(Arc::clone(django) as Arc<dyn AskDjango>, Metrics::new());
    Authenticator::new(&config, Arc::new(MemoryCache::new())).unwrap().with_django(Some(logins))
}

fn everything() -> DjangoLogin {
    let names = |name: &str| vec![name.to_owned()];
    DjangoLogin {
        headers: names("Authorization"),
        query: names("token"),
        subprotocols: names("Token"),
        ..DjangoLogin::default()
    }
}

const METHODS: [AuthMethod; 2] = [AuthMethod::Django, AuthMethod::Anonymous];

async fn known(node: &Authenticator, methods: &[AuthMethod], head: &RequestHead<'_>) -> Result<Identity, AuthError> {
    node.authenticate_client(methods, InvalidToken::Refuse, None, head).await
}

fn session(key: &str) -> RequestHead<'_> {
    RequestHead { cookie: vec![key.into()], ..RequestHead::default() }
}

#[tokio::test]
async fn the_answers_status_decides() {
    let unavailable = AuthError::DjangoUnavailable { retry_after: RETRY_AFTER };
    for (number, (status, body, alone, with_anonymous)) in [
        (200, r#"{"id": 7, "name": "ada"}"#, Ok(r#"{"id":7,"name":"ada"}"#), Ok(r#"{"id":7,"name":"ada"}"#)),
        (200, r#"{"id": "7", "exp": 99999999999, "via": "cookies"}"#, Ok(r#"{"id":"7"}"#), Ok(r#"{"id":"7"}"#)),
        (200, r#"{"id": 7, "exp": 1}"#, Err("invalid"), Err("invalid")),
        (200, "null", Err("missing"), Ok("null")),
        (200, r#"{"name": "ada"}"#, Err("backend_unavailable"), Err("backend_unavailable")),
        (200, r#"{"id": null}"#, Err("backend_unavailable"), Err("backend_unavailable")),
        (200, "[7]", Err("backend_unavailable"), Err("backend_unavailable")),
        (204, "null", Err("backend_unavailable"), Err("backend_unavailable")),
        (200, r#"{"id": 7, "exp": null}"#, Ok(r#"{"id":7}"#), Ok(r#"{"id":7}"#)),
        (200, r#"{"id": 7, "exp": 99999999999.5}"#, Ok(r#"{"id":7}"#), Ok(r#"{"id":7}"#)),
        (200, r#"{"id": 7, "exp": -1}"#, Err("invalid"), Err("invalid")),
        // An end that cannot be read is not a login without an end.
        (200, r#"{"id": 7, "exp": "99999999999"}"#, Err("backend_unavailable"), Err("backend_unavailable")),
        (200, r#"{"id": 7, "exp": true}"#, Err("backend_unavailable"), Err("backend_unavailable")),
        (200, r#"{"id": 7, "exp": 1766304000000}"#, Err("backend_unavailable"), Err("backend_unavailable")),
        (200, r#"{"id": 7, "exp": 18446744073709551615}"#, Err("backend_unavailable"), Err("backend_unavailable")),
        (200, r#"{"id": ""}"#, Err("backend_unavailable"), Err("backend_unavailable")),
        (200, r#"{"id": true}"#, Err("backend_unavailable"), Err("backend_unavailable")),
        // A page is of whoever stands before Django, such as a proxy, a firewall or the site's login.
        (200, "<html>", Err("backend_unavailable"), Err("backend_unavailable")),
        (200, "", Err("backend_unavailable"), Err("backend_unavailable")),
        (401, "<html>", Err("backend_unavailable"), Err("backend_unavailable")),
        (403, "<html>", Err("backend_unavailable"), Err("backend_unavailable")),
        (401, "", Err("invalid"), Err("invalid")),
        (403, "", Err("denied"), Err("denied")),
        (401, "null", Err("invalid"), Err("invalid")),
        (401, r#"{"message": "no"}"#, Err("invalid"), Err("invalid")),
        (403, r#"{"message": "no"}"#, Err("denied"), Err("denied")),
        (401, r#"{"kind": "signature"}"#, Err("backend_unavailable"), Err("backend_unavailable")),
        (403, r#"{"kind": "signature"}"#, Err("backend_unavailable"), Err("backend_unavailable")),
        (404, "null", Err("backend_unavailable"), Err("backend_unavailable")),
        (500, "null", Err("backend_unavailable"), Err("backend_unavailable")),
        (501, "null", Err("backend_unavailable"), Err("backend_unavailable")),
    ]
    .into_iter()
    .enumerate()
    {
        let django = Arc::new(Django::default());
        django.says(status, body);
        for (methods, expected) in [(&METHODS[..1], alone), (&METHODS[..], with_anonymous)] {
            let node = node(&django, DjangoLogin::default());
            let found = known(&node, methods, &session(&format!("sessionid={number}"))).await;
            let found = found.map(|identity| json::text(&identity.user));
            if expected == Err("backend_unavailable") {
                assert_eq!(found, Err(unavailable.clone()), "{status} {body}");
            }
            assert_eq!(found.as_deref().map_err(AuthError::label), expected, "{status} {body}");
        }
    }
}

#[tokio::test]
async fn what_is_listed_is_passed_on_and_a_client_that_sends_none_of_it_is_not_asked_about() {
    let django = Arc::new(Django::default());
    django.says(200, r#"{"id": 7}"#);
    let node = node(&django, everything());
    let other = RequestHead { cookie: vec!["csrftoken=x".into()], query: "room=1", ..RequestHead::default() };
    assert_eq!(known(&node, &METHODS[..1], &other).await, Err(AuthError::Missing));
    assert_eq!(known(&node, &METHODS, &other).await.unwrap().user, Value::Null);
    assert_eq!(django.asked(), 0);
    let all = RequestHead {
        cookie: vec!["a=1; sessionid=\"s\"; sessionid=t".into()],
        authorization: Some("Token  abc"),
        query: "token=q%20r&other=1",
        subprotocols: "v1, Token, sub".into(),
        ..RequestHead::default()
    };
    let identity = known(&node, &METHODS, &all).await.unwrap();
    assert_eq!(identity.subprotocol.as_deref(), Some("Token"));
    assert_eq!(
        *django.questions.lock().unwrap(),
        [concat!(
            r#"{"headers":{"authorization":"Token  abc"},"query":{"token":"q r"},"#,
            r#""subprotocols":{"Token":"sub"},"cookies":{"sessionid":"t"}}"#
        )]
    );
    // A token of a message stands alone: what a browser adds by itself does not count beside it.
    node.authenticate_client(&METHODS, InvalidToken::Refuse, Some("Bearer m"), &all).await.unwrap();
    assert_eq!(django.questions.lock().unwrap()[1], r#"{"token":"m"}"#);
    assert!(!format!("{:?}", Forwarded::token("secret")).contains("secret"));
}

#[tokio::test]
async fn the_token_of_a_connection_is_what_django_took_or_what_says_most() {
    let head = RequestHead { authorization: Some("Token\t abc"), ..session("csrftoken=c; sessionid=s") };
    for (body, token) in [
        (r#"{"id": 7}"#, "abc"),
        (r#"{"id": 7, "via": "cookies"}"#, "c"),
        (r#"{"id": 7, "via": "cookies.sessionid"}"#, "s"),
        (r#"{"id": 7, "via": "cookies.gone"}"#, "abc"),
        (r#"{"id": 7, "via": "moon"}"#, "abc"),
    ] {
        let django = Arc::new(Django::default());
        django.says(200, body);
        let cookies = ["csrftoken", "sessionid"].map(str::to_owned).into();
        let node = node(&django, DjangoLogin { cookies, ..everything() });
        assert_eq!(known(&node, &METHODS, &head).await.unwrap().token, Some(Fingerprint::of_text(token)), "{body}");
        // A revoked one counts wherever it was sent.
        node.revocations().add(Fingerprint::of_text("s"), SystemTime::now() + Duration::from_secs(60));
        assert_eq!(known(&node, &METHODS, &head).await, Err(AuthError::Revoked), "{body}");
    }
}

#[tokio::test]
async fn a_text_that_is_longer_than_any_token_is_not_asked_about() {
    let django = Arc::new(Django::default());
    django.says(200, r#"{"id": 7}"#);
    let node = node(&django, DjangoLogin::default());
    for (length, asked) in [(16 << 10, 1), ((16 << 10) + 1, 1)] {
        let token = "x".repeat(length);
        let found =
            node.authenticate_client(&METHODS, InvalidToken::Refuse, Some(&token), &RequestHead::default()).await;
        assert_eq!((found.is_ok(), django.asked()), (length == 16 << 10, asked), "{length}");
    }
}

#[tokio::test]
async fn handshakes_with_the_same_credential_ask_once_and_later_ones_use_the_answer() {
    let (django, holds) = (Arc::new(Django::default()), Arc::new(Notify::new()));
    django.says(200, r#"{"id": 7}"#);
    *django.holds.lock().unwrap() = Some(Arc::clone(&holds));
    let node_with = |cache: Duration| node(&django, DjangoLogin { cache: Span(cache), ..DjangoLogin::default() });
    let node = node_with(Duration::from_secs(60));
    let (one, two) = (session("sessionid=1"), session("sessionid=2"));
    let before = Instant::now();
    let many = join_all((0..50).map(|_| known(&node, &METHODS, &one)));
    let release = async {
        while django.asked() == 0 {
            tokio::task::yield_now().await;
        }
        *django.holds.lock().unwrap() = None;
        holds.notify_waiters();
    };
    let (found, ()) = tokio::join!(many, release);
    let asked: HashSet<_> = found.into_iter().map(|identity| identity.unwrap().asked.unwrap()).collect();
    assert_eq!((django.asked(), asked.len()), (1, 1));
    let asked = asked.into_iter().next().unwrap();
    assert!(asked >= before);
    assert_eq!(known(&node, &METHODS, &one).await.unwrap().asked, Some(asked), "the time of the question stays");
    assert_eq!(django.asked(), 1);
    known(&node, &METHODS, &two).await.unwrap();
    assert_eq!(django.asked(), 2, "another credential is another question");
    let node = node_with(Duration::from_millis(20));
    let asked = known(&node, &METHODS, &one).await.unwrap().asked.unwrap();
    while asked.elapsed() < Duration::from_millis(100) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    known(&node, &METHODS, &one).await.unwrap();
    assert_eq!(django.asked(), 4, "the answer is too old");
}

#[tokio::test]
async fn an_answer_without_a_user_counts_for_a_second_at_most_and_none_at_all_does_not_count() {
    let django = Arc::new(Django::default());
    let long = DjangoLogin { cache: Span::seconds(300), ..DjangoLogin::default() };
    let (node, head) = (node(&django, long), session("sessionid=1"));
    for (status, body, most) in [(401, "null", 1.0), (403, "null", 1.0), (200, "null", 1.0), (500, "null", 0.0)] {
        django.says(status, body);
        let verdict = Verdict::of(django.answer.lock().unwrap().clone().unwrap());
        let kept = logins::keeping(&Answer { verdict, asked: Instant::now() }, Duration::from_secs(300));
        assert_eq!(kept.map_or(0.0, |(time, ..)| time.as_secs_f64()), most, "{status}");
    }
    for count in 1..=3 {
        assert!(known(&node, &METHODS, &head).await.is_err());
        assert_eq!(django.asked(), count, "it is asked again");
    }
    let user = |expires| Verdict::User { user: Value::Null, expires, via: None };
    let soon = Some(SystemTime::now() + Duration::from_secs(3));
    let (time, ..) =
        logins::keeping(&Answer { verdict: user(soon), asked: Instant::now() }, Duration::from_secs(9)).unwrap();
    assert!(time <= Duration::from_secs(3), "no longer than the login");
}

#[tokio::test]
async fn a_disconnect_forgets_answers_about_its_user_or_token() {
    let django = Arc::new(Django::default());
    django.says(200, r#"{"id": 7}"#);
    let (node, head) = (node(&django, DjangoLogin::default()), session("sessionid=s"));
    for (principal, count) in
        [(Fingerprint::of_user("8"), 1), (Fingerprint::of_user("7"), 2), (Fingerprint::of_text("s"), 3)]
    {
        known(&node, &METHODS, &head).await.unwrap();
        node.forget(&HashMap::from([(principal, Instant::now())]));
        known(&node, &METHODS, &head).await.unwrap();
        assert_eq!(django.asked(), count);
    }
}

#[tokio::test]
async fn an_answer_on_its_way_does_not_count_for_those_who_come_after_a_disconnect() {
    let (django, holds) = (Arc::new(Django::default()), Arc::new(Notify::new()));
    django.says(200, r#"{"id": 7}"#);
    *django.holds.lock().unwrap() = Some(Arc::clone(&holds));
    let (node, head) = (node(&django, DjangoLogin::default()), session("sessionid=s"));
    let first = known(&node, &METHODS, &head);
    let second = async {
        while django.asked() == 0 {
            tokio::task::yield_now().await;
        }
        let ordered = Instant::now();
        node.forget(&HashMap::from([(Fingerprint::of_user("7"), Instant::now())]));
        *django.holds.lock().unwrap() = None;
        let later = known(&node, &METHODS, &head);
        let later = tokio::time::timeout(Duration::from_secs(30), later).await.expect("a question of its own").unwrap();
        holds.notify_one();
        (ordered, later.asked.unwrap())
    };
    let (first, (ordered, later)) = tokio::join!(first, second);
    assert!(first.unwrap().asked.unwrap() <= ordered && later >= ordered);
    assert_eq!(django.asked(), 2);
}

#[tokio::test]
async fn an_answer_on_its_way_at_a_logout_is_kept_for_nobody() {
    for principal in [Fingerprint::of_user("7"), Fingerprint::of_text("s"), Fingerprint::of_user("8")] {
        let (django, holds) = (Arc::new(Django::default()), Arc::new(Notify::new()));
        django.says(200, r#"{"id": 7}"#);
        *django.holds.lock().unwrap() = Some(Arc::clone(&holds));
        let (node, head) = (node(&django, DjangoLogin::default()), session("sessionid=s"));
        let logout = async {
            while django.asked() == 0 {
                tokio::task::yield_now().await;
            }
            node.forget(&HashMap::from([(principal, Instant::now())]));
            *django.holds.lock().unwrap() = None;
            holds.notify_one();
        };
        let (first, ()) = tokio::join!(known(&node, &METHODS, &head), logout);
        // Who has asked before gets it, and is ended by the order itself.
        assert_eq!(json::text(&first.unwrap().user), r#"{"id":7}"#);
        django.says(401, "null");
        let later = known(&node, &METHODS, &head).await.unwrap_err();
        assert_eq!((later.label(), django.asked()), ("invalid", 2), "whose answer it is was not known yet");
    }
}

#[tokio::test]
async fn another_method_goes_on_after_401_and_not_after_403() {
    let django = Arc::new(Django::default());
    let config = Config {
        auth: Auth {
            secret_key: Some(crate::config::Secret::new("0123456789abcdef0123456789abcdef")),
            ..Auth::default()
        },
        ..Config::default()
    };
    let later = Duration::from_secs(60);
    let token =
        crate::auth::jwt::mint(&config.auth, "9", later, indexmap::IndexMap::default(), SystemTime::now()).unwrap();
    let query = format!("token={token}");
    let head = RequestHead { query: &query, ..session("sessionid=s") };
    for (status, expected) in [(401, Ok(r#"{"id":9}"#)), (403, Err("denied")), (500, Ok(r#"{"id":9}"#))] {
        django.says(status, "null");
        let logins = DjangoLogins::new(Arc::clone(&django) as Arc<dyn AskDjango>, Metrics::new());
        let node = Authenticator::new(&config, Arc::new(MemoryCache::new())).unwrap().with_django(Some(logins));
        let found = known(&node, &[AuthMethod::Django, AuthMethod::Jwt], &head).await;
        let found = found.map(|identity| json::text(&identity.user));
        assert_eq!(found.as_deref().map_err(AuthError::label), expected, "{status}");
    }
}

#[tokio::test]
async fn an_invalid_login_may_be_anonymous_and_a_refusal_may_not() {
    let django = Arc::new(Django::default());
    let (node, head) = (node(&django, DjangoLogin::default()), session("sessionid=s"));
    django.says(401, "null");
    let identity = node.authenticate_client(&METHODS, InvalidToken::Anonymous, None, &head).await.unwrap();
    assert!(identity.user == Value::Null && matches!(identity.ignored, Some(AuthError::Invalid(_))));
    node.forget(&HashMap::from([(Fingerprint::of_text("s"), Instant::now())]));
    django.says(403, "null");
    let refused = node.authenticate_client(&METHODS, InvalidToken::Anonymous, None, &head).await;
    assert_eq!(refused, Err(AuthError::Denied));
}
