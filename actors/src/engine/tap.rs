//! Taps: what a topic tells, told once more to whoever operates the hub. Every frame of it: nothing is conflated, and where a reader
//! cannot follow it is cut off like any other.
//!
//! The hub opens and closes taps; the fan-out asks what to add to a batch. A topic that nobody taps costs one look at a number.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use parking_lot::RwLock;
use serde_json::json;
use trunkline_protocol::{Refusal, RefusalKind, Topic};

use super::fanout::Broadcast;

/// How many topics may be tapped at once: each costs its traffic once more.
const TAPPED_MAX: usize = 64;

/// Which topics are tapped, and by how many.
#[derive(Default)]
pub(crate) struct Taps {
    open: RwLock<HashMap<Topic, usize>>,
    count: AtomicUsize,
}

impl Taps {
    /// One more taps this topic; where its frames are told.
    pub(crate) fn open(&self, topic: &Topic) -> Result<Topic, Refusal> {
        if topic.as_str().starts_with("a:tap:") {
            return Err(Refusal::new(RefusalKind::Invalid, "TAP_OF_A_TAP", "A tap cannot be tapped"));
        }
        let mut open = self.open.write();
        if open.len() >= TAPPED_MAX && !open.contains_key(topic) {
            return Err(Refusal::conflict("TOO_MANY_TAPS", "Too many topics are tapped already"));
        }
        *open.entry(topic.clone()).or_default() += 1;
        self.count.store(open.len(), Ordering::Release);
        Ok(place(topic))
    }
    /// One fewer does.
    pub(crate) fn close(&self, topic: &Topic) {
        let mut open = self.open.write();
        if let Some(by) = open.get_mut(topic) {
            *by -= 1;
            if *by == 0 {
                open.remove(topic);
            }
        }
        self.count.store(open.len(), Ordering::Release);
    }
    /// Adds what taps are told of a batch, behind it, in its order.
    pub(crate) fn add_to(&self, batch: &mut Vec<Broadcast>) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let told: Vec<Broadcast> = {
            let open = self.open.read();
            batch.iter().filter(|broadcast| open.contains_key(&broadcast.topic)).map(tapped).collect()
        };
        batch.extend(told);
    }
}

fn place(topic: &Topic) -> Topic {
    Topic::aside(topic, "tap")
}

/// `{"action":"frame","topic":…,"offset":…,"conflate":…,"kind":…,"message":…}`: the message is the topic's own, verbatim.
fn tapped(broadcast: &Broadcast) -> Broadcast {
    let head = json!({
        "action": "frame", "topic": broadcast.topic.as_str(), "offset": broadcast.offset.as_ref().map(|at| at.offset),
        "conflate": broadcast.conflate, "kind": broadcast.kind,
    });
    let mut message = head.to_string().into_bytes();
    // Spliced, not parsed: a broadcast's message is JSON text.
    message.pop();
    message.extend_from_slice(b",\"message\":");
    message.extend_from_slice(&broadcast.message);
    message.push(b'}');
    Broadcast::new(place(&broadcast.topic), message)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn broadcast(topic: &Topic) -> Broadcast {
        let (message, conflate) = (Bytes::from_static(b"{\"n\":1}"), Some("latest".into()));
        Broadcast { topic: topic.clone(), message, offset: None, conflate, except: None, kind: None }
    }

    #[test]
    fn tells_every_frame_of_a_tapped_topic_once_more_and_of_no_other() {
        let (taps, one, other) = (Taps::default(), Topic::channel("one"), Topic::channel("other"));
        let said = vec![broadcast(&one), broadcast(&other), broadcast(&one)];
        let place = taps.open(&one).expect("tapped");
        assert_eq!(taps.open(&one).expect("tapped twice"), place);
        taps.close(&one);
        let mut batch = said.clone();
        taps.add_to(&mut batch);
        assert_eq!(batch[..3], said);
        assert_eq!(batch[3..].iter().map(|told| &told.topic).collect::<Vec<_>>(), [&place, &place]);
        assert!(batch[3].conflate.is_none(), "every one counts");
        let told: serde_json::Value = serde_json::from_slice(&batch[4].message).expect("JSON");
        let frame =
            json!({"action": "frame", "topic": "c:one", "offset": null, "conflate": "latest", "kind": null, "message": {"n": 1}});
        assert_eq!(told, frame);
        taps.close(&one);
        let mut batch = said.clone();
        taps.add_to(&mut batch);
        assert_eq!(batch, said, "nobody taps it any more");
    }

    #[test]
    fn taps_neither_a_tap_nor_too_much() {
        let taps = Taps::default();
        let place = taps.open(&Topic::channel(0)).expect("tapped");
        assert_eq!(taps.open(&place).expect_err("refused").code, "TAP_OF_A_TAP");
        (1..TAPPED_MAX).for_each(|number| drop(taps.open(&Topic::channel(number)).expect("tapped")));
        assert_eq!(taps.open(&Topic::channel("more")).expect_err("refused").code, "TOO_MANY_TAPS");
        taps.open(&Topic::channel(0)).expect("tapped already");
    }
}
