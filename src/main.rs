//! The hub as a program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    trunkline::cli::run()
}
