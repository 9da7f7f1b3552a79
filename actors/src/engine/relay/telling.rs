//! What becomes of one page of commits: folded, rendered, kept in the backlog, handed out; and of what is told beside the journal.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use tokio::sync::oneshot;
use trunkline_protocol::{CodecError, Commit, Notice, Position, Topic};

use super::{Desk, Relay, Tell};
use crate::{
    Broadcast, Broadcasts, Kept, Offset,
    engine::{entity::actor::said, published},
};

/// What is handed out next, and who waits for that.
#[derive(Default)]
pub(super) struct Batch {
    said: Vec<Broadcast>,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Relay {
    /// Folds, renders and hands out one page. Where one commit cannot be folded, those before it are told all the same.
    pub(super) async fn tell_page(&self, desk: &mut Desk, page: &[Commit]) {
        let mut batch = Batch::default();
        let mut came = Ok(Ok(()));
        let before = *self.seen.borrow();
        let mut position = before;
        for commit in page.iter().filter(|commit| commit.position > before) {
            desk.torn = true;
            came = catch_unwind(AssertUnwindSafe(|| self.fold(commit)));
            if !matches!(came, Ok(Ok(()))) {
                break;
            }
            desk.torn = false;
            position = commit.position;
            self.backlog.turn_to(position);
            match self.render(commit) {
                Ok(said) => {
                    self.backlog.keep(&said, commit.at);
                    batch.said.extend(said);
                }
                Err(error) => self.stop(position, &error.to_string()),
            }
            self.tell_waiting(desk, position, false, &mut batch);
        }
        if position > before {
            self.backlog.reach(position, self.clock.now());
            self.seen.send_replace(position);
        }
        self.deliver(batch).await;
        match came {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                // Half a commit may be folded, but nothing more will be: the loop stands.
                let at = page.iter().map(|commit| commit.position).find(|at| *at > position).unwrap_or(position);
                self.stop(at, &error.to_string());
            }
            // A bug in a projection: this loop dies; its supervisor starts another, which builds the projections again.
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Says what waits for no later position than this one, in order.
    pub(super) fn tell_waiting(&self, desk: &mut Desk, position: Position, stopped: bool, batch: &mut Batch) {
        while let Some(tell) = desk.waiting.front() {
            if matches!(tell, Tell::Notice(_, after) if *after > position) && !stopped {
                return;
            }
            match desk.waiting.pop_front() {
                Some(Tell::Say { mut broadcasts, keep, told }) => {
                    if keep {
                        broadcasts.iter_mut().for_each(|broadcast| self.remember(broadcast));
                    }
                    batch.said.append(&mut broadcasts);
                    batch.waiting.extend(told);
                }
                // A notice of something that is not in the projections makes no sense to anybody.
                Some(Tell::Notice(_, after)) if after > position => {}
                Some(Tell::Notice(notice, _)) => batch.said.extend(self.render_notice(&notice)),
                None => return,
            }
        }
    }

    pub(super) async fn deliver(&self, batch: Batch) {
        self.fanout.deliver(batch.said).await;
        for waiting in batch.waiting {
            // Whoever asked may have stopped waiting.
            let _ = waiting.send(());
        }
    }

    /// Gives a broadcast its place among those that are kept in memory, where its topic's are.
    fn remember(&self, broadcast: &mut Broadcast) {
        let retention = self.retentions.of(&broadcast.topic);
        if retention.kept == Kept::Memory {
            self.recent.keep(broadcast, &retention, self.clock.now());
        }
    }

    pub(super) fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        self.projections.iter().try_for_each(|projection| projection.fold(commit))
    }

    /// What every channel says of a commit, each with its place in its topic's history.
    pub(in crate::engine) fn render(&self, commit: &Commit) -> Result<Vec<Broadcast>, CodecError> {
        let mut out = Broadcasts::of(commit, &self.traces);
        for channel in &self.channels {
            self.guarded(channel.name(), &mut out, |out| channel.render(commit, out));
        }
        published::render(commit, &mut out)?;
        Ok(self.numbered(out, commit.position))
    }

    /// Gives each broadcast of a commit its offset: the position, and its place among those of its topic.
    pub(in crate::engine) fn numbered(&self, said: Broadcasts, position: Position) -> Vec<Broadcast> {
        let mut broadcasts = said.out;
        let mut places: HashMap<Topic, u64> = HashMap::new();
        let alone = broadcasts.len() == 1;
        for broadcast in &mut broadcasts {
            let place = if alone { 0 } else { *places.entry(broadcast.topic.clone()).and_modify(|place| *place += 1).or_default() };
            if place > 1023 {
                tracing::error!(position, topic = broadcast.topic.as_str(), "one commit said more on a topic than can be resumed");
                continue;
            }
            broadcast.offset = Some(Offset { epoch: Arc::clone(&self.epoch), offset: position << 10 | place });
        }
        broadcasts
    }

    fn render_notice(&self, notice: &Notice) -> Vec<Broadcast> {
        let mut out = Broadcasts::default();
        for projection in &self.projections {
            self.guarded(projection.name(), &mut out, |_| projection.hear(notice));
        }
        for channel in &self.channels {
            self.guarded(channel.name(), &mut out, |out| channel.render_notice(notice, out));
        }
        out.out
    }

    /// A channel that panics loses what it was about to say; the others are told. Its panic is counted like a crash.
    pub(in crate::engine) fn guarded(&self, name: &'static str, out: &mut Broadcasts, render: impl FnOnce(&mut Broadcasts)) {
        let before = out.out.len();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| render(out))) {
            out.out.truncate(before);
            let cause = said(panic.as_ref());
            tracing::error!(channel = name, cause, "a channel panicked while it rendered; what it was to say is lost");
            self.history.note("channel", name, &cause, self.clock.now());
        }
    }
}
