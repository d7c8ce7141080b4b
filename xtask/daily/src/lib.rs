//! A stand-in for Daily's REST API, as far as Core calls it: rooms and meeting tokens.
//!
//! It answers as <https://docs.daily.co/reference/rest-api> says, and refuses what Daily refuses: a request
//! without the key, a second room of a name, a room or a token that has expired before it is made. It refuses
//! a token for a room that isn't there as well, which would let nobody in.

mod answer;
mod state;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use answer::answer;
use state::State;
pub use state::{Room, Token};

/// The stand-in; clones are the same one.
#[derive(Clone, Debug)]
pub struct Daily {
    api_key: Arc<str>,
    state: Arc<Mutex<State>>,
}

/// Fault that the stand-in simulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Answers every request with 500.
    Down,
    /// Answers every request with 429 and asks for a pause of this many seconds.
    Limited(Duration),
}

impl Daily {
    /// A domain without rooms, whose key this is.
    pub fn new(api_key: &str) -> Self {
        Self { api_key: api_key.into(), state: Arc::default() }
    }

    /// Serves below `/v1` until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            // A failed accept is a connection that went away, or no file descriptor left: neither ends the service.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let daily = self.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    let daily = daily.clone();
                    async move { Ok::<_, Infallible>(daily.respond(request).await) }
                });
                // An error is the client's: it hung up, or did not speak HTTP.
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    }

    /// Sets or clears the fault.
    pub fn fail(&self, failure: Option<Failure>) {
        self.lock().failure = failure;
    }

    /// Leaves every request without an answer from now on, except those that contain this text, in their body for
    /// example; `None` ends that.
    pub fn answer_only(&self, text: Option<&str>) {
        self.lock().answered = text.map(str::to_owned);
    }

    /// The rooms that there are, in the order in which they were made.
    pub fn rooms(&self) -> Vec<Room> {
        self.lock().rooms.clone()
    }

    /// Every token that was made, in order.
    pub fn tokens(&self) -> Vec<Token> {
        self.lock().tokens.clone()
    }

    /// Returns the requests it received: method, path and body of each, in order.
    pub fn heard(&self) -> Vec<String> {
        self.lock().heard.clone()
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        if !self.hear(format!("{} {} {}", head.method, head.uri.path(), String::from_utf8_lossy(&body))) {
            // Until the client hangs up, which drops this.
            std::future::pending::<()>().await;
        }
        let authorization = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let state = &mut *self.lock();
        match state.failure {
            Some(Failure::Down) => respond(500, &answer::error("server-error", "something went wrong")),
            Some(Failure::Limited(pause)) => {
                let mut response = respond(429, &answer::error("rate-limit-error", "too many requests"));
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(pause.as_secs()));
                response
            }
            None => {
                let (status, body) = answer(&self.api_key, state, &head.method, head.uri.path(), authorization, &body);
                respond(status, &body)
            }
        }
    }

    /// Records a request; returns `true` if it is answered.
    fn hear(&self, request: String) -> bool {
        let state = &mut *self.lock();
        let answers = state.answered.as_ref().is_none_or(|text| request.contains(text));
        state.heard.push(request);
        answers
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn respond(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
