//! How saves share the committer's batches with appends: begun in the order in which they came, each a step at a time.

use bytes::Bytes;

use super::{Answer, Batch, Committer};
use crate::{
    AppendError, JournalError,
    sled_journal::saving::{LEAP_BYTES, STEP_BYTES, Save, Saving, Step},
};

impl Committer {
    /// Begins a save, if there is room for it; its answer, where there is none.
    pub(super) fn save(&mut self, save: Save, batch: &mut Batch) -> Option<Answer> {
        let pieces = &save.snapshot.pieces;
        let bytes = pieces.iter().map(|piece| piece.key.len() + piece.value.as_ref().map_or(0, Bytes::len)).sum::<usize>();
        if !batch.reserve(bytes) {
            return Some(Answer::Save(save.done, Err(JournalError::Unavailable(AppendError::Full.to_string()))));
        }
        self.saving.push_back(Saving::new(save));
        None
    }

    /// The save to work on: of those that are not decided the one that has the least left, so that an entity does not wait for the relay;
    /// while an earlier one of its name is under way, that one comes first.
    fn next_save(&self) -> Option<usize> {
        let undecided = self.saving.iter().filter(|saving| !saving.is_decided());
        let Some(least) = undecided.min_by_key(|saving| saving.left()) else { return (!self.saving.is_empty()).then_some(0) };
        self.saving.iter().position(|saving| saving.name == least.name)
    }

    /// The next steps of the saves that are under way, as far as they fit into this batch; the answers of those that are decided by it.
    pub(super) fn save_on(&mut self, batch: &mut Batch, answers: &mut Vec<Answer>) {
        let mut room = if batch.written.is_empty() { LEAP_BYTES } else { STEP_BYTES };
        while room > 0
            && let Some(place) = self.next_save()
        {
            let saving = &mut self.saving[place];
            if batch.saved.contains(&saving.name) {
                return;
            }
            batch.stepped = true;
            let step = match batch.free_bytes {
                // Given up when the disk fills before it is decided; what is decided need not be merged.
                0 if saving.is_decided() => Ok(Step::Over),
                0 => Err(JournalError::Unavailable(AppendError::Full.to_string())),
                _ => saving.step(&self.db, &mut batch.writes, &mut room),
            };
            match &step {
                Ok(Step::Going) => continue,
                Ok(Step::Decided) => batch.saved.push(saving.name.clone()),
                Ok(Step::Over) => {}
                Err(error) => tracing::warn!(snapshot = saving.name, %error, "a snapshot is not saved, or not merged"),
            }
            let over = !matches!(step, Ok(Step::Decided)) || saving.is_over();
            answers.extend(saving.done.take().map(|done| Answer::Save(done, step.map(|_| ()))));
            if over {
                self.saving.remove(place);
            }
        }
    }
}
