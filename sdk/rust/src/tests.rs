//! Credentials and retries, against a stand-in service on a local port.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a panic with a clear message is how a test fails"
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use reqwest::{Method, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::auth::Credential;
use crate::support::{Inner, Settings};
use crate::{AccessToken, BuildError, ClientBuilder, Retries, TokenSource};

/// A service that gives the listed answers in turn, the last one again and again.
struct Service {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/thing", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            for number in 0.. {
                let (mut connection, _) = listener.accept().await.unwrap();
                let request = request_read(&mut connection).await;
                log.lock().unwrap().push(request);
                let answer = answers.get(number).or(answers.last()).unwrap();
                let text = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                connection.write_all(text.as_bytes()).await.unwrap();
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn request(&self, method: Method) -> Request {
        Request::new(method, self.url.parse().unwrap())
    }
}

/// The head and body of a request, in lower case.
async fn request_read(connection: &mut tokio::net::TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let length = connection.read(&mut buffer).await.unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..length]).to_lowercase());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length == 0 || body.len() >= announced.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}

fn http() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().build().unwrap()
}

fn inner(credential: Credential) -> Inner {
    let retries = Retries { first_wait: Duration::from_millis(1), ..Retries::default() };
    Inner::new(Settings { credential, organization: Some(42), retries, remembers_keys: false })
}

async fn send(inner: &Inner, mut request: Request) -> reqwest::Result<Response> {
    inner.prepare::<()>(&mut request).await.unwrap();
    inner.execute(&http(), request).await
}

#[tokio::test]
async fn a_get_is_tried_again_until_the_service_is_back() {
    let service = Service::start(&["503 Down", "429 Busy", "200 OK"]).await;
    let answer = send(&inner(Credential::None), service.request(Method::GET)).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(service.seen().len(), 3);
}

#[tokio::test]
async fn attempts_are_bounded() {
    let service = Service::start(&["503 Down"]).await;
    let answer = send(&inner(Credential::None), service.request(Method::PUT)).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(service.seen().len(), 3);
}

#[tokio::test]
async fn a_post_is_tried_again_only_with_an_idempotency_key_and_with_its_body() {
    let service = Service::start(&["503 Down"]).await;
    let inner = inner(Credential::None);
    let mut request = service.request(Method::POST);
    *request.body_mut() = Some("body".into());
    send(&inner, request.try_clone().unwrap()).await.unwrap();
    assert_eq!(service.seen().len(), 1);

    request.headers_mut().insert("Idempotency-Key", "k".parse().unwrap());
    send(&inner, request).await.unwrap();
    let seen = service.seen();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|request| request.ends_with("\r\n\r\nbody")), "{seen:?}");
}

#[tokio::test]
async fn a_post_that_is_still_being_carried_out_is_asked_for_again_with_its_key() {
    let inner = inner(Credential::None);
    let post = |service: &Service, key: Option<&str>| {
        let mut request = service.request(Method::POST);
        if let Some(key) = key {
            request.headers_mut().insert("Idempotency-Key", key.parse().unwrap());
        }
        request
    };
    let busy = Service::start(&["409 Conflict\r\nRetry-After: 0", "201 Created"]).await;
    assert_eq!(send(&inner, post(&busy, Some("k"))).await.unwrap().status(), 201);
    let seen = busy.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|request| request.contains("idempotency-key: k\r\n")), "{seen:?}");

    let unkeyed = Service::start(&["409 Conflict\r\nRetry-After: 0", "201 Created"]).await;
    assert_eq!(send(&inner, post(&unkeyed, None)).await.unwrap().status(), 409);
    let taken = Service::start(&["409 Conflict", "201 Created"]).await;
    assert_eq!(send(&inner, post(&taken, Some("k"))).await.unwrap().status(), 409);
    assert_eq!((unkeyed.seen().len(), taken.seen().len()), (1, 1), "other conflicts stand");
}

#[tokio::test]
async fn a_service_that_remembers_keys_gets_the_same_one_with_each_attempt() {
    let service = Service::start(&["503 Down", "201 Created"]).await;
    let retries = Retries { first_wait: Duration::from_millis(1), ..Retries::default() };
    let with = |retries| Inner::new(Settings { retries, remembers_keys: true, ..Settings::default() });
    let answer = send(&with(retries), service.request(Method::POST)).await.unwrap();
    assert_eq!(answer.status(), 201);
    let key = |request: &String| {
        let key = request.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).map(str::to_owned);
        key.map(|key| key.parse::<uuid::Uuid>().unwrap().get_version_num())
    };
    let seen = service.seen();
    assert_eq!(seen.iter().map(key).collect::<Vec<_>>(), [Some(7), Some(7)]);
    assert_eq!(seen[0], seen[1], "the second attempt is the first again");

    let service = Service::start(&["201 Created"]).await;
    send(&with(Retries::none()), service.request(Method::POST)).await.unwrap();
    assert_eq!(key(&service.seen()[0]), None, "what is not tried again needs no key");
}

#[tokio::test]
async fn retry_after_is_honoured_unless_it_asks_too_much() {
    let patient = Service::start(&["429 Busy\r\nRetry-After: 1", "200 OK"]).await;
    let started = std::time::Instant::now();
    send(&inner(Credential::None), patient.request(Method::GET)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));

    let too_long = Service::start(&["429 Busy\r\nRetry-After: 60", "200 OK"]).await;
    let answer = send(&inner(Credential::None), too_long.request(Method::GET)).await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(too_long.seen().len(), 1);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_call_repeated() {
    let service = Service::start(&["401 No", "200 OK"]).await;
    let fetched = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&fetched);
    let source = TokenSource::new(move || {
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        let ends = Utc::now() + Duration::from_mins(10);
        async move { Ok(AccessToken::expiring(format!("t{number}"), ends)) }
    });
    let inner = inner(Credential::Source(source));

    let answer = send(&inner, service.request(Method::POST)).await.unwrap();
    assert_eq!(answer.status(), 200);
    let seen = service.seen();
    assert!(seen[0].contains("authorization: bearer t1\r\n"), "{seen:?}");
    assert!(seen[1].contains("authorization: bearer t2\r\n"), "{seen:?}");

    send(&inner, service.request(Method::POST)).await.unwrap();
    assert_eq!(fetched.load(Ordering::SeqCst), 2, "a token is kept while it lives");
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed_before_it_is_sent() {
    let fetched = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&fetched);
    let source = TokenSource::new(move || {
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        let ends = Utc::now() + Duration::from_secs(10);
        async move { Ok(AccessToken::expiring(format!("t{number}"), ends)) }
    });
    assert_eq!(source.token().await.unwrap(), "t1");
    assert_eq!(source.token().await.unwrap(), "t2");
}

#[tokio::test]
async fn the_organization_is_named_unless_the_call_names_one() {
    let service = Service::start(&["200 OK"]).await;
    let inner = inner(Credential::bearer("secret").unwrap());
    send(&inner, service.request(Method::GET)).await.unwrap();
    let mut request = service.request(Method::GET);
    request.headers_mut().insert("X-Organization-Id", 7.into());
    send(&inner, request).await.unwrap();
    let seen = service.seen();
    assert!(seen[0].contains("x-organization-id: 42\r\n"), "{seen:?}");
    assert!(seen[1].contains("x-organization-id: 7\r\n"), "{seen:?}");
    assert!(seen[0].contains("authorization: bearer secret\r\n"), "{seen:?}");
}

#[tokio::test]
async fn a_connection_never_made_is_tried_again_and_then_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let fault = send(&inner(Credential::None), Request::new(Method::POST, url.parse().unwrap())).await.unwrap_err();
    assert!(fault.is_connect(), "{fault:?}");
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let builder = ClientBuilder::new("http://localhost").token("hunter2");
    assert!(!format!("{builder:?}").contains("hunter2"));
    assert!(!format!("{:?}", AccessToken::new("hunter2")).contains("hunter2"));
}

#[cfg(feature = "core")]
#[test]
fn a_base_url_that_is_none_is_refused() {
    for wrong in ["localhost:9000", "ftp://host", "", "/v1"] {
        let refused = ClientBuilder::new(wrong).core();
        assert!(matches!(refused, Err(BuildError::BaseUrl(_))), "{wrong}: {refused:?}");
    }
}
