//! Stories over a real port: a whole house, and a client that knows only what a client knows.

mod cable;
mod house;
mod street;
mod lists;
mod history;
mod system;
