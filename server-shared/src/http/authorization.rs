//! The `Authorization` header.

use poem::{Request, http::header};

/// Returns the bearer token of a request. The scheme's name is case-insensitive (RFC 9110, section 11.1).
pub fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_tokens_are_taken() {
        let with = |value: &str| Request::builder().header("authorization", value).finish();
        assert_eq!(bearer(&with("bearer  abc")), Some("abc"));
        assert_eq!(bearer(&with("Basic abc")), None);
        assert_eq!(bearer(&Request::builder().finish()), None);
    }
}
