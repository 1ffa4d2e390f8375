//! The program: reads the arguments and the configuration, then runs the command.

use std::process::ExitCode;

/// Uses less memory per connection than glibc's allocator, and returns a storm's memory to the system
/// (docs/decisions/0005).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    channelgate::cli::run()
}
