//! What a server sends: packets of Socket.IO, each as the message of Engine.IO that carries it.

use bytes::Bytes;
use engineioxide_core::Packet as EnginePacket;
use serde::Serialize;
use serde_json::json;
use socketioxide_core::{
    Value as Data,
    packet::{Packet, PacketData},
    parser::Parse as _,
};
use socketioxide_parser_common::CommonParser;

use super::{PacketError, Payload, Text};

/// An event: its arguments are a list, the event's name first. With `id` the client is asked for an acknowledgement.
///
/// What `args` writes with `serialize_bytes` becomes an attachment. `42["news",1]`, `42/admin,7["news"]`, or with an
/// attachment `451-["file",{"_placeholder":true,"num":0}]` and its bytes.
pub fn event(namespace: &str, id: Option<u64>, args: &impl Serialize) -> Result<Payload, PacketError> {
    let mut packet = Packet::event(text(namespace), arguments(args)?);
    if let Some(id) = id {
        packet.inner.set_ack_id(ack_id(id)?);
    }
    Ok(encode(packet))
}

/// The answer to a client's event that asked for one; `args` is the list of arguments.
pub fn ack(namespace: &str, id: u64, args: &impl Serialize) -> Result<Payload, PacketError> {
    Ok(encode(Packet::ack(text(namespace), arguments(args)?, ack_id(id)?)))
}

/// `40{"sid":"…"}`: the client is connected to the namespace.
pub fn connected(namespace: &str, sid: &str) -> Payload {
    let data = Data::Str(json!({ "sid": sid }).to_string().into(), None);
    encode(Packet::connect(text(namespace), Some(data)))
}

/// `44{"message":"…"}`: it is not, and why.
pub fn refused(namespace: &str, message: &str) -> Payload {
    encode(Packet::connect_error(text(namespace), message))
}

/// `41`: the server takes the client out of the namespace.
pub fn disconnect(namespace: &str) -> Payload {
    encode(Packet::disconnect(text(namespace)))
}

fn text(text: &str) -> Text {
    Text::copy_from_slice(text)
}

fn ack_id(id: u64) -> Result<i64, PacketError> {
    i64::try_from(id).map_err(|_| PacketError::Write(format!("{id} is too large for an acknowledgement's id")))
}

/// The list as JSON and its attachments. The crate takes arguments as a tuple, and a list of unknown length for one of
/// them; so it is given a tuple of one, and the brackets around that are left out again.
fn arguments(args: &impl Serialize) -> Result<Data, PacketError> {
    let error = |error: &dyn std::fmt::Display| PacketError::Write(error.to_string());
    match CommonParser.encode_value(&(args,), None).map_err(|reason| error(&reason))? {
        Data::Str(wrapped, attachments) if wrapped.starts_with("[[") => {
            Ok(Data::Str(wrapped.slice(1..wrapped.len() - 1), attachments))
        }
        _ => Err(error(&"the arguments of an event are a list")),
    }
}

fn encode(packet: Packet) -> Payload {
    debug_assert!(!matches!(packet.inner, PacketData::Event(Data::Bytes(_), _)));
    match CommonParser.encode(packet) {
        Data::Str(packet, attachments) => {
            let text = Bytes::from(EnginePacket::Message(packet));
            match attachments {
                Some(attachments) if !attachments.is_empty() => {
                    Payload::Packet { text, attachments: attachments.into_iter().collect() }
                }
                _ => Payload::Text(text),
            }
        }
        // Not what this parser writes.
        Data::Bytes(bytes) => Payload::Binary(bytes),
    }
}
