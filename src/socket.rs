//! One WebSocket connection: the socket taken over after the handshake, frames both ways (RFC 6455, RFC 7692), what waits
//! for a slow client, and the sweep that keeps thousands of them alive. It does not know what an event means.
//!
//! `close`, `deflate`, `frame`, `negotiate` and `reader` are the protocol without a socket: bytes in, messages out.

mod budget;
pub mod close;
pub mod connection;
pub mod deflate;
mod driver;
pub mod frame;
mod inbox;
pub mod meter;
pub mod negotiate;
mod outbox;
pub mod parcel;
mod pressure;
pub mod probe;
pub mod reader;
pub mod roster;
pub mod takeover;
mod utf8;

pub use connection::{Connection, ConnectionLimits, Handler};
pub use inbox::{Held, Inbox, Keeper};
pub use parcel::{Loss, Piece};
pub use roster::Roster;
