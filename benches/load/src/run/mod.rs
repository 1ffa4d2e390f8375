//! One file per way to publish; each leaves its figures in the report and says how many numbers were published.

pub mod deliver;
pub mod ingest;
pub mod storm;
