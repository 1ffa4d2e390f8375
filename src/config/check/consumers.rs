//! Checks values of one consumer that have the right type and still make no sense. Checks that depend on a key's
//! position or on the consumer's protocol happen when it is compiled.

mod endings;
mod heartbeat;

use self::endings::{close, event_close, refuse, reject};
use crate::config::{
    AtExpiry, AuthMethod, Consumer, Handler, InvalidToken, Policy, Protocol, Slow, Step, error::KeyPath,
};

/// What its steps may not do.
#[derive(Clone, Copy)]
struct Steps {
    /// Django runs it: variables and user are those of its own consumer.
    bridged: bool,
    taken: TakenActions,
}

/// Bytes of a consumer's name: no order about a group names a longer one.
const MAX_NAME: usize = 255;

/// The names of actions that this configuration uses for the package channelgate.
#[derive(Clone, Copy)]
pub(super) struct TakenActions {
    /// Django runs some consumer.
    pub channels: bool,
    /// Django says who some clients are.
    pub who_am_i: bool,
}

/// Adds the errors of `consumer`.
pub(super) fn check(consumer: &Consumer, here: &KeyPath, taken: TakenActions, note: &mut impl FnMut(KeyPath, String)) {
    let steps = Steps { bridged: consumer.django.is_any(), taken };
    label(consumer, here, note);
    slow(consumer, here, note);
    auth(&consumer.auth, &here.then("auth"), note);
    if consumer.invalid == InvalidToken::Anonymous
        && (consumer.is_anonymous() || !consumer.auth.contains(&AuthMethod::Anonymous))
    {
        let reason = "has an effect only beside a token and \"anonymous\"; write auth = [\"jwt\", \"anonymous\"]";
        note(here.then("invalid"), reason.to_owned());
    }
    // In Django, the consumer's own middleware knows when a login ends.
    if consumer.at_expiry == AtExpiry::Close && consumer.is_anonymous() && !steps.bridged {
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
    for (name, one) in &consumer.on_event {
        if let Some(close) = &one.close {
            event_close(close, &here.then("on_event").then(name.as_str()).then("close"), note);
        }
    }
    for (table, handlers) in [("on_message", &consumer.on_message), ("on_raw", &consumer.on_raw)] {
        for (name, one) in handlers {
            handler(Some(one), steps, &here.then(table).then(name.as_str()), note);
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
        handler(one.as_ref(), steps, &here.then(name), note);
    }
    if consumer.presence.is_none() {
        for (name, handler) in [("on_online", &consumer.on_online), ("on_offline", &consumer.on_offline)] {
            if handler.is_some() {
                note(here.then(name), "is never reached: members are counted only with \"presence\"".to_owned());
            }
        }
    }
    heartbeat::check(consumer, &here.then("heartbeat"), note);
    let least_one = [
        ("max_message", consumer.max_message == Some(0)),
        ("max_rooms", consumer.max_rooms == 0),
        ("max_items", consumer.max_items == 0),
        ("topics.max", consumer.topics.max == 0),
        ("presence.max_listed", consumer.presence.as_ref().is_some_and(|presence| presence.max_listed == 0)),
    ];
    for (key, is_zero) in least_one {
        if is_zero {
            note(key.split('.').fold(here.clone(), |path, part| path.then(part)), "must be at least 1".to_owned());
        }
    }
    if consumer.path.as_slice().is_empty() {
        note(here.then("path"), "names no path; write \"/ws/\"".to_owned());
    }
    subprotocols(consumer, &here.then("subprotocols"), note);
    if consumer.protocol != Protocol::WebSocket && consumer.max_message.is_some() {
        note(here.then("max_message"), "the limit of these clients is \"socketio.max_payload\"".to_owned());
    }
}

/// RFC 6455, section 4.1: each is a token (RFC 9110, section 5.6.2), and they differ.
fn subprotocols(consumer: &Consumer, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let names = &consumer.subprotocols;
    if !names.is_empty() && consumer.protocol != Protocol::WebSocket {
        note(key.clone(), "is for plain WebSocket; clients of Socket.IO and Engine.IO offer none".to_owned());
        return;
    }
    for (index, name) in names.iter().enumerate() {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            let reason =
                format!("{name:?} cannot be a subprotocol: a name has letters, digits and !#$%&'*+-.^_`|~ only");
            note(key.then(index), reason);
        } else if names[..index].contains(name) {
            note(key.then(index), format!("{name:?} appears twice"));
        }
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

/// Logs, metrics and other programs name the consumer by its label.
fn label(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let label = consumer.label();
    let key = here.then(if consumer.name.is_some() { "name" } else { "path" });
    if label.contains(char::is_control) {
        note(key, "must have no control characters".to_owned());
    } else if consumer.name.is_some() && (label.trim().is_empty() || label.len() > MAX_NAME) {
        note(key, format!("must have 1 to {MAX_NAME} bytes, so that others can name the consumer"));
    }
}

fn namespace(consumer: &Consumer, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let name = consumer.namespace.as_str();
    if consumer.protocol != Protocol::SocketIo && name != "/" {
        note(key.clone(), "only Socket.IO has namespaces; write protocol = \"socket.io\"".to_owned());
    } else if !name.starts_with('/') {
        note(key.clone(), "must begin with \"/\"".to_owned());
    } else if consumer.has_namespaces() && !name.contains(',') {
        // Its form is checked when it is compiled.
    } else if name.contains("(?P<") || name.contains("\\d") || name.contains("^/") {
        note(key.clone(), "regular expressions are not supported; write \"/workspace-<int:id>\"".to_owned());
    } else if name.contains(',') || name.contains('?') || name.chars().any(char::is_whitespace) {
        // A packet's namespace ends at the first comma, and clients cut off a query.
        note(key.clone(), "must not contain a comma, \"?\" or space".to_owned());
    } else if name.len() > 80 {
        note(key.clone(), "must be at most 80 bytes long".to_owned());
    }
}

fn handler(handler: Option<&Handler>, steps: Steps, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    for (here, step) in handler.into_iter().flat_map(|handler| handler.keyed(key)) {
        one_step(step, steps, &here, note);
    }
}

fn one_step(step: &Step, steps: Steps, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    if steps.bridged {
        for name in step.set.keys() {
            let reason = "has no place beside \"django\": `vars` are what \"export\" reads from the consumer in Django; \
                          keep the value there, as self.NAME";
            note(key.then("set").then(name.as_str()), reason.to_owned());
        }
        if step.user.is_some() {
            let reason = "has no place beside \"django\": the user is that of the consumer in Django; remove it";
            note(key.then("user"), reason.to_owned());
        }
    }
    if let Some(one) = &step.close {
        close(one, &key.then("close"), note);
    }
    if let Some(one) = &step.refuse {
        refuse(one, &key.then("refuse"), note);
    }
    if let Some(call) = &step.call {
        let here = key.then("call");
        handler(call.ok.as_ref(), steps, &here.then("ok"), note);
        handler(call.unavailable.as_ref(), steps, &here.then("unavailable"), note);
        handler(call.error.as_ref(), steps, &here.then("error"), note);
        for (status, branch) in &call.status {
            let here = here.then("status").then(status.as_str());
            if !status.parse::<u16>().is_ok_and(|status| (200..=599).contains(&status)) {
                note(here.clone(), "is not a response status; write 200 to 599".to_owned());
            }
            handler(Some(branch), steps, &here, note);
        }
        if call.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            note(here.then("timeout"), "must be longer than 0".to_owned());
        }
        let taken = match call.action.as_str() {
            "channels" if steps.taken.channels => Some("is the name under which Django's consumers run"),
            "who_am_i" if steps.taken.who_am_i => Some("is the question of auth = [\"django\"]"),
            _ => None,
        };
        if let Some(reason) = taken {
            note(here.then("action"), format!("{reason}; name the action differently"));
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
        handler(expect.ok.as_ref(), steps, &here.then("ok"), note);
        handler(expect.error.as_ref(), steps, &here.then("error"), note);
    }
}
