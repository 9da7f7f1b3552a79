//! The cable, as clients see it: `cable.md` section 1, row by row.

mod bad_input;
#[path = "../../examples/conformance/channels.rs"]
mod channels;
mod closing;
mod deflate;
mod extended;
mod given_up;
pub mod harness;
mod held;
mod identity;
mod lifecycle;
mod presence;
mod readers;
mod resuming;
mod rfc6455;
mod storm;
pub mod tls;
mod upgrade;
