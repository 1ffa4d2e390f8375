//! One connection: the WebSocket protocol (RFC 6455) and permessage-deflate (RFC 7692), without a socket.
//!
//! In: bytes of a client, messages of the node. Out: messages of a client, bytes of frames. Nothing here awaits.

pub mod close;
pub mod deflate;
pub mod frame;
pub mod negotiate;
pub mod reader;
mod utf8;
