//! Stories of the engine over a journal in memory: nothing here names a wing.

mod asking;
mod crashes;
mod storms;
mod telling;
mod waking;
mod world;
