//! The stages that there are, in the order of `platform.md` section 3. A new one is a file here and a line in the plan.

mod duplicate;
mod ignore_list;
mod trusted;
// Flood, rules and classifier belong here.

pub use duplicate::{Duplicate, Known};
pub use ignore_list::{IgnoreList, Ignored};
pub use trusted::Trusted;
