//! What is sent, as the clients of one consumer read it: frames of plain WebSocket, messages of Engine.IO, or packets of
//! a Socket.IO namespace.

use std::sync::Arc;

use bytes::Bytes;
use minijinja::Value as Jinja;
use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::frame;
use crate::{
    config::Protocol,
    event::{Payload, Raw, Value},
    packet,
};

/// Writes for the clients of one consumer.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub protocol: Protocol,
    pub namespace: Arc<str>,
}

impl Wire {
    pub const fn is_socketio(&self) -> bool {
        matches!(self.protocol, Protocol::SocketIo)
    }

    /// A value as a message of JSON.
    pub fn json(&self, value: &Jinja) -> Result<Payload, String> {
        Ok(self.text(frame::json(value)?))
    }

    /// Plain data as a message of JSON.
    pub fn plain_json(&self, value: &Value) -> Result<Payload, String> {
        Ok(self.text(frame::plain_json(value)?))
    }

    /// Text as a message.
    pub fn text(&self, text: Bytes) -> Payload {
        match self.protocol {
            // Engine.IO writes the packet's type in front of text.
            Protocol::EngineIo => Payload::Text([b"4", &*text].concat().into()),
            Protocol::WebSocket | Protocol::SocketIo => Payload::Text(text),
        }
    }

    /// Text or bytes as they are.
    pub fn raw(&self, value: &Jinja) -> Result<Payload, String> {
        match (value.as_str(), value.as_bytes()) {
            (Some(text), _) => Ok(self.text(Bytes::copy_from_slice(text.as_bytes()))),
            (None, Some(bytes)) => Ok(Payload::Binary(bytes.to_vec().into())),
            (None, None) => Err(format!("{} is neither text nor bytes", value.kind())),
        }
    }

    /// A Socket.IO event.
    pub fn event(&self, name: &str, args: &[Jinja]) -> Result<Payload, String> {
        check_name(name)?;
        packet::event(&self.namespace, None, &Args { name: Some(name), args }).map_err(|error| error.to_string())
    }

    /// The same, of plain data: the name first, then the arguments.
    pub fn plain_event(&self, args: &[Value]) -> Result<Payload, String> {
        check_name(args.first().and_then(Value::as_str).ok_or("an event begins with its name")?)?;
        let args: Vec<_> = args.iter().map(Raw).collect();
        packet::event(&self.namespace, None, &args).map_err(|error| error.to_string())
    }

    /// The acknowledgement of a client's event.
    pub fn ack(&self, id: u64, args: &[Jinja]) -> Result<Payload, String> {
        packet::ack(&self.namespace, id, &Args { name: None, args }).map_err(|error| error.to_string())
    }
}

/// Whether an event may be called so.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if packet::is_reserved_event(name) {
        return Err(format!("{name:?} is a name that Socket.IO keeps for itself"));
    }
    Ok(())
}

/// Arguments of an event, with its name in front, or of an acknowledgement.
struct Args<'a> {
    name: Option<&'a str>,
    args: &'a [Jinja],
}

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.args.len() + usize::from(self.name.is_some())))?;
        if let Some(name) = self.name {
            list.serialize_element(name)?;
        }
        for arg in self.args {
            list.serialize_element(&frame::Json::<true>(arg))?;
        }
        list.end()
    }
}
