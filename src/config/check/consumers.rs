//! Checks values of one consumer that have the right type and still make no sense. Checks that depend on a key's
//! position or on the consumer's protocol happen when it is compiled.

mod endings;

use self::endings::{close, refuse, reject};
use crate::config::{AtExpiry, AuthMethod, Consumer, Handler, Policy, Protocol, Slow, Step, error::KeyPath};

/// Adds the errors of `consumer`.
pub(super) fn check(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    slow(consumer, here, note);
    auth(&consumer.auth, &here.then("auth"), note);
    if consumer.at_expiry == AtExpiry::Close && consumer.is_anonymous() {
        note(here.then("at_expiry"), "no client of this consumer has a token that could expire".to_owned());
    }
    namespace(consumer, &here.then("namespace"), note);
    reject(&consumer.reject, consumer.protocol, &here.then("reject"), note);
    let policies = [
        ("on_bad_json", &consumer.on_bad_json),
        ("on_failed", &consumer.on_failed),
        ("on_unknown_message", &consumer.on_unknown_message),
    ];
    for (name, policy) in policies {
        if let Policy::Close(one) = policy {
            close(one, &here.then(name).then("close"), note);
        }
    }
    for (table, handlers) in [("on_message", &consumer.on_message), ("on_raw", &consumer.on_raw)] {
        for (name, one) in handlers {
            handler(Some(one), &here.then(table).then(name.as_str()), note);
        }
    }
    let alone = [
        ("on_admit", &consumer.on_admit),
        ("on_connect", &consumer.on_connect),
        ("on_disconnect", &consumer.on_disconnect),
        ("on_online", &consumer.on_online),
        ("on_offline", &consumer.on_offline),
    ];
    for (name, one) in alone {
        handler(one.as_ref(), &here.then(name), note);
    }
    if consumer.presence.is_none() {
        for (name, handler) in [("on_online", &consumer.on_online), ("on_offline", &consumer.on_offline)] {
            if handler.is_some() {
                note(here.then(name), "is never reached: members are counted only with \"presence\"".to_owned());
            }
        }
    }
    let least_one = [
        ("max_message", consumer.max_message == Some(0)),
        ("max_rooms", consumer.max_rooms == 0),
        ("max_items", consumer.max_items == 0),
        ("topics.max", consumer.topics.max == 0),
    ];
    for (key, is_zero) in least_one {
        if is_zero {
            note(key.split('.').fold(here.clone(), |path, part| path.then(part)), "must be at least 1".to_owned());
        }
    }
    if consumer.protocol != Protocol::WebSocket && consumer.max_message.is_some() {
        note(here.then("max_message"), "the limit of these clients is \"socketio.max_payload\"".to_owned());
    }
}

fn slow(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let keyed = || consumer.on_event.iter().filter(|(_, handler)| handler.key.is_some());
    if consumer.slow != Slow::Latest {
        for (name, _) in keyed() {
            let reason = "only slow = \"latest\" uses keys";
            note(here.then("on_event").then(name.as_str()).then("key"), reason.to_owned());
        }
    } else if keyed().next().is_none() {
        let reason = "no event has a \"key\", so none would replace another; write key = \"event.id\" in on_event";
        note(here.then("slow"), reason.to_owned());
    }
}

fn auth(methods: &[AuthMethod], key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    if methods.is_empty() {
        let reason = "names no way to authenticate; write [\"anonymous\"] to admit every client".to_owned();
        note(key.clone(), reason);
    }
    if methods.contains(&AuthMethod::Anonymous) && methods.last() != Some(&AuthMethod::Anonymous) {
        note(key.clone(), "\"anonymous\" always succeeds, so nothing after it is ever tried".to_owned());
    }
}

fn namespace(consumer: &Consumer, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let name = consumer.namespace.as_str();
    if consumer.protocol != Protocol::SocketIo && name != "/" {
        note(key.clone(), "only Socket.IO has namespaces; write protocol = \"socket.io\"".to_owned());
    } else if !name.starts_with('/') {
        note(key.clone(), "must begin with \"/\"".to_owned());
    } else if name.contains(',') || name.contains('?') || name.chars().any(char::is_whitespace) {
        // A packet's namespace ends at the first comma, and clients cut off a query.
        note(key.clone(), "must not contain a comma, \"?\" or space".to_owned());
    } else if name.len() > 80 {
        note(key.clone(), "must be at most 80 bytes long".to_owned());
    }
}

fn handler(handler: Option<&Handler>, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    for (here, step) in handler.into_iter().flat_map(|handler| handler.keyed(key)) {
        one_step(step, &here, note);
    }
}

fn one_step(step: &Step, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    if let Some(one) = &step.close {
        close(one, &key.then("close"), note);
    }
    if let Some(one) = &step.refuse {
        refuse(one, &key.then("refuse"), note);
    }
    if let Some(call) = &step.call {
        let here = key.then("call");
        handler(call.ok.as_ref(), &here.then("ok"), note);
        handler(call.unavailable.as_ref(), &here.then("unavailable"), note);
        handler(call.error.as_ref(), &here.then("error"), note);
        for (status, branch) in &call.status {
            let here = here.then("status").then(status.as_str());
            if !status.parse::<u16>().is_ok_and(|status| (200..=599).contains(&status)) {
                note(here.clone(), "is not a response status; write 200 to 599".to_owned());
            }
            handler(Some(branch), &here, note);
        }
        if call.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            note(here.then("timeout"), "must be longer than 0".to_owned());
        }
        if !call.action.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !call.action.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        {
            // It becomes part of a URL.
            let reason = "an action's name begins with a letter or digit and holds only those, '-', '_' and '.'";
            note(here.then("action"), reason.to_owned());
        }
    }
    let here = key.then("reply");
    for (here, emit) in step.reply.iter().flat_map(|reply| reply.keyed(&here)) {
        let Some(expect) = &emit.expect else { continue };
        let here = here.then("expect");
        if expect.timeout.0.is_zero() {
            note(here.then("timeout"), "must be longer than 0".to_owned());
        }
        handler(expect.ok.as_ref(), &here.then("ok"), note);
        handler(expect.error.as_ref(), &here.then("error"), note);
    }
}
