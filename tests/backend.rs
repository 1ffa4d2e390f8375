//! Calls to a real HTTP server, good and bad, and to a worker.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should end")]

#[path = "support/nobody.rs"]
mod nobody;
#[path = "backend/server.rs"]
mod server;

#[path = "backend/contract.rs"]
mod contract;
#[path = "backend/trouble.rs"]
mod trouble;
#[path = "backend/worker.rs"]
mod worker;

use std::time::Duration;

use channelgate::{backend::HttpBackend, config, consumer::CallRequest, event::Value, telemetry::Metrics};

/// `markAttendance` of user 7.
fn request() -> CallRequest {
    CallRequest {
        action: "markAttendance".into(),
        data: [("sessionId", Value::from("s-1"))].into_iter().collect(),
        user: [("id", Value::from(7i64))].into_iter().collect(),
        connection: "abc".into(),
        consumer: "tracker".into(),
        idempotent: false,
        timeout: None,
    }
}

fn settings() -> config::Backend {
    config::Backend { timeout: config::Span::seconds(10), ..Default::default() }
}

fn backend(config: &config::Backend, url: &str) -> (HttpBackend, Metrics) {
    let metrics = Metrics::new();
    (HttpBackend::new(config, url, metrics.clone()).unwrap(), metrics)
}

/// The number of calls with this outcome.
fn counted(metrics: &Metrics, outcome: &str) -> u64 {
    let start = format!("channelgate_backend_calls_total{{action=\"markAttendance\",outcome=\"{outcome}\"}} ");
    let text = metrics.render();
    text.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |count| count.parse().unwrap())
}

const A_MOMENT: Duration = Duration::from_millis(300);
