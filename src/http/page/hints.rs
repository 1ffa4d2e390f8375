//! Suggestions for the page: arguments of client messages, and rooms that samples are sent to. Pure.
//!
//! Read from the texts of templates and expressions, so these are hints for a person who may change them, not the engine's
//! answer. In: a consumer. Out: JSON.

use serde_json::{Map, Value as Json, json};

use crate::config::{Consumer, Emit, Emits, Handler, OneOrMany, Sample, Step};

/// The name of a Socket.IO event's first argument in expressions.
const ARGUMENT: &str = "args[0]";

/// The names that follow `prefix` in an expression: `timestamp` in `{'t': message.timestamp}`.
pub fn attributes<'a>(expression: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    expression.match_indices(prefix).filter_map(move |(at, _)| {
        if expression[..at].ends_with(|c: char| is_word(c) || c == '.') {
            return None;
        }
        let rest = &expression[at + prefix.len()..];
        let name = &rest[..rest.find(|c: char| !is_word(c)).unwrap_or(rest.len())];
        (!name.is_empty()).then_some(name)
    })
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Every expression and template of a step that may read a client's message.
pub fn expressions(step: &Step) -> impl Iterator<Item = &str> {
    let single =
        [&step.require, &step.reply_raw, &step.subscribe, &step.unsubscribe, &step.refresh, &step.ack, &step.ack_args];
    let rooms = [&step.join, &step.leave].into_iter().flatten().flat_map(OneOrMany::as_slice);
    let emits = [&step.reply, &step.others, &step.room, &step.to_user, &step.to_role, &step.all];
    let emits = emits.into_iter().flatten().flat_map(Emits::as_slice).flat_map(parts);
    let asked = step.call.iter().filter_map(|call| call.data.as_ref());
    single.into_iter().flatten().chain(rooms).chain(emits).chain(asked).chain(step.set.values()).map(String::as_str)
}

fn parts(emit: &Emit) -> impl Iterator<Item = &String> {
    [&emit.to, &emit.data, &emit.args, &emit.send].into_iter().flatten()
}

/// The fields that a handler reads of a message, after `prefix`, each once and in their order.
pub fn fields<'a>(handler: &'a Handler, prefix: &'a str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in handler.as_slice().iter().flat_map(expressions).flat_map(|expression| attributes(expression, prefix)) {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// Arguments to try a Socket.IO event with: none, one value, or an object with the fields that its handler reads.
pub fn arguments(consumer: &Consumer, handler: &Handler) -> Vec<Json> {
    let rooms = rooms(consumer);
    let room = rooms.iter().find_map(|room| room.get("argument")).filter(|argument| !argument.is_null());
    if let Some(own) = rooms.iter().find(|room| joins(handler).any(|template| room["room"] == *template)) {
        return own.get("argument").cloned().into_iter().collect();
    }
    let fields = fields(handler, "args[0].");
    if !fields.is_empty() {
        let value = |field: &str| match sampled(consumer, field) {
            None if field.to_ascii_lowercase().contains("room") => room.cloned(),
            found => found,
        };
        let object = fields.into_iter().map(|field| (field.to_owned(), value(field).unwrap_or_default()));
        return vec![Json::Object(object.collect())];
    }
    let reads = handler.as_slice().iter().flat_map(expressions).any(|expression| expression.contains(ARGUMENT));
    if reads { vec![room.cloned().unwrap_or_default()] } else { Vec::new() }
}

fn joins(handler: &Handler) -> impl Iterator<Item = &String> {
    handler.as_slice().iter().flat_map(|step| [&step.join, &step.leave]).flatten().flat_map(OneOrMany::as_slice)
}

/// The rooms that a client may ask for by an event with at most one argument: `{join, leave, room}`, and where the name of the
/// room depends on the argument, `argument` with a value to try it with, or null.
pub fn rooms(consumer: &Consumer) -> Vec<Json> {
    let mut rooms = Vec::new();
    for (join, handler) in &consumer.on_message {
        for step in handler.as_slice() {
            let [template] = step.join.as_ref().map_or(&[][..], OneOrMany::as_slice) else { continue };
            let leave = consumer.on_message.iter().find(|(_, handler)| {
                handler
                    .as_slice()
                    .iter()
                    .filter_map(|step| step.leave.as_ref())
                    .any(|leave| leave.as_slice().contains(template))
            });
            let mut room = json!({ "join": join, "leave": leave.map(|(name, _)| name), "room": template });
            match placeholder(template) {
                Placeholder::None => {}
                Placeholder::One { before, expression, after } if expression.contains(ARGUMENT) => {
                    room["argument"] = named(consumer, step, before, after).unwrap_or_default();
                }
                _ => continue,
            }
            rooms.push(room);
        }
    }
    rooms
}

enum Placeholder<'a> {
    None,
    One { before: &'a str, expression: &'a str, after: &'a str },
    Several,
}

fn placeholder(template: &str) -> Placeholder<'_> {
    let Some((before, rest)) = template.split_once("{{") else { return Placeholder::None };
    match rest.split_once("}}") {
        Some((expression, after)) if !after.contains("{{") => Placeholder::One { before, expression, after },
        _ => Placeholder::Several,
    }
}

/// An argument with which a sample arrives: an event handler emits it to such a room, or its group is one.
fn named(consumer: &Consumer, step: &Step, before: &str, after: &str) -> Option<Json> {
    let patterns = step.allow.as_ref().map_or(&[][..], OneOrMany::as_slice);
    let (start, end) = (before.replace(':', "."), after.replace(':', "."));
    let of_group = |sample: &Sample| {
        let argument = sample.group.strip_prefix(&*start)?.strip_suffix(&*end)?;
        let is_allowed = patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, argument));
        (!(before.is_empty() && patterns.is_empty()) && is_allowed && !argument.is_empty()).then(|| argument.into())
    };
    let emitted = || {
        let emits = consumer.on_event.values().filter_map(|handler| handler.emit.as_ref()).flat_map(Emits::as_slice);
        emits.filter_map(|emit| emit.to.as_deref()).find_map(|to| match placeholder(to) {
            Placeholder::One { before: its, expression, after: end } if (its, end) == (before, after) => {
                let key = expression.trim().rsplit('.').next()?;
                sampled(consumer, key)
            }
            _ => None,
        })
    };
    emitted().or_else(|| consumer.samples.values().find_map(of_group))
}

/// Whether a name matches a pattern such as `ticket_<int>`.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('<') else { return pattern == name };
    let Some((kind, after)) = rest.split_once('>') else { return false };
    let middle = name.strip_prefix(before).and_then(|name| name.strip_suffix(after));
    middle
        .is_some_and(|middle| !middle.is_empty() && (kind != "int" || middle.bytes().all(|byte| byte.is_ascii_digit())))
}

/// The samples' value of this key.
fn sampled(consumer: &Consumer, key: &str) -> Option<Json> {
    consumer.samples.values().find_map(|sample| find(&sample.event, key)).map(to_json)
}

fn find<'a>(value: &'a toml::Value, key: &str) -> Option<&'a toml::Value> {
    let table = value.as_table()?;
    let here = table.get(key).filter(|value| !value.is_table());
    here.or_else(|| table.values().find_map(|value| find(value, key)))
}

/// TOML as JSON: dates become text, and the order of keys stays.
pub fn to_json(value: &toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::from(text.as_str()),
        toml::Value::Integer(number) => Json::from(*number),
        toml::Value::Float(number) => Json::from(*number),
        toml::Value::Boolean(flag) => Json::from(*flag),
        toml::Value::Datetime(time) => Json::from(time.to_string()),
        toml::Value::Array(items) => items.iter().map(to_json).collect(),
        toml::Value::Table(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.clone(), to_json(value))).collect::<Map<_, _>>())
        }
    }
}
