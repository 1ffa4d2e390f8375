//! What the page is told about the consumers: names, paths, what a client may send, samples. Pure.
//!
//! Fields are named one by one, never by serialising the configuration, so that no key can come along by accident.

use serde_json::{Map, Value as Json, json};

use crate::{
    config::{AuthMethod, Config, Consumer, Emits, EventHandler, Handler, Protocol, Sample, Step, TopicMatching},
    http::publish::PublishAccess,
};

/// The JSON of `GET /page/consumers`.
pub(super) fn describe(config: &Config, embedded: bool, publish: &PublishAccess, tokens: bool) -> Json {
    let publish = match publish {
        PublishAccess::Key(_) => "key",
        PublishAccess::Off => "off",
    };
    // The page speaks plain WebSocket.
    let plain = config.consumers.iter().filter(|consumer| consumer.protocol == Protocol::WebSocket);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "layer": if embedded { "embedded" } else { "redis" },
        "publish": publish,
        "tokens": tokens,
        "consumers": plain.map(|consumer| describe_consumer(config, consumer)).collect::<Vec<_>>(),
    })
}

fn describe_consumer(config: &Config, consumer: &Consumer) -> Json {
    let sources = match consumer.auth.first() {
        Some(AuthMethod::WsToken) => config.auth.ws_token.sources.as_slice(),
        Some(AuthMethod::Jwt) => config.auth.jwt.sources.as_slice(),
        _ => &[],
    };
    let token_query = sources.iter().find_map(|source| source.strip_prefix("query:"));
    let samples: Map<String, Json> =
        consumer.samples.iter().map(|(title, sample)| (title.clone(), describe_sample(consumer, sample))).collect();
    let messages: Vec<Json> =
        consumer.on_message.iter().map(|(name, handler)| describe_message(name, handler)).collect();
    json!({
        "name": consumer.name.as_deref().unwrap_or(&consumer.path),
        "path": consumer.path,
        "auth": consumer.auth,
        "groups": consumer.groups,
        "token_query": token_query,
        "message_key": consumer.message_key,
        "messages": messages,
        "topics_by_words": consumer.topics.matching == TopicMatching::Words,
        "samples": samples,
    })
}

/// What a client message does, and which fields its expressions read, so that the page can offer one to fill in.
fn describe_message(name: &str, handler: &Handler) -> Json {
    let steps = handler.as_slice();
    let does = if steps.iter().any(|step| step.subscribe.is_some()) {
        "subscribe"
    } else if steps.iter().any(|step| step.unsubscribe.is_some()) {
        "unsubscribe"
    } else if steps.iter().any(|step| step.close.is_some()) {
        "close"
    } else {
        "reply"
    };
    let mut fields: Vec<&str> = Vec::new();
    for expression in steps.iter().flat_map(expressions) {
        for field in attributes(expression, "message.") {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
    }
    json!({ "name": name, "does": does, "fields": fields })
}

/// What a step reads of the message to answer it.
fn expressions(step: &Step) -> impl Iterator<Item = &str> {
    let replies = step.reply.iter().flat_map(Emits::as_slice).filter_map(|reply| reply.send.as_deref());
    let others = [&step.reply_raw, &step.subscribe, &step.unsubscribe];
    replies.chain(others.into_iter().flatten().map(String::as_str))
}

fn describe_sample(consumer: &Consumer, sample: &Sample) -> Json {
    let event = to_json(&sample.event);
    let topic = topic(consumer, &event);
    json!({ "group": sample.group, "event": event, "topic": topic })
}

/// A sample's topic for the common case: the first of the event's keys that the handler's `topic` names and that is
/// there (`event.notification_type | default(event.type)`). It is a hint for the page, not the engine's answer.
fn topic<'a>(consumer: &'a Consumer, event: &'a Json) -> Option<&'a str> {
    let expression = handler(consumer, event)?.topic.as_deref()?;
    attributes(expression, "event.").find_map(|key| event.get(key)?.as_str())
}

fn handler<'a>(consumer: &'a Consumer, event: &Json) -> Option<&'a EventHandler> {
    let kind = event.get("type").and_then(Json::as_str).map(|kind| kind.replace('.', "_"));
    consumer
        .on_event
        .iter()
        .find(|(name, _)| kind.as_deref() == Some(name.replace('.', "_").as_str()))
        .or_else(|| consumer.on_event.iter().find(|(name, _)| *name == "*"))
        .map(|(_, handler)| handler)
}

/// The names that follow `prefix` in an expression: `timestamp` in `{'t': message.timestamp}`.
fn attributes<'a>(expression: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    expression.match_indices(prefix).filter_map(move |(at, _)| {
        if expression[..at].ends_with(|c: char| is_word(c) || c == '.') {
            return None;
        }
        let rest = &expression[at + prefix.len()..];
        let name = &rest[..rest.find(|c: char| !is_word(c)).unwrap_or(rest.len())];
        (!name.is_empty()).then_some(name)
    })
}

/// TOML as JSON: dates become text, and the order of keys stays.
fn to_json(value: &toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::from(text.as_str()),
        toml::Value::Integer(number) => Json::from(*number),
        toml::Value::Float(number) => Json::from(*number),
        toml::Value::Boolean(flag) => Json::from(*flag),
        toml::Value::Datetime(time) => Json::from(time.to_string()),
        toml::Value::Array(items) => items.iter().map(to_json).collect(),
        toml::Value::Table(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.clone(), to_json(value))).collect())
        }
    }
}
