//! The program: read the arguments and the configuration, then do what was asked.

use std::process::ExitCode;

fn main() -> ExitCode {
    channelgate::cli::run()
}
