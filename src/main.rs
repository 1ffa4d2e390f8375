//! channelgate
fn main() {}
