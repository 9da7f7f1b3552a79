//! The first page: a live list of streams, served from inside the binary. Read-only and without anything from elsewhere; what it shows it
//! reads as an ordinary client of `/api` and `/cable`.

use actix_web::{
    HttpResponse,
    body::MessageBody,
    http::header,
    web::{self, ServiceConfig},
};
use serde_json::json;

use super::Api;
use crate::cli::demo_accounts;

/// Nothing inline, nothing from elsewhere, in nobody's frame.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Mounts the page and its parts.
pub fn routes(root: &mut ServiceConfig) {
    root.service(web::resource("/").route(web::get().to(page)))
        .service(web::resource("/page/page.js").route(web::get().to(script)))
        .service(web::resource("/page/page.css").route(web::get().to(style)))
        .service(web::resource("/page/icon.svg").route(web::get().to(icon)))
        .service(web::resource("/favicon.ico").route(web::get().to(icon)))
        .service(web::resource("/page/about.json").route(web::get().to(about)));
}

async fn page() -> HttpResponse {
    part("text/html; charset=utf-8", include_str!("page/index.html"))
}
async fn script() -> HttpResponse {
    part("text/javascript; charset=utf-8", include_str!("page/page.js"))
}
async fn style() -> HttpResponse {
    part("text/css; charset=utf-8", include_str!("page/page.css"))
}
async fn icon() -> HttpResponse {
    part("image/svg+xml", include_str!("page/icon.svg"))
}

/// The version, and in a demo whom one may be.
async fn about(api: web::Data<Api>) -> HttpResponse {
    let accounts = if api.config.demo { demo_accounts() } else { Vec::new() };
    HttpResponse::Ok().json(json!({"version": env!("CARGO_PKG_VERSION"), "demo_accounts": accounts}))
}

/// A part of a page.
pub(super) fn part(kind: &str, content: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        // A few kilobytes from memory; what matters is that a new binary is a new page.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(content)
}
