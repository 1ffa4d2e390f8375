//! One line of an answer: bytes to what it says.
//!
//! Every line is checked completely. An error says what is wrong with the line, and quotes no data of it.

use std::mem;

use bytes::Bytes;
use indexmap::IndexMap;

use super::{
    line::{Command, End, Line},
    tagged,
};
use crate::{
    event::{GroupName, Payload, Value, json, surrogate},
    layer::codec::names::is_channel_name,
};

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// For the session.
    Line(Line),
    /// For the log.
    Note { kind: String, text: String },
}

impl Said {
    /// Whether nothing follows.
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Line(Line::End(_)))
    }
}

/// A line, and the number of its call in a batch, if it has one.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    pub call: Option<usize>,
    /// What it says, or what is wrong with it.
    pub said: Result<Said, String>,
}

/// Reads a line. An error leaves open to which call it belongs.
pub(super) fn parse(line: &[u8]) -> Result<Parsed, String> {
    let Value::Map(entries) = json::read(line).map_err(|error| error.to_string())? else {
        return Err("it is not an object".to_owned());
    };
    let mut fields = Fields { entries, of: "it".to_owned() };
    let call = fields.maybe("n", |value| match value {
        Value::Int(number) => usize::try_from(number).map_err(|_| "negative".to_owned()),
        other => Err(other.kind().to_owned()),
    })?;
    Ok(Parsed { call, said: said(fields) })
}

fn said(mut fields: Fields) -> Result<Said, String> {
    let said = match (fields.maybe("do", text)?, fields.maybe("end", text)?) {
        (Some(name), None) => command(&name, &mut fields)?,
        (None, Some(name)) => Said::Line(Line::End(end(&name, &mut fields)?)),
        (Some(_), Some(_)) => return Err("it has both do and end".to_owned()),
        (None, None) => return Err("it has neither do nor end".to_owned()),
    };
    fields.done()?;
    Ok(said)
}

/// The entries of a line that were not taken yet.
struct Fields {
    entries: IndexMap<Box<str>, Value>,
    /// The kind of the line.
    of: String,
}

impl Fields {
    /// An entry that may be absent or null.
    fn maybe<T>(&mut self, key: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Result<Option<T>, String> {
        match self.entries.swap_remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).map_err(|wrong| self.wrong(key, &wrong)),
        }
    }

    /// An entry that must be there.
    fn take<T>(&mut self, key: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Result<T, String> {
        self.maybe(key, read)?.ok_or_else(|| format!("{} has no {key}", self.of))
    }

    /// An entry that may be absent, and whose null is a value.
    fn changed(&mut self, key: &str) -> Option<Value> {
        self.entries.swap_remove(key)
    }

    fn wrong(&self, key: &str, wrong: &str) -> String {
        format!("{}: {key} is {wrong}", self.of)
    }

    fn done(self) -> Result<(), String> {
        match self.entries.keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("{} has the unknown key {:?}", self.of, short(key))),
        }
    }
}

fn command(name: &str, fields: &mut Fields) -> Result<Said, String> {
    fields.of = short(name);
    let command = match name {
        "accept" => Command::Accept {
            subprotocol: fields.maybe("subprotocol", text)?,
            headers: fields.maybe("headers", headers)?.unwrap_or_default(),
        },
        "send" => Command::Send(match (fields.maybe("text", text)?, fields.maybe("bytes", binary)?) {
            (Some(text), None) => Payload::Text(text.into()),
            (None, Some(bytes)) => Payload::Binary(bytes),
            (None, None) => return Err("send has neither text nor bytes".to_owned()),
            (Some(_), Some(_)) => return Err("send has both text and bytes".to_owned()),
        }),
        "close" => Command::Close {
            code: fields.maybe("code", code)?.unwrap_or(NORMAL),
            reason: fields.maybe("reason", text)?.unwrap_or_default(),
        },
        "group_add" => Command::GroupAdd(fields.take("group", group)?),
        "group_discard" => Command::GroupDiscard(fields.take("group", group)?),
        "group_send" => {
            Command::GroupSend { group: fields.take("group", group)?, message: fields.take("message", message)? }
        }
        "send_channel" => Command::SendChannel {
            channel: fields.take("channel", channel)?,
            message: fields.take("message", message)?,
        },
        "deny" => Command::Deny {
            status: fields.take("status", status)?,
            headers: fields.maybe("headers", headers)?.unwrap_or_default(),
        },
        "deny_body" => Command::DenyBody(fields.take("bytes", binary)?),
        "note" => return Ok(Said::Note { kind: fields.take("kind", text)?, text: fields.take("text", text)? }),
        _ => return Err(format!("the command {:?} is unknown", fields.of)),
    };
    Ok(Said::Line(Line::Command(command)))
}

fn end(name: &str, fields: &mut Fields) -> Result<End, String> {
    fields.of = short(name);
    Ok(match name {
        "open" => End::Open {
            state: fields.take("state", text)?.into(),
            user: fields.changed("user").map(user).transpose().map_err(|wrong| fields.wrong("user", &wrong))?,
            expires: fields
                .changed("expires")
                .map(time)
                .transpose()
                .map_err(|wrong| fields.wrong("expires", &wrong))?,
            vars: fields.maybe("vars", message)?,
            class: fields.maybe("class", text)?.map(Into::into),
        },
        "stopped" => End::Stopped,
        "error" => End::Error { kind: fields.take("type", text)?, text: fields.take("text", text)? },
        "refused" => End::Refused { kind: fields.take("kind", text)?, text: fields.take("text", text)? },
        "restart" => End::Restart(fields.take("text", text)?),
        _ => return Err(format!("the end {:?} is unknown", fields.of)),
    })
}

/// A name in an error, at most this long.
fn short(name: &str) -> String {
    name.chars().take(40).collect()
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::Str(text) if !surrogate::is_marked(&text) => Ok(text.into()),
        Value::Str(text) if surrogate::has_lone(&text) => Err("text with a lone surrogate".to_owned()),
        Value::Str(text) => Ok(surrogate::lossy(&text).into_owned()),
        other => Err(other.kind().to_owned()),
    }
}

fn binary(value: Value) -> Result<Bytes, String> {
    Ok(tagged::bytes(&text(value)?)?.into())
}

fn headers(value: Value) -> Result<Vec<(String, String)>, String> {
    let Value::List(pairs) = value else { return Err(value.kind().to_owned()) };
    let pair = |pair: Value| match pair {
        Value::List(mut pair) if pair.len() == 2 => {
            let mut next = |at: usize| text(mem::take(&mut pair[at]));
            Ok((next(0)?, next(1)?))
        }
        _ => Err("not a list of pairs".to_owned()),
    };
    pairs.into_iter().map(pair).collect()
}

/// The close code without one.
const NORMAL: u16 = 1000;

/// A close code. Whether a frame may have it is decided where it is known whether there will be a frame.
fn code(value: Value) -> Result<u16, String> {
    match value {
        // Before accept any integer is right, because nobody sees it; 0 is never right in a frame.
        Value::Int(number) => Ok(u16::try_from(number).unwrap_or(0)),
        Value::UInt(_) | Value::Big(_) => Ok(0),
        other => Err(other.kind().to_owned()),
    }
}

fn status(value: Value) -> Result<u16, String> {
    match value {
        Value::Int(number @ 200..=599) => Ok(u16::try_from(number).unwrap_or(500)),
        Value::Int(number) => Err(format!("{number}, not 200 to 599")),
        other => Err(other.kind().to_owned()),
    }
}

fn group(value: Value) -> Result<GroupName, String> {
    GroupName::new(&text(value)?).map_err(|error| format!("wrong: {error}"))
}

fn channel(value: Value) -> Result<String, String> {
    let text = text(value)?;
    if is_channel_name(&text) { Ok(text) } else { Err("not a channel name".to_owned()) }
}

fn message(value: Value) -> Result<Value, String> {
    match value {
        Value::Map(_) => match tagged::plain(value)? {
            message @ Value::Map(_) => Ok(message),
            other => Err(other.kind().to_owned()),
        },
        other => Err(other.kind().to_owned()),
    }
}

/// A user, or null for an anonymous one.
fn user(value: Value) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::Null),
        other => message(other),
    }
}

fn time(value: Value) -> Result<Option<f64>, String> {
    match value {
        Value::Null => Ok(None),
        #[allow(clippy::cast_precision_loss, reason = "seconds since 1970")]
        Value::Int(seconds) => Ok(Some(seconds as f64)),
        Value::Float(seconds) if seconds.is_finite() => Ok(Some(seconds)),
        other => Err(other.kind().to_owned()),
    }
}

#[cfg(test)]
#[path = "parse/tests.rs"]
mod tests;
