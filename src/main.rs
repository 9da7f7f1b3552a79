//! The hub as a program: everything is in the library.

use std::process::ExitCode;

/// What one thread makes another frees, many thousand times a second: see `docs/decisions/0020-jemalloc.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    trunkline::cli::run()
}
