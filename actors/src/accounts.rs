//! Wing: who is here and what they may do.
//!
//! # Layout
//! - [`policy`]: which role grants which permission; the constants by which every wing names them
//! - [`presence`]: who is on which topic, over all their tabs

pub mod policy;
pub mod presence;
