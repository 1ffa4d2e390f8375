//! A client's bytes. `cargo +nightly fuzz run frames`

#![no_main]

#[path = "../entries/frames.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::run(data));
