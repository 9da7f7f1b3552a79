//! The table of resources. A new resource is registered here: `mod` and one line.

pub mod accounts;
pub mod api_keys;
pub mod audit;
pub mod health;
pub mod metrics;
pub mod ignore_lists;
pub(crate) mod listing;
pub mod locations;
pub mod streamers;
pub mod streams;
pub mod system;
pub mod timestamps;
pub mod users;

use std::sync::{Arc, OnceLock};

use actix_web::http::StatusCode;
use actix_web::{
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use trunkline_actors::Hub;
use trunkline_persistence::Journal;

use super::{
    EdgeConfig, EdgeStats, Gate, Problem,
    auth::Auth,
    dashboard, events, idempotency,
    limits::Minutes,
    openapi::{self, Table},
    page, publish,
};
use crate::{config::StreamsConfig, telemetry::metrics::Metrics};

/// Where the resources are.
const API: &str = "/api/v1";

/// What every handler may use: the hub, and what the edge was told. Handed out as `web::Data<Api>`.
pub struct Api {
    /// Through which everything is asked.
    pub hub: Hub,
    /// For health and metrics only; nothing is read from it or written to it here.
    pub journal: Arc<dyn Journal>,
    /// What the deployment said of the edge.
    pub config: EdgeConfig,
    /// What it said of livestreams: features, the public feed.
    pub streams: StreamsConfig,
    /// By which whoever asks is named.
    pub auth: Arc<Auth>,
    /// What is counted here.
    pub metrics: Arc<Metrics>,
    /// Who asked how often in this minute.
    pub minutes: Minutes,
    /// What the cables count; set when the edge listens.
    pub cables: OnceLock<Arc<EdgeStats>>,
    /// Who is there; set when the edge listens.
    pub gate: OnceLock<Gate>,
}

/// Every route of the hub but `/cable`: what `App::new().configure(rest::routes(api))` serves.
pub fn routes(api: web::Data<Api>) -> impl FnOnce(&mut ServiceConfig) + Clone {
    move |root: &mut ServiceConfig| {
        let faults = api.config.demo_faults;
        root.app_data(api);
        outside().mount(root);
        openapi::routes(root, |faults| vec![outside(), resources(faults)], faults);
        dashboard::routes(root);
        page::routes(root);
        root.service(web::scope(API).wrap(from_fn(idempotency::pass)).configure(move |api| resources(faults).mount(api)));
        root.default_service(web::to(nothing_here));
    }
}

/// The table of what stands outside `/api/v1`.
fn outside() -> Table {
    let mut root = Table::under("");
    health::routes(&mut root);
    streams::wall_routes(&mut root);
    accounts::root_routes(&mut root);
    metrics::routes(&mut root);
    publish::describe(&mut root);
    events::describe(&mut root);
    root
}

/// The table: each line is a resource, mounted under `/api/v1`.
fn resources(demo_faults: bool) -> Table {
    let mut api = Table::under(API);
    streams::routes(&mut api);
    accounts::routes(&mut api);
    users::routes(&mut api);
    api_keys::routes(&mut api);
    audit::routes(&mut api);
    locations::routes(&mut api);
    ignore_lists::routes(&mut api);
    streamers::routes(&mut api);
    timestamps::routes(&mut api);
    system::routes(&mut api, demo_faults);
    api
}

async fn nothing_here() -> Result<actix_web::HttpResponse, Problem> {
    Err(Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", "There is nothing at this address"))
}
