//! JSON: what Python's `json` and JavaScript's `JSON.parse` read, and what clients get.
//!
//! In: bytes of any origin. Out: a [`Value`](super::Value), or an error that quotes no data; and the reverse. Integers
//! keep all their digits, and text its lone surrogates.

pub mod as_text;
mod read;
mod write;

pub use read::{JsonError, read, read_strict};
pub use write::{Text, text};
