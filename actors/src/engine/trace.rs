//! Which trace a wish belongs to: from the request that caused it to what is told of it. Kept in memory and for a while only: what is
//! told after a restart is told without.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::Arc,
};

use parking_lot::Mutex;
use trunkline_protocol::{CommandId, Commit};

/// Wishes whose trace is known; the oldest is forgotten first. What is asked is told within seconds.
const WISHES_MAX: usize = 4096;

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// Does `work` as part of this trace: every wish that it makes belongs to it.
pub async fn traced<F: Future>(trace: &str, work: F) -> F::Output {
    CURRENT.scope(trace.into(), work).await
}

/// The wishes that belong to a trace.
#[derive(Default)]
pub(crate) struct Traces(Mutex<Known>);

#[derive(Default)]
struct Known {
    traces: HashMap<CommandId, Arc<str>>,
    order: VecDeque<CommandId>,
}

impl Traces {
    /// A wish is made, maybe as part of a trace.
    pub(crate) fn note(&self, command: CommandId) {
        let Ok(trace) = CURRENT.try_with(Arc::clone) else { return };
        let mut known = self.0.lock();
        if known.traces.insert(command, trace).is_none() {
            known.order.push_back(command);
        }
        if known.order.len() > WISHES_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.traces.remove(&oldest);
        }
    }
    /// The traces of a commit's turns.
    pub(crate) fn of(&self, commit: &Commit) -> Vec<(CommandId, Arc<str>)> {
        let known = self.0.lock();
        if known.traces.is_empty() {
            return Vec::new();
        }
        let turns = commit.turns.iter();
        turns.filter_map(|turn| Some((turn.command, Arc::clone(known.traces.get(&turn.command)?)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn forgets_the_oldest_and_wishes_of_no_trace() {
        let traces = Traces::default();
        traces.note(CommandId(0));
        traced("t", async { (1..=WISHES_MAX as u128 + 1).for_each(|n| traces.note(CommandId(n))) }).await;
        let known = traces.0.lock();
        assert_eq!((known.traces.len(), known.order.len()), (WISHES_MAX, WISHES_MAX));
        assert!([0, 1].iter().all(|n| !known.traces.contains_key(&CommandId(*n))));
        assert_eq!(known.traces[&CommandId(2)], "t".into());
    }
}
