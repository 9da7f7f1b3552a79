//! Stories of the cable over an in-process hub with a recording outlet and a paused clock: "the hub …".

mod grid {
    pub mod dashboards;
    pub mod editors;
    pub mod hall;
    pub mod operators;
    pub mod presence;
}
