//! What bodies and answers look like. Nothing is ever built of these: answers are written where they are made, in the spellings of their
//! readers, and `tests/it/openapi.rs` holds each of them against its shape. In an answer, a member that may be null is there all the same.

#![expect(dead_code, reason = "shapes are described, not built")]

pub mod accounts;
pub mod api_keys;
pub mod audit;
pub mod ignore_lists;
pub mod places;
pub mod publishing;
pub mod streams;
pub mod system;
pub mod timestamps;
pub mod words;

use utoipa::{IntoParams, ToSchema};

pub use crate::edge::rest::listing::Meta as PageMeta;
use words::Moment;

/// What every error is: a problem document (RFC 9457) with this hub's own members.
#[derive(ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells them apart.
    r#type: String,
    /// The status in words.
    title: String,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A sentence for people.
    detail: String,
    /// Stable, for programs: `NOT_FOUND`, `RATE_LIMITED`.
    code: String,
    /// The same sentence as `detail`.
    error: String,
    /// On 422: one sentence for each field.
    #[schema(required = false)]
    errors: Vec<String>,
    /// On 422: what is wrong, by field.
    #[schema(required = false, value_type = std::collections::HashMap<String, Vec<String>>)]
    details: (),
    /// The path that was asked.
    #[schema(required = false)]
    instance: String,
    /// Names the request, here and in the hub's log.
    #[schema(required = false)]
    request_id: String,
    /// What it is about, where that is not the resource itself.
    #[schema(required = false)]
    subject: String,
    /// On 503: the deployment says so.
    #[schema(required = false)]
    maintenance: bool,
}

/// Which page of a list, counted from 1.
#[derive(IntoParams)]
pub struct Pages {
    /// Which page; beyond the end it is empty.
    #[param(minimum = 1, default = 1)]
    page: Option<u64>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 100, default = 25)]
    per_page: Option<u64>,
}

/// Which part of a list, after what was had.
#[derive(IntoParams)]
pub struct After {
    /// `next_cursor` of the answer before.
    cursor: Option<String>,
    /// Rows at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u64>,
}

/// `wrap=data` is for old clients.
#[derive(IntoParams)]
pub struct Wrap {
    /// `data`: once more under `data`.
    #[param(value_type = Option<words::DataWord>, inline)]
    wrap: Option<String>,
}

/// An account, as it is shown beside what it made.
#[derive(ToSchema)]
pub struct Owner {
    id: u64,
    /// Null where the account is gone.
    email: Option<String>,
    role: Option<words::Role>,
    created_at: Option<Moment>,
    updated_at: Option<Moment>,
}
