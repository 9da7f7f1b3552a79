//! Floor 3: the street. actix, HTTP, sockets, files, environment, secrets.
//!
//! # Layout
//! - [`config`]: what a deployment says, checked
//! - [`edge`]: one port for REST and `/cable`; who asks, how it is answered
//! - [`telemetry`]: what is logged and counted
//!
//! This library exists so that examples, benches and tests can open a whole hub in-process; the binary is a few lines around it.

pub mod cli;
pub mod client;
pub mod config;
pub mod edge;
pub mod house;
pub mod telemetry;

pub use trunkline_actors as actors;
pub use trunkline_persistence as persistence;
pub use trunkline_protocol as protocol;
