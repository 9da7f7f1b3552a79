//! What the hub does of its own accord: it archives streams that nothing was heard of (`streams.md` 4.8.6).

use std::time::Duration;

use futures::{StreamExt as _, stream};
use trunkline_protocol::Principal;

use super::{
    board::{Board, Filter, Sort},
    stream::{StreamCommand, rules},
    writing,
};
use crate::{AskError, Hub};

/// How often it looks.
pub const EVERY: Duration = Duration::from_secs(60);
/// Streams it archives at one look at most; the others have their turn a minute later.
const AT_ONCE_MAX: usize = 10_000;
/// Asks that it keeps under way.
const UNDER_WAY_MAX: usize = 32;

/// Archives what nothing was heard of for `after`. A stream that changes meanwhile decides for itself.
pub async fn archive_forgotten(hub: &Hub, after: Duration) {
    let now = hub.clock().now();
    let active = hub.projection::<Board>().all(&Filter::default(), Sort::DEFAULT);
    let forgotten = active.iter().filter(|kept| rules::is_forgotten(&kept.stream, after, now)).map(|kept| kept.stream.id);
    let forgotten: Vec<u64> = forgotten.take(AT_ONCE_MAX).collect();
    drop(active);
    let house = Principal::house();
    let asks = forgotten.into_iter().map(|id| {
        let asking = hub.asking(&house);
        async move {
            match writing::ask(hub, id, StreamCommand::ArchiveForgotten { id, after }, asking).await {
                Ok(_) | Err(AskError::Refused(_)) => {}
                Err(failure) => tracing::warn!(stream = id, %failure, "a forgotten stream could not be archived"),
            }
        }
    });
    stream::iter(asks).buffer_unordered(UNDER_WAY_MAX).collect::<()>().await;
}
