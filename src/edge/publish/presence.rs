//! GET /api/presence/STREAM/users: who has joined a stream (`cable.md` 2.6), for whoever holds the key of `/api/publish`. The name of a stream
//! may hold anything, a slash too, as it is or encoded.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header::ContentType},
    web,
};
use percent_encoding::percent_decode_str;
use trunkline_protocol::Topic;

use super::{PRESENCE, PublishDesk, closed, holds};
use crate::edge::Problem;

pub(super) async fn users(desk: web::Data<PublishDesk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let key = desk.keys.api.as_deref().ok_or_else(closed)?;
    if !holds(key, &request) {
        return Err(Problem::unauthenticated());
    }
    let nothing = || Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", "There is nothing at this address");
    let stream = stream(request.uri().path()).ok_or_else(nothing)?;
    if request.method() != Method::GET {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "NOT_A_GET", "One asks who is there with GET"));
    }
    let told = desk.hub.attendance().info(&Topic::pubsub(stream), true);
    Ok(HttpResponse::Ok().insert_header(ContentType::json()).body(told))
}

/// The stream that a path names.
fn stream(path: &str) -> Option<String> {
    let name = path.strip_prefix(PRESENCE)?.strip_suffix("/users").filter(|name| !name.is_empty())?;
    percent_decode_str(name).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_any_name_of_a_stream_and_no_other_path() {
        let read = |path: &str| stream(&format!("/api/presence/{path}"));
        for (path, name) in
            [("chat/users", "chat"), ("chat%2F1/users", "chat/1"), ("chat/1/users", "chat/1"), ("a+b%25/users", "a+b%")]
        {
            assert_eq!(read(path).as_deref(), Some(name), "{path}");
        }
        assert_eq!(read("%C3%A9/users/users").as_deref(), Some("é/users"));
        for path in ["", "users", "/users", "chat", "chat/", "%ff/users"] {
            assert_eq!(read(path), None, "{path}");
        }
    }
}
