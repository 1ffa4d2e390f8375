//! One WebSocket connection: the socket taken over after the handshake, frames both ways, what waits for a slow client,
//! and the sweep that keeps thousands of them alive. It does not know what an event means.

pub mod close;
pub mod connection;
pub mod deflate;
mod driver;
pub mod frame;
pub mod negotiate;
mod outbox;
pub mod reader;
pub mod roster;
pub mod takeover;
pub mod utf8;

pub use connection::{Connection, ConnectionLimits, Delivery, Handler};
pub use roster::Roster;
