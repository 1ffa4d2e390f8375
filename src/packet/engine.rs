//! Packets of Engine.IO 4, and payloads: several packets in the body of one polling request, `4hello<RS>bAQID`.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use engineioxide_core::{Packet, PacketParseError, ProtocolVersion};
use serde_json::json;

use super::{PacketError, Text};

/// The separator between packets of a payload.
pub const SEPARATOR: u8 = 0x1e;

/// A packet from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnginePacket {
    /// `4…`: text for the protocol above.
    Message(Text),
    /// Bytes for the protocol above.
    Binary(Bytes),
    /// `3`: the answer to a ping.
    Pong,
    /// `1`: the session ends.
    Close,
    /// `2probe`: tests this WebSocket.
    Probe,
    /// `5`: from now on everything uses this WebSocket.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

/// Parses a text message of a WebSocket, or one packet of a payload.
pub fn parse(text: &str) -> Result<EnginePacket, PacketError> {
    match Packet::parse(ProtocolVersion::V4, Text::copy_from_slice(text)) {
        Ok(Packet::Message(text)) => Ok(EnginePacket::Message(text)),
        Ok(Packet::Binary(bytes)) => Ok(EnginePacket::Binary(bytes)),
        Ok(Packet::Pong) => Ok(EnginePacket::Pong),
        Ok(Packet::Close) => Ok(EnginePacket::Close),
        Ok(Packet::PingUpgrade) => Ok(EnginePacket::Probe),
        Ok(Packet::Upgrade) => Ok(EnginePacket::Upgrade),
        Ok(Packet::Noop) => Ok(EnginePacket::Noop),
        Err(PacketParseError::Base64Decode(_)) => Err(PacketError::Base64),
        // In version 4 only a server sends pings.
        Ok(_) | Err(_) => Err(PacketError::EngineType),
    }
}

/// Appends bytes as a packet to `payload`.
pub fn push_binary(bytes: &[u8], payload: &mut String) {
    payload.push('b');
    STANDARD.encode_string(bytes, payload);
}

/// The length of a payload after [`push_binary`].
pub const fn binary_length(bytes: usize) -> usize {
    1 + bytes.div_ceil(3) * 4
}

/// The data of the open packet.
#[derive(Clone, Copy, Debug)]
pub struct OpenPacket<'a> {
    /// The session's id.
    pub sid: &'a str,
    /// Whether the client may upgrade to a WebSocket.
    pub upgrade: bool,
    /// The time until the next ping.
    pub ping_interval: Duration,
    /// How long its pong may take.
    pub ping_timeout: Duration,
    /// Bytes of one message or payload.
    pub max_payload: usize,
}

impl OpenPacket<'_> {
    /// `0{"sid":"…","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
    pub fn packet(&self) -> String {
        let upgrades: &[&str] = if self.upgrade { &["websocket"] } else { &[] };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let open = json!({
            "sid": self.sid,
            "upgrades": upgrades,
            "pingInterval": millis(self.ping_interval),
            "pingTimeout": millis(self.ping_timeout),
            "maxPayload": self.max_payload,
        });
        format!("0{open}")
    }
}
