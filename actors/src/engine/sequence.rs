//! Integers that are never given twice: reserved in blocks by commits, handed out from memory.
//!
//! The hub's `next_id` asks here. A block that was begun is lost with the process: numbers may be left out, never repeated.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use trunkline_protocol::{Principal, Record, Refusal, codec, id::MAX_SAFE_INTEGER, limits::ASK_DEADLINE};

use super::AskError;
use crate::{Asking, Decision, Entity, Hub, NoNotice, Written};

/// The first block, and the largest: it doubles while blocks last less than a second.
const BLOCK_MIN: u64 = 64;
const BLOCK_MAX: u64 = 65_536;

/// One sequence: how far it has been reserved.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Sequence {
    reserved: u64,
}

/// Reserve this many.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Reserve(pub(crate) u64);

/// Everything after `after` up to `upto` belongs to whoever asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Reserved {
    after: u64,
    upto: u64,
}
impl Record for Reserved {
    const KIND: u16 = codec::kinds::SEQUENCE;
    const SCHEMA: u8 = 1;
}

impl Entity for Sequence {
    const KIND: &'static str = "sequence";
    type Command = Reserve;
    type Fact = Reserved;
    type Notice = NoNotice;
    fn decide(&self, Reserve(count): &Reserve, _: &Asking) -> Result<Decision<Self>, Refusal> {
        let upto = self.reserved.saturating_add(*count);
        if upto > MAX_SAFE_INTEGER {
            return Err(Refusal::conflict("SEQUENCE_EXHAUSTED", "There are no more numbers in this sequence."));
        }
        Ok(Decision::fact(Reserved { after: self.reserved, upto }))
    }
    fn apply(&mut self, reserved: &Reserved, _: &Written) {
        self.reserved = reserved.upto;
    }
}

/// The blocks that this hub has reserved.
#[derive(Default)]
pub(crate) struct Sequences {
    blocks: Mutex<HashMap<&'static str, Arc<Block>>>,
}

#[derive(Default)]
struct Block {
    /// The next one, and the last of the block.
    left: Mutex<(u64, u64)>,
    /// Whoever finds the block empty reserves the next; everybody else waits here. When it was last reserved, and how large.
    reserving: tokio::sync::Mutex<Option<(Instant, u64)>>,
}

impl Block {
    fn take(&self) -> Option<u64> {
        let mut left = self.left.lock();
        let (next, last) = *left;
        (next != 0 && next <= last).then(|| {
            left.0 += 1;
            next
        })
    }
}

impl Sequences {
    /// The next integer of `sequence`, from 1.
    pub(crate) async fn next(&self, hub: &Hub, sequence: &'static str) -> Result<u64, AskError> {
        let block = Arc::clone(self.blocks.lock().entry(sequence).or_default());
        if let Some(id) = block.take() {
            return Ok(id);
        }
        // Boxed: it happens once in a block.
        let reserving = Box::pin(self.reserve(hub, sequence, &block));
        tokio::time::timeout(ASK_DEADLINE, reserving).await.map_err(|_| AskError::Deadline)?
    }
    async fn reserve(&self, hub: &Hub, sequence: &'static str, block: &Block) -> Result<u64, AskError> {
        let mut reserving = block.reserving.lock().await;
        loop {
            if let Some(id) = block.take() {
                return Ok(id);
            }
            let now = Instant::now();
            let size = match *reserving {
                Some((before, size)) if now.duration_since(before) < Duration::from_secs(1) => (size * 2).min(BLOCK_MAX),
                Some((_, size)) => (size / 2).max(BLOCK_MIN),
                None => BLOCK_MIN,
            };
            let outcome = hub.ask::<Sequence>(sequence, Reserve(size), hub.asking(&Principal::house())).await?;
            let Some(Reserved { after, upto }) = outcome.facts.first() else {
                return Err(AskError::Unavailable("nothing was reserved".into()));
            };
            *block.left.lock() = (after + 1, *upto);
            *reserving = Some((now, size));
        }
    }
}
