//! Engine.IO and Socket.IO as clients see them: real nodes, real sockets. The official suites check the same promises
//! and more (scripts/conformance.sh); these tests need only cargo, and for two nodes a redis-server.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should end")]

#[allow(dead_code, reason = "shared; each file of tests uses a part")]
#[path = "support/redis.rs"]
mod redis_server;

#[path = "engineio/support.rs"]
mod support;

#[path = "engineio/bounds.rs"]
mod bounds;
#[path = "engineio/namespaces.rs"]
mod namespaces;
#[path = "engineio/nodes.rs"]
mod nodes;
#[path = "engineio/polling.rs"]
mod polling;
#[path = "engineio/requests.rs"]
mod requests;
