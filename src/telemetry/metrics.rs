//! The numbers behind `/metrics` (`streams.md` 7.4). Counting costs an atomic add; text is made only when it is asked for.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder, core::Collector,
};

/// The methods that have a name; a client may send any word.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// Every number of one running hub. Each has its own registry, so that two hubs in one process do not add up.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    /// Requests answered 429.
    pub rate_limited: IntCounter,
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
            rate_limited: counter("rate_limited_total", "Requests answered 429."),
            registry,
        }
    }
    /// Counts a request. `endpoint` is the route's template, never the path, and a method that nobody knows is `other`: the number of series
    /// must not follow the visitors.
    pub fn request(&self, method: &str, endpoint: &str, status: u16, took: Duration) {
        let method = if METHODS.contains(&method) { method } else { "other" };
        let mut digits = [0_u8; 3];
        let status = three_digits(status, &mut digits);
        self.requests.with_label_values(&[method, endpoint, status]).inc();
        self.request_seconds.with_label_values(&[method, endpoint]).observe(took.as_secs_f64());
    }
    /// The text form, `text/plain; version=0.0.4`, with what others count and this one only samples.
    #[must_use]
    pub fn text(&self, samples: &[Sample]) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics could not be written");
        }
        let mut text = String::from_utf8(text).unwrap_or_default();
        for Sample { name, help, grows, value } in samples {
            let kind = if *grows { "counter" } else { "gauge" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP trunkline_{name} {help}\n# TYPE trunkline_{name} {kind}\ntrunkline_{name} {value}");
        }
        text
    }
}

/// A number that somebody else keeps.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    name: &'static str,
    help: &'static str,
    grows: bool,
    value: u64,
}

impl Sample {
    /// One that only grows; its name ends in `_total`.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, grows: true, value }
    }
    /// One that comes and goes.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, grows: false, value }
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
        let text = metrics.text(&[Sample::gauge("active_connections", "Open sockets on /cable.", 7)]);
        assert!(text.contains(r#"trunkline_requests_total{endpoint="/streams",method="POST",status="200"} 2"#), "{text}");
        assert!(text.contains("trunkline_request_duration_seconds_bucket"));
        let series = |metrics: &Metrics| metrics.text(&[]).lines().count();
        metrics.request("A0", "/streams", 405, Duration::ZERO);
        let before = series(&metrics);
        (1..100).for_each(|number| metrics.request(&format!("A{number}"), "/streams", 405, Duration::ZERO));
        assert_eq!(series(&metrics), before, "a visitor may invent methods");
        assert!(text.ends_with("# TYPE trunkline_active_connections gauge\ntrunkline_active_connections 7\n"), "{text}");
    }
}
