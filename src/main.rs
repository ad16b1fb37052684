//! The `authtrace` program: parses the command line, runs the command, returns its exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
