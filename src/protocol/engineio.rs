//! Engine.IO 4: sessions over a WebSocket or over polling requests, the upgrade from one to the other, and the heartbeat.
//!
//! In: packets of clients, from a socket or from requests. Out: messages for the protocol above ([`MessageHandler`]),
//! which is Socket.IO or an echo of raw messages. A session belongs to one worker (decision 0008); `workers` passes
//! it requests and sockets that arrived elsewhere. It knows no HTTP and no event.

mod deadlines;
mod polling;
pub mod raw;
mod session;
mod sessions;
mod sid;
mod upgrade;
mod workers;

pub use polling::{PAYLOAD_TYPE, Polled};
pub use session::{EngineSession, MessageHandler};
pub use sessions::{Sessions, Settings};
pub use sid::Sid;
pub use workers::{Carrier, EngineWorkers};
