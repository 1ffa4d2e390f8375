//! The HTTP side of the node.

pub mod ws_token;
