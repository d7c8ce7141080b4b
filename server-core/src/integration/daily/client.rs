//! The client. Errors and logs hold no address, for a room's name is in it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header::RETRY_AFTER, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use server_shared::mark::ShownOnce;
use url::Url;

use super::error::{Answer, DailyError};

/// For one request; somebody who wants to join waits for up to three.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read; a room's has about a kilobyte.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Longest that Daily can make a caller wait.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// Two, and each of them once more: who comes back is often there before Daily has noticed that the former
/// connection is gone.
const PARTICIPANTS: u8 = 4;

/// Makes rooms and lets people in.
pub(crate) struct Daily {
    client: Client,
    base: Url,
    api_key: SecretString,
}

/// A room as it is wanted.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    /// Letters, digits, `-` and `_`, at most 128.
    pub(crate) name: &'a str,
    /// Nobody enters before.
    pub(crate) opens_at: DateTime<Utc>,
    /// Everybody has to leave then, and the room goes.
    pub(crate) closes_at: DateTime<Utc>,
}

/// Somebody who may enter a room.
#[derive(Debug)]
pub(crate) struct Participant<'a> {
    /// A pseudonym of at most 36 characters.
    pub(crate) user_id: &'a str,
    /// What the others see: a role, never a name.
    pub(crate) user_name: &'a str,
    /// Whether it runs the meeting.
    pub(crate) is_owner: bool,
}

#[derive(Deserialize)]
struct RoomAnswer {
    url: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
}

impl Daily {
    /// The domain that this key is of, at `base` (`https://api.daily.co/v1`).
    pub(crate) fn new(base: Url, api_key: SecretString) -> Result<Self, reqwest::Error> {
        // Another one may be installed already; any will do.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build()?;
        Ok(Self { client, base, api_key })
    }

    /// Makes the room, or changes the one that has its name; its address.
    pub(crate) async fn room_put(&self, room: &Room<'_>) -> Result<String, DailyError> {
        let wanted = json!({
            "privacy": "private",
            "properties": {
                "nbf": room.opens_at.timestamp(),
                "exp": room.closes_at.timestamp(),
                "eject_at_room_exp": true,
                "enable_knocking": false,
                "max_participants": PARTICIPANTS,
            },
        });
        let mut named = wanted.clone();
        named["name"] = room.name.into();
        match self.post(&["rooms"], &named).await {
            // Says that there is one of this name, though in words that may change. Is there none, it was
            // something else.
            Err(DailyError::Refused(refusal)) if refusal.0 == StatusCode::BAD_REQUEST => {
                match self.post(&["rooms", room.name], &wanted).await {
                    Err(DailyError::Refused(Answer(StatusCode::NOT_FOUND))) => Err(DailyError::Refused(refusal)),
                    other => other,
                }
            }
            other => other,
        }
        .map(|RoomAnswer { url }| url)
    }

    /// Deletes the room, with everybody in it; one that isn't there is deleted already.
    pub(crate) async fn room_delete(&self, name: &str) -> Result<(), DailyError> {
        match self.send(self.client.delete(self.url(&["rooms", name])?)).await {
            Ok(_) | Err(DailyError::Refused(Answer(StatusCode::NOT_FOUND))) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What lets this participant into this room, while it is open.
    pub(crate) async fn token_create(
        &self,
        room: &Room<'_>,
        participant: &Participant<'_>,
    ) -> Result<ShownOnce<String>, DailyError> {
        let properties = json!({
            "room_name": room.name,
            "user_id": participant.user_id,
            "user_name": participant.user_name,
            "is_owner": participant.is_owner,
            "nbf": room.opens_at.timestamp(),
            "exp": room.closes_at.timestamp(),
            "eject_at_token_exp": true,
        });
        let answer: TokenAnswer = self.post(&["meeting-tokens"], &json!({ "properties": properties })).await?;
        Ok(ShownOnce::new(answer.token))
    }

    async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T, DailyError> {
        let mut answer = self.send(self.client.post(self.url(path)?).json(body)).await?;
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if text.len() + chunk.len() > LONGEST_ANSWER {
                return Err(DailyError::Malformed);
            }
            text.extend_from_slice(&chunk);
        }
        // What serde says repeats what it could not read.
        serde_json::from_slice(&text).map_err(|_| DailyError::Malformed)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, DailyError> {
        let answer = request.bearer_auth(self.api_key.expose_secret()).send().await.map_err(unreachable)?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                Err(DailyError::Unavailable { cause: Answer(status), retry_after: retry_after(&answer) })
            }
            status => Err(DailyError::Refused(Answer(status))),
        }
    }

    fn url(&self, path: &[&str]) -> Result<Url, DailyError> {
        let mut url = self.base.clone();
        // Checked with the configuration: a base that can't have a path is refused there.
        url.path_segments_mut().map_err(|()| DailyError::Malformed)?.pop_if_empty().extend(path);
        Ok(url)
    }
}

fn unreachable(error: reqwest::Error) -> DailyError {
    DailyError::Unreachable(error.without_url())
}

/// The pause that Daily asks for, in whole seconds as it gives it.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(Duration::from_secs(1), LONGEST_WAIT))
}
