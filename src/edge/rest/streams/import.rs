//! `POST /api/v1/streams/bulk_import`: many posts in one request, each judged and added like any other (`streams.md` 4.7).

use actix_web::{HttpResponse, http::StatusCode, web};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use trunkline_actors::{
    Hub,
    accounts::policy::permission::STREAMS_IMPORT,
    moderation::Submitted,
    streams::{stream::Draft, writing},
};
use trunkline_protocol::{Position, Refusal, RefusalKind};

use super::{answer, has};
use crate::edge::{Api, Caller, Problem, body::Document};

/// Streams of one request.
const ITEMS_MAX: usize = 10_000;
/// Posts under way at once: enough that they share the journal's barriers.
const UNDER_WAY_MAX: usize = 64;

/// What became of one of them.
enum Came {
    Created(Position),
    Known(Position),
    Held,
    Failed(Vec<String>),
}

pub(super) async fn import(api: web::Data<Api>, caller: Caller, body: Document) -> Result<HttpResponse, Problem> {
    if !has(api.streams.bulk_import, &caller) || !caller.may(STREAMS_IMPORT) {
        return Err(Problem::forbidden().with("error", "Bulk import is not currently available"));
    }
    let wanted = match body.0 {
        Value::Array(items) => items,
        Value::Object(mut members) => match members.remove("streams") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    if wanted.len() > ITEMS_MAX {
        let sentence = format!("At most {ITEMS_MAX} streams may be imported at once");
        return Err(Refusal::new(RefusalKind::Invalid, "TOO_MANY_ITEMS", sentence).into());
    }
    let posts = wanted.into_iter().map(|item| post(&api.hub, &caller, item));
    let came: Vec<Came> = stream::iter(posts).buffered(UNDER_WAY_MAX).collect().await;
    let position = came.iter().map(|came| match came {
        Came::Created(position) | Came::Known(position) => *position,
        Came::Held | Came::Failed(_) => 0,
    });
    if let Some(position) = position.max().filter(|position| *position > 0) {
        api.hub.seen(position).await?;
    }
    let count = |wanted: fn(&Came) -> bool| came.iter().filter(|came| wanted(came)).count();
    let errors: Vec<Value> = came
        .iter()
        .enumerate()
        .filter_map(|(index, came)| match came {
            Came::Failed(errors) => Some(json!({"index": index, "errors": errors})),
            Came::Created(_) | Came::Known(_) | Came::Held => None,
        })
        .collect();
    let results: Vec<&str> = came.iter().map(Came::word).collect();
    let body = json!({
        "imported": count(|came| matches!(came, Came::Created(_))),
        "failed": errors.len(),
        "duplicates": count(|came| matches!(came, Came::Known(_))),
        "held": count(|came| matches!(came, Came::Held)),
        "total": came.len(),
        "errors": errors,
        // One word for each item, in order: a progress can be told line by line.
        "results": results,
    });
    Ok(answer::json(StatusCode::OK, &body))
}

impl Came {
    fn word(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Known(_) => "duplicate",
            Self::Held => "held",
            Self::Failed(_) => "failed",
        }
    }
}

async fn post(hub: &Hub, caller: &Caller, item: Value) -> Came {
    let Value::Object(members) = item else { return Came::Failed(vec!["Each stream must be an object".to_owned()]) };
    let draft = match Draft::try_from(&members) {
        Ok(draft) => draft,
        Err(refusal) => return Came::Failed(refusal.messages()),
    };
    match writing::submit(hub, draft, hub.asking(caller)).await {
        Ok(Submitted::Made(added)) if added.created => Came::Created(added.position),
        Ok(Submitted::Made(added)) => Came::Known(added.position),
        Ok(Submitted::Held { .. }) => Came::Held,
        Err(error) => Came::Failed(Problem::from(error).messages()),
    }
}
