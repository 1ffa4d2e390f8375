//! The layers against real Redis servers, each owned by its test.

#[path = "support/redis.rs"]
mod redis_server;

#[path = "layer/support.rs"]
mod support;

#[path = "layer/receive.rs"]
mod receive;
