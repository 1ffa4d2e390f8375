//! What clients speak: plain WebSocket messages, or Socket.IO; and the session behind both.

pub mod desk;
pub mod plain;
pub mod session;
