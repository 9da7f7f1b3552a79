//! What was acknowledged, held against what a journal holds.

use std::{collections::HashMap, fmt, fs, path::Path};

use futures::StreamExt as _;
use trunkline_persistence::{Journal, SledJournal};
use trunkline_protocol::EntityId;

use crate::child::PIECES;

/// What the children told, all together.
#[derive(Default)]
pub struct Told {
    /// `(entity, version)` → command id and position.
    appended: HashMap<(EntityId, u64), (u128, u64)>,
    saved_at: u64,
    store_bytes: u64,
}

impl Told {
    pub fn extend(&mut self, lines: Vec<String>) {
        for line in lines {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["append", entity, version, id, position, length] if id.len() == 32 => {
                    let entity: EntityId = entity.parse().expect("an entity");
                    let version = version.parse().expect("a version");
                    let commit = (u128::from_str_radix(id, 16).expect("an id"), position.parse().expect("a position"));
                    assert_eq!(self.appended.insert((entity, version), commit), None, "acknowledged twice: {line}");
                    self.store_bytes = self.store_bytes.max(length.parse().unwrap_or(0));
                }
                ["save", at] => self.saved_at = self.saved_at.max(at.parse().expect("a number")),
                _ => {}
            }
        }
    }

    /// Opens the journal and panics where it broke its word.
    pub fn hold_against(&self, folder: &Path, when: &str) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let journal = SledJournal::open(folder).unwrap_or_else(|error| panic!("{when}: {error}"));
            let (mut by_version, mut by_id, mut last) = (HashMap::new(), HashMap::new(), 0);
            let mut following = journal.follow(0);
            while last < journal.head() {
                for commit in following.next().await.expect("goes on").unwrap_or_else(|error| panic!("{when}: {error}")) {
                    assert_eq!(commit.position, last + 1, "{when}: a gap");
                    last = commit.position;
                    assert_eq!(by_id.insert(commit.id(), last), None, "{when}: a commit is there twice");
                    by_version.insert((commit.entity.clone(), commit.version), (commit.id().0, last));
                }
            }
            drop(following);
            for (of, commit) in &self.appended {
                assert_eq!(by_version.get(of), Some(commit), "{when}: {of:?} was acknowledged");
            }
            for (entity, version) in by_version.keys() {
                if *version == 1 {
                    let history = journal.read(entity, 0).await.unwrap_or_else(|error| panic!("{when}: {error}"));
                    let count = by_version.keys().filter(|(of, _)| of == entity).count();
                    assert_eq!(history.len(), count, "{when}: {entity}");
                }
            }
            if let Some(loaded) = journal.load("relay").await.unwrap_or_else(|error| panic!("{when}: {error}")) {
                assert!(loaded.at >= self.saved_at, "{when}: save {} was acknowledged, {} is there", self.saved_at, loaded.at);
                assert_eq!(loaded.pieces.len() as u64, PIECES[(loaded.at % 2) as usize], "{when}: half a save");
                assert!(loaded.pieces.iter().all(|(_, value)| *value == loaded.at.to_string().as_bytes()), "{when}: a mixture");
            } else {
                assert_eq!(self.saved_at, 0, "{when}: a save is lost");
            }
            journal.close().await.expect("closes");
        });
    }

    /// Cuts off what was written after the last acknowledgement that was told.
    pub fn cut_unsynced_tail(&self, folder: &Path) {
        let store = fs::File::options().write(true).open(folder.join("db")).expect("there");
        if store.metadata().expect("there").len() > self.store_bytes {
            store.set_len(self.store_bytes).expect("ours");
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} commits and {} saves acknowledged, nothing lost, nothing twice", self.appended.len(), self.saved_at)
    }
}
