//! One snapshot of every projection and the backlog at one position: taken between folds, written in the background, read at opening.
//!
//! Each projection's pieces stand under its name. A marker lists names and schemas: where it differs from what the plan lists now,
//! everything is rebuilt from the journal, since all must be whole at one position.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use trunkline_persistence::{Journal, JournalError, Loaded, Piece, Snapshot};
use trunkline_protocol::Position;

use crate::{Projection, Unsealed};

const NAME: &str = "relay";
/// Sorts before every name.
const MARKER: &[u8] = b"\0schemas";

/// Takes and restores snapshots of these projections.
pub(crate) struct Snapshots {
    parts: Vec<Arc<dyn Projection>>,
    /// Taken from the projections but not saved yet: the last save failed.
    unsaved: BTreeMap<Vec<u8>, Option<Bytes>>,
    /// What is stored is of another shape or cannot be read: the next save replaces it all.
    replace: bool,
}

impl Snapshots {
    pub(crate) fn of(parts: Vec<Arc<dyn Projection>>) -> Self {
        Self { parts, unsaved: BTreeMap::new(), replace: true }
    }
    /// Restores every projection; the position they are whole at, 0 where they must be rebuilt.
    pub(crate) async fn restore(&mut self, journal: &dyn Journal) -> Result<Position, JournalError> {
        self.unsaved.clear();
        self.replace = true;
        let Some(loaded) = journal.load(NAME).await? else {
            self.empty();
            return Ok(0);
        };
        if loaded.at > journal.head() {
            tracing::warn!(at = loaded.at, head = journal.head(), "the snapshot is ahead of the journal; everything is rebuilt");
            self.empty();
            return Ok(0);
        }
        let at = loaded.at;
        match self.take_apart(loaded) {
            Ok(()) => {
                self.replace = false;
                Ok(at)
            }
            Err(reason) => {
                tracing::info!(reason, "projections are rebuilt from the whole journal");
                self.empty();
                Ok(0)
            }
        }
    }
    fn take_apart(&self, loaded: Loaded) -> Result<(), String> {
        let mut of_part: BTreeMap<&str, Vec<(Vec<u8>, Bytes)>> = BTreeMap::new();
        let mut marker = None;
        for (key, value) in loaded.pieces {
            if key == MARKER {
                marker = Some(value);
                continue;
            }
            let name = key.iter().position(|byte| *byte == 0).map(|at| (&key[..at], &key[at + 1..]));
            let part = name.and_then(|(name, own)| Some((self.parts.iter().find(|part| part.name().as_bytes() == name)?, own)));
            if let Some((part, own)) = part {
                of_part.entry(part.name()).or_default().push((own.to_vec(), value));
            }
        }
        if marker.as_deref() != Some(self.schemas().as_slice()) {
            return Err("the snapshot was taken of other projections or other schemas".into());
        }
        for part in &self.parts {
            let pieces = of_part.remove(part.name()).unwrap_or_default();
            part.restore(pieces).map_err(|error| format!("{} cannot read its snapshot: {error}", part.name()))?;
        }
        Ok(())
    }
    fn empty(&self) {
        for part in &self.parts {
            if let Err(error) = part.restore(Vec::new()) {
                tracing::error!(projection = part.name(), %error, "it cannot start from nothing");
            }
        }
    }
    fn schemas(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|part| format!("{}={};", part.name(), part.schema()).into_bytes()).collect()
    }
    /// What is to be written so that the snapshot is whole at `at`. Call between folds.
    pub(crate) fn take(&mut self, at: Position) -> Taken {
        Taken {
            at,
            replace: self.replace,
            pieces: std::mem::take(&mut self.unsaved),
            schemas: self.replace.then(|| self.schemas()),
            parts: self.parts.iter().map(|part| (part.name(), part.changed_unsealed())).collect(),
        }
    }
    /// The snapshot is stored.
    pub(crate) fn saved(&mut self) {
        self.replace = false;
    }
    /// It is not: its pieces go with the next one.
    pub(crate) fn not_saved(&mut self, snapshot: Snapshot) {
        for Piece { key, value } in snapshot.pieces {
            self.unsaved.entry(key).or_insert(value);
        }
    }
}

/// A snapshot that is taken and yet to be sealed, which takes long where much has changed.
pub(crate) struct Taken {
    at: Position,
    replace: bool,
    pieces: BTreeMap<Vec<u8>, Option<Bytes>>,
    schemas: Option<Vec<u8>>,
    parts: Vec<(&'static str, Unsealed)>,
}

impl Taken {
    pub(crate) fn seal(self) -> Snapshot {
        let Self { at, replace, mut pieces, schemas, parts } = self;
        pieces.extend(schemas.map(|schemas| (MARKER.to_vec(), Some(schemas.into()))));
        for (name, unsealed) in parts {
            for Piece { key, value } in unsealed() {
                pieces.insert([name.as_bytes(), &[0], &key].concat(), value);
            }
        }
        let pieces = pieces.into_iter().map(|(key, value)| Piece { key, value }).collect();
        Snapshot { name: NAME.into(), at, replace, pieces }
    }
}
