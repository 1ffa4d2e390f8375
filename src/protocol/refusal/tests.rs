use super::*;
use crate::{
    admission::Limit,
    config::{CloseCodes, Reject, RejectClose},
    event::GroupNameError,
    socket::close::CloseCode,
};

const LATER: Duration = Duration::from_millis(2500);

/// The counted outcome and log level; the answer, with its headers; the close codes if `reject.close` is 4401, and if it
/// is a table, with the reason; `connect_error`.
const ROWS: &str = "\
Handshake Method       | bad_request DEBUG        | 405 a WebSocket handshake is a GET request; Allow: GET | - | Service unavailable
Handshake Http10       | bad_request DEBUG        | 426 a WebSocket handshake needs HTTP/1.1 (nginx: proxy_http_version 1.1); Upgrade: websocket | - | Service unavailable
Handshake Body         | bad_request DEBUG        | 400 a WebSocket handshake has no body: send neither Content-Length nor Transfer-Encoding | - | Service unavailable
Handshake NotWebSocket | bad_request DEBUG        | 400 not a WebSocket handshake: Upgrade: websocket and Connection: Upgrade are needed | - | Service unavailable
Handshake Extensions   | bad_request DEBUG        | 400 Sec-WebSocket-Extensions is malformed | - | Service unavailable
Handshake Key          | bad_request DEBUG        | 400 Sec-WebSocket-Key must be given once and be 16 bytes in base64 | - | Service unavailable
Handshake MissingVersion | bad_request DEBUG      | 400 Sec-WebSocket-Version must be given once; Sec-WebSocket-Version: 13 | - | Service unavailable
Handshake Version      | bad_request DEBUG        | 426 only WebSocket version 13 is supported; Sec-WebSocket-Version: 13; Upgrade: websocket | - | Service unavailable
NotAnUpgrade           | bad_request DEBUG        | 426 this path speaks WebSocket; Upgrade: websocket | - | Service unavailable
EngineIo Transport     | bad_request DEBUG        | 400 0 Transport unknown | - | Service unavailable
EngineIo Session       | bad_request DEBUG        | 400 1 Session ID unknown | - | Service unavailable
EngineIo Method        | bad_request DEBUG        | 400 2 Bad handshake method | - | Service unavailable
EngineIo Request       | bad_request DEBUG        | 400 3 Bad request | - | Service unavailable
EngineIo TooLarge      | bad_request DEBUG        | 413 3 Bad request | - | Service unavailable
EngineIo Version       | protocol_version DEBUG   | 400 5 Unsupported protocol version | - | Service unavailable
Draining               | draining DEBUG           | 503 4 the node is draining; Retry-After 1s | - | Service unavailable
Limited Connections    | full WARN                | 503 4 the node has no room for more connections; max_connections; Retry-After 2.5s | - | Service unavailable
Limited Rate           | rate_limit WARN          | 503 4 too many handshakes; handshakes_per_second; Retry-After 2.5s | - | Service unavailable
Limited Address        | address_limit WARN       | 429 4 too many connections from this address; connections_per_address; Retry-After 2.5s | - | too many connections from this address
Limited AddressRate    | address_rate_limit WARN  | 429 4 too many handshakes from this address; handshakes_per_second_per_address; Retry-After 2.5s | - | too many handshakes from this address
Limited User           | user_limit WARN          | 429 4 too many connections of this user; connections_per_user; Retry-After 2.5s | 1013 1013 too many connections of this user | too many connections of this user
Limited UserUnknown    | unavailable WARN         | 503 4 the connections of this user cannot be counted now; connections_per_user; Retry-After 2.5s | 1013 1013 the connections of this user cannot be counted now | Service unavailable
Overloaded             | unavailable WARN         | 503 4 the node is receiving too much data; Retry-After 1s | - | Service unavailable
NotReady               | unavailable WARN         | 503 4 the channel layer is not ready; Retry-After 1s | - | Service unavailable
Namespace              | bad_request DEBUG        | 400 Invalid namespace | - | Invalid namespace
Origin                 | origin WARN              | 403 4 the origin is not allowed: Origin \"https://x.example\", Host missing; add the origin to socketio.cors | - | no
Auth missing           | missing WARN             | 403 4 no credential was given | 4401 4001 log in | show a token
Auth invalid           | invalid WARN             | 403 4 Token is expired | 4401 4003 log in | a bad token
Auth revoked           | revoked WARN             | 403 4 the token was revoked | 4401 4003 log in | a bad token
Auth origin            | origin WARN              | 403 4 the origin is not allowed | - | no
Auth unconfigured      | unconfigured WARN        | 503 4 no key; Retry-After 60s | 1013 1013 Service unavailable | Service unavailable
Auth invalid           | invalid WARN             | 403 4 the login is not valid or has ended | 4401 4003 log in | a bad token
Auth denied            | denied WARN              | 403 4 Django refuses the client | 4401 4403 log in | no
Auth backend unavailable | backend_unavailable WARN | 503 4 Django cannot say who the client is now; Retry-After 2.5s | 1013 1013 Service unavailable | Service unavailable
Auth unavailable       | unavailable WARN         | 503 4 the token store is not reachable; Retry-After 2.5s | 1013 1013 Service unavailable | Service unavailable
Denied                 | denied WARN              | 403 4 not today | 4401 4403 log in | not today
Denied as it says      | denied WARN              | 404 4 no such board | 4404 4404 no such board | no such board
Denied 503             | denied WARN              | 503 4 maintenance; Retry-After 1s | 1013 1013 maintenance | maintenance
Denied away            | backend_unavailable WARN | 503 4 come back; Retry-After 2.5s | 1013 1013 come back | come back
Backend                | backend_unavailable WARN | 503 4 the backend is not available; Retry-After 2.5s | 1013 1013 Service unavailable | Service unavailable
Bridge Denied          | denied WARN              | 404 4 the consumer refused the connection with an answer of its own | 4401 4403 log in | no
Bridge Denied          | consumer_error WARN      | 500 4 the consumer failed | 1011 1011 | no
Bridge Closed          | denied WARN              | 403 4 the consumer refused the connection | 4401 4403 log in | no
Bridge Stopped         | denied WARN              | 403 4 the consumer did not accept the connection | 4401 4403 log in | no
Bridge Error           | consumer_error WARN      | 500 4 the consumer failed | 1011 1011 | no
Bridge Refused         | consumer_refused WARN    | 500 4 the consumer cannot be served here | 1011 1011 | no
Bridge Away            | backend_unavailable WARN | 503 4 the backend is not available; Retry-After 2.5s | 1013 1013 Service unavailable | Service unavailable
Bridge Overloaded      | backend_unavailable WARN | 503 4 the backend is not available: too many calls wait; Retry-After 1s | 1013 1013 Service unavailable | Service unavailable
Bridge Broken          | backend_unavailable WARN | 503 4 the backend gave no complete answer; Retry-After 1s | 1013 1013 Service unavailable | Service unavailable
Bridge Misconfigured   | unconfigured WARN        | 503 4 the backend refuses the calls of this node; Retry-After 60s | 1013 1013 Service unavailable | Service unavailable
Bridge TooLarge        | state_too_large WARN     | 431 4 path, query and headers together are too large | 4401 4403 log in | no
Bridge Restart         | unavailable WARN         | 503 4 the application was replaced; Retry-After 1s | 1013 1013 Service unavailable | Service unavailable
Groups Value           | denied WARN              | 403 4 `user.id` is empty | 4401 4403 log in | no
Groups NotAllowed      | denied WARN              | 403 4 \"user_9\" is not a name that \"allow\" permits | 4401 4403 log in | no
Groups Name            | denied WARN              | 403 4 \"é\" is not a group name: a group name must be shorter than 100 characters, this one has 104 | 4401 4403 log in | no
Groups Ambiguous       | ambiguous_group WARN     | 403 4 \"user_7_notifications\" could also be the name of another group: a value in it contains text of a name | 4401 4403 log in | no
Groups TooMany         | denied WARN              | 403 4 a client may choose at most 100 groups here (\"max_rooms\") | 4401 4403 log in | no
Layer Unavailable      | unavailable WARN         | 503 4 the channel layer is not ready: reset; Retry-After 2.5s | 1013 1013 Service unavailable | Service unavailable
Layer Refused          | unavailable WARN         | 503 4 the channel layer refused; Retry-After 1s | 1013 1013 Service unavailable | Service unavailable
State                  | state_too_large WARN     | 431 4 query, token and auth data together are too large | 4401 4403 log in | query, token and auth data together are too large
Late                   | timeout WARN             | 503 4 admission took too long; Retry-After 1s | 1013 1013 Service unavailable | Service unavailable";

fn every_cause() -> Vec<Refusal> {
    let handshake = [
        HandshakeError::Method,
        HandshakeError::Http10,
        HandshakeError::Body,
        HandshakeError::NotWebSocket,
        HandshakeError::Extensions,
        HandshakeError::Key,
        HandshakeError::MissingVersion,
        HandshakeError::Version,
    ];
    let breaches =
        [Breach::Transport, Breach::Session, Breach::Method, Breach::Request, Breach::TooLarge, Breach::Version];
    let limits = [Limit::Connections, Limit::Rate, Limit::Address, Limit::AddressRate, Limit::User, Limit::UserUnknown];
    let auth = [
        AuthError::Missing,
        AuthError::from(crate::auth::Reason::Expired),
        AuthError::Revoked,
        AuthError::Origin,
        AuthError::Unconfigured("no key"),
        AuthError::from(crate::auth::Reason::Login),
        AuthError::Denied,
        AuthError::DjangoUnavailable { retry_after: LATER },
        AuthError::Unavailable { retry_after: LATER },
    ];
    let layer = [
        LayerError::Unavailable { reason: "reset".to_owned(), retry_after: LATER },
        LayerError::Refused("oom".to_owned()),
    ];
    let mut all: Vec<Refusal> = handshake.map(Refusal::Handshake).into();
    all.push(Refusal::NotAnUpgrade);
    all.extend(breaches.map(Refusal::EngineIo));
    all.push(Refusal::Draining);
    all.extend(limits.map(|limit| Refusal::Limited(Limited { limit, retry_after: LATER })));
    all.extend([Refusal::Overloaded, Refusal::NotReady, Refusal::Namespace]);
    all.push(Refusal::Origin(Foreign::new(Some("https://x.example"), None, OriginRule::List { key: "socketio.cors" })));
    all.extend(auth.map(Refusal::Auth));
    all.push(Refusal::Denied(Denial { text: "not today".into(), ..Denial::default() }));
    let own = Denial { code: Some(4404), status: Some(404), ..Denial::default() };
    all.push(Refusal::Denied(Denial { text: "no such board".into(), ..own }));
    all.push(Refusal::Denied(Denial { text: "maintenance".into(), status: Some(503), ..Denial::default() }));
    let away = Denial { away: true, retry_after: Some(LATER), ..Denial::default() };
    all.push(Refusal::Denied(Denial { text: "come back".into(), ..away }));
    all.push(Refusal::Backend { retry_after: Some(LATER) });
    all.extend(every_bridge().map(Refusal::Bridge));
    let groups = [
        GroupError::Value("`user.id` is empty".to_owned()),
        GroupError::NotAllowed("user_9".to_owned()),
        GroupError::Name { name: "é".to_owned(), reason: GroupNameError::TooLong(104) },
        GroupError::Ambiguous("user_7_notifications".to_owned()),
        GroupError::TooMany(100),
    ];
    all.extend(groups.map(Refusal::Groups));
    all.extend(layer.map(Refusal::Layer));
    all.extend([Refusal::State, Refusal::Late]);
    all
}

fn every_bridge() -> [BridgeRefusal; 12] {
    let secret = || ("ValueError".to_owned(), "of the log only".to_owned());
    let [(kind, text), (refused, why)] = [secret(), secret()];
    [
        BridgeRefusal::Denied { status: 404, headers: Vec::new(), body: "none".into() },
        BridgeRefusal::Denied { status: 101, headers: Vec::new(), body: "none".into() },
        BridgeRefusal::Closed,
        BridgeRefusal::Stopped,
        BridgeRefusal::Error { kind, text },
        BridgeRefusal::Refused { kind: refused, text: why },
        BridgeRefusal::Away { reason: "connection refused".to_owned(), retry_after: Some(LATER) },
        BridgeRefusal::Overloaded,
        BridgeRefusal::Broken("it ended early".to_owned()),
        BridgeRefusal::Misconfigured("401".to_owned()),
        BridgeRefusal::TooLarge(100_000),
        BridgeRefusal::Restart("no class chat.Room".to_owned()),
    ]
}

/// Without a wildcard, so that a new cause does not compile here.
fn cause(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Handshake(bad) => format!("Handshake {bad:?}"),
        Refusal::EngineIo(breach) => format!("EngineIo {breach:?}"),
        Refusal::Limited(refused) => format!("Limited {:?}", refused.limit),
        Refusal::Auth(error) => format!("Auth {}", error.label().replace('_', " ")),
        Refusal::Origin(_) => "Origin".to_owned(),
        Refusal::Denied(Denial { away: true, .. }) => "Denied away".to_owned(),
        Refusal::Denied(Denial { status: Some(503), .. }) => "Denied 503".to_owned(),
        Refusal::Denied(Denial { code: Some(_), .. }) => "Denied as it says".to_owned(),
        Refusal::Denied(_) => "Denied".to_owned(),
        Refusal::Backend { .. } => "Backend".to_owned(),
        Refusal::Bridge(refusal) => {
            let kind = match refusal {
                BridgeRefusal::Denied { .. } => "Denied",
                BridgeRefusal::Closed => "Closed",
                BridgeRefusal::Stopped => "Stopped",
                BridgeRefusal::Error { .. } => "Error",
                BridgeRefusal::Refused { .. } => "Refused",
                BridgeRefusal::Away { .. } => "Away",
                BridgeRefusal::Overloaded => "Overloaded",
                BridgeRefusal::Broken(_) => "Broken",
                BridgeRefusal::Misconfigured(_) => "Misconfigured",
                BridgeRefusal::TooLarge(_) => "TooLarge",
                BridgeRefusal::Restart(_) => "Restart",
            };
            format!("Bridge {kind}")
        }
        Refusal::Groups(error) => {
            let kind = match error {
                GroupError::Value(_) => "Value",
                GroupError::Name { .. } => "Name",
                GroupError::NotAllowed(_) => "NotAllowed",
                GroupError::Ambiguous(_) => "Ambiguous",
                GroupError::TooMany(_) => "TooMany",
            };
            format!("Groups {kind}")
        }
        Refusal::Layer(LayerError::Unavailable { .. }) => "Layer Unavailable".to_owned(),
        Refusal::Layer(LayerError::TooLarge(_) | LayerError::Refused(_)) => "Layer Refused".to_owned(),
        Refusal::NotAnUpgrade
        | Refusal::Draining
        | Refusal::Overloaded
        | Refusal::NotReady
        | Refusal::Namespace
        | Refusal::State
        | Refusal::Late => format!("{refusal:?}"),
    }
}

fn consumer() -> std::sync::Arc<Consumer> {
    let text = "presets = []\n[[consumer]]\npath = \"/\"\nprotocol = \"socket.io\"\n\
                reject = { missing = \"show a token\", invalid = \"a bad token\", message = \"no\" }";
    let file = Some((std::path::Path::new("test.toml"), text));
    let (config, errors) = crate::config::load_text(file, &crate::config::Environment::default());
    assert_eq!(errors, []);
    std::sync::Arc::clone(crate::consumer::ConsumerSet::compile(&config).unwrap().iter().next().unwrap())
}

fn written(refusal: &Refusal, consumer: &Consumer) -> String {
    let reject = |close| Reject { close: Some(close), reason: "log in".to_owned(), ..Reject::default() };
    let [one, table] = [RejectClose::Code(4401), RejectClose::ByCause(CloseCodes::default())].map(reject);
    let close = match (refusal.closing(&one), refusal.closing(&table)) {
        (Some(one), Some(table)) => {
            assert_eq!(one.reason, table.reason);
            let fault = matches!(one.code, CloseCode::TRY_AGAIN_LATER | CloseCode::INTERNAL_ERROR);
            assert_eq!(one.frame, !fault, "a frame says what the client did wrong");
            format!("{} {} {}", one.code, table.code, one.reason)
        }
        (None, None) => "-".to_owned(),
        both => panic!("{both:?}"),
    };
    let row = refusal.row();
    let own = matches!(refusal, Refusal::Denied(Denial { code: Some(_), .. }));
    assert_eq!(refusal.closing(&Reject::default()).is_some(), own, "without a code of the consumer");
    let Row { label, level, status, detail, code, limit, retry_after, headers, .. } = row;
    let mut answer = status.to_string();
    code.into_iter().for_each(|code| answer += &format!(" {code}"));
    answer += &format!(" {detail}");
    limit.into_iter().for_each(|limit| answer += &format!("; {limit}"));
    retry_after.into_iter().for_each(|time| answer += &format!("; Retry-After {}s", time.as_secs_f32()));
    headers.iter().for_each(|(name, value)| answer += &format!("; {name}: {value}"));
    let text = refusal.connect_error(consumer);
    format!("{} | {label} {level} | {answer} | {close} | {text}", cause(refusal))
}

fn row_of(line: &str) -> String {
    line.split(" | ").map(str::trim).collect::<Vec<_>>().join(" | ")
}

#[test]
fn each_cause_has_its_row() {
    let (consumer, causes) = (consumer(), every_cause());
    assert_eq!(causes.len(), ROWS.lines().count());
    for (refusal, expected) in causes.iter().zip(ROWS.lines()) {
        assert_eq!(row_of(&written(refusal, &consumer)), row_of(expected));
    }
}

#[test]
fn the_three_answers_are_never_mistaken_for_each_other() {
    for refusal in every_cause() {
        let row = refusal.row();
        let away = row.retry_after.is_some();
        assert_eq!(away, matches!(row.status, 429 | 503), "{refusal:?}");
        assert_eq!(row.cause == Cause::Failed, row.status == 500, "{refusal:?}");
        assert_eq!(row.cause == Cause::Unavailable, away && row.cause != Cause::Early, "{refusal:?}");
    }
}

#[test]
fn what_a_consumer_in_django_raised_is_in_the_log_in_one_bounded_line() {
    let raised = BridgeRefusal::Error { kind: "ValueError".to_owned(), text: format!("a\nb{}", "é".repeat(300)) };
    let logged = raised.cause();
    assert!(logged.starts_with("ValueError: a\\nbé") && logged.ends_with('…') && logged.len() < 310, "{logged}");
    let row = raised.row();
    assert!(!row.detail.contains("ValueError"), "a client reads {row:?}");
}

#[test]
fn an_accepted_connection_of_django_ends_with_a_code_that_says_whether_to_come_back() {
    let closes = every_bridge().map(|one| (cause(&Refusal::Bridge(one.clone())), one.close()));
    for (cause, BridgeClose { label, code, .. }) in closes {
        let expected = match &*cause {
            "Bridge Away" | "Bridge Overloaded" | "Bridge Misconfigured" => 1013,
            "Bridge Restart" => 1012,
            "Bridge TooLarge" => 1009,
            _ => 1011,
        };
        assert_eq!(code.get(), expected, "{cause}");
        assert!(crate::telemetry::label::CLOSES.contains(&label), "{cause}: {label}");
    }
}

#[test]
fn the_text_of_a_denial_is_the_reason_if_the_consumer_has_none() {
    let reject = Reject { close: Some(RejectClose::Code(4001)), ..Reject::default() };
    let denied = Refusal::Denied(Denial { text: "User not found".into(), ..Denial::default() });
    assert_eq!(denied.closing(&reject).unwrap().reason, "User not found");
    assert_eq!(Refusal::Auth(AuthError::Missing).closing(&reject).unwrap().reason, "");
}
