//! What an awake entity remembers: its state, how far its history goes, and which commands it has answered.
//!
//! Built from the journal alone: a snapshot, if there is one of this shape, and the commits after it.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use trunkline_persistence::{Journal, JournalError, Loaded, Snapshot};
use trunkline_protocol::{
    CodecError, CommandId, Commit, EntityId, Position, Record, Timestamp, Version, codec, limits::ANSWERS_REMEMBERED_MAX,
};

use crate::{
    Entity, Written,
    engine::{alarms::AlarmSet, pieces},
};

/// How many commits after its last snapshot an entity is saved again.
const SNAPSHOT_EVERY: u64 = 256;
/// How long a history may stay without a snapshot when its entity retires; a shorter one is read as fast.
const SNAPSHOT_ON_LEAVING: u64 = 32;
/// How long saving may take: a snapshot is a convenience, nobody waits for it.
const SNAPSHOT_DEADLINE: Duration = Duration::from_secs(5);

/// An entity's state and what its actor must know of its history.
pub(crate) struct Memory<E> {
    pub(crate) entity: E,
    pub(crate) version: Version,
    pub(crate) position: Position,
    pub(crate) answered: Answered,
    /// The alarm that the journal knows of.
    pub(crate) booked: Option<Timestamp>,
    /// The history was not read: there is taken to be none until the journal has said so.
    pub(crate) presumed: bool,
    /// The version of the last snapshot.
    saved: Version,
}

/// The last commands and the version at which each was answered; the oldest is forgotten first.
#[derive(Default)]
pub(crate) struct Answered {
    // Two queues rather than one of pairs: every ask searches the ids, so they should lie close together.
    commands: VecDeque<u128>,
    versions: VecDeque<Version>,
}

impl Answered {
    pub(crate) fn find(&self, command: CommandId) -> Option<Version> {
        let (front, back) = self.commands.as_slices();
        // Newest first: a retry comes soon.
        let place = match back.iter().rposition(|known| *known == command.0) {
            Some(at) => front.len() + at,
            None => front.iter().rposition(|known| *known == command.0)?,
        };
        self.versions.get(place).copied()
    }
    pub(crate) fn push(&mut self, command: CommandId, version: Version) {
        if self.commands.len() >= ANSWERS_REMEMBERED_MAX {
            self.commands.pop_front();
            self.versions.pop_front();
        }
        self.commands.push_back(command.0);
        self.versions.push_back(version);
    }
}

/// An entity as it is saved. The state is generic, so its own schema is written beside it.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: DeserializeOwned"))]
struct Saved<E> {
    position: Position,
    booked: Option<Timestamp>,
    answered: Vec<(u128, Version)>,
    entity: E,
}
impl<E: Serialize + DeserializeOwned> Record for Saved<E> {
    const KIND: u16 = codec::kinds::ENTITY_SNAPSHOT;
    const SCHEMA: u8 = 1;
}

/// Why an entity could not be built from its history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("its history cannot be read at version {version}: {error}")]
    Unreadable { version: Version, error: CodecError },
}

impl<E: Entity> Memory<E> {
    fn blank() -> Self {
        Self {
            entity: E::default(),
            version: 0,
            position: 0,
            answered: Answered::default(),
            booked: None,
            presumed: false,
            saved: 0,
        }
    }
    /// An entity that is taken to have no history: what is decided on it may only be written, never answered, until that was durable.
    pub(crate) fn presumed_new() -> Self {
        Self { presumed: true, ..Self::blank() }
    }
    /// Builds the entity from its snapshot and the commits after it.
    pub(crate) async fn load(journal: &dyn Journal, id: &EntityId) -> Result<Self, LoadError> {
        let saved = journal.load(&snapshot_name(id)).await?.and_then(|loaded| Self::thaw(id, &loaded));
        let ahead = |saved: &Self| saved.position > journal.head();
        if saved.as_ref().is_some_and(ahead) {
            tracing::warn!(entity = %id, "its snapshot is ahead of the journal; the whole history is read instead");
        }
        let mut memory = saved.filter(|saved| !ahead(saved)).unwrap_or_else(Self::blank);
        for commit in journal.read(id, memory.version).await? {
            memory.replay(&commit).map_err(|error| LoadError::Unreadable { version: commit.version, error })?;
        }
        Ok(memory)
    }
    fn replay(&mut self, commit: &Commit) -> Result<(), CodecError> {
        for turn in &commit.turns {
            let written = Written { version: commit.version, at: commit.at, command: turn.command };
            for fact in &turn.facts {
                if codec::kind_of(fact)? == AlarmSet::KIND {
                    self.booked = codec::open::<AlarmSet>(fact)?.0;
                } else {
                    self.entity.apply(&codec::open(fact)?, &written);
                }
            }
            self.answered.push(turn.command, commit.version);
        }
        self.version = commit.version;
        self.position = commit.position;
        Ok(())
    }
    fn thaw(id: &EntityId, loaded: &Loaded) -> Option<Self> {
        let bytes = pieces::join(&loaded.pieces, &[E::SNAPSHOT_SCHEMA])?;
        match codec::open_long::<Saved<E>>(&bytes) {
            Ok(saved) => {
                let mut answered = Answered::default();
                saved.answered.into_iter().for_each(|(command, version)| answered.push(CommandId(command), version));
                let Saved { position, booked, entity, .. } = saved;
                Some(Self { entity, version: loaded.at, position, answered, booked, saved: loaded.at, presumed: false })
            }
            Err(error) => {
                tracing::warn!(entity = %id, %error, "a snapshot cannot be read; the whole history is read instead");
                None
            }
        }
    }
    /// Saves the entity if its history has grown long since it was last saved. Call only when every fact in it is durable.
    pub(crate) async fn save_if_due(&mut self, journal: &dyn Journal, id: &EntityId, leaving: bool) {
        let due = if leaving { SNAPSHOT_ON_LEAVING } else { SNAPSHOT_EVERY };
        if self.version - self.saved < due {
            return;
        }
        let answered = self.answered.commands.iter().copied().zip(self.answered.versions.iter().copied()).collect();
        // The state is not Clone: it is lent to the record for as long as that is sealed.
        let lent = Saved { position: self.position, booked: self.booked, answered, entity: std::mem::take(&mut self.entity) };
        let saved = codec::seal(&lent);
        self.entity = lent.entity;
        let pieces = pieces::cut(&[E::SNAPSHOT_SCHEMA], &saved);
        let snapshot = Snapshot { name: snapshot_name(id), at: self.version, replace: true, pieces };
        // Whether or not it was saved, the next attempt is due after as many commits again.
        self.saved = self.version;
        match tokio::time::timeout(SNAPSHOT_DEADLINE, journal.save(snapshot)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(entity = %id, %error, "its snapshot was not saved"),
            Err(_) => tracing::warn!(entity = %id, "its snapshot was not saved in time"),
        }
    }
}

fn snapshot_name(id: &EntityId) -> String {
    format!("entity/{id}")
}
