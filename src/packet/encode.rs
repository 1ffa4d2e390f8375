//! Encodes what a server sends: Socket.IO packets, each as the Engine.IO message that carries it.

use std::collections::VecDeque;

use bytes::Bytes;
use engineioxide_core::Packet as EnginePacket;
use serde::Serialize;
use serde_json::{Serializer, json as object};
use socketioxide_core::{
    Value as Data,
    packet::{Packet, PacketData},
    parser::Parse as _,
};
use socketioxide_parser_common::CommonParser;

use super::{Payload, Text, attachments::Placeholders};
use crate::{
    event::json,
    limited::{Allowance, WriteError},
};

/// An event: its arguments are a list that begins with the event's name. With `id` the client is asked for an
/// acknowledgement. The arguments and their attachments take at most `limit` bytes.
///
/// What `args` writes with `serialize_bytes` becomes an attachment. `42["news",1]`, `42/admin,7["news"]`, or with an
/// attachment `451-["file",{"_placeholder":true,"num":0}]` and its bytes.
pub fn event(namespace: &str, id: Option<u64>, args: &impl Serialize, limit: usize) -> Result<Payload, WriteError> {
    let id = id.map(ack_id).transpose()?;
    write(args, limit, |attachments| {
        let mut packet = Packet::event(text(namespace), attachments);
        if let Some(id) = id {
            packet.inner.set_ack_id(id);
        }
        packet
    })
}

/// The acknowledgement of a client's event; `args` is the list of arguments, at most `limit` bytes.
pub fn ack(namespace: &str, id: u64, args: &impl Serialize, limit: usize) -> Result<Payload, WriteError> {
    let id = ack_id(id)?;
    write(args, limit, |attachments| Packet::ack(text(namespace), attachments, id))
}

/// `40{"sid":"…"}`: the client is connected to the namespace.
pub fn connected(namespace: &str, sid: &str) -> Payload {
    let data = Data::Str(object!({ "sid": sid }).to_string().into(), None);
    encode(Packet::connect(text(namespace), Some(data)))
}

/// `44{"message":"…"}`: the connection is refused, and why.
pub fn refused(namespace: &str, message: &str) -> Payload {
    encode(Packet::connect_error(text(namespace), message))
}

/// `41`: the server disconnects the client from the namespace.
pub fn disconnect(namespace: &str) -> Payload {
    encode(Packet::disconnect(text(namespace)))
}

/// The same packet in another namespace; only for packets of a namespace other than `/`.
pub fn in_namespace(payload: &Payload, namespace: &str) -> Payload {
    // Before the namespace there are only digits and `-`; it ends at the first comma.
    let moved = |packet: &Bytes| -> Bytes {
        let start = packet.iter().position(|byte| *byte == b'/').unwrap_or(packet.len());
        let length = packet[start..].iter().position(|byte| *byte == b',').unwrap_or(packet.len() - start);
        [&packet[..start], namespace.as_bytes(), &packet[start + length..]].concat().into()
    };
    match payload {
        Payload::Text(packet) => Payload::Text(moved(packet)),
        Payload::Packet { text, attachments } => {
            Payload::Packet { text: moved(text), attachments: attachments.clone() }
        }
        Payload::Binary(bytes) => Payload::Binary(bytes.clone()),
    }
}

fn text(text: &str) -> Text {
    Text::copy_from_slice(text)
}

fn ack_id(id: u64) -> Result<i64, WriteError> {
    i64::try_from(id).map_err(|_| WriteError::Invalid(format!("{id} is too large for an acknowledgement's id")))
}

/// A packet with these arguments. The crate writes everything before them: it has no writer that could be bounded.
fn write(args: &impl Serialize, limit: usize, packet: impl FnOnce(Data) -> Packet) -> Result<Payload, WriteError> {
    let room = Allowance::new(limit);
    let (mut list, mut attachments) = (room.writer(), VecDeque::new());
    let placeholders = Placeholders { room: &room, attachments: &mut attachments, text: json::Text::default() };
    args.serialize(&mut Serializer::with_formatter(&mut list, placeholders))
        .map_err(|error| room.reason(&error.into()))?;
    let list = list.into_bytes();
    if list.first() != Some(&b'[') {
        return Err(WriteError::Invalid("the arguments of an event must be a list".to_owned()));
    }
    let whole = |head: Bytes| Bytes::from([&*head, &*list].concat());
    Ok(match encode(packet(Data::Str(Text::default(), Some(attachments)))) {
        Payload::Packet { text, attachments } => Payload::Packet { text: whole(text), attachments },
        Payload::Text(text) | Payload::Binary(text) => Payload::Text(whole(text)),
    })
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
        // This parser does not write bytes.
        Data::Bytes(bytes) => Payload::Binary(bytes),
    }
}
