//! `/locations` (`streams.md` section 5): where streams are.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde_json::json;
use trunkline_actors::{
    accounts::policy::permission::{LOCATIONS_READ, LOCATIONS_WRITE},
    streams::{
        location::{self, LocationFilter, LocationRow, Locations, Place, PlaceChange},
        tally::Tally,
    },
};

use super::listing::{self, Paging};
use crate::edge::{
    Api, Body, Caller, Id, Problem, Query,
    openapi::{
        Operation, Table, operation, resource,
        shapes::{
            Pages, Wrap,
            places::{LocationFields, LocationFilter as Wanted, LocationList, LocationPage, OneLocation},
        },
    },
};

type Answer = Result<HttpResponse, Problem>;
/// Seconds for which a client may keep the lists without asking again (`streams.md` section 5).
const ALL_MAX_AGE_S: u32 = 300;
const KNOWN_MAX_AGE_S: u32 = 900;

pub fn routes(api: &mut Table) {
    let list = || operation("List locations").needs(LOCATIONS_READ);
    api.about("locations")
        .service(
            resource("/locations")
                .get(index, list().query::<Wanted>().query::<Pages>().answers::<LocationPage>(200, "A page of locations."))
                .post(create, written("Add a location").answers::<OneLocation>(201, "It was added.")),
        )
        .service(resource("/locations/all").get(all, list().answers::<LocationList>(200, "Every location, briefly.")))
        .service(
            resource("/locations/known_cities")
                .get(known_cities, list().answers::<LocationList>(200, "Every known city, briefly.")),
        )
        .service(
            resource("/locations/{id}")
                .get(
                    show,
                    operation("Show a location").needs(LOCATIONS_READ).query::<Wrap>().answers::<OneLocation>(200, "The location."),
                )
                .change(change, written("Change a location").answers::<OneLocation>(200, "The location, changed."))
                .delete(remove, operation("Delete a location").needs(LOCATIONS_WRITE).nothing(204, "It is gone.").refuses(&[422])),
        );
}

fn written(summary: &'static str) -> Operation {
    operation(summary).needs(LOCATIONS_WRITE).query::<Wrap>().body_under::<LocationFields>("location")
}

async fn index(api: Data<Api>, caller: Caller, query: Query) -> Answer {
    caller.require(LOCATIONS_READ)?;
    let text = |name: &str| query.get(name).map(str::to_owned);
    let filter = LocationFilter {
        search: text("search"),
        country: text("country"),
        state: query.any(&["state", "state_province"]).map(str::to_owned),
        known: query.flag(&["is_known_city"]).unwrap_or_default(),
    };
    let rows = api.hub.projection::<Locations>().list(&filter);
    let (paging, tally) = (Paging::of(&query), api.hub.projection::<Tally>());
    let shown: Vec<_> = paging.cut(&rows).iter().map(|row| row.json(tally.at_location(row.id))).collect();
    Ok(HttpResponse::Ok().json(json!({"locations": shown, "meta": paging.meta(rows.len())})))
}

async fn all(api: Data<Api>, caller: Caller, request: HttpRequest) -> Answer {
    caller.require(LOCATIONS_READ)?;
    let rows = api.hub.projection::<Locations>().list(&LocationFilter::default());
    let shown: Vec<_> = rows.iter().map(|row| row.listed(true)).collect();
    Ok(listing::kept(&request, &json!({"locations": shown}), ALL_MAX_AGE_S))
}

async fn known_cities(api: Data<Api>, caller: Caller, request: HttpRequest) -> Answer {
    caller.require(LOCATIONS_READ)?;
    let rows = api.hub.projection::<Locations>().list(&LocationFilter { known: true, ..LocationFilter::default() });
    let shown: Vec<_> = rows.iter().map(|row| row.listed(false)).collect();
    Ok(listing::kept(&request, &json!({"locations": shown}), KNOWN_MAX_AGE_S))
}

async fn show(api: Data<Api>, caller: Caller, id: Result<Id, Problem>, query: Query, request: HttpRequest) -> Answer {
    caller.require(LOCATIONS_READ)?;
    let row = api.hub.projection::<Locations>().get(named(id)?).ok_or_else(location::not_found)?;
    Ok(listing::kept(&request, &whole(&api, &row, &query), 0))
}

async fn create(api: Data<Api>, caller: Caller, query: Query, body: Body) -> Answer {
    let place = PlaceChange::try_from(&body.unwrapped("location"))?.of(&Place::default());
    let (id, position) = location::create(&api.hub, api.hub.asking(&caller), place).await?;
    api.hub.seen(position).await?;
    let row = api.hub.projection::<Locations>().get(id).ok_or_else(location::not_found)?;
    Ok(HttpResponse::Created().json(whole(&api, &row, &query)))
}

async fn change(api: Data<Api>, caller: Caller, id: Result<Id, Problem>, query: Query, body: Body) -> Answer {
    let id = named(id)?;
    let wanted = PlaceChange::try_from(&body.unwrapped("location"))?;
    let position = location::change(&api.hub, api.hub.asking(&caller), id, wanted).await?;
    api.hub.seen(position).await?;
    let row = api.hub.projection::<Locations>().get(id).ok_or_else(location::not_found)?;
    Ok(HttpResponse::Ok().json(whole(&api, &row, &query)))
}

async fn remove(api: Data<Api>, caller: Caller, id: Result<Id, Problem>) -> Answer {
    let id = named(id)?;
    let streams_count = api.hub.projection::<Tally>().at_location(id);
    let position = location::remove(&api.hub, api.hub.asking(&caller), id, streams_count).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What names nothing is not found in this resource's own words.
fn named(id: Result<Id, Problem>) -> Result<u64, Problem> {
    id.map(|Id(id)| id).map_err(|_| location::not_found().into())
}

fn whole(api: &Api, row: &LocationRow, query: &Query) -> serde_json::Value {
    listing::named("location", row.json(api.hub.projection::<Tally>().at_location(row.id)), query)
}
