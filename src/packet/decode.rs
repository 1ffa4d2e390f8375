//! Decodes what a client sends: Socket.IO packets with their attachments and data.

use bytes::Bytes;
use socketioxide_core::{
    Value as Data,
    packet::{Packet, PacketData},
    parser::{Parse as _, ParseConfig, ParseError, ParserState},
};
use socketioxide_parser_common::CommonParser;

use super::{PacketError, Text, fill_placeholders, is_reserved_event};
use crate::event::{Value, json};

/// Limits of what a client may send.
#[derive(Clone, Copy, Debug)]
pub struct PacketLimits {
    /// Attachments of one packet.
    pub attachments: usize,
    /// Bytes of all attachments of one packet.
    pub bytes: usize,
}

/// A complete packet of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientPacket {
    /// The client requests a namespace.
    Connect {
        /// The namespace.
        namespace: Text,
        /// Its auth data: an object, or null if it sent none.
        auth: Value,
    },
    /// An event.
    Event {
        /// The namespace.
        namespace: Text,
        /// Its name.
        name: Box<str>,
        /// Its arguments: a list, without the name.
        args: Value,
        /// The id of the acknowledgement that the client waits for.
        ack: Option<u64>,
        /// The undecoded name and arguments.
        source: RawEvent,
    },
    /// The answer to an event of the server.
    Ack {
        /// The namespace.
        namespace: Text,
        /// The event's id.
        id: u64,
        /// The arguments: a list.
        args: Value,
    },
    /// The client leaves a namespace.
    Disconnect {
        /// The namespace.
        namespace: Text,
    },
}

/// A valid event as its client wrote it: much smaller than its decoded values.
#[derive(Clone, Debug, PartialEq)]
pub struct RawEvent(Data);

impl Default for RawEvent {
    fn default() -> Self {
        Self(Data::Str(Text::default(), None))
    }
}

impl RawEvent {
    /// A copy that does not keep the rest of its buffer in memory.
    pub fn copy(&self) -> Self {
        match &self.0 {
            Data::Str(text, attachments) => Self(Data::Str(Text::copy_from_slice(text), attachments.clone())),
            Data::Bytes(bytes) => Self(Data::Bytes(Bytes::copy_from_slice(bytes))),
        }
    }

    /// Its name and arguments.
    pub fn read(self) -> Result<(Box<str>, Value), PacketError> {
        event(self.0)
    }

    /// The packet's text.
    pub fn text(&self) -> &str {
        self.0.as_str().map_or("", |text| text)
    }

    /// The bytes of its attachments.
    pub fn attached(&self) -> usize {
        match &self.0 {
            Data::Str(_, Some(attachments)) => attachments.iter().map(Bytes::len).sum(),
            _ => 0,
        }
    }
}

/// Combines packets and their attachments. Small while nothing is incomplete.
#[derive(Debug, Default)]
pub struct PacketDecoder(Option<Box<ParserState>>);

impl PacketDecoder {
    /// A text message: a packet, or `None` while its attachments are still missing.
    pub fn text(&mut self, text: Text, limits: &PacketLimits) -> Result<Option<ClientPacket>, PacketError> {
        self.step(limits, |config, state| CommonParser.decode_str(config, state, text))
    }

    /// A binary message: the next attachment.
    pub fn binary(&mut self, bytes: Bytes, limits: &PacketLimits) -> Result<Option<ClientPacket>, PacketError> {
        self.step(limits, |config, state| CommonParser.decode_bin(config, state, bytes))
    }

    fn step(
        &mut self,
        limits: &PacketLimits,
        decode: impl FnOnce(&ParseConfig, &ParserState) -> Result<Packet, ParseError>,
    ) -> Result<Option<ClientPacket>, PacketError> {
        let config = ParseConfig {
            max_incoming_binary_buf_size: limits.bytes,
            max_incoming_binaries: limits.attachments,
            ..ParseConfig::default()
        };
        let state = self.0.take().unwrap_or_default();
        match decode(&config, &state) {
            Ok(packet) => read(packet).map(Some),
            Err(ParseError::NeedsMoreBinaryData) => {
                self.0 = Some(state);
                Ok(None)
            }
            Err(error) => Err(refusal(&error, limits)),
        }
    }
}

fn refusal(error: &ParseError, limits: &PacketLimits) -> PacketError {
    match error {
        ParseError::InvalidAttachments => PacketError::AttachmentCount,
        ParseError::TooManyAttachments { .. } => PacketError::TooManyAttachments(limits.attachments),
        ParseError::AttachmentsTooHeavy { .. } => PacketError::AttachmentsTooLarge(limits.bytes),
        ParseError::UnexpectedBinaryPacket => PacketError::UnexpectedBinary,
        ParseError::UnexpectedStringPacket | ParseError::TimeoutWhileWaitingAttachments => PacketError::AttachmentDue,
        _ => PacketError::Type,
    }
}

fn read(packet: Packet) -> Result<ClientPacket, PacketError> {
    let namespace = packet.ns;
    match packet.inner {
        PacketData::Connect(data) => Ok(ClientPacket::Connect { namespace, auth: auth(data)? }),
        PacketData::Disconnect => Ok(ClientPacket::Disconnect { namespace }),
        PacketData::Event(data, ack) | PacketData::BinaryEvent(data, ack) => {
            let source = RawEvent(data.clone());
            let (name, args) = event(data)?;
            let ack = ack.and_then(|id| u64::try_from(id).ok());
            Ok(ClientPacket::Event { namespace, name, args, ack, source })
        }
        PacketData::EventAck(data, id) | PacketData::BinaryAck(data, id) => {
            let id = u64::try_from(id).map_err(|_| PacketError::Type)?;
            Ok(ClientPacket::Ack { namespace, id, args: Value::List(list(data)?) })
        }
        // Only a server refuses connections.
        PacketData::ConnectError(_) => Err(PacketError::Type),
    }
}

fn event(data: Data) -> Result<(Box<str>, Value), PacketError> {
    let mut items = list(data)?.into_iter();
    let name: Box<str> = match items.next() {
        Some(Value::Str(name)) => name,
        // The reference accepts numbers as names, too.
        Some(Value::Int(name)) => name.to_string().into(),
        _ => return Err(PacketError::Data("the first argument of an event must be its name")),
    };
    if is_reserved_event(&name) {
        return Err(PacketError::Data("the name of the event is reserved"));
    }
    Ok((name, Value::List(items.collect())))
}

fn auth(data: Option<Data>) -> Result<Value, PacketError> {
    let Some(data) = data else { return Ok(Value::Null) };
    match data.as_str().and_then(|text| json::read_strict(text).ok()) {
        Some(value @ Value::Map(_)) => Ok(value),
        _ => Err(PacketError::Data("the auth data of a CONNECT must be an object")),
    }
}

fn list(data: Data) -> Result<Vec<Value>, PacketError> {
    let Data::Str(text, attachments) = data else { return Err(PacketError::UnexpectedBinary) };
    let Ok(Value::List(mut items)) = json::read_strict(&text) else {
        return Err(PacketError::Data("the arguments must be a JSON list"));
    };
    if let Some(attachments) = attachments {
        fill_placeholders(&mut items, attachments)?;
    }
    Ok(items)
}
