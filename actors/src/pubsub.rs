//! Wing: publishing and subscribing by name (`cable.md` 2.7, 2.9). Which streams may be heard by whom, how each is kept, and under which keys
//! an application may publish. It decides no rule of any other wing; whoever holds a key or a signature is trusted with what it names.

pub mod signing;
mod channel;

use std::sync::Arc;

use trunkline_protocol::{Topic, cable::publication::Message};

use crate::{AskError, Broadcast, Hub, Pattern, Plan, Retention, Retentions};
use channel::PubsubChannel;
use signing::Verifier;

/// What a deployment says of it. The defaults let nobody hear anything: no stream is public, and nobody can sign.
#[derive(Clone, Debug)]
pub struct PubsubConfig {
    /// Any stream may be heard by its plain name.
    pub public: bool,
    /// Checks the names of signed streams.
    pub streams: Option<Verifier>,
    /// The same for `Turbo::StreamsChannel`.
    pub turbo: Option<Verifier>,
    /// The same for `CableReady::Stream`.
    pub cable_ready: Option<Verifier>,
    /// Whispers on signed streams, too; on public ones always.
    pub signed_whispers: bool,
    /// How streams are kept and told; the first whose pattern matches counts.
    pub rules: Vec<Rule>,
    /// How all others are kept.
    pub otherwise: Retention,
}

/// How the streams of one pattern are kept and told.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Whose names.
    pub pattern: Pattern,
    /// How they are kept.
    pub retention: Retention,
    /// A reader who is behind is told only the newest message.
    pub latest_wins: bool,
}

impl Default for PubsubConfig {
    fn default() -> Self {
        let (streams, turbo, cable_ready) = (None, None, None);
        Self { public: false, streams, turbo, cable_ready, signed_whispers: false, rules: Vec::new(), otherwise: Self::RETENTION }
    }
}

impl PubsubConfig {
    /// How a stream is kept of which nothing is said.
    pub const RETENTION: Retention =
        Retention { kept: crate::Kept::Memory, broadcasts_max: 100, ttl: std::time::Duration::from_secs(300) };
}

/// Adds the wing.
pub fn plan(plan: &mut Plan, config: PubsubConfig) -> Arc<Pubsub> {
    let PubsubConfig { public, streams, turbo, cable_ready, signed_whispers, rules, otherwise } = config;
    let signed = |name, param, verifier| PubsubChannel { name, param, verifier, public: false, signed_whispers };
    plan.channel(PubsubChannel { public, ..signed("$pubsub", "signed_stream_name", streams) })
        .channel(signed("Turbo::StreamsChannel", "signed_stream_name", turbo))
        .channel(signed("CableReady::Stream", "identifier", cable_ready))
        .retain(Retentions::new(rules.iter().map(|rule| (rule.pattern.clone(), rule.retention)).collect(), otherwise));
    let pubsub = Arc::new(Pubsub { rules });
    plan.provide(Arc::clone(&pubsub));
    pubsub
}

/// Publishes by name.
#[derive(Debug, Default)]
pub struct Pubsub {
    rules: Vec<Rule>,
}

impl Pubsub {
    /// Tells messages, in order; resolves when they have been told, and what the journal keeps is durable.
    ///
    /// # Errors
    /// Those of [`Hub::publish_all`].
    pub async fn publish(&self, hub: &Hub, messages: Vec<Message>) -> Result<(), AskError> {
        hub.publish_all(messages.iter().map(|message| (self.broadcast(message), !message.transient)).collect()).await
    }
    fn broadcast(&self, message: &Message) -> Broadcast {
        let rule = self.rules.iter().find(|rule| rule.pattern.matches(&message.stream));
        Broadcast {
            conflate: rule.filter(|rule| rule.latest_wins).map(|_| Arc::from("")),
            // A sid that is none was told to nobody.
            except: message.except.as_deref().and_then(|sid| sid.parse().ok()),
            kind: message.kind.as_deref().map(Arc::from),
            ..Broadcast::new(Topic::pubsub(&message.stream), message.data.clone())
        }
    }
}

#[cfg(test)]
mod tests;
