//! The binary: a few lines around the library.

fn main() {}
