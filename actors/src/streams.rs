//! Wing: livestreams, and the people and places around them.
//!
//! # Layout
//! - [`link`]: what counts as a link, and which spellings are one
//! - [`stream`]: a stream: its commands, facts and rules
//! - [`location`], [`streamer`], [`ignore_list`]: registries: one entity each, so that uniqueness is decided in one mailbox
//! - [`timestamp`]: moments worth finding again, one entity each
//! - [`tally`]: how many streams a location and a streamer have
//! - [`given`]: what a body gives: nothing, a blank, or a value
//! - [`shelf`]: the rows of a projection, and which of them its next snapshot must write

pub mod link;
pub mod stream;

pub mod given;
pub mod ignore_list;
pub mod location;
pub mod shelf;
pub mod streamer;
pub mod tally;
pub mod timestamp;

use std::sync::Arc;

use crate::Plan;

/// The lines of this wing.
pub fn plan(plan: &mut Plan) {
    plan.entity::<stream::Stream>();
    plan.entity::<ignore_list::IgnoreRegistry>().projection(Arc::<ignore_list::IgnoreLists>::default());
    plan.entity::<location::LocationRegistry>().projection(Arc::<location::Locations>::default());
    plan.entity::<streamer::StreamerRegistry>().projection(Arc::<streamer::Streamers>::default());
    plan.entity::<timestamp::Annotation>().projection(Arc::<timestamp::Annotations>::default());
    plan.projection(Arc::<tally::Tally>::default());
}
