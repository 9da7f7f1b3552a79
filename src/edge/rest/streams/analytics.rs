//! `GET /api/v1/streams/:id/analytics`: what the hub has measured of a stream (`streams.md` 4.7). Nobody reports viewers to the hub, so
//! their figures are zero, not invented.

use actix_web::{HttpResponse, http::StatusCode, web};
use serde_json::json;
use trunkline_actors::{
    accounts::policy::permission::STREAMS_READ,
    streams::stream::{Status, StreamState},
};
use trunkline_protocol::Timestamp;

use super::{answer, has, one};
use crate::edge::{Api, Caller, Id, Problem};

pub(super) async fn show(api: web::Data<Api>, caller: Caller, id: Id) -> Result<HttpResponse, Problem> {
    caller.require(STREAMS_READ)?;
    if !has(api.streams.analytics, &caller) {
        return Err(Problem::forbidden().with("error", "This feature is not currently available"));
    }
    let row = one::find(&api, id)?;
    let stream = row.stream();
    let body = json!({
        "stream_id": stream.id,
        "views_count": 0,
        "unique_viewers": 0,
        "average_watch_time": 0,
        "peak_concurrent_viewers": 0,
        "total_duration": duration_s(stream, api.hub.clock().now()),
        "average_viewers": 0,
        "peak_viewers": 0,
        "engagement_rate": 0.0,
        "changes_count": stream.version - 1,
        "last_updated": stream.updated_at,
    });
    Ok(answer::json(StatusCode::OK, &body))
}

/// From its start to its end; while it is live, to now; where nobody said that it ended, to when it was last looked at (4.8.3).
fn duration_s(stream: &StreamState, now: Timestamp) -> u64 {
    let Some(started) = stream.started_at else { return 0 };
    let seen = stream.last_live_at.max(stream.last_checked_at).unwrap_or(now);
    let until = stream.ended_at.unwrap_or(if stream.status == Status::Live { now } else { seen });
    until.since(started).as_secs()
}
