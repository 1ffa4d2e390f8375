//! http

pub mod page;
