//! The S3 server: `s3s-fs` behind a layer that lets browsers upload to presigned addresses.

use std::path::Path;

use anyhow::{Result, anyhow};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError};
use tokio::net::TcpListener;

/// An S3 service that keeps each bucket as a directory in `root` and accepts requests signed with this one key.
pub(crate) fn service(root: &Path, access_key: &str, secret_key: &str) -> Result<S3Service> {
    let files = s3s_fs::FileSystem::new(root).map_err(|error| anyhow!("cannot use {}: {error:?}", root.display()))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
    Ok(builder.build())
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, service: S3Service) {
    loop {
        // A failed accept is a connection that went away, or no file descriptor left: neither ends the service.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let service = service.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(service.clone(), request));
            // An error is the client's: it hung up, or did not speak HTTP.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(service: S3Service, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
    if request.method() == Method::OPTIONS {
        return Ok(preflight(request.headers()));
    }
    let mut response = service.call(request.map(Body::from)).await?;
    let headers = response.headers_mut();
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    headers.insert("access-control-expose-headers", HeaderValue::from_static("etag, x-amz-version-id"));
    Ok(response)
}

/// Allows what the browser asks for. s3s has no CORS and answers a preflight with 501; what protects the objects is the
/// signature in the address, not the page's origin.
fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    headers.insert("access-control-max-age", HeaderValue::from_static("600"));
    for (request, answer) in [
        ("access-control-request-method", "access-control-allow-methods"),
        ("access-control-request-headers", "access-control-allow-headers"),
    ] {
        if let Some(value) = asked.get(request) {
            headers.insert(HeaderName::from_static(answer), value.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preflight_is_granted_what_it_asks() {
        let mut asked = HeaderMap::new();
        asked.insert("access-control-request-method", HeaderValue::from_static("PUT"));
        let response = preflight(&asked);
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()["access-control-allow-methods"], "PUT");
        assert!(!response.headers().contains_key("access-control-allow-headers"));
    }
}
