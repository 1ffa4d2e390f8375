//! Checks consumers that Django runs: where their calls go, and which keys have no meaning beside `django`.

use std::time::Duration;

use crate::config::{AuthMethod, Config, Consumer, Policy, Protocol, error::KeyPath};

/// A call lasts no longer, however many lines it answers.
const LONGEST: Duration = Duration::from_secs(600);

/// More can only be a mistake.
const MOST: usize = 1_000_000;

/// Values of one consumer; each is read after every call.
const MOST_EXPORTED: usize = 64;

/// Adds the errors of `[bridge]`, and those of the parts of the configuration that calls go through.
pub(super) fn check(config: &Config, note: &mut impl FnMut(KeyPath, String)) {
    let bridge = &config.bridge;
    let here = KeyPath::ROOT.then("bridge");
    for (name, time) in [("timeout", bridge.timeout), ("wait", bridge.wait)] {
        if time.0.is_zero() {
            note(here.then(name), "must be longer than 0".to_owned());
        } else if time.0 > LONGEST {
            note(here.then(name), format!("must be at most {} s", LONGEST.as_secs()));
        }
    }
    let numbers = [
        ("streams", bridge.streams),
        ("disconnects_per_second", bridge.disconnects_per_second as usize),
        ("max_calls_per_event", bridge.max_calls_per_event),
    ];
    for (name, number) in numbers {
        if !(1..=MOST).contains(&number) {
            note(here.then(name), format!("must be from 1 to {MOST}"));
        }
    }
    if !is_used(config) {
        return;
    }
    let origins = config.server.allowed_origins.iter().flatten().enumerate();
    for (index, _) in origins.filter(|(_, origin)| *origin == "*") {
        let reason = "with \"django\", a page of any site could connect with the cookies of its visitors, which Django \
                      takes for a login; list the hosts of your pages, or remove the key: then pages of the request's own \
                      host may connect";
        note(KeyPath::dotted("server.allowed_origins").then(index), reason.to_owned());
    }
    // Once is enough.
    if let Some(index) = config.consumers.iter().position(|consumer| consumer.django.is_any()) {
        backend(config, &KeyPath::ROOT.then("consumer").then(index).then("django"), note);
    }
}

/// Whether Django runs any consumer.
pub(super) fn is_used(config: &Config) -> bool {
    config.consumers.iter().any(|consumer| consumer.django.is_any())
}

/// Where the calls go, and how Django knows who sends them.
pub(super) fn backend(config: &Config, key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let backend = &config.backend;
    if backend.url.is_none() {
        let over_http = "where Django serves channelgate, such as \"http://127.0.0.1:8001/channelgate\"";
        let reason = match &backend.worker {
            Some(_) => format!("is called over HTTP, not through backend.worker; write backend.url, {over_http}"),
            None => format!("needs backend.url, {over_http} (CHANNELGATE_BACKEND_URL)"),
        };
        note(key.clone(), reason);
    }
    if backend.secret.is_none() {
        let reason = "needs backend.secret, the same as SECRET of CHANNELGATE in Django's settings: Django answers no \
                      unsigned call, because it could come from anyone (CHANNELGATE_BACKEND_SECRET)";
        note(key.clone(), reason.to_owned());
    }
}

/// Adds the errors of one consumer.
pub(super) fn consumer(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let django = consumer.django;
    calls(consumer, &here.then("on_event"), note);
    if !django.is_any() {
        if !consumer.export.is_empty() {
            note(here.then("export"), "is of a consumer that Django runs; write django = true".to_owned());
        }
        return;
    }
    if consumer.protocol != Protocol::WebSocket {
        let reason = "runs consumers of Channels, whose clients speak plain WebSocket; remove it, or \"protocol\"";
        return note(here.then("django"), reason.to_owned());
    }
    if !django.connect {
        let part = if django.receive { "receive" } else { "disconnect" };
        let reason = format!(
            "without \"connect\" there is no consumer whose {part}() could run: it begins with connect(); write django = \
             [\"connect\", \"{part}\"]"
        );
        note(here.then("django"), reason);
    }
    beside(consumer, here, note);
    inert(consumer, here, note);
    export(&consumer.export, &here.then("export"), note);
}

/// Handlers of events that are methods in Python.
fn calls(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    for (name, handler) in consumer.on_event.iter().filter(|(_, handler)| handler.python_per.is_some()) {
        let here = here.then(name.as_str());
        if !consumer.django.is_any() {
            let reason = "calls the method of a consumer that Django runs; write django = true, or \"send\" instead";
            note(here.then("python_per"), reason.to_owned());
        }
        let own = "has no place beside \"python_per\": the method in Python";
        let keys = [
            ("send", handler.send.is_some(), "sends its own frames"),
            ("send_text", handler.send_text.is_some(), "sends its own frames"),
            ("emit", handler.emit.is_some(), "sends its own frames"),
            ("leave", handler.leave.is_some(), "leaves groups itself"),
            ("join", handler.join.is_some(), "joins groups itself"),
            ("close", handler.close.is_some(), "closes the connection itself"),
        ];
        for (key, _, does) in keys.into_iter().filter(|(_, is_set, _)| *is_set) {
            note(here.then(key), format!("{own} {does}; remove one of the two"));
        }
        if handler.key.is_some() {
            let reason = "has no place beside \"python_per\": the frames of a method in Python have no key; remove it";
            note(here.then("key"), reason.to_owned());
        }
    }
}

/// Keys of a native consumer that say who is admitted, and with which groups: connect() decides that.
fn beside(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let django = |method: &AuthMethod| matches!(method, AuthMethod::Django | AuthMethod::Anonymous);
    let keys = [
        (
            "auth",
            !consumer.auth.iter().all(django),
            "has no place beside \"django\": the middleware of the project's own application logs the client in, in its \
             connect(); remove it, or write auth = [\"django\"] to admit only whom Django knows",
        ),
        (
            "groups",
            !consumer.groups.is_empty(),
            "has no place beside \"django\": connect() joins its groups with group_add; remove it",
        ),
        (
            "subprotocols",
            !consumer.subprotocols.is_empty(),
            "has no place beside \"django\": accept(subprotocol=…) of the consumer chooses; remove it",
        ),
        (
            "on_admit",
            consumer.on_admit.is_some(),
            "has no place beside \"django\": connect() of the consumer admits; remove it",
        ),
        (
            "on_connect",
            consumer.on_connect.is_some(),
            "has no place beside \"django\": connect() of the consumer runs; remove it",
        ),
        (
            "on_disconnect",
            consumer.django.disconnect && consumer.on_disconnect.is_some(),
            "has no place beside disconnect() in Django; remove it, or write django = [\"connect\", \"receive\"]",
        ),
    ];
    for (name, is_set, reason) in keys {
        if is_set {
            note(here.then(name), reason.to_owned());
        }
    }
}

/// Keys about messages that are never reached, because what no handler matches goes to Django.
fn inert(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    if !consumer.django.receive {
        return;
    }
    let policies = [("on_bad_json", &consumer.on_bad_json), ("on_unknown_message", &consumer.on_unknown_message)];
    for (name, policy) in policies {
        if *policy != Policy::Ignore {
            let reason = "is never reached: receive() in Django gets every message that no handler matches; remove it";
            note(here.then(name), reason.to_owned());
        }
    }
    if consumer.on_raw.contains_key("*") {
        let reason = "is never reached: on_raw.\"*\" takes every message before receive() in Django; write django = \
                      [\"connect\"], or remove on_raw.\"*\"";
        note(here.then("django"), reason.to_owned());
    }
    if consumer.on_failed != Policy::Ignore && consumer.on_message.is_empty() && consumer.on_raw.is_empty() {
        let reason = "is never reached: Django handles every message, and the connection is closed with 1011 if it fails; \
                      remove it";
        note(here.then("on_failed"), reason.to_owned());
    }
}

/// Names of attributes, none of which is a part of another.
fn export(names: &[String], key: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    if names.len() > MOST_EXPORTED {
        note(key.clone(), format!("has {} names; at most {MOST_EXPORTED} are read after each call", names.len()));
    }
    for (index, name) in names.iter().enumerate() {
        let earlier = names[..index].iter();
        if !is_attribute(name) {
            let reason = format!(
                "{name:?} is not an attribute of the consumer; write it as in Python, without brackets: \"self.user.id\""
            );
            note(key.then(index), reason);
        } else if earlier.clone().any(|other| other == name) {
            note(key.then(index), format!("{name:?} appears twice"));
        } else if let Some(other) = earlier.clone().find(|other| is_part(name, other) || is_part(other, name)) {
            let (whole, part) = if is_part(name, other) { (other, name) } else { (name, other) };
            let reason = format!("{part:?} is a part of {whole:?}, which is exported, too; remove one of the two");
            note(key.then(index), reason);
        }
    }
}

/// Whether it is `self.NAME`, or an attribute of that.
fn is_attribute(name: &str) -> bool {
    let is_identifier = |part: &str| {
        let rest = part.trim_start_matches(|c: char| c.is_alphabetic() || c == '_');
        rest.len() < part.len() && rest.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    name.len() <= 200 && name.strip_prefix("self.").is_some_and(|path| path.split('.').all(is_identifier))
}

fn is_part(name: &str, whole: &str) -> bool {
    name.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'))
}
