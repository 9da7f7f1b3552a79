//! Wing: livestreams, and the people and places around them.
//!
//! # Layout
//! - [`link`]: what counts as a link, and which spellings are one
//! - [`stream`]: a stream: its commands, facts and rules
//! - [`board`]: the list of streams and the one JSON shape of a stream; [`wall`]: the shape that a wall reads
//! - [`writing`]: the one road from a draft or a change to the entity that decides it; `tidying`: what the hub archives by itself
//! - [`channel`]: dashboards; [`collaborative_channel`], [`collaboration_channel`]: the shared grid, whose happenings [`grid`] reads
//! - [`locks`]: who edits which cell now, for whoever joins the grid
//! - [`history`]: what happened to one stream, folded from its commits when somebody asks
//! - [`location`], [`streamer`], [`ignore_list`]: registries: one entity each, so that uniqueness is decided in one mailbox
//! - [`timestamp`]: moments worth finding again, one entity each
//! - [`tally`]: how many streams a location and a streamer have
//! - [`given`]: what a body gives: nothing, a blank, or a value
//! - [`shelf`]: the rows of a projection, and which of them its next snapshot must write

pub mod board;
pub mod channel;
pub mod collaboration_channel;
pub mod collaborative_channel;
pub mod grid;
pub mod history;
pub mod link;
pub mod locks;
pub mod stream;
mod tidying;
pub mod wall;
pub mod writing;

pub mod given;
pub mod ignore_list;
pub mod location;
pub mod shelf;
pub mod streamer;
pub mod tally;
pub mod timestamp;

use std::{sync::Arc, time::Duration};

use trunkline_protocol::{Principal, Refusal};

use crate::{Plan, accounts::presence::Presence};

/// What a deployment may say of livestreams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamsConfig {
    /// After how long without life a stream is archived; `None`: never of itself (`streams.md` 4.8.6).
    pub auto_archive: Option<Duration>,
    /// A city that nobody has named as known is refused (4.4).
    pub location_validation: bool,
    /// Rows name the address of their figures (4.7).
    pub analytics: bool,
}

impl Default for StreamsConfig {
    fn default() -> Self {
        Self { auto_archive: Some(Duration::from_secs(30 * 60)), location_validation: false, analytics: true }
    }
}

/// What this wing keeps that other wings ask through traits of their own: whether a submission is known, or on a list.
#[derive(Clone, Debug)]
pub struct Wing {
    /// The list of streams.
    pub board: Arc<board::Board>,
    /// The ignore lists.
    pub ignore_lists: Arc<ignore_list::IgnoreLists>,
}

/// The lines of this wing. `owners` knows whose a stream is.
pub fn plan(plan: &mut Plan, config: StreamsConfig, owners: Arc<dyn board::Owners>) -> Wing {
    let locations = Arc::<location::Locations>::default();
    let streamers = Arc::<streamer::Streamers>::default();
    let ignore_lists = Arc::<ignore_list::IgnoreLists>::default();
    let board = Arc::new(board::Board::new(Arc::clone(&locations), Arc::clone(&streamers), owners, config.analytics));
    plan.entity::<stream::Stream>();
    plan.entity::<ignore_list::IgnoreRegistry>().projection(Arc::clone(&ignore_lists));
    plan.entity::<location::LocationRegistry>().projection(locations);
    plan.entity::<streamer::StreamerRegistry>().projection(streamers);
    plan.entity::<timestamp::Annotation>().projection(Arc::<timestamp::Annotations>::default());
    let locks = Arc::<locks::Locks>::default();
    plan.projection(Arc::<tally::Tally>::default()).projection(Arc::clone(&board)).projection(Arc::clone(&locks));
    plan.provide(Arc::new(config)).provide(Arc::<writing::Turnstiles>::default());
    if let Some(after) = config.auto_archive {
        plan.every("archive forgotten streams", tidying::EVERY, move |hub| Box::pin(tidying::archive_forgotten(hub, after)));
    }
    // Presence is provided by the wing whose channels keep it: a hub without a grid needs none.
    Presence::plan(plan);
    plan.channel(channel::StreamsChannel::new(Arc::clone(&board)));
    plan.channel(collaborative_channel::CollaborativeStreamsChannel::new(Arc::clone(&board), locks));
    plan.channel(collaboration_channel::CollaborationChannel::new(Arc::clone(&board)));
    Wing { board, ignore_lists }
}

/// The grid is for people and bots who are signed in; the public may only watch dashboards (`streams.md` C20).
fn signed_in(who: &Principal) -> Result<(), Refusal> {
    if who.is_anonymous() { Err(Refusal::unauthenticated()) } else { Ok(()) }
}

#[cfg(test)]
mod feed_tests;
#[cfg(test)]
pub(crate) mod tests;
