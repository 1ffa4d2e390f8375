//! What the node says about itself: counters with fixed names, and warnings at a bounded rate.

pub mod metrics;
pub mod throttle;

pub use metrics::{DropReason, Metrics};
pub use throttle::Throttle;
