//! `/streamers` (`streams.md` 7.1): who streams, and where their accounts are.

use actix_web::{HttpResponse, web::Data};
use serde_json::{Map, Value, json};
use trunkline_actors::{
    accounts::policy::permission::{STREAMERS_DELETE, STREAMERS_READ, STREAMERS_WRITE},
    streams::{
        streamer::{self, ProfileChange, StreamerRow, Streamers},
        tally::Tally,
    },
};

use super::listing::{self, Paging};
use crate::edge::{
    Api, Body, Caller, Id, Problem, Query,
    openapi::{
        Table, operation, resource,
        shapes::{
            Pages, Wrap,
            places::{OneStreamer, StreamerFields, StreamerFilter, StreamerPage},
        },
    },
};

type Answer = Result<HttpResponse, Problem>;

pub fn routes(api: &mut Table) {
    let list = operation("List streamers").needs(STREAMERS_READ).query::<StreamerFilter>().query::<Pages>();
    let show = operation("Show a streamer").needs(STREAMERS_READ).query::<Wrap>();
    let written = |summary| operation(summary).needs(STREAMERS_WRITE).query::<Wrap>().body_under::<StreamerFields>("streamer");
    api.about("streamers")
        .service(
            resource("/streamers")
                .get(index, list.answers::<StreamerPage>(200, "A page of streamers."))
                .post(create, written("Add a streamer").answers::<OneStreamer>(201, "They were added.")),
        )
        .service(
            resource("/streamers/{id}")
                .get(self::show, show.answers::<OneStreamer>(200, "The streamer."))
                .change(change, written("Change a streamer").answers::<OneStreamer>(200, "The streamer, changed."))
                .delete(remove, operation("Delete a streamer").needs(STREAMERS_DELETE).nothing(204, "They are gone.")),
        );
}

async fn index(api: Data<Api>, caller: Caller, query: Query) -> Answer {
    caller.require(STREAMERS_READ)?;
    let rows = api.hub.projection::<Streamers>().list(query.get("search"), query.get("platform"));
    let paging = Paging::of(&query);
    let shown: Vec<_> = paging.cut(&rows).iter().map(|row| counted(&api, row)).collect();
    // One client reads the list under `data`.
    Ok(HttpResponse::Ok().json(json!({"streamers": shown, "data": shown, "meta": paging.meta(rows.len())})))
}

async fn show(api: Data<Api>, caller: Caller, Id(id): Id, query: Query) -> Answer {
    caller.require(STREAMERS_READ)?;
    Ok(HttpResponse::Ok().json(whole(&api, id, &query)?))
}

async fn create(api: Data<Api>, caller: Caller, query: Query, body: Body) -> Answer {
    let wanted = ProfileChange::try_from(&body.unwrapped("streamer"))?;
    let (id, position) = streamer::create(&api.hub, api.hub.asking(&caller), wanted).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::Created().json(whole(&api, id, &query)?))
}

async fn change(api: Data<Api>, caller: Caller, Id(id): Id, query: Query, body: Body) -> Answer {
    let wanted = ProfileChange::try_from(&body.unwrapped("streamer"))?;
    let position = streamer::change(&api.hub, api.hub.asking(&caller), id, wanted).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::Ok().json(whole(&api, id, &query)?))
}

async fn remove(api: Data<Api>, caller: Caller, Id(id): Id) -> Answer {
    let position = streamer::remove(&api.hub, api.hub.asking(&caller), id).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn counted(api: &Api, row: &StreamerRow) -> Map<String, Value> {
    let count = api.hub.projection::<Tally>().of_streamer(row.id);
    row.json(count.all, count.active)
}

fn whole(api: &Api, id: u64, query: &Query) -> Result<Value, Problem> {
    let row = api.hub.projection::<Streamers>().get(id).ok_or_else(Problem::not_found)?;
    Ok(listing::named("streamer", counted(api, &row), query))
}
