//! Presence over several nodes in one process and a real Redis, owned by each test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should end")]

#[allow(dead_code, reason = "shared; each file of tests uses a part")]
#[path = "support/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "shared; each file of tests uses a part")]
#[path = "support/redis.rs"]
mod redis_server;

#[path = "presence/support.rs"]
mod support;

#[path = "presence/members.rs"]
mod members;
#[path = "presence/nodes.rs"]
mod nodes;
#[path = "presence/outage.rs"]
mod outage;
