//! Every bound of the hub in one place, each with its why. What a deployment may change is in its configuration; these are fixed.

use std::time::Duration;

/// The most bytes a sealed record may decode to. Also what a value of the journal may hold: sled moves values above ~128 KiB
/// into files that it never fsyncs, so everything larger is cut into pieces (`actors/src/engine/pieces.rs`).
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// The most bytes that the snapshot of one entity may decode to; it is stored in pieces.
pub const SNAPSHOT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Commands that may wait at one entity; one more is answered `Overloaded` (503 + Retry-After).
pub const MAILBOX_COMMANDS_MAX: usize = 256;
/// Commands that an entity decides into one commit.
pub const COMMIT_TURNS_MAX: usize = 64;
/// Appends that may wait for the committer thread; one more is `Overloaded`.
pub const JOURNAL_QUEUE_MAX: usize = 4096;
/// Appends that share one fdatasync.
pub const JOURNAL_BATCH_MAX: usize = 1024;
/// Commits a follower reads at once.
pub const FOLLOW_PAGE_MAX: usize = 256;
/// How many times an entity re-reads and decides again when another node wrote first, before it answers `Overloaded`.
pub const CONFLICT_RETRIES_MAX: usize = 5;
/// Threads on which the house waits for the disk or hashes a password. A burst of waking entities fills them all, each costs some hundred
/// kilobytes for as long as it is there, and the disk has answered before so many are of use.
pub const BLOCKING_THREADS_MAX: usize = 64;
/// How long an ask of an entity may take, queueing and fsync included, before the asker is answered `Deadline`.
pub const ASK_DEADLINE: Duration = Duration::from_secs(5);
/// How long a request waits until its own write is in the projections (read your writes).
pub const READ_YOUR_WRITES_DEADLINE: Duration = Duration::from_secs(2);
/// An entity that nobody asked for this long is retired; it wakes again from its snapshot and history.
pub const ENTITY_IDLE: Duration = Duration::from_secs(60);
/// With more entities awake than this each is retired the sooner, the more there are: a flood of new ones must not fill the memory.
pub const AWAKE_CROWD: usize = 20_000;
/// Command ids an entity remembers, to answer a repeated one as before.
pub const ANSWERS_REMEMBERED_MAX: usize = 1024;
/// Three crashes of one entity within a minute quarantine it: one poisonous command must not burn the node.
pub const QUARANTINE_CRASHES: usize = 3;
/// The window of [`QUARANTINE_CRASHES`], and how long a quarantine lasts.
pub const QUARANTINE_WINDOW: Duration = Duration::from_secs(60);
/// Batches of broadcasts that may wait for one core of the edge; at one more the relay waits, it never drops what was written.
pub const OUTLET_BATCHES_MAX: usize = 1024;
/// The grid's editors expect thirty seconds; shorter unlocks slow typists (`streams.md` 8.5).
pub const LEASE: Duration = Duration::from_secs(30);
/// A frame or a whole message from a client (`cable.md` 1.2: 65,536 bytes, then close 1009).
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Bytes that may wait for one slow reader; above it is disconnected (`too_slow`, reconnect).
pub const OUTBOX_BYTES_MAX: usize = 1024 * 1024;
/// Subscriptions of one connection; one more is rejected.
pub const SUBSCRIPTIONS_MAX: usize = 1000;
/// Topics that one subscription hears; one more is not followed.
pub const TOPICS_MAX: usize = 1000;
/// Bytes of an identifier; a longer one is rejected.
pub const IDENTIFIER_BYTES_MAX: usize = 4096;
/// A JSON body (`streams.md` section 1), and the larger one of a bulk import.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The body of a bulk import.
pub const IMPORT_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Broadcasts with a position that a topic keeps for clients that return (`cable.md` 2.3).
pub const BACKLOG_BROADCASTS_MAX: usize = 1000;
/// Bytes that the backlogs of all topics may hold together; beyond it the oldest broadcast of the hub goes first.
pub const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a broadcast is kept for clients that return.
pub const BACKLOG_TTL: Duration = Duration::from_secs(600);
/// Lost connections that may be taken up again, and the bytes they may hold together; beyond it the oldest begins anew (`cable.md` 2.1).
pub const TICKETS_MAX: usize = 128 * 1024;
/// The bytes of [`TICKETS_MAX`].
pub const TICKETS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What one lost connection may hold of that; a larger one begins anew. Its welcome must fit its outbox.
pub const TICKET_BYTES_MAX: usize = 128 * 1024;
/// What the attendance of one topic may hold (`cable.md` 2.6): all of it is told in one frame.
pub const ATTENDANCE_TOPIC_BYTES_MAX: usize = 512 * 1024;
/// What the attendance of all topics may hold; beyond it nobody new joins.
pub const ATTENDANCE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that the topics whose history is kept in memory only may hold together; beyond it the oldest broadcast goes first.
pub const RECENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that one history may hold that is read from the journal at once; of what is published a longer one is gone, of what channels say
/// a longer one is told in portions.
pub const RECALL_BYTES_MAX: usize = 768 * 1024;
/// Commits since which what channels said of them can be told again; who has missed more begins anew.
pub const RECALL_COMMITS_MAX: u64 = 100_000;
/// The data of one published message: a quarter of what may wait for one reader.
pub const PUBLICATION_BYTES_MAX: usize = 256 * 1024;
/// Notices and direct publishes that may wait for the relay.
pub const TELLS_MAX: usize = 8192;
/// How long the relay waits for one core of the edge before it gives that core up.
pub const OUTLET_DEADLINE: Duration = Duration::from_secs(10);

const _: () = assert!(RECORD_BYTES_MAX <= 128 * 1024 - 1024, "sled never fsyncs larger values");
const _: () = assert!(JOURNAL_BATCH_MAX <= JOURNAL_QUEUE_MAX, "a batch is drawn from the queue");
const _: () = assert!(2 * ATTENDANCE_TOPIC_BYTES_MAX <= OUTBOX_BYTES_MAX, "who is there must fit a reader's outbox");
const _: () = assert!(FRAME_BYTES_MAX < OUTBOX_BYTES_MAX, "one frame must fit a reader's outbox");
const _: () = assert!(RECALL_BYTES_MAX < OUTBOX_BYTES_MAX, "a whole history must fit a reader's outbox");
const _: () = assert!(2 * PUBLICATION_BYTES_MAX < OUTBOX_BYTES_MAX, "one published message must fit a reader's outbox");
