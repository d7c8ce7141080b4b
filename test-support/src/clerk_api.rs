//! Clerk's Backend API, as far as Core calls it.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE},
    http::request::Parts,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// The instance's secret key.
const SECRET_KEY: &str = "sk_test_stand_in";

/// A stand-in for Clerk's API: knows its users, deletes them, writes to who is to become one, and fails when it
/// is told to.
#[derive(Debug)]
pub struct ClerkApi {
    url: String,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    users: BTreeSet<String>,
    invited: Vec<Value>,
    failing: bool,
    calls: usize,
}

impl ClerkApi {
    /// Starts one that knows these users.
    pub async fn start(users: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("the listener has an address"));
        let state = Arc::new(Mutex::new(State { users: users.into_iter().collect(), ..State::default() }));
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { url, state, server }
    }

    /// Value of `CLERK_API_URL`.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Value of `CLERK_SECRET_KEY`.
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// Adds a user.
    pub fn user_add(&self, id: &str) {
        lock(&self.state).users.insert(id.to_owned());
    }

    /// Returns `true` if the user exists.
    pub fn has(&self, id: &str) -> bool {
        lock(&self.state).users.contains(id)
    }

    /// Returns the bodies of the requests to `POST /v1/invitations`, in order.
    pub fn invited(&self) -> Vec<Value> {
        lock(&self.state).invited.clone()
    }

    /// Makes it answer every request with 500 from now on, or ends that.
    pub fn fail(&self, failing: bool) {
        lock(&self.state).failing = failing;
    }

    /// Returns the number of requests that it has answered.
    pub fn calls(&self) -> usize {
        lock(&self.state).calls
    }
}

impl Drop for ClerkApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let state = Arc::clone(&state);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                    Ok::<_, Infallible>(answer(&head, &body, &mut lock(&state)))
                }
            });
            // An error is the client's: it hung up.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

fn answer(request: &Parts, body: &[u8], state: &mut State) -> Response<Full<Bytes>> {
    state.calls += 1;
    let authorization = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if state.failing {
        return response(500, &error("internal_clerk_error"));
    }
    if authorization != Some(&format!("Bearer {SECRET_KEY}")) {
        return response(401, &error("authentication_invalid"));
    }
    match (&request.method, request.uri.path(), request.uri.path().strip_prefix("/v1/users/")) {
        (&Method::DELETE, _, Some(id)) if state.users.remove(id) => {
            response(200, &json!({ "object": "user", "id": id, "deleted": true }))
        }
        (&Method::POST, "/v1/invitations", _) => invite(body, state),
        _ => response(404, &error("resource_not_found")),
    }
}

/// A second letter to one address is refused, unless that is asked for.
fn invite(body: &[u8], state: &mut State) -> Response<Full<Bytes>> {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(address) = asked["email_address"].as_str().filter(|address| address.contains('@')) else {
        return response(422, &error("form_param_format_invalid"));
    };
    let again = state.invited.iter().any(|before| before["email_address"] == address);
    if again && asked["ignore_existing"] != true {
        return response(400, &error("duplicate_record"));
    }
    let (id, address) = (format!("inv_{}", state.invited.len()), address.to_owned());
    state.invited.push(asked);
    response(200, &json!({ "object": "invitation", "id": id, "email_address": address, "status": "pending" }))
}

/// An error as Clerk writes it.
fn error(code: &str) -> Value {
    json!({ "errors": [{ "code": code, "message": code, "long_message": code }], "clerk_trace_id": "0" })
}

fn response(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}
