//! What may be asked over HTTP, said to programs (`GET /openapi.json`, OpenAPI 3.1) and to people (`GET /docs`). Both are folded from the
//! route table (`platform.md` 1.8): what is mounted is described, what is described is mounted.
//!
//! # Layout
//! - [`table`]: a line for each address, with its handlers
//! - [`operation`]: what a line says of itself
//! - [`shapes`]: bodies and answers
//! - `document`, `page`: what is served

pub mod table;
pub mod operation;
pub(crate) mod shapes;
mod document;
mod page;

pub use operation::{Operation, operation};
pub use table::{Resource, Table, resource};

use std::sync::OnceLock;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Data, ServiceConfig},
};

use super::{etag, page::part};

/// Both, once somebody has asked.
struct Pages {
    tables: fn(bool) -> Vec<Table>,
    demo_faults: bool,
    written: OnceLock<Written>,
}

struct Written {
    json: String,
    html: String,
    tag: String,
}

/// Mounts both. `tables` are those that are mounted beside them.
pub fn routes(root: &mut ServiceConfig, tables: fn(bool) -> Vec<Table>, demo_faults: bool) {
    root.app_data(Data::new(Pages { tables, demo_faults, written: OnceLock::new() }));
    root.service(web::resource("/openapi.json").route(web::get().to(json)))
        .service(web::resource("/docs").route(web::get().to(html)))
        .service(web::resource("/page/docs.css").route(web::get().to(style)));
}

impl Pages {
    fn written(&self) -> &Written {
        self.written.get_or_init(|| {
            let document = document::document((self.tables)(self.demo_faults));
            let json = document.to_string();
            Written { html: page::page(&document), tag: etag::of(json.as_bytes()), json }
        })
    }
}

async fn json(request: HttpRequest, pages: Data<Pages>) -> HttpResponse {
    let written = pages.written();
    if etag::is_known(request.headers(), &written.tag) {
        return HttpResponse::NotModified().insert_header((header::ETAG, written.tag.as_str())).finish();
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((header::ETAG, written.tag.as_str())).insert_header((header::CACHE_CONTROL, "no-cache"));
    response.content_type("application/json; charset=utf-8").body(written.json.clone())
}

async fn html(pages: Data<Pages>) -> HttpResponse {
    part("text/html; charset=utf-8", pages.written().html.clone())
}

async fn style() -> HttpResponse {
    part("text/css; charset=utf-8", include_str!("openapi/docs.css"))
}
