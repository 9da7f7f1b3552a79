//! The board as it was when a commit was told: for channels that say again what they said then.
//!
//! A row shows its stream, and what stands around it: location, streamer, owner. All of it follows from commits, so a board that is folded
//! from just those shows what was shown.

use std::sync::Arc;

use trunkline_protocol::{Commit, EntityId};

use super::{Board, Owners};
use crate::{
    Channel, Entity as _, Retelling,
    streams::{
        location::{self, LocationRegistry, Locations},
        stream::{Stream, StreamFact},
        streamer::{self, StreamerRegistry, Streamers},
    },
};

impl Board {
    /// What `channel` takes to say again what it said of streams, over a board like this one on which there is nothing yet.
    pub(in crate::streams) fn retelling<C: Channel>(&self, channel: impl FnOnce(Arc<Self>) -> C) -> Retelling {
        let (locations, streamers) = (Arc::<Locations>::default(), Arc::<Streamers>::default());
        let (owners, accounts) = self.owners.anew();
        let board = Arc::new(Self::new(Arc::clone(&locations), Arc::clone(&streamers), owners, self.analytics));
        let (then, now) = (Arc::clone(&board), Arc::clone(&self.owners));
        let retelling = Retelling::new([Stream::KIND], channel(Arc::clone(&board)))
            .over(locations)
            .over(streamers)
            .over(board)
            .beside(move |commit| around(commit, &then, &*now));
        match accounts {
            Some(accounts) => retelling.over(accounts),
            None => retelling,
        }
    }
}

/// Whose commits tell what stands around the streams of a commit.
fn around(commit: &Commit, board: &Board, owners: &dyn Owners) -> Vec<EntityId> {
    let mut around = Vec::new();
    // A record that cannot be read has stopped the relay before it comes here.
    for kept in commit.facts_of::<StreamFact>().flatten().filter_map(|fact| board.kept(fact.stream())) {
        around.extend(owners.told_by(kept.stream.user));
        around.extend(kept.stream.location.map(|_| EntityId::new(LocationRegistry::KIND, location::ALL)));
        around.extend(kept.stream.streamer.map(|_| EntityId::new(StreamerRegistry::KIND, streamer::ALL)));
    }
    around
}
