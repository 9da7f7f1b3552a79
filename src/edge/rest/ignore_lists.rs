//! `/ignore_lists` (`streams.md` section 6): who and what is not wanted.

use actix_web::{HttpRequest, HttpResponse, http::Method, web::Data};
use serde_json::{Map, Value, json};
use trunkline_actors::{
    accounts::policy::permission::{IGNORE_LISTS_READ, IGNORE_LISTS_WRITE},
    streams::{
        given,
        ignore_list::{self, EntryWish, IgnoreLists, ListType},
    },
};

use super::listing::{self, Paging};
use crate::edge::{
    Api, Body, Caller, Id, LargeBody, Problem, Query,
    openapi::{
        Table, operation, resource,
        shapes::{
            Pages,
            ignore_lists::{
                BulkCreate, BulkCreated, BulkDelete, BulkDeleted, IgnoreEntry, IgnoreFields, IgnoreFilter, IgnorePage,
                IgnoredByType,
            },
        },
    },
};

type Answer = Result<HttpResponse, Problem>;
/// Entries of one bulk creation, and ids of one bulk deletion.
const BULK_MAX: usize = 10_000;

pub fn routes(api: &mut Table) {
    let reads = |summary| operation(summary).needs(IGNORE_LISTS_READ);
    let writes = |summary| operation(summary).needs(IGNORE_LISTS_WRITE);
    let fields = |summary| writes(summary).body_under::<IgnoreFields>("ignore_list");
    let list = reads("List entries").query::<IgnoreFilter>().query::<Pages>().answers::<IgnorePage>(200, "A page of entries.");
    let all = reads("Every value, by list").answers::<IgnoredByType>(200, "Every value.");
    let create_many = writes("Add many entries").about("201 always: what could be listed is, and the rest is told why not.");
    let remove_many = writes("Take many entries off").about("The ids may also stand in the query, as `ids[]=`.");
    api.about("ignore lists")
        .service(
            resource("/ignore_lists")
                .get(index, list)
                .post(create, fields("Add an entry").answers::<IgnoreEntry>(201, "It was added.")),
        )
        .service(resource("/ignore_lists/by_type").get(by_type, all))
        .service(
            resource("/ignore_lists/bulk_create").app_data(LargeBody).post(
                create_all,
                create_many.json::<BulkCreate>().answers::<BulkCreated>(201, "What was added, and what was not."),
            ),
        )
        .service(resource("/ignore_lists/bulk_delete").on(
            [Method::DELETE, Method::POST],
            remove_all,
            remove_many.json::<BulkDelete>().answers::<BulkDeleted>(200, "How many there were."),
        ))
        .service(
            resource("/ignore_lists/{id}")
                .get(show, reads("Show an entry").answers::<IgnoreEntry>(200, "The entry."))
                .change(change, fields("Change an entry").answers::<IgnoreEntry>(200, "The entry, changed."))
                .delete(remove, writes("Take an entry off").nothing(204, "It is gone.")),
        );
}

async fn index(api: Data<Api>, caller: Caller, query: Query) -> Answer {
    caller.require(IGNORE_LISTS_READ)?;
    let rows = match query.get("list_type").map(ListType::read) {
        // A list that there is not has no entries.
        Some(None) => Vec::new(),
        list_type => api.hub.projection::<IgnoreLists>().list(list_type.flatten(), query.get("search")),
    };
    let paging = Paging::of(&query);
    let shown: Vec<_> = paging.cut(&rows).iter().map(|row| row.json()).collect();
    Ok(HttpResponse::Ok().json(json!({"ignore_lists": shown, "meta": paging.meta(rows.len())})))
}

async fn by_type(api: Data<Api>, caller: Caller, request: HttpRequest) -> Answer {
    caller.require(IGNORE_LISTS_READ)?;
    Ok(listing::kept(&request, &Value::Object(api.hub.projection::<IgnoreLists>().by_type()), 0))
}

async fn show(api: Data<Api>, caller: Caller, Id(id): Id) -> Answer {
    caller.require(IGNORE_LISTS_READ)?;
    Ok(HttpResponse::Ok().json(row(&api, id)?))
}

async fn create(api: Data<Api>, caller: Caller, body: Body) -> Answer {
    let wish = EntryWish::from(&body.unwrapped("ignore_list"));
    let (id, position) = ignore_list::create(&api.hub, api.hub.asking(&caller), wish).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::Created().json(row(&api, id)?))
}

async fn change(api: Data<Api>, caller: Caller, Id(id): Id, body: Body) -> Answer {
    let wish = EntryWish::from(&body.unwrapped("ignore_list"));
    let position = ignore_list::change(&api.hub, api.hub.asking(&caller), id, wish).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::Ok().json(row(&api, id)?))
}

async fn remove(api: Data<Api>, caller: Caller, Id(id): Id) -> Answer {
    let position = ignore_list::remove(&api.hub, api.hub.asking(&caller), id).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// 201 always: what could be listed is, and the rest is told why not.
async fn create_all(api: Data<Api>, caller: Caller, body: Body) -> Answer {
    caller.require(IGNORE_LISTS_WRITE)?;
    let Some(Value::Array(entries)) = body.get("entries") else {
        return Err(Problem::malformed("entries must be a list of {list_type, value, notes}"));
    };
    if entries.len() > BULK_MAX {
        return Err(Problem::malformed(format!("At most {BULK_MAX} entries can be created at once")));
    }
    let none = Map::new();
    let wishes = entries.iter().map(|entry| EntryWish::from(entry.as_object().unwrap_or(&none))).collect();
    let outcomes = ignore_list::create_all(&api.hub, &api.hub.asking(&caller), wishes).await?;
    let latest = outcomes.iter().flatten().map(|(_, position)| *position).max().unwrap_or_default();
    api.hub.seen(latest).await?;
    let (mut created, mut errors) = (Vec::new(), Vec::new());
    for (entry, outcome) in entries.iter().zip(outcomes) {
        match outcome {
            Ok((id, _)) => created.push(row(&api, id)?),
            Err(error) => errors.push(json!({"value": entry.get("value"), "errors": Problem::from(error).messages()})),
        }
    }
    Ok(HttpResponse::Created().json(json!({"created": created, "errors": errors})))
}

/// The ids may stand in the body or in the query; those that name nothing are passed over.
async fn remove_all(api: Data<Api>, caller: Caller, query: Query, body: Body) -> Answer {
    let parse = |text: &str| text.parse::<u64>().ok();
    let mut ids: Vec<u64> = query.list("ids").into_iter().filter_map(parse).collect();
    if let Some(Value::Array(listed)) = body.get("ids") {
        ids.extend(listed.iter().filter_map(|id| parse(&given::spelled(id)?)));
    }
    if ids.len() > BULK_MAX {
        return Err(Problem::malformed(format!("At most {BULK_MAX} entries can be deleted at once")));
    }
    let (deleted, position) = ignore_list::remove_all(&api.hub, &api.hub.asking(&caller), &ids).await?;
    api.hub.seen(position).await?;
    Ok(HttpResponse::Ok().json(json!({"deleted_count": deleted})))
}

fn row(api: &Api, id: u64) -> Result<Value, Problem> {
    Ok(api.hub.projection::<IgnoreLists>().get(id).ok_or_else(Problem::not_found)?.json())
}
