//! The process that dies: it appends and saves as fast as it can, and tells what was acknowledged.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{self, Command, ExitStatus, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use trunkline_persistence::{AppendError, Journal, Piece, SledJournal, SledOptions, Snapshot, conformance::commit};
use trunkline_protocol::EntityId;

const FOLDER: &str = "JOURNAL_CRASH_FOLDER";
const WORK: &str = "JOURNAL_CRASH_WORK";
/// What a child without a reserve says when it was refused for so long that it gives up, and ends well.
pub const FULL: &str = "full";
const REFUSALS_MAX: u32 = 3_000;
/// Pieces of a large save, and of a small one.
pub const PIECES: [u64; 2] = [1_500, 20];

#[derive(Clone, Copy)]
pub enum Work {
    Mixed,
    /// Into the last byte of the disk.
    WithoutReserve,
}

/// A child at work, once it has told something.
pub struct Child {
    process: process::Child,
    telling: JoinHandle<Vec<String>>,
}

impl Child {
    pub fn start(folder: &Path, work: Work) -> Self {
        let mut process = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "the_one_who_dies", "--nocapture"])
            .env(FOLDER, folder)
            .env(WORK, if matches!(work, Work::Mixed) { "mixed" } else { "without reserve" })
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let opened = lines.find(|line| line == "opened");
        assert!(opened.is_some(), "the child could not open {}", folder.display());
        let telling = std::thread::spawn(move || lines.collect());
        Self { process, telling }
    }

    pub fn freeze(&self) {
        let pid = Pid::from_raw(self.process.id().cast_signed()).expect("a process");
        kill_process(pid, Signal::STOP).expect("ours");
    }

    /// Kills it at once; what it told until then.
    pub fn kill(mut self) -> Vec<String> {
        self.process.kill().expect("ours");
        self.wait().0
    }

    pub fn kill_after(self, moment: Duration) -> Vec<String> {
        std::thread::sleep(moment);
        self.kill()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> (Vec<String>, ExitStatus) {
        let status = self.process.wait().expect("ours");
        (self.telling.join().expect("reads"), status)
    }
}

/// What the child does; nothing in a process that is none.
pub fn run() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let reserve_bytes = if env::var(WORK).is_ok_and(|work| work == "mixed") { 1 << 20 } else { 0 };
    let options = SledOptions { reserve_bytes, ..SledOptions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let journal = SledJournal::open_with(Path::new(&folder), options).expect("opens");
        tell("opened");
        let store = Path::new(&folder).join("db");
        let writers: Vec<_> = (0..24).map(|writer| tokio::spawn(write(journal.clone(), writer, store.clone()))).collect();
        let saver = tokio::spawn(save(journal.clone()));
        for writer in writers {
            let _ = writer.await;
        }
        let _ = saver.await;
    });
}

/// Half of them have an entity each, the others race for three.
async fn write(journal: Arc<SledJournal>, writer: u64, store: std::path::PathBuf) {
    let entity = if writer < 12 { EntityId::new("own", writer) } else { EntityId::new("race", writer % 3) };
    let mut version = journal.read(&entity, 0).await.expect("readable").len() as u64;
    let (gives_up, mut refused) = (env::var(WORK).is_ok_and(|work| work != "mixed"), 0);
    loop {
        let wish = commit(&entity, version, vec![b'f'; 40 + (version as usize * 37) % 2_000]);
        let id = wish.id();
        match journal.append(wish).await {
            Ok(appended) => {
                version = appended.version;
                refused = 0;
                // Told with the length that the store had when this was durable, for a power cut without a loop device.
                let length = fs::metadata(&store).map_or(0, |store| store.len());
                tell(&format!("append {entity} {version} {:032x} {} {length}", id.0, appended.position));
            }
            Err(AppendError::Conflict { actual }) => version = actual,
            Err(AppendError::Overloaded) => tokio::task::yield_now().await,
            Err(error) => {
                refused += u32::from(error == AppendError::Full);
                if gives_up && refused == REFUSALS_MAX {
                    tell(FULL);
                    process::exit(0);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

/// Saves whole generations, a large one and a small one in turn; most by removing what is gone, some by replacing everything.
async fn save(journal: Arc<SledJournal>) {
    let mut at = journal.load("relay").await.expect("readable").map_or(0, |loaded| loaded.at);
    loop {
        at += 1;
        let count = PIECES[(at % 2) as usize];
        let piece = |n: u64| Piece { key: n.to_be_bytes().into(), value: (n < count).then(|| at.to_string().into()) };
        let pieces = (0..PIECES[0]).map(piece).collect();
        if journal.save(Snapshot { name: "relay".into(), at, replace: at % 5 == 0, pieces }).await.is_ok() {
            tell(&format!("save {at}"));
        } else {
            at -= 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn tell(line: &str) {
    // One write, so that a kill cannot leave half a line that reads like a whole one: the end is part of it.
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
    let _ = std::io::stdout().flush();
}
