//! What is said on topics directly: queued for the relay, or first written like any fact where its topic is kept in the journal, so that it
//! has a place there and survives a restart. The hub asks; the relay renders.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::timeout};
use trunkline_protocol::{
    CodecError, Commit, ConnectionId, Position, Principal, Record, Refusal, RefusalKind, Topic, codec,
    limits::{ASK_DEADLINE, RECORD_BYTES_MAX},
};

use super::{house::House, relay::Tell, retention::Kept};
use crate::{AskError, Asking, Broadcast, Broadcasts, Decision, Entity, Hub, NoNotice, Written};

/// Broadcasts of one command: with as many commands as a commit may hold, each still gets a place of its own.
const FACTS_MAX: usize = 16;
/// What they may weigh together: less than what a commit may hold.
const FACTS_BYTES_MAX: usize = RECORD_BYTES_MAX - 2 * 1024;
/// What one costs beside its message.
const OVERHEAD: usize = 256;

/// A topic on which something is kept. It has no rules, and remembers nothing: its broadcasts are in the journal and in the backlog.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct PublishedTopic;

/// Something was published.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Published {
    topic: Topic,
    message: Bytes,
    conflate: Option<String>,
    except: Option<ConnectionId>,
    kind: Option<String>,
}

impl Record for Published {
    const KIND: u16 = codec::kinds::PUBLISHED;
    const SCHEMA: u8 = 2;
    fn upcast(schema: u8, payload: &[u8]) -> Result<Self, CodecError> {
        match schema {
            1 => codec::decode(payload).map(|(topic, message, conflate, except)| Self {
                topic,
                message,
                conflate,
                except,
                kind: None,
            }),
            _ => Err(CodecError::UnknownSchema { kind: Self::KIND, schema }),
        }
    }
}

impl From<Broadcast> for Published {
    fn from(broadcast: Broadcast) -> Self {
        let Broadcast { topic, message, conflate, except, kind, .. } = broadcast;
        let text = |text: Arc<str>| text.to_string();
        Self { topic, message, conflate: conflate.map(text), except, kind: kind.map(text) }
    }
}

impl Entity for PublishedTopic {
    const KIND: &'static str = "topic";
    type Command = Vec<Published>;
    type Fact = Published;
    type Notice = NoNotice;
    fn decide(&self, published: &Vec<Published>, _: &Asking) -> Result<Decision<Self>, Refusal> {
        Ok(Decision { facts: published.clone(), notices: Vec::new() })
    }
    fn apply(&mut self, _: &Published, _: &Written) {}
}

/// What subscribers are told of a commit of a topic.
pub(crate) fn render(commit: &Commit, out: &mut Broadcasts) -> Result<(), CodecError> {
    if commit.entity.kind() != PublishedTopic::KIND {
        return Ok(());
    }
    for published in commit.facts_of::<Published>() {
        let Published { topic, message, conflate, except, kind } = published?;
        let (conflate, kind) = (conflate.map(Into::into), kind.map(Into::into));
        out.out.push(Broadcast { conflate, except, kind, ..Broadcast::new(topic, message) });
    }
    Ok(())
}

/// Says something that nobody keeps; resolves when it is queued.
pub(crate) async fn say(house: &House, broadcast: Broadcast) -> Result<(), AskError> {
    queue(house, Tell::Say { broadcasts: vec![broadcast], keep: false, told: None }).await
}

/// Says everything in its order, where that is wanted kept as the retention of each topic says. Resolves when it has been told, and what the
/// journal keeps is durable. A refusal tells nothing; where the world fails, what stands before the failure may have been told.
pub(crate) async fn publish(hub: &Hub, broadcasts: Vec<(Broadcast, bool)>) -> Result<(), AskError> {
    let retentions = &hub.inner.relay.retentions;
    let journaled = |(broadcast, keep): &(Broadcast, bool)| *keep && retentions.of(&broadcast.topic).kept == Kept::Journal;
    if broadcasts.iter().any(|one| journaled(one) && weight(&one.0) > FACTS_BYTES_MAX) {
        let sentence = format!("A message that is kept in the journal holds at most {} bytes", FACTS_BYTES_MAX - 2 * 1024);
        return Err(Refusal::new(RefusalKind::Invalid, "MESSAGE_TOO_LARGE", sentence).into());
    }
    let (mut rest, mut written) = (broadcasts.into_iter().peekable(), 0);
    while let Some(first) = rest.next() {
        let is_journaled = journaled(&first);
        let (first, keep) = first;
        let (topic, mut bytes) = (first.topic.clone(), weight(&first));
        let mut together = vec![first];
        if is_journaled {
            while together.len() < FACTS_MAX
                && let Some((next, _)) =
                    rest.next_if(|next| journaled(next) && next.0.topic == topic && bytes + weight(&next.0) <= FACTS_BYTES_MAX)
            {
                bytes += weight(&next);
                together.push(next);
            }
            written = write(hub, &topic, together).await?;
        } else {
            while let Some((next, _)) = rest.next_if(|next| next.1 == keep && !journaled(next)) {
                together.push(next);
            }
            // What is written is told by whoever follows the journal: nothing overtakes it.
            told(hub, written).await;
            tell(hub, together, keep).await?;
        }
    }
    told(hub, written).await;
    Ok(())
}

/// Writes what was said on one topic; it is told like any commit.
async fn write(hub: &Hub, topic: &Topic, broadcasts: Vec<Broadcast>) -> Result<Position, AskError> {
    let published = broadcasts.into_iter().map(Published::from).collect();
    let asking = hub.asking(&Principal::house());
    hub.ask::<PublishedTopic>(topic.as_str(), published, asking).await.map(|outcome| outcome.position)
}

/// Waits until what was written has been told. Where that takes too long it is told later all the same: it is durable.
async fn told(hub: &Hub, position: Position) {
    if let Err(error) = hub.seen(position).await {
        tracing::warn!(position, %error, "what was published is durable, but not told yet");
    }
}

/// Waits until it has been told.
async fn tell(hub: &Hub, broadcasts: Vec<Broadcast>, keep: bool) -> Result<(), AskError> {
    let (told, telling) = oneshot::channel();
    queue(&hub.inner.house, Tell::Say { broadcasts, keep, told: Some(told) }).await?;
    match timeout(ASK_DEADLINE, telling).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(AskError::Unavailable("the relay stopped before it was told".into())),
        Err(_) => Err(AskError::Deadline),
    }
}

fn weight(broadcast: &Broadcast) -> usize {
    // Its topic is also the name of the entity.
    broadcast.message.len() + 2 * broadcast.topic.as_str().len() + OVERHEAD
}

async fn queue(house: &House, tell: Tell) -> Result<(), AskError> {
    house.tells.send_timeout(tell, ASK_DEADLINE).await.map_err(|_| AskError::Overloaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_published_before_messages_had_a_type() {
        #[derive(Serialize, Deserialize)]
        struct Older(Topic, Bytes, Option<String>, Option<ConnectionId>);
        impl Record for Older {
            const KIND: u16 = codec::kinds::PUBLISHED;
            const SCHEMA: u8 = 1;
        }
        let (topic, message) = (Topic::pubsub("chat"), Bytes::from_static(b"1"));
        let sealed = codec::seal(&Older(topic.clone(), message.clone(), Some("k".into()), Some(ConnectionId(7))));
        let lifted = Published { topic, message, conflate: Some("k".into()), except: Some(ConnectionId(7)), kind: None };
        assert_eq!(codec::open(&sealed), Ok(lifted));
    }
}
