//! What the node says about itself: counters with fixed names, and warnings at a bounded rate.

pub mod metrics;
pub mod name;
pub mod throttle;

pub use metrics::{DropReason, Metrics};
pub use name::Name;
pub use throttle::Throttle;
