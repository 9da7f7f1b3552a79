//! `/api/v1/streams`: livestreams over HTTP (`streams.md` section 4). Reads the board, asks [`writing`](trunkline_actors::streams::writing);
//! every rule is the stream's own.

mod analytics;
mod answer;
mod batch;
mod export;
mod history;
mod import;
mod lines;
mod list;
mod one;
mod told;
mod wall;

use actix_web::http::Method;
use trunkline_actors::accounts::policy::permission::{STREAMS_TAGS, STREAMS_WRITE};
use trunkline_protocol::Principal;

use crate::{
    config::Feature,
    edge::{
        body::LargeBody,
        openapi::{Table, resource},
    },
};

/// The routes under `/api/v1`.
pub fn routes(api: &mut Table) {
    api.about("streams")
        .service(resource("/streams.json").get(wall::feed, told::wall()))
        .service(resource("/streams").get(list::index, told::index()).post(one::create, told::create()))
        .service(resource("/streams/batch").on([Method::PATCH, Method::PUT, Method::POST], batch::update, told::batch()))
        .service(resource("/streams/bulk_import").app_data(LargeBody).post(import::import, told::import()))
        .service(resource("/streams/export").get(export::export, told::export()))
        .service(
            resource("/streams/{id}")
                .get(one::show, told::show())
                .change(one::update, told::update())
                .delete(one::delete, told::delete()),
        )
        .service(
            resource("/streams/{id}/pin")
                .on([Method::PUT, Method::POST], one::pin, told::acted("Pin a stream"))
                .delete(one::unpin, told::acted("Unpin a stream")),
        )
        .service(resource("/streams/{id}/archive").on([Method::POST, Method::PUT], one::archive, told::acted("Archive a stream")))
        .service(resource("/streams/{id}/unarchive").on(
            [Method::POST, Method::PUT],
            one::unarchive,
            told::acted("Take a stream out of the archive"),
        ))
        .service(resource("/streams/{id}/history").get(history::show, told::history()))
        .service(resource("/streams/{id}/analytics").get(analytics::show, told::analytics()));
}

/// The wall's own addresses, beside `/api/v1`.
pub fn wall_routes(root: &mut Table) {
    root.about("streams")
        .service(resource("/api/streams.json").get(wall::feed, told::wall()))
        .service(resource("/streams.json").get(wall::feed, told::public_wall()));
}

/// Whether a feature is on for who asks (4.7).
fn has(feature: Feature, who: &Principal) -> bool {
    match feature {
        Feature::Off => false,
        Feature::Admins => who.may(STREAMS_TAGS),
        Feature::Editors => who.may(STREAMS_WRITE),
        Feature::Everyone => true,
    }
}
