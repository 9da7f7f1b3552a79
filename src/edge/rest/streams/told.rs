//! What each line of this resource's table says of itself.

use trunkline_actors::accounts::policy::permission::{STREAMS_EXPORT, STREAMS_IMPORT, STREAMS_READ, STREAMS_WRITE};

use crate::edge::openapi::{
    Operation, operation,
    shapes::{
        After, Pages, Wrap,
        streams::{
            Analytics, HeldStream, HistoryOf, HistoryPage, ListAs, OneStream, PostedStream, StreamFields, StreamFilter, StreamPage,
            WallTile,
            bulk::{Batch, BatchAnswer, Export, ExportAs, Import, ImportAnswer},
        },
    },
};

const NDJSON: &str = "application/x-ndjson";

pub(super) fn index() -> Operation {
    let list =
        operation("List streams").needs(STREAMS_READ).query::<StreamFilter>().query::<Pages>().query::<ListAs>().query::<Wrap>();
    list.answers::<StreamPage>(200, "A page of streams.").text(200, "", NDJSON)
}
pub(super) fn wall() -> Operation {
    feed().needs(STREAMS_READ).about("Also takes the credential as `token` or `api_key` in the query.")
}
pub(super) fn public_wall() -> Operation {
    feed().open().about("Only where the deployment shows its feed to everybody.").refuses(&[401])
}
fn feed() -> Operation {
    let feed = operation("The feed of a wall").query::<StreamFilter>().query::<Pages>();
    feed.lists::<WallTile>(200, "Every tile, or the page that is asked for. An error is an empty list with its status.")
}
pub(super) fn create() -> Operation {
    operation("Post a stream")
        .needs(STREAMS_WRITE)
        .about("Posting the same link again answers the stream that is there, with its empty fields filled.")
        .query::<Wrap>()
        .body_under::<StreamFields>("stream")
        .answers::<PostedStream>(201, "It was added.")
        .answers::<PostedStream>(200, "It was there already.")
        .answers::<HeldStream>(202, "It waits for a moderator.")
}
pub(super) fn batch() -> Operation {
    operation("Change many streams")
        .needs(STREAMS_WRITE)
        .about("Each with the rights and the outcome of a change of its own.")
        .json::<Batch>()
        .answers::<BatchAnswer>(200, "What became of each.")
}
pub(super) fn import() -> Operation {
    operation("Bring many streams in")
        .needs(STREAMS_IMPORT)
        .about("Each item is judged and added like a post of its own; one that is refused does not stop the others.")
        .json::<Import>()
        .answers::<ImportAnswer>(200, "What became of each; what was added is durable and in the lists.")
}
pub(super) fn export() -> Operation {
    let export = operation("Export streams").needs(STREAMS_EXPORT).query::<StreamFilter>().query::<ExportAs>();
    export.answers::<Export>(200, "Every stream that passes.").text(200, "", "text/csv")
}
pub(super) fn show() -> Operation {
    let show = operation("Show a stream").needs(STREAMS_READ).query::<Wrap>();
    show.answers::<OneStream>(200, "The stream.").nothing(304, "It is the one of `If-None-Match`.")
}
pub(super) fn update() -> Operation {
    operation("Change a stream")
        .needs(STREAMS_WRITE)
        .about("One's own; any with `streams:update_any`. Only what is given changes. `If-Match`, `lock_version` and `If-Unmodified-Since` say what was last seen.")
        .query::<Wrap>()
        .body_under::<StreamFields>("stream")
        .answers::<OneStream>(200, "The stream, changed.")
        .refuses(&[409, 412])
}
pub(super) fn delete() -> Operation {
    operation("Delete a stream").needs(STREAMS_WRITE).about("One's own; any with `streams:delete_any`.").nothing(204, "It is gone.")
}
pub(super) fn acted(summary: &'static str) -> Operation {
    operation(summary).needs(STREAMS_WRITE).query::<Wrap>().answers::<OneStream>(200, "The stream.")
}
pub(super) fn history() -> Operation {
    operation("Who changed what of a stream")
        .needs(STREAMS_READ)
        .about("A page may hold fewer entries than `limit`, even none, although `has_more` is true.")
        .query::<HistoryOf>()
        .query::<After>()
        .answers::<HistoryPage>(200, "A part of the history, newest first.")
}
pub(super) fn analytics() -> Operation {
    operation("What was measured of a stream").needs(STREAMS_READ).answers::<Analytics>(200, "Its figures.")
}
