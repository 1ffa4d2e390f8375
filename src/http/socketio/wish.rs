//! What a request asks for, and what it is told if it does not get it.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::{
    admission::Refused as Limited,
    config::Transport,
    http::{limited, unavailable},
};

/// Why a request is not answered as it wishes: the codes of the reference server (engine.io `lib/server.ts`).
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    Transport,
    UnknownSession,
    Method,
    BadRequest,
    Forbidden,
    Version,
    TooLarge,
    Draining,
    Limited(Limited),
    Late,
    NotReady,
}

impl Refusal {
    pub fn answer(self) -> HttpResponse {
        let (code, message) = match self {
            Self::Transport => (0, "Transport unknown"),
            Self::UnknownSession => (1, "Session ID unknown"),
            Self::Method => (2, "Bad handshake method"),
            Self::BadRequest | Self::TooLarge => (3, "Bad request"),
            Self::Forbidden => (4, "Forbidden"),
            Self::Version => (5, "Unsupported protocol version"),
            Self::Draining => return unavailable("the node is draining", Duration::from_secs(1)),
            // As the reference server's `allowRequest` refuses.
            Self::Limited(refused) => {
                return limited(refused, json!({ "code": 4, "message": refused.limit.text() }));
            }
            Self::Late => return unavailable("it took too long to let the client in", Duration::from_secs(1)),
            Self::NotReady => return unavailable("the channel layer is not ready", Duration::from_secs(1)),
        };
        let status = match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        response.json(json!({ "code": code, "message": message }))
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Limited(refused) => refused.limit.label(),
            Self::Late => "timeout",
            Self::NotReady => "unavailable",
            Self::Forbidden => "origin",
            _ => "bad_request",
        }
    }
}

/// The parameters of a request.
pub(super) struct Wish {
    pub transport: Option<Transport>,
    /// Whether it speaks the version that is spoken here.
    pub version: bool,
    pub sid: Option<String>,
}

impl Wish {
    pub fn of(text: &str) -> Self {
        let (mut transport, mut version, mut sid) = (None, false, None);
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            match (&*name, &*value) {
                ("transport", "polling") => transport = Some(Transport::Polling),
                ("transport", "websocket") => transport = Some(Transport::Websocket),
                ("transport", _) => transport = None,
                ("EIO", value) => version = value == "4",
                ("sid", value) => sid = Some(value.to_owned()),
                _ => {}
            }
        }
        Self { transport, version, sid }
    }
}
