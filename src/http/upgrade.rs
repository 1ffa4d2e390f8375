//! The 101 answer, in one place for WebSocket and Engine.IO.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, Version,
        header::{self, HeaderMap},
    },
};

use super::scope::latin1_header;
use crate::{
    protocol::plain::Accepted,
    socket::negotiate::{self, Agreed, HandshakeError, Start},
};

/// Headers that belong to the handshake itself.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
];

/// Negotiates with a client that requests a WebSocket.
pub(super) fn agree(request: &HttpRequest, compression: bool) -> Result<Agreed, HandshakeError> {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let start = Start { is_get: request.method() == Method::GET, is_http_1_1: request.version() >= Version::HTTP_11 };
    negotiate::handshake(start, headers, compression)
}

/// Whether a client requests a WebSocket, in the right form or not.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    headers.get_all(header::UPGRADE).any(|value| negotiate::lists(value.as_bytes(), b"websocket"))
}

/// The answer, after which the socket belongs to the holder of the request's slot.
pub(super) fn switch(agreed: Agreed, accepted: Accepted) -> HttpResponse {
    let mut response = HttpResponse::SwitchingProtocols();
    response.upgrade("websocket").insert_header((header::SEC_WEBSOCKET_ACCEPT, agreed.accept));
    if let Some(extensions) = agreed.extensions {
        response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, extensions));
    }
    let Accepted { subprotocol, headers } = accepted;
    if let Some(subprotocol) = subprotocol {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, subprotocol));
    }
    for (name, value) in headers {
        let of_handshake = FRAMING.iter().any(|own| name.eq_ignore_ascii_case(own));
        if !of_handshake && let Some(header) = latin1_header(&name, &value) {
            response.append_header(header);
        }
    }
    response.finish()
}
