//! `/docs` and `/openapi.json`: the specification for people and for programs, from the binary.

use poem::{Endpoint, Response, endpoint::make_sync, http::header};

use super::document::Document;

/// The page is one file with its scripts inside; nothing is loaded from elsewhere, and the policy
/// holds it to that.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Swagger UI, offline.
pub fn page(document: &Document) -> impl Endpoint<Output = Response> + 'static {
    let html = document.swagger_html().to_owned();
    make_sync(move |_| {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
            .body(html.clone())
    })
}

/// The specification as JSON.
pub fn specification(document: &Document) -> impl Endpoint<Output = Response> + 'static {
    let text = document.text().to_owned();
    make_sync(move |_| Response::builder().content_type("application/json").body(text.clone()))
}
