//! What becomes of one page of commits: folded, rendered, kept in the backlog, handed out; and of what is told beside the journal.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use trunkline_protocol::{CodecError, Commit, Notice, Position, Topic};

use super::{Desk, Relay, Tell};
use crate::{
    Broadcast, Broadcasts, Offset,
    engine::{backlog::last_of, entity::actor::said, published},
};

impl Relay {
    /// Folds, renders and hands out one page. Where one commit cannot be folded, those before it are told all the same.
    pub(super) async fn tell_page(&self, desk: &mut Desk, page: &[Commit]) {
        let mut batch = Vec::new();
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
            match self.render(commit) {
                Ok(said) => {
                    self.backlog.keep(&said, commit.at);
                    batch.extend(said);
                }
                Err(error) => self.stop(position, &error.to_string()),
            }
            self.tell_waiting(desk, position, false, &mut batch);
        }
        if position > before {
            self.backlog.reach(position, self.clock.now());
            self.seen.send_replace(position);
        }
        self.fanout.deliver(batch).await;
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
    pub(super) fn tell_waiting(&self, desk: &mut Desk, position: Position, stopped: bool, batch: &mut Vec<Broadcast>) {
        while let Some(tell) = desk.waiting.front() {
            if matches!(tell, Tell::Notice(_, after) if *after > position) && !stopped {
                return;
            }
            match desk.waiting.pop_front() {
                Some(Tell::Say(broadcast)) => batch.push(broadcast),
                // A notice of something that is not in the projections makes no sense to anybody.
                Some(Tell::Notice(_, after)) if after > position => {}
                Some(Tell::Notice(notice, _)) => batch.extend(self.render_notice(&notice)),
                None => return,
            }
        }
    }

    pub(super) fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        self.projections.iter().try_for_each(|projection| projection.fold(commit))
    }

    /// What every channel says of a commit, each with its place in its topic's history.
    pub(super) fn render(&self, commit: &Commit) -> Result<Vec<Broadcast>, CodecError> {
        let mut out = Broadcasts::default();
        for channel in &self.channels {
            self.guarded(channel.name(), &mut out, |out| channel.render(commit, out));
        }
        published::render(commit, &mut out)?;
        number(&mut out.out, &self.epoch, commit.position);
        Ok(out.out)
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
    fn guarded(&self, name: &'static str, out: &mut Broadcasts, render: impl FnOnce(&mut Broadcasts)) {
        let before = out.out.len();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| render(out))) {
            out.out.truncate(before);
            let cause = said(panic.as_ref());
            tracing::error!(channel = name, cause, "a channel panicked while it rendered; what it was to say is lost");
            self.history.note("channel", name, &cause, self.clock.now());
        }
    }
}

/// Gives each broadcast of a commit its offset: the position, and its place among those of its topic.
fn number(broadcasts: &mut [Broadcast], epoch: &Arc<str>, position: Position) {
    let mut places: HashMap<Topic, u64> = HashMap::new();
    let alone = broadcasts.len() == 1;
    for broadcast in broadcasts {
        let place = if alone { 0 } else { *places.entry(broadcast.topic.clone()).and_modify(|place| *place += 1).or_default() };
        let offset = position << 10 | place;
        if place > 1023 {
            tracing::error!(position, topic = broadcast.topic.as_str(), "one commit said more on a topic than can be resumed");
            continue;
        }
        debug_assert!(offset <= last_of(position));
        broadcast.offset = Some(Offset { epoch: Arc::clone(epoch), offset });
    }
}
