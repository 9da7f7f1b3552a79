//! What the edge counts, per core; read by `/metrics` and the system channel, never waited for.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The edge's counters. Cheap to read at any time; a reader may see one counter a moment before another.
#[derive(Debug)]
pub struct EdgeStats {
    cores: Box<[CoreStats]>,
    refused: AtomicU64,
}

/// One core's counters. Only its own thread writes them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CoreStats {
    connections: AtomicU64,
    accepted: AtomicU64,
    resumed: AtomicU64,
    commands: AtomicU64,
    ignored: AtomicU64,
    received_bytes: AtomicU64,
    deliveries: AtomicU64,
    delivered_bytes: AtomicU64,
    conflated: AtomicU64,
    slow: AtomicU64,
}

/// The counters at one moment, of one core or summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EdgeCounts {
    /// Welcomed clients that are connected now.
    pub connections: u64,
    /// Clients welcomed since the start.
    pub accepted: u64,
    /// Of these, clients who took up a connection that they had lost.
    pub resumed: u64,
    /// Upgrades refused because the hub was full or stopping.
    pub refused: u64,
    /// Messages received.
    pub commands: u64,
    /// Of these, passed over because they could not be read.
    pub ignored: u64,
    /// Bytes of messages received.
    pub received_bytes: u64,
    /// Broadcast frames written or queued, one per client.
    pub deliveries: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Broadcast frames replaced by a newer one before a slow reader took them.
    pub conflated: u64,
    /// Clients sent away because they read too slowly.
    pub slow: u64,
}

impl EdgeStats {
    pub(crate) fn new(cores: usize) -> Self {
        Self { cores: (0..cores).map(|_| CoreStats::default()).collect(), refused: AtomicU64::new(0) }
    }
    /// The counters of each core, in order.
    pub fn cores(&self) -> impl Iterator<Item = EdgeCounts> {
        self.cores.iter().map(CoreStats::read)
    }
    /// The counters of the whole edge.
    #[must_use]
    pub fn total(&self) -> EdgeCounts {
        let mut total = EdgeCounts { refused: self.refused.load(Relaxed), ..EdgeCounts::default() };
        for core in self.cores() {
            total.connections += core.connections;
            total.accepted += core.accepted;
            total.resumed += core.resumed;
            total.commands += core.commands;
            total.ignored += core.ignored;
            total.received_bytes += core.received_bytes;
            total.deliveries += core.deliveries;
            total.delivered_bytes += core.delivered_bytes;
            total.conflated += core.conflated;
            total.slow += core.slow;
        }
        total
    }
    pub(crate) fn core(&self, index: usize) -> &CoreStats {
        &self.cores[index % self.cores.len()]
    }
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }
}

impl CoreStats {
    fn read(&self) -> EdgeCounts {
        EdgeCounts {
            connections: self.connections.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            resumed: self.resumed.load(Relaxed),
            refused: 0,
            commands: self.commands.load(Relaxed),
            ignored: self.ignored.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            deliveries: self.deliveries.load(Relaxed),
            delivered_bytes: self.delivered_bytes.load(Relaxed),
            conflated: self.conflated.load(Relaxed),
            slow: self.slow.load(Relaxed),
        }
    }
    pub(crate) fn joined(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.accepted.fetch_add(1, Relaxed);
    }
    pub(crate) fn resumed(&self) {
        self.resumed.fetch_add(1, Relaxed);
    }
    pub(crate) fn left(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }
    pub(crate) fn received(&self, bytes: usize) {
        self.commands.fetch_add(1, Relaxed);
        self.received_bytes.fetch_add(bytes as u64, Relaxed);
    }
    pub(crate) fn ignored(&self) {
        self.ignored.fetch_add(1, Relaxed);
    }
    pub(crate) fn delivered(&self, frames: usize, bytes: usize, conflated: usize, slow: usize) {
        self.deliveries.fetch_add(frames as u64, Relaxed);
        self.delivered_bytes.fetch_add(bytes as u64, Relaxed);
        self.conflated.fetch_add(conflated as u64, Relaxed);
        self.slow.fetch_add(slow as u64, Relaxed);
    }
}
