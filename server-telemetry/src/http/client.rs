//! Reads the client of an ingest request.

use poem::{FromRequest, Request, RequestBody, Result, http::header};
use server_shared::http::client_ip::ClientIp;

use crate::compliance::Client;

impl<'a> FromRequest<'a> for Client {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> Result<Self> {
        // Of several values, any that asks counts.
        let asks =
            |name: &str| request.headers().get_all(name).iter().any(|value| value.as_bytes().trim_ascii() == b"1");
        let user_agent = request.header(header::USER_AGENT).map(str::to_owned);
        Ok(Self::new(ClientIp::of(request), user_agent, asks("sec-gpc") || asks("dnt")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_headers_ask_not_to_be_tracked() {
        for (name, value, expected) in
            [("sec-gpc", "1", true), ("dnt", "1", true), ("dnt", "0", false), ("accept", "1", false)]
        {
            let (request, mut body) = Request::builder().header(name, value).finish().split();
            let client = Client::from_request(&request, &mut body).await.unwrap();
            assert_eq!(client.opted_out, expected, "{name}: {value}");
        }
        let (request, mut body) = Request::builder().header("dnt", "0").header("dnt", "1").finish().split();
        assert!(Client::from_request(&request, &mut body).await.unwrap().opted_out, "one of two asks");
    }
}
