//! One WebSocket connection: the socket taken over after the handshake, frames in both directions (RFC 6455, RFC 7692),
//! the outbox of a slow client, and the sweep that supervises thousands of them. It does not know the meaning of an
//! event.
//!
//! `close`, `deflate`, `frame`, `negotiate` and `reader` are the protocol without a socket: bytes in, messages out.

mod budget;
pub mod close;
pub mod connection;
pub mod connections;
pub mod deflate;
mod driver;
pub mod encoded;
pub mod frame;
mod heartbeat;
pub mod http_stream;
mod inbox;
pub mod meter;
pub mod negotiate;
mod outbox;
mod pressure;
pub mod probe;
pub mod reader;
pub mod takeover;
pub mod turn;
mod utf8;

pub use connection::{About, Connection, ConnectionHandler, ConnectionLimits};
pub use connections::{Connections, SlowConnection};
pub use encoded::{EncodedMessage, Loss};
pub use heartbeat::{Answer, Heartbeat};
pub use inbox::{Held, Inbox, Keeper};
pub use outbox::Outbox;
pub use pressure::Charge;
