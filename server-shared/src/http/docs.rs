//! `/docs` and `/openapi.json`: the specification for people and for programs, from the binary.

use std::sync::OnceLock;

use bytes::Bytes;
use poem::{Endpoint, Response, endpoint::make_sync, http::header};
use poem_openapi::OpenApiService;

/// Policy of the page, which is one file with its scripts inside: it may load nothing from elsewhere.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Returns the endpoint of Swagger UI, which loads nothing else. The page has some megabytes, so it is made at the
/// first request for it.
pub fn page(specification: Bytes) -> impl Endpoint<Output = Response> + 'static {
    let html = OnceLock::new();
    make_sync(move |_| {
        let html = html.get_or_init(|| Bytes::from(swagger_ui(&String::from_utf8_lossy(&specification))));
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
            .body(html.clone())
    })
}

/// Returns the endpoint of the specification as JSON.
pub fn specification(specification: Bytes) -> impl Endpoint<Output = Response> + 'static {
    make_sync(move |_| Response::builder().content_type("application/json").body(specification.clone()))
}

/// Makes the page. poem-openapi puts its own specification into it; that of an empty service is put there and replaced.
fn swagger_ui(specification: &str) -> String {
    let nothing = OpenApiService::new((), "", "");
    // A `</script>` inside the document would end the page's script.
    let embedded = specification.replace("</", "<\\/");
    nothing.swagger_ui_html().replace(&nothing.spec(), &embedded)
}

#[cfg(test)]
mod tests {
    use super::swagger_ui;

    #[test]
    fn the_page_holds_the_specification_and_no_end_of_its_script() {
        let page = swagger_ui("{ \"openapi\": \"3.0.3\", \"description\": \"</script>planted\" }");
        assert!(page.contains("\"openapi\": \"3.0.3\"") && page.contains("<\\/script>planted"));
        assert!(!page.contains("</script>planted"));
    }
}
