//! What crashed, when, and why: kept by an entity of the engine's own, so that it survives a restart of the hub.
//!
//! Supervisors note here; the chronicler (a permanent child) writes; whoever looks at `hub.supervision()` reads.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, Record, Refusal, Timestamp, codec};

use crate::{Asking, Decision, Entity, Hub, NoNotice, Projection, Written, engine::house::closed};

/// How many restarts are remembered.
const REMEMBERED: usize = 200;
/// How many may wait for the chronicler; beyond it the oldest is dropped: a storm must not become a storm of writes.
const WAITING: usize = 64;
/// The longest cause that is kept, in bytes.
const CAUSE_BYTES: usize = 200;
/// What a channel is called that panicked while it rendered, and how long no more of its panics are written: what is written is rendered in
/// its turn, so one that panics at everything would have its panics written for ever.
const CHANNEL: &str = "channel";
const CHANNEL_SILENCE: Duration = Duration::from_secs(60);

/// Something crashed and was started again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restarted {
    /// What sort of thing: an entity's kind, `relay`, `worker`.
    pub kind: String,
    /// Which one.
    pub id: String,
    /// What it said when it died.
    pub cause: String,
    /// When it died.
    pub at: Timestamp,
}
impl Record for Restarted {
    const KIND: u16 = codec::kinds::RESTART;
    const SCHEMA: u8 = 1;
}

/// The restarts of this hub, newest last; a projection and the queue of what is yet to be written.
#[derive(Default)]
pub(crate) struct History {
    inner: Mutex<Inner>,
    waiting: Notify,
}

#[derive(Default)]
struct Inner {
    written: VecDeque<Restarted>,
    unwritten: VecDeque<Restarted>,
    total: u64,
    changed: bool,
}

impl History {
    /// Notes a crash; it is written soon.
    pub(crate) fn note(&self, kind: &str, id: &str, cause: &str, at: Timestamp) {
        if kind == Chronicle::KIND {
            return;
        }
        let mut end = cause.len().min(CAUSE_BYTES);
        while !cause.is_char_boundary(end) {
            end -= 1;
        }
        let restarted =
            Restarted { kind: kind.to_owned(), id: id.chars().take(CAUSE_BYTES).collect(), cause: cause[..end].to_owned(), at };
        let mut inner = self.inner.lock();
        inner.total += 1;
        if kind == CHANNEL && inner.has_just_told_of(kind, id, at) {
            return;
        }
        if inner.unwritten.len() >= WAITING {
            inner.unwritten.pop_front();
        }
        inner.unwritten.push_back(restarted);
        drop(inner);
        self.waiting.notify_one();
    }
    /// Every restart that is remembered, oldest first.
    pub(crate) fn all(&self) -> Vec<Restarted> {
        let inner = self.inner.lock();
        inner.written.iter().chain(&inner.unwritten).cloned().collect()
    }
    /// How many since the hub opened.
    pub(crate) fn total(&self) -> u64 {
        self.inner.lock().total
    }
    /// Whether all of them stand in the journal.
    pub(crate) fn is_written(&self) -> bool {
        self.inner.lock().unwritten.is_empty()
    }
    /// Writes what waits, until the hub closes.
    pub(crate) async fn write_down(self: &Arc<Self>, hub: &Hub, mut closing: watch::Receiver<bool>) {
        loop {
            let waiting: Vec<_> = self.inner.lock().unwritten.iter().cloned().collect();
            if waiting.is_empty() {
                tokio::select! {
                    () = self.waiting.notified() => continue,
                    () = closed(&mut closing) => return,
                }
            }
            let asking = hub.asking(&trunkline_protocol::Principal::house());
            match hub.ask::<Chronicle>("all", ChronicleCommand(waiting.clone()), asking).await {
                Ok(written) => {
                    // Folding it takes it over; until then it is told from here, so that nobody who looks misses it.
                    let _ = hub.seen(written.position).await;
                    // These and no others: more may have come meanwhile.
                    self.inner.lock().unwritten.retain(|unwritten| !waiting.contains(unwritten));
                }
                Err(error) => {
                    tracing::warn!(%error, "the restart history was not written; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(5)) => {}
                        () = closed(&mut closing) => return,
                    }
                }
            }
        }
    }
}

impl Inner {
    fn has_just_told_of(&self, kind: &str, id: &str, now: Timestamp) -> bool {
        let mut latest = self.unwritten.iter().rev().chain(self.written.iter().rev());
        let before = latest.find(|restarted| restarted.kind == kind && restarted.id == id);
        before.is_some_and(|before| now.since(before.at) < CHANNEL_SILENCE)
    }
}

impl Projection for History {
    fn name(&self) -> &'static str {
        "engine.restarts"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        if commit.entity.kind() != Chronicle::KIND {
            return Ok(());
        }
        let mut inner = self.inner.lock();
        for restarted in commit.facts_of::<Restarted>() {
            let restarted = restarted?;
            // Told by the journal from now on.
            inner.unwritten.retain(|unwritten| *unwritten != restarted);
            if inner.written.len() >= REMEMBERED {
                inner.written.pop_front();
            }
            inner.written.push_back(restarted);
            inner.changed = true;
        }
        Ok(())
    }
    fn changed(&self) -> Vec<Piece> {
        let mut inner = self.inner.lock();
        if !std::mem::take(&mut inner.changed) {
            return Vec::new();
        }
        let piece = |(place, restarted): (usize, &Restarted)| Piece {
            key: (place as u32).to_be_bytes().to_vec(),
            value: Some(codec::seal(restarted)),
        };
        inner.written.iter().enumerate().map(piece).collect()
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        let written = pieces.iter().map(|(_, value)| codec::open(value)).collect::<Result<_, _>>()?;
        self.inner.lock().written = written;
        Ok(())
    }
}

/// The entity that keeps the history. It has no state: the projection is what is read.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Chronicle;

/// Write these down.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ChronicleCommand(Vec<Restarted>);

impl Entity for Chronicle {
    const KIND: &'static str = "supervision";
    type Command = ChronicleCommand;
    type Fact = Restarted;
    type Notice = NoNotice;
    fn decide(&self, ChronicleCommand(restarts): &ChronicleCommand, _: &Asking) -> Result<Decision<Self>, Refusal> {
        Ok(Decision::facts(restarts.clone()))
    }
    fn apply(&mut self, _: &Restarted, _: &Written) {}
}
