//! Messages and tokens of Clerk, made by Clerk's and Svix's own libraries: none in the tests is written by hand.
//!
//! The programs are in `test-support/clerk`; `cargo xtask test` installs what their lock file names.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Issuer, Stack, answer};

/// Asks Clerk's library.
#[derive(Debug)]
pub struct Clerk;

/// A message of Clerk's to be signed: what it is called, when it is sent, and what it tells.
#[derive(Debug, Clone)]
pub struct ClerkEvent {
    /// `svix-id`
    pub id: String,
    /// `svix-timestamp`, in seconds since 1970.
    pub sent_at: i64,
    kind: String,
    of: Value,
}

impl ClerkEvent {
    /// A message of these seconds with an id of its own. `of` is what `test-support/clerk/events.mjs` makes
    /// the event of.
    pub fn new(kind: &str, of: Value) -> Self {
        Self { id: format!("msg_{}", Uuid::new_v4().simple()), sent_at: now(), kind: kind.to_owned(), of }
    }

    /// Sent so many seconds from now.
    #[must_use]
    pub fn sent_in(mut self, seconds: i64) -> Self {
        self.sent_at += seconds;
        self
    }
}

/// A signed message, free to be altered.
#[derive(Debug, Clone)]
pub struct ClerkMessage {
    /// `svix-id`
    pub id: String,
    /// `svix-timestamp`
    pub sent_at: i64,
    /// `svix-signature`
    pub signature: String,
    /// The body, byte by byte as it was signed.
    pub body: String,
}

impl ClerkMessage {
    /// The request that delivers it to the Core at `base`.
    pub fn to(&self, base: &str) -> RequestBuilder {
        answer::http()
            .post(format!("{base}/webhooks/clerk"))
            .header("content-type", "application/json")
            .header("svix-id", &self.id)
            .header("svix-timestamp", self.sent_at)
            .header("svix-signature", &self.signature)
            .body(self.body.clone())
    }
}

impl Clerk {
    /// The secret of the endpoint.
    pub fn secret() -> &'static str {
        &Stack::get().env.core["CLERK_WEBHOOK_SECRET"]
    }

    /// Messages, signed by Svix's library for the endpoint.
    pub fn sign(events: &[ClerkEvent]) -> Vec<ClerkMessage> {
        Self::sign_with(Self::secret(), events)
    }

    /// Messages, signed by Svix's library with any secret.
    pub fn sign_with(secret: &str, events: &[ClerkEvent]) -> Vec<ClerkMessage> {
        let questions = events.iter().map(|ClerkEvent { id, sent_at, kind, of }| {
            json!({ "ask": "message", "secret": secret, "id": id, "sent_at": sent_at, "type": kind, "of": of })
        });
        let text = |answer: &Value, part: &str| answer[part].as_str().expect("a message has it").to_owned();
        let signed = Self::ask(&questions.collect::<Vec<_>>()).into_iter().zip(events);
        signed
            .map(|(answer, event)| {
                let answer = answer.expect("the message can be made and signed");
                let (signature, body) = (text(&answer, "signature"), text(&answer, "body"));
                ClerkMessage { id: event.id.clone(), sent_at: event.sent_at, signature, body }
            })
            .collect()
    }

    /// A session token, signed by Clerk's library with the stack's key.
    pub fn token(claims: &Value) -> String {
        let (pem, kid) = (Issuer::pem(), &Stack::get().issuer_kid);
        let token = Self::ask_one(&json!({ "ask": "token_sign", "claims": claims, "pem": pem, "kid": kid }));
        token.expect("claims can be signed").as_str().expect("a token is text").to_owned()
    }

    /// Calls Clerk's library once and returns its answer or its error.
    pub fn ask_one(question: &Value) -> Result<Value, String> {
        Self::ask(std::slice::from_ref(question)).pop().expect("each question has an answer")
    }

    fn ask(questions: &[Value]) -> Vec<Result<Value, String>> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("clerk/clerk.mjs");
        let mut child = Command::new("node")
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(Value::from(questions).to_string().as_bytes()).expect("the program reads its questions");
        drop(stdin);
        let output = child.wait_with_output().expect("the program ends");
        assert!(output.status.success(), "test-support/clerk is not installed: `cargo xtask test` does it");
        let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("the answers are JSON");
        answers
            .into_iter()
            .map(|mut answer| match answer.get("error").and_then(Value::as_str) {
                Some(error) => Err(error.to_owned()),
                None => Ok(answer["answer"].take()),
            })
            .collect()
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    i64::try_from(since.as_secs()).expect("the clock is right")
}
