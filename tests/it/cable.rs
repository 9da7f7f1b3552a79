//! The cable, as clients see it: `cable.md` section 1, row by row.

mod bad_input;
#[path = "../../examples/conformance/channels.rs"]
mod channels;
mod extended;
pub mod harness;
mod lifecycle;
mod readers;
pub mod tls;
mod upgrade;
