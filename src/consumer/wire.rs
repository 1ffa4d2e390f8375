//! Encodes messages for the clients of one consumer: frames of plain WebSocket, messages of Engine.IO, or packets of a
//! Socket.IO namespace.

use std::sync::Arc;

use bytes::Bytes;
use minijinja::Value as Jinja;
use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::{
    expression::{frame, view::as_text},
    set::NodeName,
};
use crate::{
    config::Protocol,
    event::{Payload, Raw, Value, surrogate},
    limited::{self, WriteError},
    packet,
};

/// Encodes for the clients of one consumer.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub protocol: Protocol,
    pub namespace: Arc<str>,
    /// Bytes of one message, with its attachments.
    pub max_message: usize,
    pub node: NodeName,
}

impl Wire {
    pub const fn is_socketio(&self) -> bool {
        matches!(self.protocol, Protocol::SocketIo)
    }

    /// Bytes of one message as values. Its values take more memory than its text, so a small limit on the text would
    /// refuse messages that it allows.
    pub fn max_data(&self) -> usize {
        self.max_message.max(16 << 20)
    }

    /// A value as a JSON message.
    pub fn json(&self, value: &Jinja) -> Result<Payload, WriteError> {
        Ok(self.text(frame::json(value, self.max_message)?.into()))
    }

    /// Plain data as a JSON message.
    pub fn plain_json(&self, value: &Value) -> Result<Payload, WriteError> {
        Ok(self.text(limited::json(value, self.max_message)?.into()))
    }

    /// Text as a message.
    pub fn text(&self, text: Bytes) -> Payload {
        match self.protocol {
            // Engine.IO writes the packet's type in front of text.
            Protocol::EngineIo => Payload::Text([b"4", &*text].concat().into()),
            Protocol::WebSocket | Protocol::SocketIo => Payload::Text(text),
        }
    }

    /// Text or bytes, unchanged.
    pub fn raw(&self, value: &Jinja) -> Result<Payload, WriteError> {
        let copy = |bytes: &[u8]| match bytes.len() > self.max_message {
            true => Err(WriteError::TooLarge(self.max_message)),
            false => Ok(Bytes::copy_from_slice(bytes)),
        };
        match (as_text(value), value.as_bytes()) {
            // A frame has no form for a lone surrogate outside JSON.
            (Some(text), _) => Ok(self.text(copy(surrogate::lossy(&surrogate::tighten(text)).as_bytes())?)),
            (None, Some(bytes)) => Ok(Payload::Binary(copy(bytes)?)),
            (None, None) => Err(format!("{} is neither text nor bytes", value.kind()).into()),
        }
    }

    /// A Socket.IO event.
    pub fn event(&self, name: &str, args: &[Jinja]) -> Result<Payload, WriteError> {
        check_name(name)?;
        packet::event(&self.namespace, None, &Args { name: Some(name), args }, self.max_message)
    }

    /// The same for plain data: the name first, then the arguments. With `id` the client is asked for an
    /// acknowledgement.
    pub fn plain_event(&self, id: Option<u64>, args: &[Value]) -> Result<Payload, WriteError> {
        check_name(
            args.first().and_then(Value::as_str).ok_or_else(|| "an event must begin with its name".to_owned())?,
        )?;
        let args: Vec<_> = args.iter().map(Raw).collect();
        packet::event(&self.namespace, id, &args, self.max_message)
    }

    /// The acknowledgement of a client's event.
    pub fn ack(&self, id: u64, args: &[Jinja]) -> Result<Payload, WriteError> {
        packet::ack(&self.namespace, id, &Args { name: None, args }, self.max_message)
    }
}

/// Checks that an event may have this name.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if packet::is_reserved_event(name) {
        return Err(format!("{name:?} is a name reserved by Socket.IO"));
    }
    Ok(())
}

/// Arguments of an event, after its name, or of an acknowledgement.
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
