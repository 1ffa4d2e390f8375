//! The page's routes, as a browser uses them.

use actix_web::{
    App,
    body::to_bytes,
    dev::ServiceResponse,
    http::{StatusCode, header},
    test,
};
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    event::GapReason,
    telemetry::{DropReason, label},
};

const CONFIG: &str = r#"
[auth]
secret_key = "the-secret-of-django"

[[consumer]]
name = "parking"
path = "/ws/notifications/"
auth = ["ws_token"]
groups = ["notifications", "user_{{ user.id }}"]
topics = { matching = "words" }
[consumer.on_event."*"]
topic = "event.notification_type | default(event.type)"
send = "{'type': 'notification', 'message': event.message, 'data': event.data}"
[consumer.on_message.subscribe]
subscribe = "message.notification_types"
[consumer.samples."Zebra crossing"]
group = "user_7"
event = { type = "new_reservation", message = "Booked", data = { at = 2025-01-02T03:04:05Z, id = 1, alpha = 0.5 } }
[consumer.samples."A lot opened"]
group = "notifications"
event = { type = "send.notification", notification_type = "new_parking_lot", message = "Opened", data = {} }

[[consumer]]
path = "/ws/attendance/"
[consumer.on_event."attendance.update"]
send = "event"
[consumer.on_message.ping]
reply = "{'type': 'pong', 'timestamp': message.timestamp, 'again': message.timestamp}"
"#;

fn config() -> Config {
    toml::from_str(CONFIG).unwrap()
}

fn maker() -> TokenMaker {
    let make = Arc::new(|method, user: PageUser| {
        Box::pin(async move {
            let claims: Vec<String> = user.claims.iter().map(|(name, value)| format!("-{name}-{value}")).collect();
            let kind = if method == AuthMethod::Jwt { "jwt" } else { "token" };
            match &*user.id {
                "13" => Err("the cache is full".to_owned()),
                id => Ok(format!("{kind}-of-{id}{}", claims.concat())),
            }
        }) as BoxFuture<'static, _>
    });
    TokenMaker { methods: vec![AuthMethod::WsToken, AuthMethod::Jwt], make }
}

fn key() -> PublishAccess {
    PublishAccess::Key(crate::config::Secret::new("the-key-itself"))
}

async fn ask(page: PageData, request: test::TestRequest) -> ServiceResponse {
    let gate = web::Data::new(PublishGate::from_pointee(key()));
    let app =
        test::init_service(App::new().app_data(gate).configure(|service| configure(service, page, || true))).await;
    test::call_service(&app, request.to_request()).await
}

async fn body(response: ServiceResponse) -> Json {
    serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap()
}

fn post_token(body: &'static str) -> test::TestRequest {
    with_the_key().insert_header((header::CONTENT_TYPE, "application/json")).set_payload(body)
}

fn with_the_key() -> test::TestRequest {
    test::TestRequest::post().uri("/page/token").insert_header((header::AUTHORIZATION, "Bearer the-key-itself"))
}

#[actix_web::test]
async fn every_response_forbids_foreign_content_caching_and_sniffing() {
    for path in ASSETS.iter().map(|(path, ..)| *path).chain(["/page/consumers"]) {
        let response =
            ask(PageData::new(&config(), true, &key(), Some(maker())), test::TestRequest::get().uri(path)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let header = |name: header::HeaderName| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        let policy = header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("connect-src 'self' ws: wss:"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(header(header::CACHE_CONTROL), "no-store", "{path}");
    }
}

#[actix_web::test]
async fn the_page_refers_only_to_files_that_are_served() {
    let html = include_str!("index.html");
    for attribute in ["src=\"", "href=\"/"] {
        for (at, _) in html.match_indices(attribute) {
            let rest = &html[at + attribute.find('"').unwrap() + 1..];
            let path = &rest[..rest.find('"').unwrap()];
            assert!(ASSETS.iter().any(|(served, ..)| *served == path), "{path}");
        }
    }
    for (path, _, content) in ASSETS {
        for start in ["from \".", "import(\"."] {
            for (at, _) in content.match_indices(start) {
                let rest = &content[at + start.len() - 1..];
                let import = resolved(path, &rest[..rest.find('"').unwrap()]);
                assert!(ASSETS.iter().any(|(served, ..)| *served == import), "{path} imports {import}");
            }
        }
        if path == CLIENT {
            assert!(content.starts_with("/*!\n * Socket.IO v4.8.4\n"), "as published, with its licence");
            continue;
        }
        assert!(!content.contains("https://"), "{path} names a foreign address");
        assert!(!content.contains("innerHTML"), "{path}: frames are foreign text, never markup");
    }
    assert!(!html.contains("<script>") && !html.contains("style=") && !html.contains("onclick"), "inline code");
}

/// The path that an import in a script of this path names.
fn resolved(path: &str, import: &str) -> String {
    let folder = |path: &str| path.rsplit_once('/').unwrap().0.to_owned();
    match import.strip_prefix("../") {
        Some(rest) => format!("{}/{rest}", folder(&folder(path))),
        None => format!("{}/{}", folder(path), import.strip_prefix("./").unwrap()),
    }
}

#[actix_web::test]
async fn the_operators_view_has_words_for_every_reason_and_outcome() {
    let words = include_str!("operate/words.js");
    let of = |list: &str| {
        let start = words.find(&format!("export const {list} = {{")).unwrap();
        &words[start..start + words[start..].find("\n};").unwrap()]
    };
    let drops: Vec<&str> = DropReason::ALL.iter().map(|reason| reason.label()).collect();
    let gaps: Vec<&str> = GapReason::ALL.iter().map(|reason| reason.label()).collect();
    let lists =
        [("DROPS", &*drops), ("GAPS", &gaps), ("BRIDGE", label::BRIDGE_OUTCOMES), ("BACKEND", label::BACKEND_CALLS)];
    for (list, labels) in lists {
        for label in labels {
            let is_named =
                [format!("\n  {label}: ["), format!("\n  \"{label}\": [")].iter().any(|key| of(list).contains(key));
            assert!(is_named, "{list} has no words for {label}");
        }
        assert_eq!(of(list).matches("\n  ").count(), labels.len(), "{list} has words for what is not there");
    }
}

#[actix_web::test]
async fn scripts_and_styles_have_their_media_types() {
    for (path, expected) in [("/", "text/html"), ("/page/app.js", "text/javascript"), ("/page/style.css", "text/css")] {
        let response = ask(PageData::new(&config(), true, &key(), None), test::TestRequest::get().uri(path)).await;
        let media_type = response.headers().get(header::CONTENT_TYPE).unwrap().to_str().unwrap().to_owned();
        assert!(media_type.starts_with(expected), "{path}: {media_type}");
    }
}

#[actix_web::test]
async fn with_another_server_at_the_root_the_page_has_its_own_path() {
    for (has_root, statuses) in [(true, [200, 200]), (false, [404, 200])] {
        let page = PageData::new(&config(), true, &key(), None);
        let app = test::init_service(App::new().configure(|service| configure(service, page, move || has_root))).await;
        for (path, status) in ["/", "/page/"].into_iter().zip(statuses) {
            let response = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
        }
    }
}

#[actix_web::test]
async fn the_description_contains_all_that_a_client_needs_and_no_secret() {
    let page = PageData::new(&config(), true, &key(), Some(maker()));
    let response = ask(page, test::TestRequest::get().uri("/page/consumers")).await;
    let text = String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap();
    assert!(!text.contains("the-secret-of-django"));

    let page: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(page["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&page["layer"], &page["publish"], &page["tokens"]),
        (&json!("embedded"), &json!("key"), &json!(["ws_token", "jwt"]))
    );

    let parking = &page["consumers"][0];
    assert_eq!(parking["name"], "parking");
    assert_eq!(parking["path"], "/ws/notifications/");
    assert_eq!(parking["auth"], json!(["ws_token"]));
    assert_eq!(parking["groups"], json!(["notifications", "user_{{ user.id }}"]));
    assert_eq!(parking["token_query"], "token");
    assert_eq!(parking["topics_by_words"], true);
    assert_eq!(
        parking["messages"],
        json!([{"name": "subscribe", "does": "subscribe", "fields": ["notification_types"]}])
    );

    let attendance = &page["consumers"][1];
    assert_eq!(attendance["name"], "/ws/attendance/", "without a name the path is the name");
    assert_eq!(attendance["auth"], json!(["anonymous"]));
    assert_eq!(attendance["messages"], json!([{"name": "ping", "does": "reply", "fields": ["timestamp"]}]));
}

#[actix_web::test]
async fn samples_keep_the_order_of_the_file_and_become_plain_json() {
    let page = PageData::new(&config(), true, &key(), None);
    let page = body(ask(page, test::TestRequest::get().uri("/page/consumers")).await).await;
    let samples = page["consumers"][0]["samples"].as_object().unwrap();
    assert_eq!(samples.keys().collect::<Vec<_>>(), ["Zebra crossing", "A lot opened"]);
    let booked = &samples["Zebra crossing"];
    assert_eq!(booked["group"], "user_7");
    assert_eq!(booked["topic"], "new_reservation", "no notification_type: the type");
    assert_eq!(booked["event"]["data"], json!({"at": "2025-01-02T03:04:05Z", "id": 1, "alpha": 0.5}));
    assert_eq!(
        booked["event"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["type", "message", "data"],
        "an event reads as it was written"
    );
    assert_eq!(samples["A lot opened"]["topic"], "new_parking_lot");
}

#[actix_web::test]
async fn with_redis_publishing_is_off_or_needs_the_key() {
    for (access, expected) in [(PublishAccess::Off, "off"), (key(), "key")] {
        let request = test::TestRequest::get().uri("/page/consumers");
        let page = body(ask(PageData::new(&config(), false, &access, None), request).await).await;
        assert_eq!((&page["layer"], &page["publish"]), (&json!("redis"), &json!(expected)));
        assert!(!page.to_string().contains("the-key-itself"));
    }
}

#[actix_web::test]
async fn the_page_says_whether_the_node_printed_a_key_and_not_which() {
    let printed = PublishAccess::Printed(crate::config::Secret::new("the-key-itself"));
    for (access, expected) in [(printed, true), (key(), false), (PublishAccess::Off, false)] {
        let request = test::TestRequest::get().uri("/page/consumers");
        let page = body(ask(PageData::new(&config(), true, &access, None), request).await).await;
        assert_eq!(page["printed"], expected);
        assert!(!page.to_string().contains("the-key-itself"));
    }
}

#[actix_web::test]
async fn a_token_is_made_for_a_number_or_a_text() {
    for (request, expected) in [
        (r#"{"user_id": 7}"#, "token-of-7"),
        (r#"{"user_id": "0b1f-uuid"}"#, "token-of-0b1f-uuid"),
        (r#"{"user_id": "bob+smith@x"}"#, "token-of-bob+smith@x"),
        (r#"{"user_id": 18446744073709551615}"#, "token-of-18446744073709551615"),
    ] {
        let response = ask(PageData::new(&config(), true, &key(), Some(maker())), post_token(request)).await;
        assert_eq!(response.headers().get(header::CACHE_CONTROL).unwrap(), "no-store");
        assert_eq!(body(response).await, json!({ "ws_token": expected }));
    }
}

#[actix_web::test]
async fn an_access_token_is_made_with_the_claims_that_the_page_may_choose() {
    for (request, expected) in [
        (r#"{"user_id": 7, "method": "jwt"}"#, "jwt-of-7"),
        (r#"{"user_id": 7, "method": "jwt", "claims": {"role": "admin", "name": ""}}"#, "jwt-of-7-role-admin"),
    ] {
        let response = ask(PageData::new(&config(), true, &key(), Some(maker())), post_token(request)).await;
        assert_eq!(body(response).await, json!({ "jwt": expected }));
    }
    for request in [
        r#"{"user_id": 7, "method": "anonymous"}"#,
        r#"{"user_id": 7, "method": "other"}"#,
        r#"{"user_id": 7, "method": "jwt", "claims": {"is_superuser": "1"}}"#,
    ] {
        let response = ask(PageData::new(&config(), true, &key(), Some(maker())), post_token(request)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{request}");
    }
    let only_ws = TokenMaker { methods: vec![AuthMethod::WsToken], ..maker() };
    let request = post_token(r#"{"user_id": 7, "method": "jwt"}"#);
    let response = ask(PageData::new(&config(), true, &key(), Some(only_ws)), request).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(body(response).await["field"], "method");
}

#[actix_web::test]
async fn every_preset_is_described_with_rooms_and_arguments_to_try() {
    let mut config = Config::default();
    for (_, text) in crate::config::PRESETS {
        config.consumers.append(&mut toml::from_str::<Config>(text).unwrap().consumers);
    }
    let page = PageData::new(&config, true, &key(), Some(maker()));
    let page = body(ask(page, test::TestRequest::get().uri("/page/consumers")).await).await;
    let consumer = |name: &str| page["consumers"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    let message = |name: &str, event: &str| {
        let messages = consumer(name)["messages"].as_array().unwrap();
        messages.iter().find(|message| message["name"] == event).unwrap()["arguments"].clone()
    };
    assert_eq!(page["consumers"].as_array().unwrap().len(), 6);

    let tracker = consumer("tracker");
    assert_eq!((&tracker["protocol"], &tracker["namespace"]), (&json!("socket.io"), &json!("/")));
    assert_eq!(
        tracker["rooms"],
        json!([{"join": "joinSession", "leave": "leaveSession", "room": "session:{{ args[0] }}", "argument": "7"}])
    );
    assert_eq!(tracker["claims"], json!(["role", "name"]));
    assert_eq!(message("tracker", "markAttendance"), json!([{"sessionId": 7, "location": null}]));
    assert_eq!(message("tracker", "getAttendanceStats"), json!(["7"]));
    assert_eq!(message("tracker", "ping"), json!([]));

    assert_eq!(
        consumer("repair-shop")["rooms"],
        json!([{"join": "join_room", "leave": "leave_room", "room": "{{ args[0] }}", "argument": "work_order_12"}])
    );
    assert_eq!(consumer("repair-shop")["claims"], json!(["role", "name"]));
    assert_eq!(message("repair-shop", "leave_room"), json!(["work_order_12"]));
    assert_eq!(message("repair-shop", "typing_stop"), json!([{"roomName": "work_order_12"}]));

    let rooms = consumer("dashboard")["rooms"].as_array().unwrap();
    assert_eq!((&rooms[0]["join"], &rooms[0]["argument"]), (&json!("join_attendance_room"), &json!("EMP014")));
    assert_eq!((&rooms[1]["join"], rooms[1].get("argument")), (&json!("join_general_attendance"), None));
    assert_eq!(consumer("dashboard")["claims"], json!([]));
    assert_eq!(consumer("feed")["rooms"], json!([]));
}

#[actix_web::test]
async fn a_bad_token_request_is_refused_with_the_field() {
    let long = r#"{"user_id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#;
    for request in ["{}", "", "[", r#"{"user_id": -1}"#, r#"{"user_id": ""}"#, long] {
        let response = ask(PageData::new(&config(), true, &key(), Some(maker())), post_token(request)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{request}");
        assert_eq!(body(response).await["field"], "user_id", "{request}");
    }
}

#[actix_web::test]
async fn a_token_request_is_bounded_and_must_be_json() {
    let huge = with_the_key().set_json(json!({ "user_id": "x".repeat(2000) }));
    let response = ask(PageData::new(&config(), true, &key(), Some(maker())), huge).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    // A form of a foreign site can send text/plain without a preflight.
    let form = with_the_key().insert_header((header::CONTENT_TYPE, "text/plain")).set_payload(r#"{"user_id": 7}"#);
    let response = ask(PageData::new(&config(), true, &key(), Some(maker())), form).await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[actix_web::test]
async fn without_the_key_local_clients_get_no_token() {
    let request = |header: (&'static str, &'static str)| {
        test::TestRequest::post()
            .uri("/page/token")
            .peer_addr("127.0.0.1:50000".parse().unwrap())
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .insert_header(header)
            .set_payload(r#"{"user_id": 7}"#)
    };
    for header in [("host", "localhost:8000"), ("authorization", "Bearer "), ("authorization", "Bearer another")] {
        let page = PageData::new(&config(), true, &key(), Some(maker()));
        assert_eq!(ask(page, request(header)).await.status(), StatusCode::UNAUTHORIZED);
    }
    let another_site = post_token(r#"{"user_id": 7}"#).insert_header(("sec-fetch-site", "cross-site"));
    let page = PageData::new(&config(), true, &key(), Some(maker()));
    assert_eq!(ask(page, another_site).await.status(), StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn a_failed_token_request_returns_the_reason() {
    let response = ask(PageData::new(&config(), true, &key(), Some(maker())), post_token(r#"{"user_id": 13}"#)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body(response).await, json!({ "detail": "the cache is full" }));
}

#[actix_web::test]
async fn without_a_token_maker_there_is_no_token_route() {
    let response =
        ask(PageData::new(&config(), false, &PublishAccess::Off, None), post_token(r#"{"user_id": 7}"#)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn the_page_is_read_only() {
    let head = test::TestRequest::default().method(actix_web::http::Method::HEAD).uri("/");
    assert_eq!(ask(PageData::new(&config(), true, &key(), None), head).await.status(), StatusCode::OK);
    let post = test::TestRequest::post().uri("/");
    let status = ask(PageData::new(&config(), true, &key(), None), post).await.status();
    assert!(status == StatusCode::METHOD_NOT_ALLOWED || status == StatusCode::NOT_FOUND, "{status}");
}
