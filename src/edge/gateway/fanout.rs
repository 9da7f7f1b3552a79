//! One pass of a core over everything that has gathered: each frame built once per identifier, one write per socket, in slices.
//!
//! Order: a client hears a topic in the order it was published. A client that would be written to twice in one pass (two topics, two identifiers)
//! is taken out of the fast lane and written to once, with everything that is meant for it in exactly the order of the broadcasts.

use std::{collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use trunkline_actors::Broadcast;
use trunkline_protocol::{
    Topic,
    cable::{Identifier, Position, ServerFrame, Subprotocol},
};

use super::{
    Core,
    table::{Group, Table},
};
use crate::edge::{
    connection::Dialect,
    socket::{FrameRun, LatestKey, Pushed, append_compressed, append_frame, send_hot},
};

/// Sockets written to before others on this core get their turn: about a millisecond.
const SLICE: usize = 128;
/// However long the others take, they wait for no more than this.
const OWED_MAX: Duration = Duration::from_millis(50);
/// Bytes coalesced into one write; more would only sit in the kernel.
const RUN_BYTES_MAX: usize = 64 * 1024;

/// The same bytes for the same slots.
struct Lane {
    run: FrameRun,
    slots: Vec<u32>,
}

/// Writes a tick's batches to everybody on this core who hears them.
pub(super) async fn write(core: &Rc<Core>, tick: &[Arc<[Broadcast]>]) {
    let lanes = {
        let mut table = core.table.borrow_mut();
        table.begin_fanout();
        core.readings.borrow_mut().clear();
        plan(&table, &tick.iter().flat_map(|batch| batch.iter()).collect::<Vec<_>>())
    };
    let (mut slice, mut share) = (0, Share::begin());
    for lane in &lanes {
        let mut slots = &lane.slots[..];
        while !slots.is_empty() {
            let (now, later) = slots.split_at(slots.len().min(SLICE - slice));
            slots = later;
            push(core, now, &lane.run);
            slice += now.len();
            if slice == SLICE {
                slice = 0;
                share.give().await;
            }
        }
    }
    let mut table = core.table.borrow_mut();
    for broadcast in tick.iter().flat_map(|batch| batch.iter()) {
        if let Some(at) = &broadcast.offset {
            table.passed(&broadcast.topic, at.offset);
        }
    }
    table.end_fanout();
    drop(table);
    core.pass_over.notify_waiters();
}

/// A pass's share of its core: others get their turn after each slice, but while they keep the core longer than that (a storm of arrivals), the
/// pass takes as much of it as they do. Counted in processor time, so that another process's turn is nobody's.
struct Share {
    since: Duration,
    owed: Duration,
}

impl Share {
    fn begin() -> Self {
        Self { since: spent(), owed: Duration::ZERO }
    }
    async fn give(&mut self) {
        let began = spent();
        if began.saturating_sub(self.since) < self.owed {
            return;
        }
        tokio::task::yield_now().await;
        self.since = spent();
        self.owed = self.since.saturating_sub(began).min(OWED_MAX);
    }
}

/// How long this thread has been at work.
fn spent() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn push(core: &Core, slots: &[u32], run: &FrameRun) {
    let (mut delivered, mut conflated, mut slow) = (0, 0, 0);
    delivered += send_hot(slots, &run.bytes, |slot, pushed| {
        let Some(client) = core.table.borrow().client(slot).cloned() else { return };
        let written = match pushed {
            Pushed::Whole => return,
            Pushed::Part(written) => written,
            Pushed::Cold => 0,
        };
        let sent = if pushed == Pushed::Cold && !client.link.is_behind() {
            client.link.send_run(run)
        } else {
            client.link.send_rest(run, written)
        };
        conflated += sent.conflated;
        slow += usize::from(sent.overflowed);
        delivered += 1;
    });
    core.stats().delivered(delivered * run.len(), delivered * run.bytes.len(), conflated, slow);
}

/// Which bytes go to whom.
fn plan(table: &Table, broadcasts: &[&Broadcast]) -> Vec<Lane> {
    let mut lanes = Vec::new();
    let Some(first) = broadcasts.first() else { return lanes };
    let plain = broadcasts.iter().all(|one| one.topic == first.topic && one.except.is_none())
        && table.caught_up(&first.topic, first_offset(broadcasts.iter().copied())).next().is_none();
    // The common case, one topic without exceptions, needs no look at single clients: nobody is in two groups, or there is one frame.
    if plain && (broadcasts.len() == 1 || table.groups(&first.topic).nth(1).is_none()) {
        for group in table.groups(&first.topic) {
            fast(&mut lanes, broadcasts.iter().copied(), group, &group.slots);
        }
        return lanes;
    }
    sorted(table, broadcasts, &mut lanes);
    lanes
}

/// The first offset that a topic is told with these, its own; they grow.
fn first_offset<'a>(mut of_topic: impl Iterator<Item = &'a Broadcast>) -> u64 {
    of_topic.find_map(|one| one.offset.as_ref()).map_or(u64::MAX, |at| at.offset)
}

/// All of these broadcasts for one group.
fn fast<'a>(lanes: &mut Vec<Lane>, broadcasts: impl Iterator<Item = &'a Broadcast>, group: &Group, slots: &[u32]) {
    let mut composer = Composer::default();
    for broadcast in broadcasts {
        composer.add(broadcast, &group.identifier, group.dialect);
        if composer.bytes.len() >= RUN_BYTES_MAX {
            lanes.push(Lane { run: composer.take(), slots: slots.to_vec() });
        }
    }
    if !composer.bytes.is_empty() {
        lanes.push(Lane { run: composer.take(), slots: slots.to_vec() });
    }
}

/// Several topics or groups: those who hear one group go the fast lane, those who hear several get everything in order.
fn sorted(table: &Table, broadcasts: &[&Broadcast], lanes: &mut Vec<Lane>) {
    let mut topics: Vec<&Topic> = Vec::new();
    let mut by_topic: HashMap<&Topic, Vec<usize>> = HashMap::new();
    for (number, broadcast) in broadcasts.iter().enumerate() {
        let of_topic = by_topic.entry(&broadcast.topic).or_default();
        if of_topic.is_empty() {
            topics.push(&broadcast.topic);
        }
        of_topic.push(number);
    }
    let said_on = |topic: &Topic| by_topic[topic].iter().map(|number| broadcasts[*number]);
    // Per slot: in how many groups of this tick it has been seen, 0, 1, or more.
    let mut seen = vec![0_u8; table.slots() as usize];
    let mut mixed: Vec<u32> = Vec::new();
    let mut mix = |seen: &mut Vec<u8>, slot: u32, by: u8| {
        let entry = &mut seen[slot as usize];
        let before = *entry;
        *entry = before.saturating_add(by);
        if before < 2 && *entry >= 2 {
            mixed.push(slot);
        }
    };
    if broadcasts.len() > 1 {
        for topic in &topics {
            for group in table.groups(topic) {
                group.slots.iter().for_each(|slot| mix(&mut seen, *slot, 1));
            }
        }
    }
    for broadcast in broadcasts {
        if let Some(slot) = broadcast.except.and_then(|connection| table.slot_of(connection)) {
            mix(&mut seen, slot, 2);
        }
    }
    for slot in topics.iter().flat_map(|topic| table.caught_up(topic, first_offset(said_on(topic)))) {
        mix(&mut seen, slot, 2);
    }
    // What those hear who hear several; found from the groups, as whoever hears a little of much would otherwise be asked about all of it.
    let mut heard: HashMap<u32, Vec<(usize, &Group)>> = HashMap::with_capacity(mixed.len());
    for topic in &topics {
        for group in table.groups(topic) {
            let mut slots = Vec::new();
            for slot in &group.slots {
                match seen[*slot as usize] {
                    0 | 1 => slots.push(*slot),
                    _ => heard.entry(*slot).or_default().extend(by_topic[topic].iter().map(|number| (*number, group))),
                }
            }
            if !slots.is_empty() {
                fast(lanes, said_on(topic), group, &slots);
            }
        }
    }
    let mut frames = HashMap::new();
    for slot in mixed {
        let mut heard = heard.remove(&slot).unwrap_or_default();
        heard.sort_by_key(|(number, _)| *number);
        in_order(table, broadcasts, slot, &heard, &mut frames, lanes);
    }
}

type Frames = HashMap<(usize, usize, Dialect), Bytes>;

/// Everything that is meant for one client, in the order it was said: the numbers of broadcasts, and as whom it hears each.
fn in_order(
    table: &Table,
    broadcasts: &[&Broadcast],
    slot: u32,
    heard: &[(usize, &Group)],
    frames: &mut Frames,
    lanes: &mut Vec<Lane>,
) {
    let Some(client) = table.client(slot) else { return };
    let mut composer = Composer::default();
    for (number, group) in heard {
        let (broadcast, identifier) = (broadcasts[*number], &group.identifier);
        let offset = broadcast.offset.as_ref().map(|at| at.offset);
        let was_told = offset.is_some_and(|offset| table.was_told(&broadcast.topic, slot, identifier, offset));
        if broadcast.except == Some(client.id) || was_told {
            continue;
        }
        let frame = frames
            .entry((*number, Rc::as_ptr(identifier).addr(), group.dialect))
            .or_insert_with(|| compose(broadcast, identifier, group.dialect));
        composer.add_frame(frame, latest(broadcast, identifier));
    }
    if !composer.bytes.is_empty() {
        lanes.push(Lane { run: composer.take(), slots: vec![slot] });
    }
}

fn latest(broadcast: &Broadcast, identifier: &Rc<Identifier>) -> Option<LatestKey> {
    let key = broadcast.conflate.clone()?;
    Some(LatestKey { topic: broadcast.topic.clone(), identifier: identifier.clone(), key })
}

/// A broadcast as one subscription is told it.
fn compose(broadcast: &Broadcast, identifier: &Identifier, dialect: Dialect) -> Bytes {
    let mut out = Vec::with_capacity(broadcast.message.len() + identifier.json().len() + 64);
    append(&mut out, broadcast, identifier, dialect);
    out.into()
}

fn append(out: &mut Vec<u8>, broadcast: &Broadcast, identifier: &Identifier, dialect: Dialect) {
    let position = match &broadcast.offset {
        Some(at) if matches!(dialect.speaks, Subprotocol::Extended | Subprotocol::Events(_)) => {
            Some(Position { stream: broadcast.topic.name(), epoch: &at.epoch, offset: at.offset })
        }
        _ => None,
    };
    let (identifier, kind) = (identifier.json(), broadcast.kind.as_deref());
    let frame = ServerFrame::Data { identifier, message: &broadcast.message, kind, position };
    if dialect.deflates { append_compressed(out, &frame) } else { append_frame(out, &frame, dialect.speaks) }
}

/// Puts frames behind one another.
#[derive(Default)]
pub(super) struct Composer {
    bytes: Vec<u8>,
    ends: Vec<(usize, Option<LatestKey>)>,
}

impl Composer {
    pub(super) fn add(&mut self, broadcast: &Broadcast, identifier: &Rc<Identifier>, dialect: Dialect) {
        let before = self.bytes.len();
        append(&mut self.bytes, broadcast, identifier, dialect);
        // A reader of events may not be told of every frame.
        if self.bytes.len() > before {
            self.ends.push((self.bytes.len(), latest(broadcast, identifier)));
        }
    }
    /// A frame that is no broadcast.
    pub(super) fn add_word(&mut self, frame: &ServerFrame<'_>, speaks: Subprotocol) {
        let before = self.bytes.len();
        append_frame(&mut self.bytes, frame, speaks);
        if self.bytes.len() > before {
            self.ends.push((self.bytes.len(), None));
        }
    }
    fn add_frame(&mut self, frame: &Bytes, key: Option<LatestKey>) {
        if frame.is_empty() {
            return;
        }
        self.bytes.extend_from_slice(frame);
        self.ends.push((self.bytes.len(), key));
    }
    pub(super) fn take(&mut self) -> FrameRun {
        FrameRun::new(std::mem::take(&mut self.bytes).into(), std::mem::take(&mut self.ends))
    }
}
