//! The channel that the benches subscribe to, and how long their frames are.

use futures::future::BoxFuture;
use trunkline::{
    actors::{Admission, AskError, Channel, Hub, Subscribing},
    protocol::Topic,
};

/// As in the design's measurements: 204 bytes on the wire.
pub const FRAME_BYTES: usize = 204;

pub struct Bench;

impl Channel for Bench {
    fn name(&self) -> &'static str {
        "Bench"
    }
    /// The topic `bench`; `present`, for whoever says so.
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        let topic = if subscribing.params.contains_key("present") { "present" } else { "bench" };
        Box::pin(async move { Ok(Admission::to([Topic::channel(topic)])) })
    }
}
