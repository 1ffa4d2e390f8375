//! Packets of Engine.IO 4 and Socket.IO 5: the only place that knows their bytes, and the crates that do (decision 0007).
//!
//! In: what a client sent, or an event with its arguments. Out: a [`Payload`] to send, or what the client meant. Whatever
//! a client sends is an error or a packet, bounded by [`Limits`], and never a panic. No connection, no state but that of a
//! packet whose attachments are still on their way.

mod attachments;
mod decode;
mod encode;
pub mod engine;

pub use attachments::fill_placeholders;
pub use decode::{Decoder, Incoming, Limits, Source};
pub use encode::{ack, connected, disconnect, event, refused};
/// Text of a packet: shared, and known to be UTF-8.
pub use engineioxide_core::Str as Text;

use crate::event::Payload;

/// Names of events that Socket.IO keeps for itself (socket.io `lib/socket-types.ts`). Whoever is sent one breaks off, server
/// or client (socket.io-parser `isPayloadValid`).
const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Whether Socket.IO keeps this name of an event for itself.
pub fn is_reserved_event(name: &str) -> bool {
    RESERVED_EVENTS.contains(&name)
}

/// Why a packet cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Not a packet of Engine.IO.
    #[error("the Engine.IO packet has no valid type")]
    EngineType,
    /// A binary packet of a polling payload that is no base64.
    #[error("the binary packet is not base64")]
    Base64,
    /// Not UTF-8.
    #[error("the payload is not UTF-8")]
    Utf8,
    /// The first digit, or a type that only a server sends.
    #[error("the packet has no valid type")]
    Type,
    /// What stands after the head: no JSON, or not of the shape that the type has.
    #[error("the packet's data is not valid: {0}")]
    Data(&'static str),
    /// The number of attachments.
    #[error("the packet does not say how many attachments it has")]
    AttachmentCount,
    /// More attachments than allowed.
    #[error("the packet announces more than {0} attachments")]
    TooManyAttachments(usize),
    /// More bytes in attachments than allowed.
    #[error("the attachments of a packet are larger than {0} bytes")]
    AttachmentsTooLarge(usize),
    /// A text packet where an attachment was due.
    #[error("a text packet came where an attachment was due")]
    AttachmentDue,
    /// An attachment of nothing.
    #[error("binary data came that belongs to no packet")]
    UnexpectedBinary,
    /// A placeholder without its attachment, or a second one for the same.
    #[error("a placeholder names an attachment that is not there, or one that another has named")]
    Placeholder,
    /// An attachment without its placeholder.
    #[error("an attachment is named by no placeholder")]
    UnusedAttachment,
}

#[cfg(test)]
mod tests;
