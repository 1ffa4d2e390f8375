//! The program: reads the arguments and the configuration, then runs the command.

use std::process::ExitCode;

/// Uses less memory per connection than glibc's allocator, and returns a storm's memory to the system
/// (docs/decisions/0006). On macOS jemalloc has no background threads, and would end the program at its start.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    channelgate::cli::run()
}
