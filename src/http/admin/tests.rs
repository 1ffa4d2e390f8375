use std::{
    sync::Mutex as StdMutex,
    time::{Duration, SystemTime},
};

use actix_web::{App, http::header::HeaderMap, test};
use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use tokio::sync::watch;

use super::*;
use crate::{
    auth::{MemoryCache, jwt},
    cluster::{EmitOrder, Listening, NodeOverview, NodeStats, Responder, SocketRooms},
    config::{Auth, Secret},
    event::{GroupChange, GroupOrderResult, Value},
    http::publish::{PublishAccess, PublishGate},
    layer::memory::MemoryLayer,
    presence::{GracePeriods, NodePresence, PresenceMember},
    telemetry::{Metrics, history::Sample},
};

/// Answers like a node, and records the questions.
#[derive(Default)]
struct Answering {
    asked: StdMutex<Vec<Query>>,
    instead: Option<Answer>,
    silent: bool,
}

impl Responder for Answering {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        self.asked.lock().unwrap().push(query.clone());
        Box::pin(async move {
            if self.silent {
                std::future::pending::<()>().await;
            }
            match (&self.instead, query) {
                (Some(answer), _) => answer.clone(),
                (None, Query::Stats) => Answer::Stats(NodeStats {
                    connections: 3,
                    users: 2,
                    rooms: vec!["user_7".into(), "ticket_1".into()],
                    events: 40,
                }),
                (None, Query::Overview(samples)) => Answer::Overview(Box::new(overview(samples))),
                (None, Query::UserRooms(_)) => Answer::Rooms(vec![
                    SocketRooms { socket: "a".into(), namespace: "/".into(), rooms: vec!["user_7".into()] },
                    SocketRooms {
                        socket: "b".into(),
                        namespace: "/".into(),
                        rooms: vec!["user_7".into(), "ticket_1".into()],
                    },
                ]),
                (None, Query::Emit(_) | Query::Disconnect(_)) => Answer::Reached(2),
                (None, Query::Regroup(_)) => {
                    Answer::Regrouped(GroupOrderResult { connections: 3, changed: 2, failed: 1 })
                }
            }
        })
    }
}

fn overview(samples: usize) -> NodeOverview {
    let sample = |step: u64| Sample { at: 1_000 + 5 * step, events: step, connections: 3, ..Sample::default() };
    NodeOverview {
        stats: NodeStats { connections: 3, users: 2, rooms: vec!["ticket_1".into()], events: 40 },
        name: "node1".into(),
        version: "0.1.0".into(),
        ready: false,
        reason: Some("the node is stopping".into()),
        samples: (1..=samples.min(20) as u64).map(sample).collect(),
        ..NodeOverview::default()
    }
}

fn config() -> Config {
    let mut config =
        Config { auth: Auth { secret_key: Some(Secret::new("a-secret")), ..Auth::default() }, ..Config::default() };
    config.api.max_body = 1000;
    config
}

fn token(claims: &[(&str, Value)]) -> String {
    let extra: IndexMap<Box<str>, Value> = claims.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    let lifetime = Duration::from_secs(60);
    format!("Bearer {}", jwt::mint(&config().auth, "7", lifetime, extra, SystemTime::now()).unwrap())
}

fn admin_token() -> String {
    token(&[("role", "admin".into())])
}

pub(super) struct Desk {
    pub config: Config,
    responder: Arc<Answering>,
    draining: Draining,
    /// The key that the node has printed.
    pub printed: Option<&'static str>,
}

impl Desk {
    pub fn new() -> Self {
        Self { config: config(), responder: Arc::default(), draining: Draining::default(), printed: None }
    }

    fn answering(instead: Answer) -> Self {
        Self { responder: Arc::new(Answering { instead: Some(instead), ..Answering::default() }), ..Self::new() }
    }

    /// Of a node that does not answer.
    pub fn silent() -> Self {
        Self { responder: Arc::new(Answering { silent: true, ..Answering::default() }), ..Self::new() }
    }

    pub fn gate(&self) -> PublishGate {
        PublishGate::from_pointee(match self.printed {
            Some(key) => PublishAccess::Printed(Secret::new(key)),
            None => PublishAccess::Off,
        })
    }

    pub async fn admin(&self, metrics: &Metrics) -> Admin {
        let authenticator = Arc::new(Authenticator::new(&self.config, Arc::new(MemoryCache::new())).unwrap());
        let cluster = Arc::new(Cluster::new(&self.config, metrics.clone()).unwrap());
        let responder: Arc<dyn Responder> = self.responder.clone();
        cluster.start(Listening::Tcp("127.0.0.1:8000".parse().unwrap()), responder);
        let presence = NodePresence::alone(
            GracePeriods::new([], Duration::from_secs(1)),
            Arc::new(|_, _, _, _| ()),
            metrics.clone(),
        );
        for id in ["7", "8"] {
            let member = PresenceMember { scope: "shop".into(), id: id.into() };
            assert!(presence.enter(&member, &Value::Null).await.is_some());
        }
        Admin::new(&self.config, authenticator, cluster, Arc::new(presence))
    }

    async fn call(&self, request: test::TestRequest) -> (u16, HeaderMap, Json) {
        let metrics = Metrics::new();
        let layer = MemoryLayer::new(metrics.clone());
        let app = App::new()
            .app_data(web::Data::new(self.admin(&metrics).await))
            .app_data(web::Data::new(Registry::new(Arc::new(layer))))
            .app_data(web::Data::new(self.draining.clone()))
            .app_data(web::Data::new(watch::channel(None::<Duration>).1))
            .app_data(web::Data::new(metrics.clone()))
            .app_data(web::Data::new(self.gate()))
            .configure(configure);
        let app = test::init_service(app).await;
        let answer = test::call_service(&app, request.to_request()).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = test::read_body(answer).await;
        (status, headers, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{status}: {body:?}")))
    }

    async fn get(&self, path: &str) -> (u16, Json) {
        let request = test::TestRequest::get().uri(path).insert_header((header::AUTHORIZATION, admin_token()));
        let (status, headers, body) = self.call(request).await;
        assert_eq!(headers.get(header::CACHE_CONTROL).unwrap(), "no-store");
        (status, body)
    }

    async fn post(&self, path: &str, body: impl Into<web::Bytes>) -> (u16, Json) {
        let request = test::TestRequest::post().uri(path).insert_header((header::AUTHORIZATION, admin_token()));
        let (status, _, body) = self.call(request.set_payload(body)).await;
        (status, body)
    }

    fn orders(&self) -> Vec<EmitOrder> {
        let asked = self.responder.asked.lock().unwrap();
        let orders = asked.iter().filter_map(|query| match query {
            Query::Emit(order) => Some(order.clone()),
            _ => None,
        });
        orders.collect()
    }
}

#[actix_web::test]
async fn health_is_public_and_shows_the_number_of_users() {
    let desk = Desk::new();
    for path in ["/api/websocket/health", "/api/websocket/health/"] {
        let (status, _, body) = desk.call(test::TestRequest::get().uri(path)).await;
        assert_eq!(status, 200);
        let keys: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["service", "status", "connectedUsers", "timestamp"]);
        assert_eq!((&body["status"], &body["connectedUsers"]), (&json!("active"), &json!(2)));
        let timestamp = body["timestamp"].as_str().unwrap();
        assert!(timestamp.len() == 24 && timestamp.ends_with('Z'), "{timestamp}");
    }
    desk.draining.begin();
    let (status, _, body) = desk.call(test::TestRequest::get().uri("/api/websocket/health")).await;
    assert_eq!((status, &body["status"], &body["reason"]), (503, &json!("inactive"), &json!("the node is draining")));
}

#[actix_web::test]
async fn stats_are_those_of_the_cluster() {
    let (status, body) = Desk::new().get("/api/websocket/stats").await;
    assert_eq!((status, &body["status"], &body["silent"]), (200, &json!("success"), &json!([])));
    let mut data = body["data"].clone();
    let node = data["perNode"][0].as_object_mut().unwrap();
    assert_eq!(node.remove("node").unwrap().as_str().unwrap().len(), 12);
    assert!(node.remove("started").unwrap().as_u64().unwrap() > 1_700_000_000);
    assert_eq!(
        data,
        json!({
            "nodes": 1, "connections": 3, "users": 2, "rooms": 2, "events": 40,
            "perNode": [
                {"address": "127.0.0.1:8000", "connections": 3, "users": 2, "rooms": 2, "events": 40},
            ],
        })
    );
}

#[actix_web::test]
async fn stats_of_some_minutes_have_the_history_and_every_node_in_detail() {
    let desk = Desk::new();
    let (status, body) = desk.get("/api/websocket/stats/?minutes=1").await;
    assert_eq!((status, &body["message"], &body["silent"]), (200, &json!("Statistics of the cluster"), &json!([])));
    assert_eq!(desk.responder.asked.lock().unwrap().as_slice(), [Query::Overview(12)]);
    let node = &body["data"]["perNode"][0];
    assert_eq!((&node["name"], &node["version"], &node["ready"]), (&json!("node1"), &json!("0.1.0"), &json!(false)));
    assert_eq!((&node["reason"], &node["address"]), (&json!("the node is stopping"), &json!("127.0.0.1:8000")));
    let history = &body["data"]["history"];
    assert_eq!((&history["end"], history["events"].as_array().unwrap().len()), (&json!(1060), 12));
    assert_eq!(history["events"], json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
    for value in ["0", "16", "x", ""] {
        let (status, body) = desk.get(&format!("/api/websocket/stats?minutes={value}")).await;
        assert_eq!((status, &body["field"]), (400, &json!("minutes")), "{value:?}: {body}");
    }
}

#[actix_web::test]
async fn a_node_that_does_not_know_the_question_is_named_in_silent_and_a_cluster_of_such_is_503() {
    let desk = Desk::answering(Answer::Failed("invalid question: unknown variant `overview`".into()));
    let (status, body) = desk.get("/api/websocket/stats?minutes=15").await;
    assert_eq!((status, &body["message"]), (503, &json!("No node answered in time")));
    let asked = desk.responder.asked.lock().unwrap().clone();
    assert_eq!(asked, [Query::Overview(180), Query::Stats], "the figures that every release knows are asked for, too");
}

#[tokio::test(start_paused = true)]
async fn streams_that_ask_at_the_same_moment_share_an_answer() {
    let desk = Desk::new();
    let admin = desk.admin(&Metrics::new()).await;
    for samples in [24, 180, 24, 180] {
        assert!(admin.recent_overview(samples).await.is_ok());
    }
    let asked = || desk.responder.asked.lock().unwrap().clone();
    assert_eq!(asked(), [Query::Overview(24), Query::Overview(180)], "many samples serve who wants few of them");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(admin.recent_overview(24).await.is_ok());
    assert_eq!(asked()[2..], [Query::Overview(24)]);
}

#[actix_web::test]
async fn the_key_that_a_node_has_printed_opens_the_admin_api() {
    let desk = Desk { printed: Some("printed"), ..Desk::new() };
    let with = |method: &str, path: &str, key: &str| {
        let request = test::TestRequest::with_uri(path).method(method.parse().unwrap());
        request.insert_header((header::AUTHORIZATION, format!("Bearer {key}"))).set_payload(r#"{"event": "x"}"#)
    };
    for (method, path) in [
        ("GET", "/api/websocket/stats"),
        ("GET", "/api/websocket/stats?minutes=1"),
        ("GET", "/api/websocket/user/7/rooms"),
        ("POST", "/api/websocket/emit/7"),
        ("POST", "/api/websocket/emit/room/x"),
    ] {
        assert_eq!(desk.call(with(method, path, "printed")).await.0, 200, "{method} {path}");
        for key in ["", "other"] {
            assert_eq!(desk.call(with(method, path, key)).await.0, 401, "{method} {path} {key:?}");
        }
        let foreign = with(method, path, "printed").insert_header(("sec-fetch-site", "cross-site"));
        assert_eq!(desk.call(foreign).await.0, 403, "{method} {path}");
    }
    let (status, ..) =
        desk.call(with("POST", "/api/websocket/disconnect", "printed").set_payload(r#"{"user": 7}"#)).await;
    assert_eq!(status, 200);
    assert_eq!(desk.get("/api/websocket/stats").await.0, 200, "a token still does");
}

#[actix_web::test]
async fn a_live_stream_is_a_websocket() {
    let request =
        || test::TestRequest::get().uri("/api/websocket/live").insert_header((header::AUTHORIZATION, admin_token()));
    let (status, headers, body) = Desk::new().call(request()).await;
    assert_eq!(
        (status, &body["status"], headers.get(header::UPGRADE).unwrap()),
        (426, &json!("error"), &"websocket".parse().unwrap())
    );
}

#[actix_web::test]
async fn the_rooms_of_a_user_are_those_of_all_its_sockets() {
    let desk = Desk::new();
    let (status, body) = desk.get("/api/websocket/user/a%20b%2Fc/rooms/").await;
    assert_eq!((status, &body["message"]), (200, &json!("2 connections in 2 rooms")));
    assert_eq!(body["data"]["userId"], "a b/c");
    assert_eq!(body["data"]["rooms"], json!(["ticket_1", "user_7"]));
    assert_eq!(body["data"]["sockets"][1]["rooms"], json!(["user_7", "ticket_1"]));
    assert_eq!(desk.responder.asked.lock().unwrap()[0], Query::UserRooms("a b/c".into()));
}

#[actix_web::test]
async fn an_event_goes_to_the_room_of_a_user_or_a_role_or_by_name() {
    let desk = Desk::new();
    for (path, room, field, name) in [
        ("/api/websocket/emit/7", "user_7", "userId", "7"),
        ("/api/websocket/emit/7/", "user_7", "userId", "7"),
        ("/api/websocket/emit/role/admin", "role_admin", "role", "admin"),
        ("/api/websocket/emit/room/work_order_5/", "work_order_5", "room", "work_order_5"),
        ("/api/websocket/emit/room/session%3A7", "session:7", "room", "session:7"),
    ] {
        let (status, body) = desk.post(path, r#"{"event": "notice", "data": {"n": 9007199254740993, "f": 0.1}}"#).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert_eq!(
            body,
            json!({
                "status": "success",
                "message": "Event sent to 2 connections",
                "data": {"event": "notice", field: name, "sockets": 2},
                "silent": [],
            })
        );
        let order = desk.orders().pop().unwrap();
        assert_eq!((&*order.namespace, &order.rooms[..]), ("/", &[Arc::from(room)][..]));
        assert_eq!(serde_json::to_string(&order.args).unwrap(), r#"["notice",{"n":9007199254740993,"f":0.1}]"#);
    }
    let (_, body) = desk.post("/api/websocket/emit/7", r#"{"event": "x", "namespace": "/admin"}"#).await;
    assert_eq!(body["status"], "success");
    let order = desk.orders().pop().unwrap();
    assert_eq!((&*order.namespace, order.args), ("/admin", vec!["x".into()]), "without data no argument is passed");
    let (_, _) = desk.post("/api/websocket/emit/7", r#"{"event": "x", "data": null}"#).await;
    assert_eq!(desk.orders().pop().unwrap().args, ["x".into(), Value::Null]);
}

#[actix_web::test]
async fn an_invalid_body_is_reported_with_its_field() {
    let desk = Desk::new();
    for (body, field, message) in [
        (r#"{}"#, "event", "Event name is required"),
        (r#"{"event": null, "data": 1}"#, "event", "Event name is required"),
        (r#"{"event": ""}"#, "event", "Event name must not be empty"),
        (r#"{"event": 7}"#, "event", "Event name must be text, not an integer"),
        (r#"{"event": "disconnect"}"#, "event", "Event name \"disconnect\" is reserved by Socket.IO"),
        (r#"{"event": "x", "namespace": "admin"}"#, "namespace", "Namespace must be text that begins with \"/\""),
        (r#"{"event": "x", "namespace": 7}"#, "namespace", "Namespace must be text that begins with \"/\""),
        ("[]", "body", "The body must be a JSON object, not a list"),
    ] {
        let (status, answer) = desk.post("/api/websocket/emit/7", body).await;
        let expected = json!({ "status": "error", "message": message, "field": field });
        assert_eq!((status, answer), (400, expected), "{body}");
    }
    for body in ["", "{", "\u{0}"] {
        let (status, answer) = desk.post("/api/websocket/emit/7", body).await;
        assert_eq!((status, &answer["field"]), (400, &json!("body")), "{answer}");
    }
    let long = "x".repeat(100);
    let (status, answer) = desk.post(&format!("/api/websocket/emit/room/{long}"), r#"{"event": "x"}"#).await;
    assert_eq!((status, &answer["field"]), (400, &json!("room")), "{answer}");
    let (status, answer) = desk.post("/api/websocket/emit/7", vec![b' '; 1001]).await;
    assert_eq!((status, &answer["status"]), (413, &json!("error")));
    assert!(desk.orders().is_empty());
}

#[actix_web::test]
async fn only_an_admin_has_access() {
    let paths = [
        ("GET", "/api/websocket/stats"),
        ("GET", "/api/websocket/user/7/rooms"),
        ("POST", "/api/websocket/emit/7"),
        ("POST", "/api/websocket/emit/room/x"),
        ("POST", "/api/websocket/emit/role/x"),
        ("POST", "/api/websocket/user/7/join"),
        ("POST", "/api/websocket/user/7/leave"),
    ];
    let desk = Desk::new();
    for (method, path) in paths {
        for (authorization, expected) in [
            (None, 401),
            (Some("Bearer abc".to_owned()), 401),
            (Some("Bearer".to_owned()), 401),
            (Some(admin_token().replace("Bearer", "Token")), 401),
            (Some(format!("{}x", admin_token())), 401),
            (Some(token(&[("token_type", "refresh".into()), ("role", "admin".into())])), 401),
            (Some(token(&[])), 403),
            (Some(token(&[("role", "manager".into())])), 403),
            (Some(token(&[("role", Value::Bool(true))])), 403),
            (Some(token(&[("is_staff", "true".into())])), 403),
        ] {
            let mut request = test::TestRequest::with_uri(path).method(method.parse().unwrap());
            if let Some(authorization) = &authorization {
                request = request.insert_header((header::AUTHORIZATION, authorization.as_str()));
            }
            let (status, headers, body) = desk.call(request.set_payload(r#"{"event": "x"}"#)).await;
            assert_eq!(status, expected, "{method} {path} {authorization:?}: {body}");
            assert_eq!(body["status"], "error");
            assert_eq!(headers.contains_key(header::WWW_AUTHENTICATE), status == 401);
        }
        // Not in the query, because it would end up in logs.
        let query = format!("{path}?token={}", admin_token().trim_start_matches("Bearer "));
        let request = test::TestRequest::with_uri(&query).method(method.parse().unwrap());
        assert_eq!(desk.call(request).await.0, 401);
    }
    assert!(desk.responder.asked.lock().unwrap().is_empty());
    for flag in ["is_staff", "is_superuser"] {
        let request = test::TestRequest::get().uri("/api/websocket/stats");
        let request = request.insert_header((header::AUTHORIZATION, token(&[(flag, Value::Bool(true))])));
        assert_eq!(desk.call(request).await.0, 200);
    }
    let mut desk = Desk::new();
    desk.config.api.admin_roles = vec!["manager".to_owned()];
    let with = |role: &str| {
        let request = test::TestRequest::get().uri("/api/websocket/stats");
        request.insert_header((header::AUTHORIZATION, token(&[("role", role.into())])))
    };
    assert_eq!((desk.call(with("manager")).await.0, desk.call(with("admin")).await.0), (200, 403));
}

#[actix_web::test]
async fn a_live_stream_opens_for_pages_of_the_node_itself_and_of_allowed_origins() {
    let mut desk = Desk::new();
    desk.config.server.allowed_origins = Some(vec!["https://app.example.com".to_owned()]);
    let admin = desk.admin(&Metrics::new()).await;
    for (origin, expected) in [
        (Some("http://localhost:8000"), true),
        (Some("https://app.example.com"), true),
        (Some("http://localhost:9000"), false),
        (Some("https://elsewhere.example"), false),
        (Some("null"), false),
        (None, false),
    ] {
        let mut request = test::TestRequest::get().insert_header((header::HOST, "localhost:8000"));
        if let Some(origin) = origin {
            request = request.insert_header((header::ORIGIN, origin));
        }
        let checked = admin.0.access.check_origin(&request.to_http_request());
        assert_eq!(checked.is_ok(), expected, "{origin:?}");
    }
}

#[actix_web::test]
async fn an_order_about_a_group_reaches_the_nodes_and_its_counts_are_answered() {
    let desk = Desk::new();
    let body = r#"{"group": "board.7", "consumer": "board"}"#;
    let (status, answer) = desk.post("/api/websocket/user/7/join", body).await;
    assert_eq!((status, &answer["message"]), (200, &json!("2 connections joined the group")));
    let data = json!({ "userId": "7", "group": "board.7", "connections": 3, "joined": 2, "refused": 1 });
    assert_eq!((&answer["data"], &answer["silent"]), (&data, &json!([])));
    let (status, answer) = desk.post("/api/websocket/user/a%20b/leave/", r#"{"group": "session:7"}"#).await;
    assert_eq!((status, &answer["message"]), (200, &json!("2 connections left the group")));
    let data = json!({ "userId": "a b", "group": "session:7", "connections": 3, "left": 2 });
    assert_eq!(answer["data"], data);
    let asked = desk.responder.asked.lock().unwrap().clone();
    let [Query::Regroup(join), Query::Regroup(leave)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((&*join.user, &join.change), ("7", &GroupChange::Join("board.7".into())));
    assert_eq!((&*leave.user, &leave.change), ("a b", &GroupChange::Leave("session:7".into())));
    assert_eq!((join.consumer.as_deref(), leave.consumer.as_deref()), (Some("board"), None));
    assert_ne!(join.id, leave.id);
}

#[actix_web::test]
async fn an_invalid_order_about_a_group_is_reported_with_its_field() {
    let desk = Desk::new();
    let long = format!(r#"{{"group": "{}"}}"#, "x".repeat(100));
    for (field, body) in [
        ("body", ""),
        ("body", "[]"),
        ("group", "{}"),
        ("group", r#"{"group": null}"#),
        ("group", r#"{"group": ""}"#),
        ("group", r#"{"group": 7}"#),
        ("group", long.as_str()),
        ("consumer", r#"{"group": "a", "consumer": 7}"#),
        ("user", r#"{"group": "a", "user": 7}"#),
        ("id", r#"{"group": "a", "id": "1"}"#),
    ] {
        for change in ["join", "leave"] {
            let (status, answer) = desk.post(&format!("/api/websocket/user/7/{change}"), body.to_owned()).await;
            assert_eq!((status, &answer["field"]), (400, &json!(field)), "{change} {body}: {answer}");
            assert!(!answer["message"].as_str().unwrap().contains(&format!("{change} ")), "{answer}");
        }
    }
    let named = format!(r#"{{"group": "leave {}"}}"#, "x".repeat(100));
    let (status, answer) = desk.post("/api/websocket/user/7/leave", named).await;
    let message = answer["message"].as_str().unwrap().to_owned();
    assert!(status == 400 && message.starts_with("\"leave xxx"), "a name is quoted as it came: {message}");
    assert!(desk.responder.asked.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn errors_for_unknown_routes_have_the_same_form() {
    let desk = Desk::new();
    for path in ["/api/websocket/", "/api/websocket/nothing", "/api/websocket/user/7", "/api/websocket/emit/7/x"] {
        let (status, body) = desk.post(path, "{}").await;
        assert_eq!((status, &body["status"]), (404, &json!("error")), "{path}");
    }
    for path in ["/api/websocket/emit/room/", "/api/websocket/emit/role"] {
        assert_eq!(desk.post(path, r#"{"event": "x"}"#).await.0, 404, "{path}");
    }
    assert_eq!(desk.post("/api/websocket/stats", "{}").await.0, 405);
    assert_eq!(desk.get("/api/websocket/emit/7").await.0, 405);
}

#[actix_web::test]
async fn a_failing_node_is_named_and_a_failing_cluster_is_503() {
    let desk = Desk::answering(Answer::Failed("a worker is stuck".into()));
    let (status, body) = desk.get("/api/websocket/stats").await;
    assert_eq!((status, &body["message"]), (503, &json!("No node answered in time")));

    let mut desk = Desk::new();
    desk.config.auth = Auth::default();
    let (status, body) = desk.get("/api/websocket/stats").await;
    assert_eq!(status, 503);
    assert!(body["message"].as_str().unwrap().starts_with("DJANGO_SECRET_KEY is not set"), "{body}");

    let mut desk = Desk::new();
    desk.config.layer.url = Some(Secret::new("redis://127.0.0.1:1"));
    let (status, body) = desk.post("/api/websocket/emit/7", r#"{"event": "x"}"#).await;
    assert_eq!(status, 503, "{body}");
    assert!(body["message"].as_str().unwrap().starts_with("The other nodes cannot be asked"), "{body}");

    let silent = Desk { responder: Arc::new(Answering { silent: true, ..Answering::default() }), ..Desk::new() };
    assert_eq!(silent.get("/api/websocket/stats").await.0, 503);
}
