//! What the node reports about itself: counters with fixed names, log lines without secrets, warnings at a bounded
//! rate, whether its threads live, samples of the last 15 minutes, and a live trace of events for `channelgate tail`.

mod bridge;
mod drop_reason;
mod exposition;
pub mod history;
pub mod label;
pub mod logging;
pub mod metrics;
pub mod name;
pub mod process;
pub mod tail;
pub mod throttle;
pub mod watchdog;

pub use drop_reason::DropReason;
pub use exposition::Format;
pub use metrics::{DropCounter, Metrics, OpenGauge, OpenOf};
pub use name::MetricName;
pub use prometheus_client::metrics::histogram::Histogram;
pub use throttle::Throttle;
pub use watchdog::{ThreadHeartbeat, Watchdog};
