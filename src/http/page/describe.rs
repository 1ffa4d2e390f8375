//! Describes the consumers for the page: names, paths, client messages, rooms, samples. Pure.
//!
//! Fields are listed one by one, never by serialising the configuration, so that no secret is included by accident.

use serde_json::{Map, Value as Json, json};

use super::hints::{self, attributes, to_json};
use crate::{
    config::{AuthMethod, Config, Consumer, EventHandler, Handler, OneOrMany, Protocol, Sample, TopicMatching},
    http::publish::PublishAccess,
};

/// The JSON of `GET /page/consumers`.
pub(super) fn describe(config: &Config, embedded: bool, publish: &PublishAccess, tokens: &[AuthMethod]) -> Json {
    let printed = matches!(publish, PublishAccess::Printed(_));
    let publish = match publish {
        PublishAccess::Key(_) | PublishAccess::Printed(_) => "key",
        PublishAccess::Off => "off",
    };
    // Engine.IO without Socket.IO has no namespaces and no events, so the page could show nothing.
    let shown = config.consumers.iter().filter(|consumer| consumer.protocol != Protocol::EngineIo);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "layer": if embedded { "embedded" } else { "redis" },
        "publish": publish,
        "printed": printed,
        "tokens": tokens,
        "transports": config.socketio.transports,
        "consumers": shown.map(|consumer| describe_consumer(config, consumer)).collect::<Vec<_>>(),
    })
}

fn describe_consumer(config: &Config, consumer: &Consumer) -> Json {
    let sources = match consumer.auth.iter().find(|method| **method != AuthMethod::Anonymous) {
        Some(AuthMethod::WsToken) => config.auth.ws_token.sources.as_slice(),
        Some(AuthMethod::Jwt) => config.auth.jwt.sources.as_slice(),
        Some(AuthMethod::JwtKind(kind)) => {
            config.auth.jwt.kinds.get(&**kind).map_or(&[][..], |kind| kind.sources.as_slice())
        }
        _ => &[],
    };
    let token_query = sources.iter().find_map(|source| source.strip_prefix("query:"));
    let samples: Map<String, Json> =
        consumer.samples.iter().map(|(title, sample)| (title.clone(), describe_sample(consumer, sample))).collect();
    let messages: Vec<Json> =
        consumer.on_message.iter().map(|(name, handler)| describe_message(consumer, name, handler)).collect();
    json!({
        "name": consumer.name.as_deref().unwrap_or(consumer.first_path()),
        "path": consumer.first_path(),
        "protocol": consumer.protocol,
        "namespace": consumer.namespace,
        "auth": consumer.auth,
        "groups": consumer.groups,
        "token_query": token_query,
        "message_key": consumer.message_key,
        "messages": messages,
        "rooms": hints::rooms(consumer),
        "claims": claims(consumer),
        "topics_by_words": consumer.topics.matching == TopicMatching::Words,
        "samples": samples,
    })
}

/// The effect of a client message and the fields that its handler reads, so that the page can offer a form.
fn describe_message(consumer: &Consumer, name: &str, handler: &Handler) -> Json {
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
    if consumer.protocol == Protocol::WebSocket {
        return json!({ "name": name, "does": does, "fields": hints::fields(handler, "message.") });
    }
    let acks = steps.iter().any(|step| step.ack.is_some() || step.ack_args.is_some());
    json!({ "name": name, "does": does, "arguments": hints::arguments(consumer, handler), "acks": acks })
}

/// The claims of a user, beside the id, that the consumer's groups and handlers read and the page can put into a token.
fn claims(consumer: &Consumer) -> Vec<&'static str> {
    let groups = consumer.groups.iter().map(String::as_str);
    let handlers = consumer.on_message.values().chain(&consumer.on_online).chain(&consumer.on_connect);
    let steps = handlers.flat_map(OneOrMany::as_slice).flat_map(hints::expressions);
    let read: Vec<&str> = groups.chain(steps).flat_map(|text| attributes(text, "user.")).collect();
    ["role", "name"].into_iter().filter(|claim| read.contains(claim)).collect()
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
