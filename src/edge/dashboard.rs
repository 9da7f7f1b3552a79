//! Serves the built web pages from inside the binary: `dashboard/`, an ordinary client of `/api` and `/cable`. What was not built is not
//! here; then the plain first page (`page.rs`) stands in its place. It knows nothing of what the pages show.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
    web::{self, ServiceConfig},
};

use super::{etag, page::POLICY};

/// One file of the pages, as `build.rs` found it.
struct Page {
    address: &'static str,
    kind: &'static str,
    tag: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
}

const PAGES: &[Page] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Whether this binary holds the full pages.
#[must_use]
pub const fn is_built() -> bool {
    !PAGES.is_empty()
}

/// Mounts the pages where they were built. To be mounted before the plain page, whose place they take.
pub fn routes(root: &mut ServiceConfig) {
    for page in PAGES {
        let address = if page.address == "/index.html" { "/" } else { page.address };
        root.service(
            web::resource(address).route(web::get().to(move |request: HttpRequest| async move { page.answer(request.headers()) })),
        );
    }
}

impl Page {
    fn answer(&self, asked: &HeaderMap) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response
            .insert_header((header::CONTENT_TYPE, self.kind))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .insert_header((header::VARY, "Accept-Encoding"))
            .insert_header((header::ETAG, self.tag));
        // Vite writes the content's hash into the names under /assets; whatever else there is may change with the next binary.
        let lasting = self.address.starts_with("/assets/");
        let cache = if lasting { "public, max-age=31536000, immutable" } else { "no-cache" };
        response.insert_header((header::CACHE_CONTROL, cache));
        if etag::is_known(asked, self.tag) {
            return HttpResponse::NotModified()
                .insert_header((header::ETAG, self.tag))
                .insert_header((header::CACHE_CONTROL, cache))
                .finish();
        }
        let accepted = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let (encoding, bytes) = self.encoded(accepted.unwrap_or_default());
        if let Some(encoding) = encoding {
            response.insert_header((header::CONTENT_ENCODING, encoding));
        }
        response.body(bytes)
    }
    /// The smallest form that the client reads.
    fn encoded(&self, accepted: &str) -> (Option<&'static str>, &'static [u8]) {
        let reads = |name: &str| {
            accepted.split(',').any(|range| {
                let mut parts = range.split(';').map(str::trim);
                parts.next() == Some(name) && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
            })
        };
        match (self.brotli, self.gzip) {
            (Some(bytes), _) if reads("br") => (Some("br"), bytes),
            (_, Some(bytes)) if reads("gzip") => (Some("gzip"), bytes),
            _ => (None, self.plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Page = Page {
        address: "/assets/a.js",
        kind: "text/javascript",
        tag: "\"1\"",
        plain: b"plain",
        gzip: Some(b"gz"),
        brotli: Some(b"br"),
    };

    #[test]
    fn sends_the_smallest_form_that_the_client_reads() {
        assert_eq!(PAGE.encoded("gzip, deflate, br"), (Some("br"), &b"br"[..]));
        assert_eq!(PAGE.encoded("gzip, br;q=0"), (Some("gzip"), &b"gz"[..]));
        assert_eq!(PAGE.encoded(""), (None, &b"plain"[..]));
    }
}
