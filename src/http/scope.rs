//! Converts a request to the scope of ASGI, as Daphne writes it for the project's own consumers.
//!
//! The client's address is the one that the trusted proxies name. Header values and the query are latin-1 text.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};
use percent_encoding::percent_decode_str;

use super::client::TrustedHops;
use crate::event::Value;

/// Whether the client's first hop used TLS, as a trusted proxy says it.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The scope of a request for a WebSocket, without its type.
pub(super) fn of(request: &HttpRequest, hops: &TrustedHops) -> Value {
    let path = request.path();
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let raw_path = (decoded != path).then(|| ("raw_path", path.into()));
    let fields = [
        ("path", Value::from(&*decoded)),
        ("query_string", request.query_string().into()),
        ("headers", headers(request.headers())),
        ("client", client(request, hops)),
        ("server", server(request)),
        ("scheme", if is_secure(request, hops) { "wss" } else { "ws" }.into()),
        ("subprotocols", subprotocols(request.headers())),
        ("extensions", [("websocket.http.response", empty())].into_iter().collect()),
    ];
    fields.into_iter().chain(raw_path).collect()
}

fn empty() -> Value {
    std::iter::empty::<(&str, Value)>().collect()
}

/// Names with an underscore are left out, as by Daphne: a proxy would take them for names with a hyphen.
fn headers(headers: &HeaderMap) -> Value {
    let known = headers.iter().filter(|(name, _)| !name.as_str().contains('_'));
    Value::List(known.map(|(name, value)| Value::List(vec![name.as_str().into(), latin1(value).into()])).collect())
}

/// As Daphne and Django read headers: each byte is one character.
pub(super) fn latin1(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// A header of an answer from latin-1 text; `None` if it cannot be one.
pub(super) fn latin1_header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let bytes: Option<Vec<u8>> = value.chars().map(|character| u8::try_from(character).ok()).collect();
    Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(&bytes?).ok()?))
}

/// Its port is 0 behind a proxy, which does not name it.
fn client(request: &HttpRequest, hops: &TrustedHops) -> Value {
    let peer = request.peer_addr();
    let Some(address) = hops.client(request).or_else(|| peer.map(|peer| peer.ip())) else { return Value::Null };
    let port = peer.filter(|peer| peer.ip() == address).map_or(0, |peer| peer.port());
    Value::List(vec![address.to_string().into(), i64::from(port).into()])
}

fn server(request: &HttpRequest) -> Value {
    let address = request.app_config().local_addr();
    Value::List(vec![address.ip().to_string().into(), i64::from(address.port()).into()])
}

/// Whether the client's connection has TLS, as far as the node can know.
pub(super) fn is_secure(request: &HttpRequest, hops: &TrustedHops) -> bool {
    let is_trusted = hops.trusts_peer(request.peer_addr().map(|peer| peer.ip()));
    let proto = request.headers().get(FORWARDED_PROTO).and_then(|value| value.to_str().ok());
    is_trusted && proto.is_some_and(|proto| matches!(proto.trim(), "https" | "wss"))
}

fn subprotocols(headers: &HeaderMap) -> Value {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).map(latin1);
    let names = lines.flat_map(|line| line.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>());
    Value::List(names.filter(|name| !name.is_empty()).map(Value::from).collect())
}
