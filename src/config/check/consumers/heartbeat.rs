//! Checks a consumer's heartbeat.

use super::endings::close;
use crate::config::{Consumer, Protocol, error::KeyPath};

/// Adds the errors of its values; its message is checked when it is compiled.
pub(super) fn check(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let Some(heartbeat) = &consumer.heartbeat else { return };
    if consumer.protocol != Protocol::WebSocket {
        let reason = "is for plain WebSocket; Socket.IO and Engine.IO have their own, see [socketio]";
        return note(here.clone(), reason.to_owned());
    }
    let every = heartbeat.every.0;
    if every.as_secs() == 0 || every.subsec_nanos() > 0 || u32::try_from(every.as_secs()).is_err() {
        note(
            here.then("every"),
            "must be whole seconds, at least 1s: connections are looked at once a second".to_owned(),
        );
    }
    match (&heartbeat.send, &heartbeat.send_text) {
        (None, None) => note(here.clone(), "has no message; write \"send\" or \"send_text\"".to_owned()),
        (Some(_), Some(_)) => note(here.then("send_text"), "there is \"send\" already".to_owned()),
        _ => {}
    }
    let texts =
        [("send_text", &heartbeat.send_text), ("expect", &heartbeat.expect), ("expect_text", &heartbeat.expect_text)];
    for (name, text) in texts {
        let Some(text) = text else { continue };
        if text.is_empty() {
            note(here.then(name), "must not be empty".to_owned());
        } else if let Some(inner) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            note(here.then(name), format!("is text as it is, not an expression; write {inner:?}"));
        } else if text.contains("{{") || text.starts_with("{'") {
            note(here.then(name), "is text as it is, not an expression or a template".to_owned());
        } else if name == "expect" && text.starts_with('{') {
            let key = &consumer.message_key;
            note(here.then(name), format!("is the value of {key:?} in the answer, not the whole message"));
        }
    }
    if heartbeat.expect.is_some() && heartbeat.expect_text.is_some() {
        note(here.then("expect_text"), "there is \"expect\" already".to_owned());
    }
    if heartbeat.expect.is_none() && heartbeat.expect_text.is_none() {
        for (name, is_set) in [("missed", heartbeat.missed.is_some()), ("close", heartbeat.close.is_some())] {
            if is_set {
                note(here.then(name), "has no effect without \"expect\" or \"expect_text\"".to_owned());
            }
        }
    }
    if heartbeat.missed == Some(0) {
        note(here.then("missed"), "must be at least 1".to_owned());
    }
    let never =
        |table: &str| format!("is never handled: \"{table}\" has a handler of the same name; write another one");
    if heartbeat.expect.as_ref().is_some_and(|kind| consumer.on_message.contains_key(kind)) {
        note(here.then("expect"), never("on_message"));
    }
    if heartbeat.expect_text.as_ref().is_some_and(|text| consumer.on_raw.contains_key(text)) {
        note(here.then("expect_text"), never("on_raw"));
    }
    if let Some(one) = &heartbeat.close {
        close(one, &here.then("close"), note);
    }
}
