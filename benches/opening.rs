//! What a hub with a long history costs: how long it takes to open, how much memory 100,000 known and 1,000 awake streams need,
//! what one awake stream adds, and what it takes to tell a dashboard what it missed in nearly 100,000 commits.
//!
//! `cargo bench --bench opening -- [streams] [commits]` (100,000 streams and 1,000,000 commits by default). Each phase is a process of
//! its own on the same journal, so that what filled it is not counted.

#[path = "support/hub_process.rs"]
#[allow(dead_code, reason = "what one bench does not need, another does")]
mod hub_process;

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use hub_process::{resident_of, scratch};
use serde_json::json;
use trunkline_actors::{
    Entity as _, History, Hub, HubConfig, Since,
    accounts::{PasswordConfig, Passwords},
    streams::{
        StreamsConfig,
        board::{Board, Kept, filter::Filter, sort::Sort},
        channel::Filter as DashboardFilter,
        stream::{self as livestream, Changes, Draft, StreamCommand},
        writing,
    },
    wings::{self, WingsConfig},
};
use trunkline_persistence::Journal;
use trunkline_protocol::{
    EntityId, Position, Principal,
    limits::{BLOCKING_THREADS_MAX, RECALL_COMMITS_MAX},
};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const AT_ONCE: usize = 512;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [phase, folder, streams, commits] = &words[..] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .build()
            .expect("a runtime");
        let (streams, commits) = (streams.parse().expect("a number"), commits.parse().expect("a number"));
        runtime.block_on(run(phase, Path::new(folder), streams, commits));
        return;
    }
    let number = |at: usize, default: u64| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(default);
    let (streams, commits) = (number(0, 100_000), number(1, 1_000_000));
    let folder = tempfile::tempdir_in(scratch()).expect("a scratch folder");
    for phase in ["fill", "open", "awake", "away"] {
        let status = Command::new(std::env::current_exe().expect("this bench"))
            .args([phase, &folder.path().to_string_lossy(), &streams.to_string(), &commits.to_string()])
            .status()
            .expect("the phase starts");
        assert!(status.success(), "{phase} failed");
    }
}

async fn run(phase: &str, folder: &Path, streams: u64, commits: u64) {
    let journal = trunkline_persistence::open(&format!("sled:{}", folder.join("data").display())).expect("the journal opens");
    let start = Instant::now();
    let config = WingsConfig {
        passwords: Arc::new(Passwords::new(&PasswordConfig::default()).expect("sound costs")),
        // A phase on a journal that was filled a while ago would begin by archiving what nobody looked after since.
        streams: StreamsConfig { auto_archive: None, ..StreamsConfig::default() },
        pubsub: Default::default(),
    };
    let hub = Hub::open(wings::plan(&config), journal.clone(), HubConfig::default()).await.expect("the hub opens");
    let opened = start.elapsed();
    match phase {
        "fill" => fill(&hub, streams, commits).await,
        "open" => {
            let known = hub.projection::<Board>().len();
            println!(
                "open: {:.2} s for {} commits and {known} streams, {} MiB resident",
                opened.as_secs_f64(),
                journal.head(),
                mib()
            );
        }
        "away" => come_back(&hub, &*journal).await,
        _ => awaken(&hub, &*journal).await,
    }
    hub.close().await;
}

async fn fill(hub: &Hub, streams: u64, commits: u64) {
    let start = Instant::now();
    let by = Principal::house();
    let add = |n: u64| {
        let asking = hub.asking(&by);
        async move {
            let draft = json!({ "link": format!("https://www.youtube.com/watch?v=known{n:07}"), "source": "Discord", "city": "Portland", "state": "OR" });
            let draft = Draft::try_from(draft.as_object().expect("an object")).expect("a sound draft");
            writing::add(hub, draft, asking).await.expect("added").id
        }
    };
    let ids: Vec<u64> = stream::iter(0..streams).map(add).buffer_unordered(AT_ONCE).collect().await;
    let edits = commits.saturating_sub(streams) / streams;
    for round in 0..edits {
        let status = ["offline", "checking"][round as usize % 2];
        stream::iter(&ids).for_each_concurrent(AT_ONCE, |id| edit(hub, *id, status)).await;
    }
    println!("fill: {} commits in {:.0} s", streams * (edits + 1), start.elapsed().as_secs_f64());
}

async fn edit(hub: &Hub, id: u64, status: &str) {
    let changes = json!({ "status": status });
    let changes = Changes::try_from(changes.as_object().expect("an object")).expect("sound changes");
    let asking = hub.asking(&Principal::house());
    // A machine that does other things, too, may let a deadline pass; the same command is done once.
    while let Err(error) = writing::change(hub, id, changes.clone(), None, asking.clone()).await {
        println!("fill: {error}; again");
    }
}

async fn awaken(hub: &Hub, journal: &dyn Journal) {
    let known: Vec<_> = hub.projection::<Board>().all(&Filter::default(), Sort::DEFAULT).into_iter().take(11_000).collect();
    let (few, many) = known.split_at(1000);
    settle().await;
    println!("nobody awake: {} MiB resident once settled", mib());
    wake(hub, few).await;
    print!("1,000 awake: {} MiB resident in all, ", mib());
    settle().await;
    println!("{} MiB once settled", mib());
    // The store's cache takes in the histories of the others beforehand: it is not what an awake stream costs.
    stream::iter(many).for_each_concurrent(AT_ONCE, |kept| read(journal, kept)).await;
    settle().await;
    wake(hub, few).await;
    let (before, awake) = (resident_of(std::process::id()), hub.health().awake);
    wake(hub, many).await;
    settle().await;
    let (after, woken) = (resident_of(std::process::id()), (hub.health().awake - awake) as u64);
    println!("an awake stream: {} bytes, by slope over {woken}", after.saturating_sub(before) / woken);
}

/// Until the allocator has given back what was freed (10 s), and the threads that read have left (10 s).
async fn settle() {
    tokio::time::sleep(Duration::from_secs(15)).await;
}

async fn read(journal: &dyn Journal, kept: &Kept) {
    let history = journal.read(&EntityId::new(livestream::Stream::KIND, &kept.home), 0).await.expect("a history");
    assert!(!history.is_empty(), "every stream was added");
}

/// Commands that change nothing: each entity wakes, reads its history, and answers.
async fn wake(hub: &Hub, streams: &[Arc<Kept>]) {
    let wake = |id| async move {
        let _ = writing::ask(hub, id, StreamCommand::Unpin { id }, hub.asking(&Principal::house())).await;
    };
    stream::iter(streams).for_each_concurrent(AT_ONCE, |kept| wake(kept.stream.id)).await;
}

/// A dashboard was away for so many commits, each of another stream: what it missed is told from the journal.
async fn come_back(hub: &Hub, journal: &dyn Journal) {
    let missed = (RECALL_COMMITS_MAX - 1_000).min(journal.head() - 1);
    let (from, topic, epoch) = (journal.head() - missed, DashboardFilter::default().topic(), hub.epoch());
    let start = Instant::now();
    let commits = read_upto_head(journal, from).await;
    let reading = start.elapsed();
    let (mut place, mut portions, mut told, mut bytes) = (from << 10 | 1023, Vec::new(), 0, 0);
    let start = Instant::now();
    loop {
        let begun = Instant::now();
        let Some(found) = hub.recall(&topic, Since::After { epoch: &epoch, offset: place }).await else { break };
        let History::Recovered { broadcasts, upto } = found else { panic!("the journal reaches so far") };
        portions.push(begun.elapsed());
        (told, place) = (told + broadcasts.len(), upto);
        bytes += broadcasts.iter().map(|one| one.message.len()).sum::<usize>();
    }
    let telling = start.elapsed();
    portions.sort_unstable();
    println!(
        "away for {commits} commits: {told} broadcasts, {} MB in {} portions, {:.1} us each ({:.1} times reading the commits alone); \
         a portion {:.0} ms, the longest {:.0}",
        bytes / 1_000_000,
        portions.len(),
        telling.as_secs_f64() * 1e6 / told as f64,
        telling.as_secs_f64() / reading.as_secs_f64(),
        portions[portions.len() / 2].as_secs_f64() * 1e3,
        portions[portions.len() - 1].as_secs_f64() * 1e3,
    );
}

/// Reads the commits after a position up to the head; how many there are.
async fn read_upto_head(journal: &dyn Journal, from: Position) -> usize {
    let (mut pages, mut at, mut commits) = (journal.follow(from), from, 0);
    while at < journal.head() {
        let page = pages.next().await.expect("it is open").expect("a page");
        commits += page.len();
        at = page.last().map_or(at, |last| last.position);
    }
    commits
}

fn mib() -> u64 {
    resident_of(std::process::id()) >> 20
}
