//! The `hallpass` program: parses the command and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    hallpass::cli::run()
}
