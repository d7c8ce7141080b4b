//! The local issuer: publishes the keys by which session tokens are verified, and deletes any user, as Clerk's API
//! does. It hands out no tokens; `cargo xtask token` does, which has the private key.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Serves `/.well-known/jwks.json` from the file, read anew for each request, so that keys can be rotated by hand.
pub(crate) async fn serve(listener: TcpListener, jwks: PathBuf) {
    let jwks = Arc::new(jwks);
    loop {
        // A failed accept is a connection that went away, or no file descriptor left: neither ends the service.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let jwks = Arc::clone(&jwks);
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let jwks = Arc::clone(&jwks);
                async move { Ok::<_, Infallible>(answer(request.method(), request.uri().path(), &jwks).await) }
            });
            // An error is the client's: it hung up, or did not speak HTTP.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(method: &Method, path: &str, jwks: &PathBuf) -> Response<Full<Bytes>> {
    if let (&Method::DELETE, Some(user)) = (method, path.strip_prefix("/v1/users/")) {
        return json(
            StatusCode::OK,
            format!(r#"{{"object":"user","id":"{}","deleted":true}}"#, user.escape_default()).into_bytes(),
        );
    }
    let (status, body) = match (method, path) {
        (&Method::GET, "/.well-known/jwks.json") => match tokio::fs::read(jwks).await {
            Ok(keys) => (StatusCode::OK, keys),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, br#"{"error":"the key file cannot be read"}"#.to_vec()),
        },
        _ => (StatusCode::NOT_FOUND, br#"{"error":"only GET /.well-known/jwks.json is here"}"#.to_vec()),
    };
    json(status, body)
}

fn json(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_keys_are_served() {
        let missing = PathBuf::from("/nonexistent/jwks.json");
        let keys = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let status = async |path: &str, file: &PathBuf| answer(&Method::GET, path, file).await.status();
        assert_eq!(status("/.well-known/jwks.json", &keys).await, StatusCode::OK);
        assert_eq!(status("/.well-known/jwks.json", &missing).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status("/", &keys).await, StatusCode::NOT_FOUND);
    }
}
