//! Packets of Engine.IO 4 and Socket.IO 5: only this module knows their bytes and the crates for them (decision 0007).
//!
//! In: a client's message, or an event with its arguments. Out: a [`Payload`] to send, or the client's packet. Any
//! input from a client gives an error or a packet, bounded by [`PacketLimits`], and never a panic. It has no
//! connection, and no state except a packet that still waits for attachments.

mod attachments;
mod decode;
mod encode;
pub mod engine;

pub use attachments::fill_placeholders;
pub use decode::{ClientPacket, PacketDecoder, PacketLimits, RawEvent};
pub use encode::{ack, connected, disconnect, event, in_namespace, refused};
/// Text of a packet: shared, and known to be UTF-8.
pub use engineioxide_core::Str as Text;

use crate::event::Payload;

/// Event names reserved by Socket.IO (socket.io `lib/socket-types.ts`). Both servers and clients disconnect when they
/// receive one (socket.io-parser `isPayloadValid`).
const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Whether Socket.IO reserves this event name.
pub fn is_reserved_event(name: &str) -> bool {
    RESERVED_EVENTS.contains(&name)
}

/// Why a packet cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Not a packet of Engine.IO.
    #[error("the Engine.IO packet has no valid type")]
    EngineType,
    /// A binary packet of a polling payload that is not base64.
    #[error("the binary packet is not base64")]
    Base64,
    /// Not UTF-8.
    #[error("the payload is not UTF-8")]
    Utf8,
    /// The first digit, or a type that only a server sends.
    #[error("the packet has no valid type")]
    Type,
    /// The data after the head: not JSON, or not in the form that the type requires.
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
    /// A text packet when an attachment was expected.
    #[error("a text packet arrived instead of an attachment")]
    AttachmentDue,
    /// An attachment without a packet.
    #[error("binary data arrived without a packet")]
    UnexpectedBinary,
    /// A placeholder without its attachment, or a second one for the same attachment.
    #[error("a placeholder names a missing attachment, or one already used")]
    Placeholder,
    /// An attachment without a placeholder.
    #[error("an attachment has no placeholder")]
    UnusedAttachment,
}

#[cfg(test)]
mod tests;
