//! `POST /api/publish`: one `{"group": …, "event": {…}}`, or a list of them, to every node.
//!
//! A batch is checked as a whole before any of it is published.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use arc_swap::ArcSwap;
use serde_json::json;
use subtle::ConstantTimeEq as _;

use super::{
    body::{self, BodyError, BodyLimits},
    refusal::{error, unavailable},
};
use crate::{
    config::Secret,
    event::{GroupName, Value},
    hub::Registry,
    layer::{LayerError, codec},
};

/// Which clients may publish.
pub enum PublishAccess {
    /// Clients with the configured key.
    Key(Secret),
    /// Clients with the key that the node made and printed, because it serves alone and has none: its holder has the log
    /// of the node, and may use the admin API, too.
    Printed(Secret),
    /// No client.
    Off,
}

/// Why a request may not publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Publishing is off.
    Off,
    /// It does not have the key.
    Key,
    /// It has the key, but a browser sent it for a page of another site.
    Foreign,
}

/// When to retry a node without room.
const SOON: Duration = Duration::from_secs(1);

/// The rule in effect, replaced by a reload; every route reads it under this name.
pub type PublishGate = ArcSwap<PublishAccess>;

/// Handles the request.
pub(super) async fn publish(
    request: HttpRequest,
    payload: web::Payload,
    limits: web::Data<BodyLimits>,
    registry: web::Data<Registry>,
    access: web::Data<PublishGate>,
) -> HttpResponse {
    if let Some(refusal) = refusal(&request, &access.load()) {
        return refusal;
    }
    let body = match body::read(&request, payload, **limits).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            return error(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than api.max_body", None);
        }
        Err(reason @ BodyError::NoRoom) => return unavailable(&reason.to_string(), SOON),
        Err(reason @ BodyError::Late) => return error(StatusCode::REQUEST_TIMEOUT, &reason.to_string(), None),
        Err(reason @ BodyError::Broken(_)) => return error(StatusCode::BAD_REQUEST, &reason.to_string(), None),
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
            Err(reason @ LayerError::TooLarge(_)) => {
                let detail = format!("{reason}; {published} of {accepted} were accepted");
                return error(StatusCode::PAYLOAD_TOO_LARGE, &detail, None);
            }
            Err(LayerError::Refused(reason)) => {
                let detail = format!("the channel layer refused: {reason}; {published} of {accepted} were accepted");
                return error(StatusCode::BAD_GATEWAY, &detail, None);
            }
        }
    }
    HttpResponse::Ok().json(json!({ "accepted": accepted }))
}

/// The key in an `Authorization` header: the scheme in any case (RFC 9110, section 11.1), then the whole rest, because a
/// key may contain spaces.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim_start())
}

/// Whether this request may publish, watch, disconnect and have tokens made.
///
/// The peer address proves nothing: a proxy on this machine has it, too.
pub(super) fn judge(request: &HttpRequest, access: &PublishAccess) -> Result<(), Denied> {
    let (PublishAccess::Key(key) | PublishAccess::Printed(key)) = access else { return Err(Denied::Off) };
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    if !header("authorization").and_then(bearer).is_some_and(|shown| is_key(shown, key)) {
        return Err(Denied::Key);
    }
    match header("sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(Denied::Foreign),
    }
}

/// Whether this is the key; an empty one never is.
fn is_key(shown: &str, key: &Secret) -> bool {
    !shown.is_empty() && bool::from(shown.as_bytes().ct_eq(key.expose().as_bytes()))
}

/// Whether a request has the key that the node printed, as [`judge`] says; `None` if it printed none, or another is shown.
pub(super) fn judge_printed(request: &HttpRequest, access: &PublishAccess) -> Option<Result<(), Denied>> {
    let PublishAccess::Printed(_) = access else { return None };
    Some(judge(request, access)).filter(|judged| *judged != Err(Denied::Key))
}

/// Whether the node has printed a key.
pub(super) const fn is_printing(access: &PublishAccess) -> bool {
    matches!(access, PublishAccess::Printed(_))
}

/// Whether this is the key that the node printed.
pub(super) fn is_printed(shown: &str, access: &PublishAccess) -> bool {
    matches!(access, PublishAccess::Printed(key) if is_key(shown, key))
}

/// The answer to a request without permission; `None` if it has permission.
pub(super) fn refusal(request: &HttpRequest, access: &PublishAccess) -> Option<HttpResponse> {
    let denied = judge(request, access).err()?;
    let (status, reason) = match denied {
        Denied::Off => (StatusCode::FORBIDDEN, "this API is off: set CHANNELGATE_API_KEY on the node to turn it on"),
        Denied::Key => (
            StatusCode::UNAUTHORIZED,
            "send the key as Authorization: Bearer <CHANNELGATE_API_KEY>; a node without Redis and without a key makes one \
             and prints it at its start",
        ),
        Denied::Foreign => (StatusCode::FORBIDDEN, "pages of another site may not use this API"),
    };
    let mut response = error(status, reason, None);
    if denied == Denied::Key {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    Some(response)
}

#[derive(Debug, PartialEq, Eq)]
struct Invalid {
    field: Option<String>,
    reason: String,
}

type Messages = Vec<(GroupName, Value)>;

fn parse(body: &[u8]) -> Result<Messages, Invalid> {
    let value = codec::json::decode(body)
        .map_err(|reason| Invalid { field: None, reason: format!("the body cannot be read: {reason}") })?;
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
        return Err(Invalid { field, reason: "a message must be an object with group and event".to_owned() });
    };
    let group = match item.shift_remove("group") {
        Some(Value::Str(name)) => {
            GroupName::new(&name).map_err(|reason| Invalid { field: field("group"), reason: reason.to_string() })?
        }
        Some(other) => {
            return Err(Invalid { field: field("group"), reason: format!("group must be text, not {}", other.kind()) });
        }
        None => return Err(Invalid { field: field("group"), reason: "group is missing".to_owned() }),
    };
    let event = match item.shift_remove("event") {
        Some(event @ Value::Map(_)) => event,
        Some(other) => {
            return Err(Invalid {
                field: field("event"),
                reason: format!("event must be an object, not {}", other.kind()),
            });
        }
        None => return Err(Invalid { field: field("event"), reason: "event is missing".to_owned() }),
    };
    match item.keys().next() {
        Some(unknown) => {
            Err(Invalid { field: field(unknown), reason: "a message may have only group and event".to_owned() })
        }
        None => Ok((group, event)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn judged(key: &str, headers: &[(&'static str, &'static str)]) -> Result<(), Denied> {
        let request = TestRequest::post().peer_addr(([127, 0, 0, 1], 50000).into());
        let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
        judge(&request.to_http_request(), &PublishAccess::Key(Secret::new(key)))
    }

    #[test]
    fn only_the_key_gives_access_and_not_the_local_address() {
        for header in ["Bearer k", "bearer k", "BEARER  k"] {
            assert_eq!(judged("k", &[("authorization", header)]), Ok(()), "{header:?}");
        }
        assert_eq!(judged("two words", &[("authorization", "Bearer two words")]), Ok(()));
        for headers in [
            &[][..],
            &[("authorization", "")],
            &[("authorization", "k")],
            &[("authorization", "Bearer K")],
            &[("authorization", "Basic k")],
        ] {
            assert_eq!(judged("k", headers), Err(Denied::Key), "{headers:?}");
        }
    }

    #[test]
    fn an_empty_key_gives_no_access() {
        for header in ["", "Bearer", "Bearer ", "Basic "] {
            assert_eq!(judged("", &[("authorization", header)]), Err(Denied::Key), "{header:?}");
        }
        assert_eq!(judged("", &[]), Err(Denied::Key));
    }

    #[test]
    fn a_page_of_another_site_cannot_publish_with_the_key_either() {
        let from = |site| judged("k", &[("authorization", "Bearer k"), ("sec-fetch-site", site)]);
        assert_eq!((from("same-origin"), from("none")), (Ok(()), Ok(())));
        for site in ["cross-site", "same-site", "", "\u{e9}"] {
            assert_eq!(from(site), Err(Denied::Foreign), "{site:?}");
        }
    }

    fn at_fault(body: &str) -> Option<String> {
        parse(body.as_bytes()).unwrap_err().field
    }

    #[test]
    fn one_message_and_a_list_are_accepted() {
        let one = parse(br#"{"group": "broadcast", "event": {"type": "send_event"}}"#).unwrap();
        assert_eq!((one.len(), one[0].0.as_str()), (1, "broadcast"));
        let two = parse(br#"[{"group": "a", "event": {}}, {"group": "b", "event": {}}]"#).unwrap();
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn an_invalid_field_is_named() {
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
