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
mod wall;

use actix_web::web::{self, ServiceConfig};
use trunkline_actors::accounts::policy::permission::{STREAMS_TAGS, STREAMS_WRITE};
use trunkline_protocol::{Principal, limits::IMPORT_BYTES_MAX};

use crate::{config::Feature, edge::body::BodyLimit};

/// The routes under `/api/v1`.
pub fn routes(api: &mut ServiceConfig) {
    api.service(web::resource("/streams.json").get(wall::feed))
        .service(web::resource("/streams").get(list::index).post(one::create))
        .service(web::resource("/streams/batch").patch(batch::update).put(batch::update).post(batch::update))
        .service(web::resource("/streams/bulk_import").app_data(BodyLimit(IMPORT_BYTES_MAX)).post(import::import))
        .service(web::resource("/streams/export").get(export::export))
        .service(web::resource("/streams/{id}").get(one::show).patch(one::update).put(one::update).delete(one::delete))
        .service(web::resource("/streams/{id}/pin").put(one::pin).post(one::pin).delete(one::unpin))
        .service(web::resource("/streams/{id}/archive").post(one::archive).put(one::archive))
        .service(web::resource("/streams/{id}/unarchive").post(one::unarchive).put(one::unarchive))
        .service(web::resource("/streams/{id}/history").get(history::show))
        .service(web::resource("/streams/{id}/analytics").get(analytics::show));
}

/// The wall's own addresses, beside `/api/v1`.
pub fn wall_routes(root: &mut ServiceConfig) {
    root.service(web::resource("/api/streams.json").get(wall::feed)).service(web::resource("/streams.json").get(wall::feed));
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
