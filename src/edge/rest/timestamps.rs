//! `/timestamps`, also called `/annotations` (`streams.md` 7.2): moments worth finding again.

use std::time::Duration;

use actix_web::{HttpResponse, web::Data};
use serde_json::{Value, json};
use trunkline_actors::{
    accounts::policy::permission::{TIMESTAMPS_READ, TIMESTAMPS_WRITE},
    streams::timestamp::{self, AnnotationFilter, Annotations, NoteChange, Priority, Resolution, TieWish},
};
use trunkline_protocol::Timestamp;

use super::listing::Paging;
use crate::edge::{
    Api, Body, Caller, Id, Problem, Query,
    openapi::{
        Table, operation, resource,
        shapes::{
            Pages,
            timestamps::{Annotation, AnnotationFields, AnnotationFilter as Wanted, AnnotationPage, TieFields},
        },
    },
};

type Answer = Result<HttpResponse, Problem>;

pub fn routes(api: &mut Table) {
    let list = operation("List annotations").needs(TIMESTAMPS_READ).query::<Wanted>().query::<Pages>();
    let list = list.about("The newest moment first.").answers::<AnnotationPage>(200, "A page of annotations.");
    let written = |summary| operation(summary).needs(TIMESTAMPS_WRITE);
    let fields = |summary| written(summary).body_under::<AnnotationFields>("timestamp");
    for name in ["/timestamps", "/annotations"] {
        api.about("timestamps")
            .service(
                resource(name)
                    .get(index, list.clone())
                    .post(create, fields("Add an annotation").answers::<Annotation>(201, "It was added.")),
            )
            .service(
                resource(&format!("{name}/{{id}}"))
                    .get(show, operation("Show an annotation").needs(TIMESTAMPS_READ).answers::<Annotation>(200, "The annotation."))
                    .change(change, fields("Change an annotation").answers::<Annotation>(200, "The annotation, changed."))
                    .delete(remove, written("Delete an annotation").nothing(204, "It is gone.")),
            )
            .service(resource(&format!("{name}/{{id}}/add_stream")).post(
                add_stream,
                written("Say in which stream it happened").body::<TieFields>().answers::<Annotation>(200, "The annotation."),
            ));
    }
}

async fn index(api: Data<Api>, caller: Caller, query: Query) -> Answer {
    caller.require(TIMESTAMPS_READ)?;
    let paging = Paging::of(&query);
    let rows = match wanted(&query) {
        Some(filter) => api.hub.projection::<Annotations>().list(&filter),
        None => Vec::new(),
    };
    let shown: Vec<_> = paging.cut(&rows).iter().map(|row| row.json()).collect();
    Ok(HttpResponse::Ok().json(json!({"timestamps": shown, "annotations": shown, "meta": paging.meta(rows.len())})))
}

async fn show(api: Data<Api>, caller: Caller, Id(id): Id) -> Answer {
    caller.require(TIMESTAMPS_READ)?;
    Ok(HttpResponse::Ok().json(row(&api, id)?))
}

async fn create(api: Data<Api>, caller: Caller, body: Body) -> Answer {
    let wanted = NoteChange::try_from(&members(body))?;
    let (id, position) = timestamp::create(&api.hub, api.hub.asking(&caller), wanted).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::Created().json(row(&api, id)?))
}

async fn change(api: Data<Api>, caller: Caller, Id(id): Id, body: Body) -> Answer {
    let wanted = NoteChange::try_from(&members(body))?;
    let position = timestamp::change(&api.hub, api.hub.asking(&caller), id, wanted).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::Ok().json(row(&api, id)?))
}

async fn add_stream(api: Data<Api>, caller: Caller, Id(id): Id, body: Body) -> Answer {
    let tie = TieWish::try_from(&*body)?;
    let position = timestamp::tie(&api.hub, api.hub.asking(&caller), id, tie).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::Ok().json(row(&api, id)?))
}

async fn remove(api: Data<Api>, caller: Caller, Id(id): Id) -> Answer {
    let position = timestamp::remove(&api.hub, api.hub.asking(&caller), id).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The filter; `None` where something is asked for that nothing can be.
fn wanted(query: &Query) -> Option<AnnotationFilter> {
    let stream = match query.id("stream_id") {
        Some(None) => return None,
        stream => stream.flatten(),
    };
    let (priority, status) = (query.get("priority").map(Priority::read), query.get("status").map(Resolution::read));
    if priority == Some(None) || status == Some(None) {
        return None;
    }
    // A bare date means that day to its end.
    let day = query.get("end_date").is_some_and(|text| text.len() == "2024-01-01".len());
    let last = if day { Duration::from_millis(24 * 3600 * 1000 - 1) } else { Duration::ZERO };
    Some(AnnotationFilter {
        stream,
        search: query.get("search").map(str::to_owned),
        from: query.moment("start_date"),
        to: query.moment("end_date").map(|to: Timestamp| to.plus(last)),
        priority: priority.flatten(),
        status: status.flatten(),
    })
}

/// Flat, or under the name of either dialect; a flat `timestamp` is a text, so it is never taken for the wrapper.
fn members(mut body: Body) -> serde_json::Map<String, Value> {
    for wrapper in ["timestamp", "annotation"] {
        if body.get(wrapper).is_some_and(Value::is_object) {
            return std::mem::take(&mut body).unwrapped(wrapper);
        }
    }
    body.0
}

fn row(api: &Api, id: u64) -> Result<Value, Problem> {
    Ok(Value::Object(api.hub.projection::<Annotations>().get(id).ok_or_else(Problem::not_found)?.json()))
}
