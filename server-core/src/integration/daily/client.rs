//! Client of Daily's REST API. Errors and logs contain no URL, because a URL contains the name of a room.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header::RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use server_shared::{client::service_client, mark::ShownOnce};
use url::Url;

use super::error::{Answer, DailyError};

/// Timeout of one request; a participant who joins waits for up to three requests.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer that is read, in bytes; a room's is about a kilobyte.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Longest time for which Daily can make a caller wait.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// Largest number of connections to a room: two participants, each twice. A participant who reconnects often arrives
/// before Daily has noticed that the former connection is gone.
const PARTICIPANTS: u8 = 4;

/// Creates rooms and admits participants.
pub(crate) struct Daily {
    client: Client,
    base: Url,
    api_key: SecretString,
}

/// Settings of a room.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    /// Name of the room: letters, digits, `-` and `_`, at most 128 characters.
    pub(crate) name: &'a str,
    /// Time before which nobody can enter.
    pub(crate) opens_at: DateTime<Utc>,
    /// Time at which everybody is removed and the room expires.
    pub(crate) closes_at: DateTime<Utc>,
}

/// Person who may enter a room.
#[derive(Debug)]
pub(crate) struct Participant<'a> {
    /// Pseudonym of at most 36 characters.
    pub(crate) user_id: &'a str,
    /// Name that other participants see: a role, never a person's name.
    pub(crate) user_name: &'a str,
    /// `true` if the participant moderates the meeting.
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
    /// Builds the client of the Daily domain with this key, at `base` (`https://api.daily.co/v1`).
    pub(crate) fn new(base: Url, api_key: SecretString) -> Result<Self, reqwest::Error> {
        Ok(Self { client: service_client(&base, TIMEOUT)?, base, api_key })
    }

    /// Creates the room, or updates the one with the same name; returns its URL.
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
            // The answer says that a room with this name exists, but its wording may change. If there is no such room,
            // the cause was another one.
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

    /// Deletes the room and removes everybody in it. Succeeds if there is no such room.
    pub(crate) async fn room_delete(&self, name: &str) -> Result<(), DailyError> {
        match self.send(self.client.delete(self.url(&["rooms", name])?)).await {
            Ok(_) | Err(DailyError::Refused(Answer(StatusCode::NOT_FOUND))) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Creates the token that admits this participant to this room while it is open.
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
        // serde's error quotes the input, so it is dropped.
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
        // The configuration has checked the base URL: one that can't have a path was rejected.
        url.path_segments_mut().map_err(|()| DailyError::Malformed)?.pop_if_empty().extend(path);
        Ok(url)
    }
}

fn unreachable(error: reqwest::Error) -> DailyError {
    DailyError::Unreachable(error.without_url())
}

/// Returns the pause that Daily asks for, which it gives in whole seconds.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(Duration::from_secs(1), LONGEST_WAIT))
}
