//! Reports keys of a consumer that have no effect next to its other keys, in a configuration that is loaded.

use crate::config::{
    BeforeSubscribe, Config, ConfigError, Consumer, EventHandler, Handler, Policy, Protocol, Step, Topics,
    error::KeyPath,
};

/// An error for each of them.
pub fn unused(config: &Config) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    check(config, &mut |key, reason| errors.push(config.error(&key, reason)));
    errors
}

fn check(config: &Config, note: &mut impl FnMut(KeyPath, String)) {
    for (index, consumer) in config.consumers.iter().enumerate() {
        let here = KeyPath::ROOT.then("consumer").then(index);
        topics(config, consumer, &here, note);
        unreached(consumer, &here, note);
        let steps = consumer.steps();
        every_message(consumer, &here, note);
        silent(consumer, &here, note);
        let names_rooms = |step: &Step| {
            let emits = [&step.others, &step.room, &step.to_user, &step.to_role];
            step.join.is_some() || step.publish.is_some() || emits.iter().any(|emits| emits.is_some())
        };
        let fixed = !consumer.has_namespaces() && consumer.groups.iter().all(|group| !group.contains("{{"));
        let joins_by_event = consumer.on_event.values().any(|handler| handler.join.is_some());
        let names_any = joins_by_event || steps.iter().any(|step| names_rooms(step));
        if !matches!(consumer.max_rooms, 0 | 100) && fixed && !names_any {
            let reason = match consumer.django.is_any() {
                true => {
                    "limits rooms that a client joins by messages here, not the groups that the consumer in Django joins"
                }
                false => "limits the rooms that a client may choose, and it can choose none",
            };
            note(here.then("max_rooms"), reason.to_owned());
        }
        let is_read = consumer.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.expect.is_some())
            || !consumer.on_message.is_empty();
        if consumer.message_key != "type" && !is_read && consumer.protocol != Protocol::SocketIo {
            note(here.then("message_key"), "finds handlers in \"on_message\", and there are none".to_owned());
        }
        if !matches!(consumer.max_items, 0 | 1000) && steps.iter().all(|step| step.each.is_none()) {
            note(here.then("max_items"), "limits the list of \"each\", and no step has one".to_owned());
        }
    }
}

/// A handler without output has nothing that a condition, a topic, a key or a throttle could be for.
fn silent(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    for (name, handler) in &consumer.on_event {
        let EventHandler { send, send_text, emit, leave, join, close, python_per, .. } = handler;
        let sends = send.is_some() || send_text.is_some() || emit.is_some();
        let asks = leave.is_some() || join.is_some() || close.is_some() || handler.disconnect;
        if sends || asks || python_per.is_some() {
            continue;
        }
        let keys = [
            ("when", handler.when.is_some()),
            ("topic", handler.topic.is_some()),
            ("key", handler.key.is_some()),
            ("throttle", handler.throttle.is_some()),
        ];
        let output = if consumer.protocol == Protocol::SocketIo { "emit" } else { "send" };
        for (key, _) in keys.into_iter().filter(|(_, is_set)| *is_set) {
            let reason = format!("has no effect: this handler sends nothing; write \"{output}\", or remove it");
            note(here.then("on_event").then(name.as_str()).then(key), reason);
        }
    }
}

/// Handlers for all messages leave none for those after them.
fn every_message(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let has_unknown = consumer.on_unknown_message != Policy::Ignore;
    if consumer.on_raw.contains_key("*") {
        for (key, is_set) in [("on_message", !consumer.on_message.is_empty()), ("on_unknown_message", has_unknown)] {
            if is_set {
                let reason = "is never reached: on_raw.\"*\" takes every message before JSON is tried";
                note(here.then(key), reason.to_owned());
            }
        }
    } else if consumer.on_message.contains_key("*") && has_unknown {
        let reason = "is never reached: on_message.\"*\" takes every message that has no other handler";
        note(here.then("on_unknown_message"), reason.to_owned());
    }
}

/// Events reach a consumer only through groups that its clients are in.
fn unreached(consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    let steps = consumer.steps();
    let joins = !consumer.groups.is_empty()
        || steps.iter().any(|step| step.join.is_some() || step.join_token.is_some())
        // An order from outside names the consumer, and joins any group.
        || consumer.name.is_some();
    // A Socket.IO client is always in the group of its namespace; in Django, a consumer joins with group_add.
    if joins || consumer.django.connect || consumer.protocol == Protocol::SocketIo {
        return;
    }
    for (key, is_set) in [("on_event", !consumer.on_event.is_empty()), ("on_gap", consumer.on_gap.is_some())] {
        if is_set {
            let reason = "is never reached: no client of this consumer is in a group; write \"groups\", a step with \
                          \"join\" or \"join_token\", or a \"name\" for orders to join";
            note(here.then(key), reason.to_owned());
        }
    }
}

/// A topic without subscribers, or subscribers without a topic.
fn topics(config: &Config, consumer: &Consumer, here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    // Consumers of one namespace share the subscriptions of its clients.
    let shares = |other: &&Consumer| {
        let both = consumer.protocol == Protocol::SocketIo && other.protocol == Protocol::SocketIo;
        std::ptr::eq(*other, consumer) || both && other.namespace == consumer.namespace
    };
    let sharing: Vec<&Consumer> = config.consumers.iter().filter(shares).collect();
    let subscribes = sharing.iter().any(|one| one.steps().iter().any(|step| step.subscribe.is_some()));
    let has_topic = sharing.iter().any(|one| one.on_event.values().any(|event| event.topic.is_some()));
    let Topics { matching, before_subscribe, max } = &consumer.topics;
    let default = Topics::default();
    let changed = [
        ("matching", *matching != default.matching),
        ("before_subscribe", *before_subscribe != default.before_subscribe),
        ("max", *max != default.max && *max != 0),
    ];
    for (key, _) in changed.iter().filter(|(_, changed)| *changed && !has_topic) {
        note(here.then("topics").then(*key), "no event of this consumer has a \"topic\"".to_owned());
    }
    if !has_topic {
        for (key, handler) in subscribing(consumer, here) {
            if handler.steps().iter().any(|step| step.subscribe.is_some()) {
                note(key, "subscribes to topics, and no event has one; write \"topic\" in on_event".to_owned());
            }
        }
    }
    if !subscribes && *before_subscribe == BeforeSubscribe::None {
        for (name, _) in consumer.on_event.iter().filter(|(_, event)| event.topic.is_some()) {
            let reason = "reaches nobody: no client can subscribe; write a step with \"subscribe\", or \
                          topics.before_subscribe = \"all\"";
            note(here.then("on_event").then(name.as_str()).then("topic"), reason.to_owned());
        }
    }
}

/// The handlers that may subscribe, each with its key.
fn subscribing<'a>(consumer: &'a Consumer, here: &KeyPath) -> Vec<(KeyPath, &'a Handler)> {
    let connect = consumer.on_connect.as_ref().map(|handler| (here.then("on_connect"), handler));
    let tables = [("on_message", &consumer.on_message), ("on_raw", &consumer.on_raw)];
    let messages = tables.into_iter().flat_map(|(table, handlers)| {
        let key = here.then(table);
        handlers.iter().map(move |(name, handler)| (key.then(name.as_str()), handler))
    });
    connect.into_iter().chain(messages).collect()
}
