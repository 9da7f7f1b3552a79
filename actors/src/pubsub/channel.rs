//! `$pubsub`, `Turbo::StreamsChannel`, `CableReady::Stream`: streams by their name, plain or signed (`cable.md` 2.7). One rule for all three.

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use trunkline_protocol::{Refusal, Topic, limits::IDENTIFIER_BYTES_MAX};

use super::signing::Verifier;
use crate::{Admission, AskError, Channel, Hub, Subscribing};

/// A channel whose streams are named by the client.
pub(super) struct PubsubChannel {
    pub(super) name: &'static str,
    /// The parameter that holds the signed name.
    pub(super) param: &'static str,
    /// `None`: no signature holds.
    pub(super) verifier: Option<Verifier>,
    /// Plain names count, too.
    pub(super) public: bool,
    pub(super) signed_whispers: bool,
}

impl PubsubChannel {
    /// The stream that is named, and whether by its plain name. A signed name decides, wherever there is one.
    fn stream(&self, params: &Map<String, Value>) -> Result<(String, bool), Refusal> {
        let given = |name: &str| params.get(name).filter(|value| !value.is_null());
        match (given(self.param), given("stream_name")) {
            (Some(Value::String(signed)), _) => {
                let verified = self.verifier.as_ref().and_then(|verifier| verifier.verify(signed));
                verified.map(|stream| (stream, false)).ok_or_else(Refusal::forbidden)
            }
            (Some(_), _) => Err(Refusal::field(self.param, "must be a string")),
            (None, Some(Value::String(stream))) if self.public => Ok((stream.clone(), true)),
            (None, Some(_)) if self.public => Err(Refusal::field("stream_name", "must be a string")),
            (None, Some(_)) => Err(Refusal::forbidden()),
            (None, None) => Err(Refusal::field(self.param, "can't be blank")),
        }
    }
}

impl Channel for PubsubChannel {
    fn name(&self) -> &'static str {
        self.name
    }
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        let admission = self.stream(subscribing.params).and_then(|(stream, plain)| {
            if stream.is_empty() || stream.len() > IDENTIFIER_BYTES_MAX {
                return Err(Refusal::field("stream_name", "must be neither empty nor endless"));
            }
            let topic = Topic::pubsub(stream);
            let whisper = (plain || self.signed_whispers).then(|| topic.clone());
            Ok(Admission { whisper, presence: Some(topic.clone()), ..Admission::to([topic]) })
        });
        Box::pin(std::future::ready(admission.map_err(AskError::from)))
    }
}
