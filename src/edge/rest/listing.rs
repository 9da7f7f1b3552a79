//! What the lists of this table share: pages with their meta, objects under their name, and answers that a client may keep.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::edge::{Query, etag};

/// A page of a list, as asked for: hostile numbers become sensible ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// Counts from 1.
    pub page: usize,
    /// Rows of it.
    pub per_page: usize,
}

/// Where a page stands in its list (`streams.md` 4.2).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PageMeta)]
pub struct Meta {
    current_page: usize,
    total_pages: usize,
    total_count: usize,
    per_page: usize,
    next_page: Option<usize>,
    prev_page: Option<usize>,
}

impl Paging {
    /// Reads `page` and `per_page` (1 to 100; 25 where absent).
    pub fn of(query: &Query) -> Self {
        let number = |name, default, range| usize::try_from(query.number(name, default, range)).unwrap_or(usize::MAX);
        // A page so far out that it is empty either way, and page × per_page cannot overflow.
        Self { page: number("page", 1, 1..=1 << 32), per_page: number("per_page", 25, 1..=100) }
    }
    /// The rows of this page; none beyond the end.
    pub fn cut<'a, T>(&self, rows: &'a [T]) -> &'a [T] {
        let start = (self.page - 1).saturating_mul(self.per_page).min(rows.len());
        &rows[start..(start + self.per_page).min(rows.len())]
    }
    /// This page of a list of so many rows.
    pub fn meta(&self, total: usize) -> Meta {
        let pages = total.div_ceil(self.per_page);
        Meta {
            current_page: self.page,
            total_pages: pages,
            total_count: total,
            per_page: self.per_page,
            next_page: (self.page < pages).then_some(self.page + 1),
            prev_page: (self.page > 1).then_some(self.page - 1),
        }
    }
}

/// An object bare and once more under its name (`streams.md` C1); with `?wrap=data` also under `data`.
pub fn named(name: &str, object: Map<String, Value>, query: &Query) -> Value {
    let mut bare = object.clone();
    if query.get("wrap") == Some("data") {
        bare.insert("data".to_owned(), Value::Object(object.clone()));
    }
    bare.insert(name.to_owned(), Value::Object(object));
    Value::Object(bare)
}

/// 200 with an `ETag` of the content, or 304 where the client has it already. `private`: what is read with a token is nobody else's.
pub fn kept(request: &HttpRequest, body: &Value, max_age_s: u32) -> HttpResponse {
    let bytes = body.to_string();
    let tag = etag::of(bytes.as_bytes());
    let same = etag::is_known(request.headers(), &tag);
    let mut response = HttpResponse::build(if same { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    let age = if max_age_s == 0 { "private, no-cache".to_owned() } else { format!("private, max-age={max_age_s}") };
    response.insert_header((header::CACHE_CONTROL, age)).insert_header((header::ETAG, tag));
    if same {
        return response.finish();
    }
    response.content_type("application/json; charset=utf-8").body(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_pages_that_neither_repeat_nor_skip() {
        let rows: Vec<u32> = (0..60).collect();
        let page = |text: &str| Paging::of(&Query::parse(text));
        assert_eq!(page("page=3").cut(&rows), (50..60).collect::<Vec<_>>());
        assert_eq!(page("page=4").cut(&rows), [] as [u32; 0]);
        assert_eq!(page("page=99999999999999999999999&per_page=0").cut(&rows), [] as [u32; 0]);
        assert_eq!(page("page=-1&per_page=200"), page("page=1&per_page=100"));
        assert_eq!(page("page=2").meta(60).next_page, Some(3));
        assert_eq!(page("page=3").meta(60).next_page, None);
        assert_eq!(page("").meta(0).total_pages, 0);
    }
}
