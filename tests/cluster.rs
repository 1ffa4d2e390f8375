//! Several nodes of one cluster in one process, and a real Redis, owned by each test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should end")]

#[allow(dead_code, reason = "shared; each file of tests uses a part")]
#[path = "support/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "shared; each file of tests uses a part")]
#[path = "support/redis.rs"]
mod redis_server;

#[path = "cluster/support.rs"]
mod support;

#[path = "cluster/nodes.rs"]
mod nodes;
#[path = "cluster/orders.rs"]
mod orders;
#[path = "cluster/questions.rs"]
mod questions;
