//! The layers against real Redis servers, each owned by its test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should end")]

#[allow(dead_code, reason = "shared; each file of tests uses a part")]
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/redis.rs"]
mod redis_server;

#[path = "layer/support.rs"]
mod support;

#[path = "layer/bad_input.rs"]
mod bad_input;
#[path = "layer/behind.rs"]
mod behind;
#[path = "layer/channels_redis_2.rs"]
mod channels_redis_2;
#[path = "layer/direct.rs"]
mod direct;
#[path = "layer/emitters.rs"]
mod emitters;
#[path = "layer/membership.rs"]
mod membership;
#[path = "layer/order.rs"]
mod order;
#[path = "layer/outage.rs"]
mod outage;
#[path = "layer/places.rs"]
mod places;
#[path = "layer/receive.rs"]
mod receive;
#[path = "layer/workers.rs"]
mod workers;
