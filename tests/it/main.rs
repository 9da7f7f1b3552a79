//! Stories over a real port: a whole house, and a client that knows only what a client knows.

mod cable;
mod bench;
mod child;
mod ending;
mod exhausting;
mod hostile;
mod house;
mod starting;
mod street;
mod command_line;
mod trusted;
mod lists;
mod long_away;
mod pubsub;
mod seam;
mod history;
mod openapi;
mod system;
mod revoking;
