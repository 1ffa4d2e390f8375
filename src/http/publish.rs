//! `POST /api/publish`: one `{"group": …, "event": {…}}`, or a list of them, to every node.
//!
//! A batch is checked whole before any of it is published.

use std::net::IpAddr;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use arc_swap::ArcSwap;
use serde_json::json;
use subtle::ConstantTimeEq as _;

use super::refusal::{error, unavailable};
use crate::{
    config::Secret,
    event::{GroupName, Value},
    hub::Registry,
    layer::{LayerError, codec},
};

/// Who may publish.
pub enum PublishAccess {
    /// Whoever has the key.
    Key(Secret),
    /// No key is set, the layer is embedded and the node listens on loopback: whoever is on this machine.
    Loopback,
    /// Nobody.
    Off,
}

/// The rule in effect, exchanged by a reload; under this name every route asks for it.
pub type Gate = ArcSwap<PublishAccess>;

/// Handles the request.
pub async fn publish(
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
    registry: web::Data<Registry>,
    access: web::Data<Gate>,
) -> HttpResponse {
    if let Some(refusal) = refusal(&request, &access.load()) {
        return refusal;
    }
    let body = match body {
        Ok(body) => body,
        Err(reason) if reason.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE => {
            return error(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than api.max_body", None);
        }
        Err(reason) => return error(StatusCode::BAD_REQUEST, &reason.to_string(), None),
    };
    let messages = match parse(&body) {
        Ok(messages) => messages,
        Err(Invalid { field, reason }) => {
            return error(StatusCode::BAD_REQUEST, &reason, field.as_deref());
        }
    };
    let accepted = messages.len();
    for (published, (group, event)) in messages.iter().enumerate() {
        match registry.layer().publish(group, event).await {
            Ok(()) => {}
            Err(LayerError::Unavailable { retry_after, .. }) => {
                let detail = format!("the channel layer is not reachable; {published} of {accepted} were accepted");
                return unavailable(&detail, retry_after);
            }
            Err(LayerError::Refused(reason)) => {
                let detail = format!("the channel layer refused: {reason}; {published} of {accepted} were accepted");
                return error(StatusCode::BAD_GATEWAY, &detail, None);
            }
        }
    }
    HttpResponse::Ok().json(json!({ "accepted": accepted }))
}

/// Whether this request may publish.
pub(super) fn may(request: &HttpRequest, access: &PublishAccess) -> bool {
    refusal(request, access).is_none()
}

/// Why this request may not publish, nor watch, if it may not.
pub(super) fn refusal(request: &HttpRequest, access: &PublishAccess) -> Option<HttpResponse> {
    match access {
        PublishAccess::Off => Some(error(
            StatusCode::FORBIDDEN,
            "this API is off: set CHANNELGATE_API_KEY on the node to turn it on",
            None,
        )),
        PublishAccess::Key(key) => {
            let given = request
                .headers()
                .get(header::AUTHORIZATION)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.strip_prefix("Bearer "))
                .unwrap_or_default();
            if bool::from(given.as_bytes().ct_eq(key.expose().as_bytes())) {
                return None;
            }
            let mut response =
                error(StatusCode::UNAUTHORIZED, "give the key as Authorization: Bearer <CHANNELGATE_API_KEY>", None);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
            Some(response)
        }
        PublishAccess::Loopback => {
            if from_this_machine(request) {
                None
            } else {
                Some(error(StatusCode::FORBIDDEN, "without a key only this machine may do that", None))
            }
        }
    }
}

/// Headers that proxies add: what comes through one is not from this machine, whatever its address says.
const OF_PROXIES: [&str; 4] = ["x-forwarded-for", "x-real-ip", "forwarded", "via"];

/// Neither another host, nor a page of another site in this machine's browser, nor a name that was rebound to it.
pub(super) fn from_this_machine(request: &HttpRequest) -> bool {
    let peer_is_local = request.peer_addr().is_some_and(|peer| peer.ip().is_loopback());
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = header(header::HOST).unwrap_or_default();
    let host_is_local = url::Url::parse(&format!("http://{host}/")).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    });
    let own_page = header(header::ORIGIN).is_none_or(|origin| origin == format!("http://{host}"));
    let is_direct = !OF_PROXIES.iter().any(|name| request.headers().contains_key(*name));
    peer_is_local && host_is_local && own_page && is_direct
}

#[derive(Debug, PartialEq, Eq)]
struct Invalid {
    field: Option<String>,
    reason: String,
}

type Messages = Vec<(GroupName, Value)>;

fn parse(body: &[u8]) -> Result<Messages, Invalid> {
    let value = codec::json::decode(body)
        .map_err(|reason| Invalid { field: None, reason: format!("the body is no JSON: {reason}") })?;
    match value {
        Value::List(items) => {
            items.into_iter().enumerate().map(|(index, item)| message(item, &format!("[{index}]"))).collect()
        }
        one => message(one, "").map(|message| vec![message]),
    }
}

fn message(item: Value, at: &str) -> Result<(GroupName, Value), Invalid> {
    let field = |name: &str| Some(if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") });
    let Value::Map(mut item) = item else {
        let field = (!at.is_empty()).then(|| at.to_owned());
        return Err(Invalid { field, reason: "a message is an object with group and event".to_owned() });
    };
    let group = match item.shift_remove("group") {
        Some(Value::Str(name)) => {
            GroupName::new(&name).map_err(|reason| Invalid { field: field("group"), reason: reason.to_string() })?
        }
        Some(other) => {
            return Err(Invalid { field: field("group"), reason: format!("group is text, not {}", other.kind()) });
        }
        None => return Err(Invalid { field: field("group"), reason: "group is missing".to_owned() }),
    };
    let event = match item.shift_remove("event") {
        Some(event @ Value::Map(_)) => event,
        Some(other) => {
            return Err(Invalid { field: field("event"), reason: format!("event is an object, not {}", other.kind()) });
        }
        None => return Err(Invalid { field: field("event"), reason: "event is missing".to_owned() }),
    };
    match item.keys().next() {
        Some(unknown) => {
            Err(Invalid { field: field(unknown), reason: "a message has only group and event".to_owned() })
        }
        None => Ok((group, event)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn local(change: impl FnOnce(TestRequest) -> TestRequest) -> bool {
        let request = TestRequest::post().peer_addr(([127, 0, 0, 1], 50000).into());
        let request = change(request.insert_header(("host", "localhost:8000")));
        from_this_machine(&request.to_http_request())
    }

    #[test]
    fn only_this_machine_itself_is_from_this_machine() {
        assert!(local(|request| request));
        assert!(local(|request| request.insert_header(("origin", "http://localhost:8000"))));
        assert!(local(|request| request.insert_header(("host", "[::1]:8000"))));
        assert!(!local(|request| request.peer_addr(([10, 0, 0, 7], 50000).into())));
        assert!(!local(|request| request.insert_header(("origin", "https://evil.example"))));
        assert!(!local(|request| request.insert_header(("host", "rebound.example:8000"))));
        assert!(!local(|request| request.insert_header(("x-forwarded-for", "203.0.113.9"))));
    }

    fn at_fault(body: &str) -> Option<String> {
        parse(body.as_bytes()).unwrap_err().field
    }

    #[test]
    fn one_message_and_a_list_of_them_are_taken() {
        let one = parse(br#"{"group": "broadcast", "event": {"type": "send_event"}}"#).unwrap();
        assert_eq!((one.len(), one[0].0.as_str()), (1, "broadcast"));
        let two = parse(br#"[{"group": "a", "event": {}}, {"group": "b", "event": {}}]"#).unwrap();
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn the_field_at_fault_is_named() {
        assert_eq!(at_fault("{"), None);
        assert_eq!(at_fault("7"), None);
        assert_eq!(at_fault(r#"{"event": {}}"#).as_deref(), Some("group"));
        assert_eq!(at_fault(r#"{"group": 7, "event": {}}"#).as_deref(), Some("group"));
        assert_eq!(at_fault(r#"{"group": "a b", "event": {}}"#).as_deref(), Some("group"));
        assert_eq!(at_fault(r#"{"group": "a"}"#).as_deref(), Some("event"));
        assert_eq!(at_fault(r#"{"group": "a", "event": []}"#).as_deref(), Some("event"));
        assert_eq!(at_fault(r#"{"group": "a", "event": {}, "x": 1}"#).as_deref(), Some("x"));
        assert_eq!(at_fault(r#"[{"group": "a", "event": {}}, {"group": "b"}]"#).as_deref(), Some("[1].event"));
        assert_eq!(at_fault(r#"[{"group": "a", "event": {}}, 3]"#).as_deref(), Some("[1]"));
    }
}
