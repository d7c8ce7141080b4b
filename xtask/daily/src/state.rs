//! State of the stand-in.

use serde_json::{Map, Value, json};

use super::Failure;

/// A room.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `private` or `public`.
    pub privacy: String,
    /// Time of creation, in RFC 3339.
    pub created_at: String,
    /// The properties it was given: `nbf`, `exp` and others.
    pub config: Map<String, Value>,
}

impl Room {
    /// Returns the address at which participants join. Nothing is served there.
    pub fn url(&self) -> String {
        format!("https://clinic.daily.invalid/{}", self.name)
    }

    /// Returns the API's representation.
    pub(crate) fn show(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "api_created": true,
            "privacy": self.privacy,
            "url": self.url(),
            "created_at": self.created_at,
            "config": self.config,
        })
    }

    /// Daily treats a room whose time has passed as deleted.
    pub(crate) fn is_over(&self, now: i64) -> bool {
        self.config.get("exp").and_then(Value::as_i64).is_some_and(|exp| exp <= now)
    }
}

/// A token that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The token itself.
    pub token: String,
    /// The properties it was asked with: `room_name`, `exp`, `is_owner` and others.
    pub properties: Map<String, Value>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) rooms: Vec<Room>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) heard: Vec<String>,
    pub(crate) failure: Option<Failure>,
    /// Contents that a request must have to be answered.
    pub(crate) answered: Option<String>,
}
