//! The program: read the arguments and the configuration, then do what was asked.

use std::process::ExitCode;

/// Less memory per connection than glibc's, and a storm's memory goes back to the system (docs/decisions/0005).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    channelgate::cli::run()
}
