//! Who was told that they may not, until it stands in the audit log. Noted by the edge and by the hub; written down by the wing's worker.

use std::collections::{HashMap, hash_map::Entry::Occupied};

use parking_lot::Mutex;

use super::{Act, record};
use crate::{AskError, Hub};

/// Denials that wait to be written down. Nobody waits for that: whoever is told no must not be able to make the hub slow by asking again,
/// so the same denial of the same person is counted rather than repeated, and beyond a bound only their number is kept.
#[derive(Debug, Default)]
pub struct Denials {
    waiting: Mutex<HashMap<Denied, (Act, u64)>>,
    /// Held by whoever writes them down.
    writing: tokio::sync::Mutex<()>,
}

/// Who was denied what.
type Denied = (u64, String);

impl Denials {
    /// Different denials that may wait for the log (a moment's worth).
    const WAITING_MAX: usize = 1024;

    /// Somebody was told that they may not.
    pub fn note(&self, act: Act) {
        let mut waiting = self.waiting.lock();
        let key = (act.actor, act.subject.clone());
        if waiting.len() < Self::WAITING_MAX || waiting.contains_key(&key) {
            waiting.entry(key).or_insert((act, 0)).1 += 1;
            return;
        }
        let more = Act { actor_name: "several".into(), action: act.action, subject: "several".into(), ..Act::default() };
        waiting.entry((0, String::new())).or_insert((more, 0)).1 += 1;
    }
    /// Writes down those that wait. One that could not be written waits on, and so do those behind it, whoever stops waiting for this.
    pub(super) async fn write_down(&self, hub: &Hub) -> Result<(), AskError> {
        let _turn = self.writing.lock().await;
        let waiting: Vec<Denied> = self.waiting.lock().keys().cloned().collect();
        for denied in waiting {
            let Some((act, times)) = self.waiting.lock().get(&denied).cloned() else { continue };
            record(hub, if times > 1 { act.detail(format_args!("{times} times")) } else { act }).await?;
            self.written(&denied, times);
        }
        Ok(())
    }
    fn written(&self, denied: &Denied, times: u64) {
        if let Occupied(mut waiting) = self.waiting.lock().entry(denied.clone()) {
            waiting.get_mut().1 -= times;
            if waiting.get().1 == 0 {
                waiting.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act() -> Act {
        Act { actor: 7, actor_name: "ana@example.org".into(), action: "access.denied".into(), ..Act::default() }
    }

    #[test]
    fn counts_a_denial_that_is_repeated_and_does_not_grow_with_their_number() {
        let denials = Denials::default();
        for subject in 0..Denials::WAITING_MAX + 100 {
            denials.note(Act { subject: subject.to_string(), ..act() });
            denials.note(Act { subject: "0".into(), ..act() });
        }
        let times = |subject: &str| denials.waiting.lock().iter().find(|((_, of), _)| of == subject).map(|(_, (_, times))| *times);
        assert_eq!(denials.waiting.lock().len(), Denials::WAITING_MAX + 1);
        assert_eq!((times("0"), times("1"), times("")), (Some(1125), Some(1), Some(100)));
        denials.written(&(7, "0".into()), 1000);
        denials.written(&(7, "1".into()), 1);
        assert_eq!((times("0"), times("1")), (Some(125), None), "what came while it was written waits on");
    }
}
