//! The four small channels that every cable conformance suite needs. Each shows one thing a channel can do.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use trunkline::{
    actors::{Action, Admission, AskError, Broadcast, Channel, Hub, Performed, Plan, Subscribing},
    protocol::{Refusal, Topic},
};

/// Adds all four.
pub fn plan(plan: &mut Plan) {
    plan.channel(EchoChannel).channel(StreamChannel).channel(RejectChannel).channel(GreetChannel);
}

/// `echo` transmits the whole data object back; `tick` transmits `"tock"`.
pub struct EchoChannel;

impl Channel for EchoChannel {
    fn name(&self) -> &'static str {
        "EchoChannel"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async { Ok(Admission::default()) })
    }
    fn perform<'a>(&'a self, action: Action<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Performed, AskError>> {
        Box::pin(async move {
            Ok(match action.name {
                "echo" => Performed::transmit(Value::Object(action.data.clone())),
                "tick" => Performed::transmit(json!("tock")),
                _ => Performed::default(),
            })
        })
    }
}

/// Streams `stream`, whose presence may be joined, and `stream2` where it is given; `broadcast {payload}`, `follow {stream}`, `unfollow {stream}`.
pub struct StreamChannel;

fn topic(params: &Map<String, Value>, key: &str) -> Option<Topic> {
    match params.get(key)? {
        Value::String(name) => Some(Topic::pubsub(name)),
        Value::Null => None,
        other => Some(Topic::pubsub(other)),
    }
}

/// A message for everybody on a topic.
pub fn broadcast(topic: Topic, payload: &Value) -> Broadcast {
    Broadcast::new(topic, payload.to_string())
}

impl Channel for StreamChannel {
    fn name(&self) -> &'static str {
        "StreamChannel"
    }
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async move {
            let topics: Vec<Topic> = ["stream", "stream2"].iter().filter_map(|key| topic(subscribing.params, key)).collect();
            if topics.is_empty() {
                return Err(Refusal::field("stream", "can't be blank").into());
            }
            Ok(Admission { presence: topics.first().cloned(), topics, ..Admission::default() })
        })
    }
    fn perform<'a>(&'a self, action: Action<'a>, hub: &'a Hub) -> BoxFuture<'a, Result<Performed, AskError>> {
        Box::pin(async move {
            let stream = topic(action.data, "stream");
            match (action.name, stream) {
                ("broadcast", stream) => {
                    let payload = action.data.get("payload").cloned().unwrap_or_default();
                    if let Some(topic) = stream.or_else(|| topic(action.params, "stream")) {
                        let mut broadcast = broadcast(topic, &payload);
                        broadcast.conflate = action.data.get("key").and_then(Value::as_str).map(Arc::from);
                        hub.publish(broadcast, true).await?;
                    }
                    Ok(Performed::default())
                }
                ("follow", Some(topic)) => Ok(Performed { follow: vec![topic], ..Performed::default() }),
                ("unfollow", Some(topic)) => Ok(Performed { unfollow: vec![topic], ..Performed::default() }),
                _ => Ok(Performed::default()),
            }
        })
    }
}

/// Lets nobody in.
pub struct RejectChannel;

impl Channel for RejectChannel {
    fn name(&self) -> &'static str {
        "RejectChannel"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async { Err(Refusal::forbidden().into()) })
    }
}

/// Greets before it confirms.
pub struct GreetChannel;

impl Channel for GreetChannel {
    fn name(&self) -> &'static str {
        "GreetChannel"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async { Ok(Admission { greetings: vec![json!("hello"), json!("world")], ..Admission::default() }) })
    }
}
