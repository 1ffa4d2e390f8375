//! Channelgate holds the WebSocket and Socket.IO connections of a Django Channels project.
//!
//! Data flows one way; read the modules in this order:
//!
//! ```text
//! Redis ─▶ layer ─▶ consumer (map once) ─▶ hub (who, on this node) ─▶ socket (outbox, frames) ─▶ client
//! client ─▶ socket ─▶ protocol (plain JSON | Socket.IO) ─▶ consumer (actions) ─▶ hub | layer | backend
//! ```
//!
//! A module imports only modules above it in this list; `node`, `cli` and `main` see everything.

pub mod backoff;
pub mod gcra;

pub mod sparse;

pub mod event;

pub mod limited;

pub mod config;

pub mod authorities;

pub mod redis;

pub mod telemetry;

pub mod http_client;

pub mod packet;

pub mod layer;

pub mod consumer;

pub mod presence;

pub mod admission;

pub mod auth;

pub mod socket;

pub mod backend;

pub mod hub;

pub mod cluster;

pub mod protocol;

pub mod http;

pub mod cli;
pub mod node;
