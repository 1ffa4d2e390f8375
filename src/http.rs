//! The node's HTTP side: WebSocket handshakes, health, metrics, the publish API, ws-tokens, the live page and the development
//! proxy.

pub mod admin;
mod body;
pub mod client;
mod cors;
mod head;
pub mod health;
pub mod listener;
pub mod page;
mod precheck;
mod proxy;
pub mod proxy_protocol;
pub mod publish;
mod refusal;
mod resource;
mod scope;
pub mod server;
pub mod serving;
pub mod socketio;
mod tail;
mod tunnel;
mod unread;
mod upgrade;
mod websocket;
pub mod ws_token;
