//! Packets of Engine.IO 4, and payloads: several packets in the body of one polling request, `4hello<RS>bAQID`.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use engineioxide_core::{Packet, PacketParseError, ProtocolVersion};
use serde_json::json;

use super::{PacketError, Text};

/// Between the packets of a payload.
pub const SEPARATOR: u8 = 0x1e;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// `4…`: text for the protocol above.
    Message(Text),
    /// Bytes for the protocol above.
    Binary(Bytes),
    /// `3`: the answer to a ping.
    Pong,
    /// `1`: the session ends.
    Close,
    /// `2probe`: does this WebSocket work?
    Probe,
    /// `5`: from here on everything goes over this WebSocket.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

/// A text message of a WebSocket, or one packet of a payload.
pub fn parse(text: &str) -> Result<Received, PacketError> {
    match Packet::parse(ProtocolVersion::V4, Text::copy_from_slice(text)) {
        Ok(Packet::Message(text)) => Ok(Received::Message(text)),
        Ok(Packet::Binary(bytes)) => Ok(Received::Binary(bytes)),
        Ok(Packet::Pong) => Ok(Received::Pong),
        Ok(Packet::Close) => Ok(Received::Close),
        Ok(Packet::PingUpgrade) => Ok(Received::Probe),
        Ok(Packet::Upgrade) => Ok(Received::Upgrade),
        Ok(Packet::Noop) => Ok(Received::Noop),
        Err(PacketParseError::Base64Decode(_)) => Err(PacketError::Base64),
        // Version 4 turned heartbeats round: only a server sends pings.
        Ok(_) | Err(_) => Err(PacketError::EngineType),
    }
}

/// A message of bytes as a packet of a payload, put behind what `payload` holds.
pub fn push_binary(bytes: &[u8], payload: &mut String) {
    payload.push('b');
    STANDARD.encode_string(bytes, payload);
}

/// How long [`push_binary`] makes a payload.
pub const fn binary_length(bytes: usize) -> usize {
    1 + bytes.div_ceil(3) * 4
}

/// What a new session is told.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// The session's id.
    pub sid: &'a str,
    /// Whether it may go on over a WebSocket.
    pub upgrade: bool,
    /// After how long the next ping comes.
    pub ping_interval: Duration,
    /// How long its pong may take.
    pub ping_timeout: Duration,
    /// Bytes of one message or payload.
    pub max_payload: usize,
}

impl Open<'_> {
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
