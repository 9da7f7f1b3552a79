//! Many cable clients in one thread: what `trunkline bench` and the benches load a server with, and check it by.
//!
//! A [`Swarm`] holds thousands of connections to any ActionCable server. It owns no task, no timer and no read buffer per connection: one
//! epoll loop reads all of them into one buffer and looks for the number that each message carries. It knows nothing that a client could
//! not, and it never publishes; whoever does writes into the [`Ledger`] when each message was sent.
//!
//! # Layout
//! - [`target`]: where the server is, as whom one comes, what one subscribes to
//! - [`crowd`]: who they are; [`swarm`]: the loop; [`connection`]: one client, from its socket to its last message
//! - [`scanner`]: frames out of bytes; [`mark`]: the number in a message
//! - [`ledger`]: when each message was sent; [`numbers`]: what one client saw of them; [`tally`]: what came of it all
//! - [`process`]: processor time and memory of a server, its children included

pub mod target;
pub mod crowd;
pub mod swarm;
pub mod connection;
pub mod error;
pub mod scanner;
pub mod mark;
pub mod ledger;
pub mod numbers;
pub mod tally;
pub mod process;

pub use crowd::{Crowd, Pulse, Reader};
pub use error::LoadError;
pub use ledger::Ledger;
pub use mark::Mark;
pub use swarm::Swarm;
pub use tally::Tally;
pub use target::Target;
