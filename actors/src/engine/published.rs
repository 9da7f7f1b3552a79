//! What was published on a topic directly and shall be there for clients that return: written like any fact, so it has a place in the
//! journal and survives a restart. The hub's `publish` asks; the relay renders.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use trunkline_protocol::{CodecError, Commit, ConnectionId, Record, Refusal, Topic, codec};

use crate::{Asking, Broadcast, Broadcasts, Decision, Entity, NoNotice, Written};

/// A topic on which something is kept. It has no rules.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct PublishedTopic;

/// Something was published.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Published {
    topic: Topic,
    message: Bytes,
    conflate: Option<String>,
    except: Option<ConnectionId>,
}
impl Record for Published {
    const KIND: u16 = codec::kinds::PUBLISHED;
    const SCHEMA: u8 = 1;
}

impl Published {
    pub(crate) fn new(broadcast: Broadcast) -> Self {
        let Broadcast { topic, message, conflate, except, .. } = broadcast;
        Self { topic, message, conflate: conflate.map(|key| key.to_string()), except }
    }
}

impl Entity for PublishedTopic {
    const KIND: &'static str = "topic";
    type Command = Published;
    type Fact = Published;
    type Notice = NoNotice;
    fn decide(&self, published: &Published, _: &Asking) -> Result<Decision<Self>, Refusal> {
        Ok(Decision::fact(published.clone()))
    }
    fn apply(&mut self, _: &Published, _: &Written) {}
}

/// What subscribers are told of a commit of a topic.
pub(crate) fn render(commit: &Commit, out: &mut Broadcasts) -> Result<(), CodecError> {
    if commit.entity.kind() != PublishedTopic::KIND {
        return Ok(());
    }
    for turn in &commit.turns {
        for published in turn.facts_of::<Published>() {
            let Published { topic, message, conflate, except } = published?;
            let conflate = conflate.map(Into::into);
            out.out.push(Broadcast { topic, message, offset: None, conflate, except, kind: None });
        }
    }
    Ok(())
}
