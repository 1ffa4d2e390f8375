//! Checks how a consumer refuses clients and ends connections.

use crate::config::{
    Close, EventClose, EventCode, Protocol, Refuse, Reject, RejectClose, error::KeyPath, is_close_code,
};

/// Maximum bytes of a close reason: RFC 6455, section 5.5.
const MAX_REASON: usize = 123;

/// Adds the errors of `consumer.reject`.
pub(super) fn reject(reject: &Reject, protocol: Protocol, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let closes = [
        ("close", reject.close.is_some()),
        ("when", reject.when.is_some()),
        ("send", reject.send.is_some()),
        ("reason", !reject.reason.is_empty()),
    ];
    if protocol != Protocol::WebSocket {
        let instead = match protocol {
            Protocol::SocketIo => "a Socket.IO client is refused with connect_error; write \"message\"",
            _ => "an Engine.IO client is refused with an HTTP answer, before anything could be closed",
        };
        for (name, _) in closes.into_iter().filter(|(_, is_set)| *is_set) {
            note(key.then(name), instead.to_owned());
        }
    }
    if protocol == Protocol::SocketIo {
        return;
    }
    for (name, text) in [("message", &reject.message), ("missing", &reject.missing), ("invalid", &reject.invalid)] {
        if text.is_some() {
            let instead = if protocol == Protocol::WebSocket { "; write \"close\" and \"reason\"" } else { "" };
            note(key.then(name), format!("is for Socket.IO's connect_error{instead}"));
        }
    }
    if protocol != Protocol::WebSocket {
        return;
    }
    let here = key.then("close");
    match reject.close {
        None => {}
        Some(RejectClose::Code(code)) => close_code(code, &here, note),
        Some(RejectClose::ByCause(codes)) => {
            for (name, code) in [
                ("missing", codes.missing),
                ("invalid", codes.invalid),
                ("forbidden", codes.forbidden),
                ("unavailable", codes.unavailable),
            ] {
                close_code(code, &here.then(name), note);
            }
        }
    }
    reason(&reject.reason, &key.then("reason"), note);
    if reject.close.is_none() && reject.send.is_some() {
        note(key.then("send"), "a frame can only be sent before a close; set \"close\" too".to_owned());
    }
    if reject.close.is_none() && reject.when.is_some() {
        note(key.then("when"), "says who is closed instead of getting an HTTP answer; set \"close\" too".to_owned());
    }
}

/// Adds the errors of a refusal by `on_admit`.
pub(super) fn refuse(refuse: &Refuse, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    if let Some(code) = refuse.code {
        close_code(code, &key.then("code"), note);
        reason(&refuse.text, &key.then("text"), note);
    }
    if refuse.status.is_some_and(|status| !(400..=599).contains(&status)) {
        note(key.then("status"), "is not the status of a refusal; write 400 to 599".to_owned());
    }
}

/// Adds the errors of a close.
pub(super) fn close(close: &Close, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let Some(text) = &close.reason else { return close_code(close.code, key, note) };
    close_code(close.code, &key.then("code"), note);
    if !text.contains("{{") {
        reason(text, &key.then("reason"), note);
    }
}

/// Adds the errors of a close by an event.
pub(super) fn event_close(close: &EventClose, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    if let EventCode::Number(code) = close.code {
        close_code(code, &if close.reason.is_some() { key.then("code") } else { key.clone() }, note);
    }
    if let Some(text) = close.reason.as_ref().filter(|text| !text.contains("{{")) {
        reason(text, &key.then("reason"), note);
    }
}

fn reason(text: &str, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    if text.len() > MAX_REASON {
        note(key.clone(), "a close reason has at most 123 bytes (RFC 6455, section 5.5)".to_owned());
    }
}

fn close_code(code: u16, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    if !is_close_code(code) {
        let reason = format!("{code} may not be sent as a close code; use 4000 to 4999 for codes of your own");
        note(key.clone(), reason);
    }
}
