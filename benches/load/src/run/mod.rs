//! One file per way to publish; each adds its figures to the report and returns how many numbers were published.

pub mod deliver;
pub mod ingest;
pub mod storm;
