//! The numbers behind `/metrics` (`streams.md` 7.4). Counting costs an atomic add; text is made only when it is asked for.

use std::{fmt, time::Duration};

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder, core::Collector,
};

/// Every number of one running hub. Each has its own registry, so that two hubs in one process do not add up.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    /// Open sockets on `/cable`.
    pub active_connections: IntGauge,
    /// Confirmed subscriptions.
    pub subscriptions: IntGauge,
    /// Broadcasts handed to a core, counted once for each core.
    pub broadcasts: IntCounter,
    /// Frames written to (or queued for) clients.
    pub deliveries: IntCounter,
    /// Frames that were not delivered: conflated, or their reader was cut off.
    pub dropped_frames: IntCounter,
    /// Readers that were cut off because they read too slowly.
    pub slow_readers: IntCounter,
    /// Requests answered 429.
    pub rate_limited: IntCounter,
    /// Cells being edited.
    pub locks: IntGauge,
    /// People present on the grid.
    pub presence: IntGauge,
    /// Streams that are not archived.
    pub streams: IntGauge,
    /// Commits in the journal since it was opened.
    pub journal_commits: IntGauge,
    /// fdatasync calls since it was opened.
    pub journal_barriers: IntGauge,
    /// Appends waiting for the committer.
    pub journal_queued: IntGauge,
    /// The last batch, in microseconds.
    pub journal_batch_us: IntGauge,
    /// Bytes on disk.
    pub journal_bytes: IntGauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    ///
    /// # Panics
    /// Never: every name is well-formed and given once, which the first test would tell.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        fn kept<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
            let number = made.expect("every metric's name is well-formed");
            registry.register(Box::new(number.clone())).expect("every metric's name is given once");
            number
        }
        let counter = |name: &str, help: &str| kept(&registry, IntCounter::new(format!("trunkline_{name}"), help));
        let gauge = |name: &str, help: &str| kept(&registry, IntGauge::new(format!("trunkline_{name}"), help));
        Self {
            requests: kept(
                &registry,
                IntCounterVec::new(Opts::new("trunkline_requests_total", "Requests answered."), &["method", "endpoint", "status"]),
            ),
            request_seconds: kept(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "trunkline_request_duration_seconds",
                        "From the first byte of a request's head to its answer.",
                    )
                    .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
                    &["method", "endpoint"],
                ),
            ),
            active_connections: gauge("active_connections", "Open sockets on /cable."),
            subscriptions: gauge("subscriptions", "Confirmed subscriptions."),
            broadcasts: counter("broadcasts_total", "Broadcasts handed to a core of the edge."),
            deliveries: counter("deliveries_total", "Frames written to or queued for clients."),
            dropped_frames: counter("dropped_frames_total", "Frames conflated or lost with a reader that was cut off."),
            slow_readers: counter("slow_readers_total", "Readers cut off because they read too slowly."),
            rate_limited: counter("rate_limited_total", "Requests answered 429."),
            locks: gauge("locks", "Cells being edited."),
            presence: gauge("presence", "People present on the grid."),
            streams: gauge("streams", "Streams that are not archived."),
            journal_commits: gauge("journal_commits", "Commits appended since the journal was opened."),
            journal_barriers: gauge("journal_barriers", "Barriers (fdatasync) since the journal was opened."),
            journal_queued: gauge("journal_queued", "Appends waiting for the committer."),
            journal_batch_us: gauge("journal_last_batch_microseconds", "How long the last batch took."),
            journal_bytes: gauge("journal_bytes", "Bytes of the journal on disk."),
            registry,
        }
    }
    /// Counts a request. `endpoint` is the route's template, never the path: the number of series must not follow the visitors.
    pub fn request(&self, method: &str, endpoint: &str, status: u16, took: Duration) {
        let mut digits = [0_u8; 3];
        let status = three_digits(status, &mut digits);
        self.requests.with_label_values(&[method, endpoint, status]).inc();
        self.request_seconds.with_label_values(&[method, endpoint]).observe(took.as_secs_f64());
    }
    /// The text form, `text/plain; version=0.0.4`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics could not be written");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

fn three_digits(status: u16, digits: &mut [u8; 3]) -> &str {
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b'0' + (status / 10_u16.pow(place as u32) % 10) as u8;
    }
    std::str::from_utf8(digits).unwrap_or("000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_requests_by_the_template_of_their_route() {
        let metrics = Metrics::new();
        metrics.request("POST", "/streams", 200, Duration::from_millis(3));
        metrics.request("POST", "/streams", 200, Duration::from_millis(3));
        let text = metrics.text();
        assert!(text.contains(r#"trunkline_requests_total{endpoint="/streams",method="POST",status="200"} 2"#), "{text}");
        assert!(text.contains("trunkline_request_duration_seconds_bucket"));
        assert!(text.contains("trunkline_active_connections 0"));
    }
}
