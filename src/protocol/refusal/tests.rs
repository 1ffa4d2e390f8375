use super::*;
use crate::event::GroupNameError;

const LATER: Duration = Duration::from_millis(2500);

/// The counted outcome and log level; the answer, with its headers; the close if `reject.close` is 4401;
/// `connect_error`.
const ROWS: &str = "\
Handshake Key          | bad_request DEBUG        | 400 Sec-WebSocket-Key must be given once and be 16 bytes in base64 | - | Service unavailable
Handshake MissingVersion | bad_request DEBUG      | 400 Sec-WebSocket-Version must be given once; Sec-WebSocket-Version: 13 | - | Service unavailable
Handshake Version      | bad_request DEBUG        | 426 only WebSocket version 13 is supported; Sec-WebSocket-Version: 13; Upgrade: websocket | - | Service unavailable
NotAnUpgrade           | bad_request DEBUG        | 426 this path speaks WebSocket; Upgrade: websocket | - | Service unavailable
EngineIo Transport     | bad_request DEBUG        | 400 0 Transport unknown | - | Service unavailable
EngineIo Session       | bad_request DEBUG        | 400 1 Session ID unknown | - | Service unavailable
EngineIo Method        | bad_request DEBUG        | 400 2 Bad handshake method | - | Service unavailable
EngineIo Request       | bad_request DEBUG        | 400 3 Bad request | - | Service unavailable
EngineIo TooLarge      | bad_request DEBUG        | 413 3 Bad request | - | Service unavailable
EngineIo Forbidden     | origin DEBUG             | 403 4 Forbidden | - | Service unavailable
EngineIo Version       | bad_request DEBUG        | 400 5 Unsupported protocol version | - | Service unavailable
Draining               | draining DEBUG           | 503 the node is draining; Retry-After 1s | - | Service unavailable
Limited Connections    | full DEBUG               | 503 4 the node has no room for more connections; max_connections; Retry-After 2.5s | - | Service unavailable
Limited Rate           | rate_limit DEBUG         | 503 4 too many handshakes; handshakes_per_second; Retry-After 2.5s | - | Service unavailable
Limited Address        | address_limit DEBUG      | 429 4 too many connections from this address; connections_per_address; Retry-After 2.5s | - | too many connections from this address
Limited AddressRate    | address_rate_limit DEBUG | 429 4 too many handshakes from this address; handshakes_per_second_per_address; Retry-After 2.5s | - | too many handshakes from this address
Limited User           | user_limit DEBUG         | 429 4 too many connections of this user; connections_per_user; Retry-After 2.5s | user_limit 1013 | too many connections of this user
Limited UserUnknown    | unavailable DEBUG        | 503 4 the connections of this user cannot be counted now; connections_per_user; Retry-After 2.5s | - | Service unavailable
Overloaded             | unavailable DEBUG        | 503 the node is receiving too much data; Retry-After 1s | - | Service unavailable
NotReady               | unavailable DEBUG        | 503 the channel layer is not ready; Retry-After 1s | - | Service unavailable
Namespace              | bad_request DEBUG        | 400 Invalid namespace | - | Invalid namespace
Auth missing           | missing DEBUG            | 403 no credential was given | denied 4401 | show a token
Auth invalid           | invalid DEBUG            | 403 expired | denied 4401 | a bad token
Auth revoked           | revoked DEBUG            | 403 the token was revoked | denied 4401 | a bad token
Auth origin            | origin DEBUG             | 403 the origin is not allowed | - | a bad token
Auth unconfigured      | unconfigured WARN        | 503 no key; Retry-After 60s | - | Service unavailable
Auth unavailable       | unavailable WARN         | 503 the token store is not reachable; Retry-After 2.5s | - | Service unavailable
Denied                 | denied DEBUG             | 403 not today | denied 4401 | not today
Groups Value           | denied DEBUG             | 403 `user.id` is empty | denied 4401 | a bad token
Groups NotAllowed      | denied DEBUG             | 403 \"user_9\" is not a name that \"allow\" permits | denied 4401 | a bad token
Groups Name            | denied WARN              | 403 \"é\" is not a group name: a group name must be shorter than 100 characters, this one has 104 | denied 4401 | a bad token
Groups Ambiguous       | ambiguous_group WARN     | 403 \"user_7_notifications\" could also be the name of another group: a value in it contains text of a name | ambiguous_group 4401 | a bad token
Groups TooMany         | denied DEBUG             | 403 a client may choose at most 100 groups here (\"max_rooms\") | denied 4401 | a bad token
Layer Unavailable      | unavailable WARN         | 503 the channel layer is not ready: reset; Retry-After 2.5s | - | Service unavailable
Layer Refused          | unavailable WARN         | 503 the channel layer refused; Retry-After 1s | - | Service unavailable
State                  | state_too_large WARN     | 431 query, token and auth data together are too large | denied 4401 | query, token and auth data together are too large
Late                   | timeout WARN             | 503 admission took too long; Retry-After 1s | - | Service unavailable";

fn every_cause() -> Vec<Refusal> {
    let handshake = [HandshakeError::Key, HandshakeError::MissingVersion, HandshakeError::Version];
    let breaches = [
        Breach::Transport,
        Breach::Session,
        Breach::Method,
        Breach::Request,
        Breach::TooLarge,
        Breach::Forbidden,
        Breach::Version,
    ];
    let limits =
        [Limit::Connections, Limit::Rate, Limit::Address, Limit::AddressRate, Limit::User, Limit::UserUnknown];
    let auth = [
        AuthError::Missing,
        AuthError::Invalid("expired"),
        AuthError::Revoked,
        AuthError::Origin,
        AuthError::Unconfigured("no key"),
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
    all.extend(auth.map(Refusal::Auth));
    all.push(Refusal::Denied("not today".to_owned()));
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

/// Without a wildcard, so that a new cause does not compile here.
fn cause(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Handshake(bad) => format!("Handshake {bad:?}"),
        Refusal::EngineIo(breach) => format!("EngineIo {breach:?}"),
        Refusal::Limited(refused) => format!("Limited {:?}", refused.limit),
        Refusal::Auth(error) => format!("Auth {}", error.label()),
        Refusal::Denied(_) => "Denied".to_owned(),
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
                reject = { missing = \"show a token\", invalid = \"a bad token\" }";
    let file = Some((std::path::Path::new("test.toml"), text));
    let (config, errors) = crate::config::load_text(file, &crate::config::Environment::default());
    assert_eq!(errors, []);
    std::sync::Arc::clone(crate::consumer::ConsumerSet::compile(&config).unwrap().iter().next().unwrap())
}

fn written(refusal: &Refusal, consumer: &Consumer) -> String {
    let row = refusal.row();
    let reject = Reject { close: Some(4401), ..Reject::default() };
    let close = row.closing(&reject).map_or("-".to_owned(), |(code, outcome)| format!("{outcome} {code}"));
    assert_eq!(row.closing(&Reject::default()), None, "without a code of the consumer");
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
        assert_eq!(written(refusal, &consumer), row_of(expected));
    }
}

#[test]
fn an_engine_io_client_learns_of_limits_and_timeouts_and_else_only_that_it_is_forbidden() {
    let (consumer, forbidden) = (consumer(), written(&Breach::Forbidden.into(), &consumer()));
    for refusal in every_cause() {
        let own = written(&refusal, &consumer);
        let hidden = ["Auth", "Denied", "Groups", "Layer", "Namespace"].iter().any(|cause| own.starts_with(cause));
        assert_eq!(written(&refusal.for_engine_io(), &consumer), if hidden { &forbidden } else { &own }.as_str());
    }
}
