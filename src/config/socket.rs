//! One connection: heartbeat, limits, compression.

use serde::{Deserialize, Serialize};

use super::Span;

/// Limits and timers of every connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Socket {
    /// A ping is sent after this long without data from the client; 0: never.
    pub ping_interval: Span,
    /// The connection is closed when nothing arrives for this long after a ping.
    pub ping_timeout: Span,
    /// Maximum size of a client message, in bytes, after decompression; a larger one closes the connection with 1009.
    pub max_message: usize,
    /// Bytes that may wait for one slow client before it is closed with 1013.
    pub outbox: usize,
    /// Bytes that may wait for all slow clients of the node together; 0: no limit.
    pub outbox_total: usize,
    /// Bytes of a session's messages that wait to be handled or are being handled; beyond that, reading from the client
    /// pauses. 0: no limit.
    pub inbox: usize,
    /// Bytes of incomplete or unhandled messages from all clients of the node together; 0: no limit.
    pub inbox_total: usize,
    /// Time from a message's first byte to its last; 0: no limit.
    pub message_timeout: Span,
    /// Frames that a client may send per second, ten times as many at once; 0: no limit.
    pub max_frames_per_second: u32,
    /// Bytes that a client may send per second, ten times as many at once; 0: no limit.
    pub max_bytes_per_second: usize,
    /// Kernel send buffer of a connection, in bytes; 0: the system's default.
    pub send_buffer: usize,
    /// How long sent bytes may stay unacknowledged in the kernel before the connection counts as dead; 0: the system's
    /// default.
    pub tcp_user_timeout: Span,
    /// permessage-deflate.
    pub compression: Compression,
}

impl Default for Socket {
    fn default() -> Self {
        Self {
            ping_interval: Span::seconds(20),
            ping_timeout: Span::seconds(20),
            max_message: 1 << 20,
            outbox: 1 << 20,
            outbox_total: 256 << 20,
            inbox: 1 << 20,
            inbox_total: 128 << 20,
            message_timeout: Span::seconds(30),
            max_frames_per_second: 1000,
            max_bytes_per_second: 4 << 20,
            send_buffer: 256 << 10,
            tcp_user_timeout: Span::seconds(30),
            compression: Compression::default(),
        }
    }
}

/// permessage-deflate (RFC 7692), always without context takeover.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compression {
    /// Whether offers are accepted.
    pub enabled: bool,
    /// Messages smaller than this are sent uncompressed, in bytes.
    pub threshold: usize,
    /// 1 (fast) to 9 (small).
    pub level: u32,
}

impl Default for Compression {
    fn default() -> Self {
        Self { enabled: true, threshold: 512, level: 1 }
    }
}
