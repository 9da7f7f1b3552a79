//! What is logged and what is counted. The only file that installs a tracing subscriber, and the only one that knows metric names.

pub mod metrics;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// What a deployment may say of its logs.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// What is logged, as tracing's filter directives: `info`, `info,trunkline=debug`.
    pub log: String,
    /// In which form.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl TelemetryConfig {
    /// What is logged unless the deployment says otherwise.
    pub const LOG: &str = "info";

    /// Can the filter be read?
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        EnvFilter::try_new(&self.log).map(drop).map_err(|error| format!("is `{}`: {error}", self.log))
    }
    /// From now on this process logs to standard error. A second call changes nothing.
    pub fn install(&self) {
        let filter = EnvFilter::try_new(&self.log).unwrap_or_else(|_| EnvFilter::new(TelemetryConfig::LOG));
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_thread_names(true)
            .with_ansi(std::io::stderr().is_terminal());
        let installed = match self.format {
            LogFormat::Text => subscriber.try_init(),
            LogFormat::Json => subscriber.json().try_init(),
        };
        drop(installed);
    }
}
