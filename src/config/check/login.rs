//! Checks who clients are: what Django is asked with `auth = ["django"]`, and how long a client may be nobody.

use std::time::Duration;

use super::bridge;
use crate::config::{AuthMethod, Config, Consumer, DjangoLogin, Protocol, error::KeyPath, token_source::is_token_byte};

/// Nobody waits longer for a login.
const LONGEST_ANONYMOUS: Duration = Duration::from_secs(3600);

/// A login that has ended without an order to disconnect could otherwise open connections for too long.
const LONGEST_CACHE: Duration = Duration::from_secs(300);

/// Headers that every request has, or that say nothing about a user: with them each client would be asked about.
const NO_CREDENTIALS: [&str; 8] =
    ["accept", "connection", "content-type", "host", "origin", "referer", "upgrade", "user-agent"];

/// Adds the errors of `auth.django`, and those of the parts of the configuration that it needs.
pub(super) fn check(config: &Config, note: &mut impl FnMut(KeyPath, String)) {
    let (django, here) = (&config.auth.django, KeyPath::dotted("auth.django"));
    names(django, &here, note);
    if django.cache.0 > LONGEST_CACHE {
        let most = LONGEST_CACHE.as_secs();
        note(
            here.then("cache"),
            format!("must be at most {most} s: so long an ended login could still open connections"),
        );
    }
    let Some((consumer, method)) = first_use(config) else {
        // `print-config` writes the defaults.
        if *django != DjangoLogin::default() {
            let reason = "has no effect: no consumer asks Django who its clients are; write auth = [\"django\"] in one";
            note(here, reason.to_owned());
        }
        return;
    };
    // Once is enough.
    bridge::backend(config, &KeyPath::ROOT.then("consumer").then(consumer).then("auth").then(method), note);
    if !django.cookies.is_empty() {
        origins(config, note);
    }
}

/// With cookies, a page must not be of any site.
fn origins(config: &Config, note: &mut impl FnMut(KeyPath, String)) {
    let of_sessions = |consumer: &Consumer| consumer.asks_django() && consumer.protocol != Protocol::WebSocket;
    // For a consumer that Django runs, the same is said already.
    let of_all = config.server.allowed_origins.as_deref().filter(|_| !bridge::is_used(config));
    let of_sessions = config.socketio.cors.as_deref().filter(|_| config.consumers.iter().any(of_sessions));
    for (key, list) in [("server.allowed_origins", of_all), ("socketio.cors", of_sessions)] {
        let origins = list.unwrap_or_default().iter().enumerate();
        for (index, _) in origins.filter(|(_, origin)| *origin == "*") {
            let reason = "with auth = [\"django\"] and auth.django.cookies, a page of any site could connect as its visitors; \
                          list the hosts of your pages, remove the key (then pages of the request's own host may connect), or \
                          write auth.django.cookies = []";
            note(KeyPath::dotted(key).then(index), reason.to_owned());
        }
    }
}

/// The first consumer that asks Django, and where in its list.
fn first_use(config: &Config) -> Option<(usize, usize)> {
    let place = |consumer: &Consumer| consumer.auth.iter().position(|method| *method == AuthMethod::Django);
    config.consumers.iter().enumerate().find_map(|(index, consumer)| Some((index, place(consumer)?)))
}

fn names(django: &DjangoLogin, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let DjangoLogin { cookies, headers, query, subprotocols, cache: _ } = django;
    let lists = [("cookies", cookies), ("headers", headers), ("query", query), ("subprotocols", subprotocols)];
    if lists.iter().all(|(_, names)| names.is_empty()) {
        let reason = "passes nothing on, so Django could not know anybody; write cookies = [\"sessionid\"]";
        note(here.clone(), reason.to_owned());
    }
    for (list, names) in lists {
        let is_header = list == "headers";
        for (index, name) in names.iter().enumerate() {
            let key = here.then(list).then(index);
            let same = |other: &&String| if is_header { other.eq_ignore_ascii_case(name) } else { *other == name };
            if name.is_empty() {
                note(key, "is empty; write a name, or leave it out".to_owned());
            } else if list != "query" && !name.bytes().all(is_token_byte) {
                note(key, format!("{name:?} has a character that cannot be in a name here"));
            } else if names[..index].iter().any(|other| same(&other)) {
                note(key, format!("{name:?} appears twice"));
            } else if is_header && let Some(reason) = wrong_header(&name.to_ascii_lowercase()) {
                note(key, reason);
            }
        }
    }
}

/// Why this header is not passed on.
fn wrong_header(name: &str) -> Option<String> {
    match name {
        "cookie" => Some("write the names of the cookies in auth.django.cookies".to_owned()),
        "sec-websocket-protocol" => Some("write the names before the tokens in auth.django.subprotocols".to_owned()),
        name if name.starts_with("sec-") || name.starts_with("accept") || NO_CREDENTIALS.contains(&name) => {
            Some("is in every request and says nothing about its user; remove it".to_owned())
        }
        _ => None,
    }
}

/// Adds the errors of `anonymous_for` of one consumer.
pub(super) fn anonymous_for(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let Some(time) = consumer.anonymous_for else { return };
    let key = here.then("anonymous_for");
    if time.0.is_zero() {
        note(key.clone(), "must be longer than 0".to_owned());
    } else if time.0 > LONGEST_ANONYMOUS {
        note(key.clone(), format!("must be at most {} s", LONGEST_ANONYMOUS.as_secs()));
    }
    if !consumer.auth.contains(&AuthMethod::Anonymous) {
        let reason = "has no effect: every client of this consumer has a user from the start; remove it, or add \
                      \"anonymous\" to \"auth\"";
        return note(key, reason.to_owned());
    }
    let life = consumer.on_connect.iter().chain(&consumer.on_online);
    let mut handlers = life.chain(consumer.on_message.values()).chain(consumer.on_raw.values());
    let sets = handlers.any(|handler| handler.steps().iter().any(|step| step.user.is_some()));
    if !sets && !consumer.django.receive {
        let reason = "would close every client that has no token: no handler of its messages sets \"user\"; write it in the \
                      \"ok\" of a call in on_message";
        note(key, reason.to_owned());
    }
}
