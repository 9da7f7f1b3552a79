//! Both backends keep the contract, and a model agrees.

use std::{path::Path, sync::Arc};

use parking_lot::Mutex;
use trunkline_persistence::{Journal, MemoryJournal, SledJournal, conformance::Backend};

struct Memory(Mutex<Option<Arc<MemoryJournal>>>);
impl Backend for Memory {
    fn open(&self) -> Arc<dyn Journal> {
        let mut last = self.0.lock();
        let journal = last.take().map_or_else(MemoryJournal::new, |journal| journal.restarted());
        *last = Some(journal.clone());
        journal
    }
}

struct Sled(tempfile::TempDir);
impl Sled {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
}
impl Backend for Sled {
    fn open(&self) -> Arc<dyn Journal> {
        SledJournal::open(self.path()).expect("opens")
    }
}

mod memory {
    trunkline_persistence::conforms!(super::Memory(Default::default()));
}
mod sled {
    use bytes::Bytes;
    use trunkline_persistence::{Piece, Snapshot};

    use super::*;

    trunkline_persistence::conforms!(super::Sled::new());

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_small_save_waits_for_no_large_one_that_came_before() {
        let backend = Sled::new();
        let journal = backend.open();
        let order = Mutex::new(Vec::new());
        let save = async |name: &'static str, pieces: u32| {
            let piece = |n: u32| Piece { key: n.to_be_bytes().into(), value: Some(Bytes::from(vec![7; 300])) };
            let snapshot = Snapshot { name: name.into(), at: 1, replace: true, pieces: (0..pieces).map(piece).collect() };
            journal.save(snapshot).await.expect("saved");
            order.lock().push(name);
        };
        futures::join!(save("large", 20_000), save("small", 3), save("smaller", 1));
        assert_eq!(order.lock().last(), Some(&"large"));
        for (name, pieces) in [("large", 20_000), ("small", 3), ("smaller", 1)] {
            assert_eq!(journal.load(name).await.expect("readable").map(|loaded| loaded.pieces.len()), Some(pieces));
        }
        journal.close().await.expect("closes");
    }
}

mod model {
    use std::collections::HashMap;

    use futures::StreamExt as _;
    use proptest::prelude::*;
    use trunkline_persistence::{AppendError, Appended, conformance};
    use trunkline_protocol::{CommandId, EntityId};

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Append { entity: u8, expected: u64, id: u128 },
        Reopen,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            12 => (0..3_u8, 0..5_u64, 1..8_u128).prop_map(|(entity, expected, id)| Step::Append { entity, expected, id }),
            1 => Just(Step::Reopen),
        ]
    }

    /// What the contract says, in a few lines: a history is the ids at its versions, with their positions.
    #[derive(Default)]
    struct Model {
        histories: HashMap<u8, Vec<(u128, u64)>>,
        head: u64,
    }

    impl Model {
        fn append(&mut self, entity: u8, expected: u64, id: u128) -> Result<Appended, AppendError> {
            let history = self.histories.entry(entity).or_default();
            let actual = history.len() as u64;
            if actual == expected {
                self.head += 1;
                history.push((id, self.head));
                return Ok(Appended { version: expected + 1, position: self.head, replayed: false });
            }
            match history.get(expected as usize) {
                Some((known, position)) if *known == id => {
                    Ok(Appended { version: expected + 1, position: *position, replayed: true })
                }
                _ => Err(AppendError::Conflict { actual }),
            }
        }
    }

    async fn agrees(backend: &dyn Backend, steps: &[Step]) {
        let (mut journal, mut model) = (backend.open(), Model::default());
        for step in steps {
            match *step {
                Step::Append { entity, expected, id } => {
                    let mut commit = conformance::commit(&EntityId::new("note", entity), expected, "fact");
                    commit.turns[0].command = CommandId(id);
                    assert_eq!(journal.append(commit).await, model.append(entity, expected, id), "{step:?}");
                }
                Step::Reopen => {
                    journal.close().await.expect("closes");
                    journal = backend.open();
                }
            }
            assert_eq!(journal.head(), model.head);
        }
        journal.close().await.expect("closes");
        let journal = backend.open();
        for (entity, history) in &model.histories {
            let read = journal.read(&EntityId::new("note", entity), 0).await.expect("readable");
            assert_eq!(read.iter().map(|commit| (commit.id().0, commit.position)).collect::<Vec<_>>(), *history);
        }
        let mut following = journal.follow(0);
        let mut told = 0;
        while told < model.head {
            told += following.next().await.expect("goes on").expect("readable").len() as u64;
        }
        assert_eq!(told, model.head);
        drop(following);
        journal.close().await.expect("closes");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn every_journal_agrees_with_the_contract_in_a_few_lines(steps in prop::collection::vec(step(), 1..60)) {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
            runtime.block_on(agrees(&Memory(Mutex::default()), &steps));
            runtime.block_on(agrees(&Sled::new(), &steps));
        }
    }
}
