//! Daily's answers to requests.

use chrono::Utc;
use hyper::Method;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};

use super::state::{Room, State, Token};

/// Longest name of a room.
const NAME_LENGTH: usize = 128;
/// Longest id of a participant.
const USER_ID_LENGTH: usize = 36;

/// A status and a body.
type Answer = (u16, Value);

/// An error as Daily writes it.
pub(crate) fn error(kind: &str, info: &str) -> Value {
    json!({ "error": kind, "info": info })
}

fn invalid(info: &str) -> Answer {
    (400, error("invalid-request-error", info))
}

fn not_found() -> Answer {
    (404, json!({ "error": "not-found" }))
}

pub(crate) fn answer(
    api_key: &str,
    state: &mut State,
    method: &Method,
    path: &str,
    authorization: Option<&str>,
    body: &[u8],
) -> Answer {
    let Some(key) = authorization.and_then(|value| value.strip_prefix("Bearer ")) else {
        return (400, error("authorization-header-error", "missing or malformed Authorization header"));
    };
    if key != api_key {
        return (401, error("authentication-error", "the API key is not valid"));
    }
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method, path.as_slice()) {
        (&Method::POST, ["v1", "rooms"]) => with_body(body, |body| room_create(state, body)),
        (&Method::GET, ["v1", "rooms", name]) => find(state, name).map_or_else(not_found, |room| (200, room.show())),
        (&Method::POST, ["v1", "rooms", name]) => with_body(body, |body| room_update(state, name, body)),
        (&Method::DELETE, ["v1", "rooms", name]) => room_delete(state, name),
        (&Method::POST, ["v1", "meeting-tokens"]) => with_body(body, |body| token_create(api_key, state, body)),
        _ => not_found(),
    }
}

fn with_body(body: &[u8], answer: impl FnOnce(&Map<String, Value>) -> Answer) -> Answer {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(body)) => answer(&body),
        _ => (400, error("json-parsing-error", "the body is no JSON object")),
    }
}

fn find<'a>(state: &'a mut State, name: &str) -> Option<&'a mut Room> {
    let now = Utc::now().timestamp();
    state.rooms.iter_mut().find(|room| room.name == name && !room.is_over(now))
}

fn room_create(state: &mut State, body: &Map<String, Value>) -> Answer {
    let id = uuid::Uuid::new_v4().to_string();
    let name = match body.get("name") {
        Some(name) => name.as_str().unwrap_or_default(),
        None => id.as_str(),
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > NAME_LENGTH || !name.chars().all(valid) {
        return invalid("the name of the room is not valid");
    }
    if find(state, name).is_some() {
        return invalid(&format!("a room named {name} already exists"));
    }
    let mut room = Room {
        name: name.to_owned(),
        privacy: "public".to_owned(),
        created_at: Utc::now().to_rfc3339(),
        config: Map::new(),
        id,
    };
    if let Err(refusal) = change(&mut room, body) {
        return refusal;
    }
    let shown = room.show();
    // One of this name that is over has been found to be none.
    state.rooms.retain(|other| other.name != room.name);
    state.rooms.push(room);
    (200, shown)
}

fn room_update(state: &mut State, name: &str, body: &Map<String, Value>) -> Answer {
    let Some(room) = find(state, name) else { return not_found() };
    let mut changed = room.clone();
    match change(&mut changed, body) {
        Ok(()) => {
            *room = changed;
            (200, room.show())
        }
        Err(refusal) => refusal,
    }
}

fn change(room: &mut Room, body: &Map<String, Value>) -> Result<(), Answer> {
    match body.get("privacy").map(Value::as_str) {
        None => {}
        Some(Some(privacy @ ("public" | "private"))) => privacy.clone_into(&mut room.privacy),
        Some(_) => return Err(invalid("privacy must be public or private")),
    }
    let Some(properties) = body.get("properties") else { return Ok(()) };
    let properties = properties.as_object().ok_or_else(|| invalid("properties must be an object"))?;
    check_times(properties)?;
    room.config.extend(properties.clone());
    Ok(())
}

fn check_times(properties: &Map<String, Value>) -> Result<(), Answer> {
    if ["nbf", "exp"].iter().any(|name| properties.get(*name).is_some_and(|value| !value.is_i64())) {
        return Err(invalid("nbf and exp are seconds since 1970"));
    }
    if properties.get("exp").and_then(Value::as_i64).is_some_and(|exp| exp <= Utc::now().timestamp()) {
        return Err(invalid("exp is in the past"));
    }
    Ok(())
}

fn room_delete(state: &mut State, name: &str) -> Answer {
    let found = find(state, name).is_some();
    state.rooms.retain(|room| room.name != name);
    if found { (200, json!({ "deleted": true, "name": name })) } else { not_found() }
}

fn token_create(api_key: &str, state: &mut State, body: &Map<String, Value>) -> Answer {
    let Some(properties) = body.get("properties").and_then(Value::as_object) else {
        return invalid("properties must be an object");
    };
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    if let Some(name) = text("room_name")
        && find(state, name).is_none()
    {
        return invalid("there is no room of this name");
    }
    if text("user_id").is_some_and(|id| id.len() > USER_ID_LENGTH) {
        return invalid("user_id is too long");
    }
    if let Err(refusal) = check_times(properties) {
        return refusal;
    }
    // The abbreviations of Daily's own tokens.
    let short = [
        ("r", "room_name"),
        ("ud", "user_id"),
        ("u", "user_name"),
        ("o", "is_owner"),
        ("nbf", "nbf"),
        ("exp", "exp"),
        ("ejt", "eject_at_token_exp"),
    ];
    let named = short.iter().filter_map(|(short, long)| Some(((*short).to_owned(), properties.get(*long)?.clone())));
    let mut claims: Map<String, Value> = named.collect();
    claims.insert("iat".to_owned(), Utc::now().timestamp().into());
    match jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(api_key.as_bytes())) {
        Ok(token) => {
            state.tokens.push(Token { token: token.clone(), properties: properties.clone() });
            (200, json!({ "token": token }))
        }
        Err(_) => (500, error("server-error", "the token can't be signed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "key";

    fn ask(state: &mut State, method: &Method, path: &str, body: &Value) -> Answer {
        answer(KEY, state, method, path, Some("Bearer key"), body.to_string().as_bytes())
    }

    #[test]
    fn what_daily_refuses_is_refused() {
        let state = &mut State::default();
        let later = Utc::now().timestamp() + 60;
        let room = json!({ "name": "a", "privacy": "private", "properties": { "exp": later } });
        assert_eq!(answer(KEY, state, &Method::POST, "/v1/rooms", None, b"{}").0, 400);
        assert_eq!(answer(KEY, state, &Method::POST, "/v1/rooms", Some("Bearer other"), b"{}").0, 401);
        assert_eq!(
            answer(KEY, state, &Method::POST, "/v1/rooms", Some("Bearer key"), b"[").1["error"],
            "json-parsing-error"
        );
        for wrong in [
            json!({ "name": "a b" }),
            json!({ "name": "a".repeat(129) }),
            json!({ "privacy": "secret" }),
            json!({ "properties": { "exp": later - 120 } }),
        ] {
            assert_eq!(ask(state, &Method::POST, "/v1/rooms", &wrong).0, 400, "{wrong}");
        }
        assert_eq!(ask(state, &Method::POST, "/v1/rooms", &room).0, 200);
        let again = ask(state, &Method::POST, "/v1/rooms", &room);
        assert_eq!((again.0, again.1["error"].as_str()), (400, Some("invalid-request-error")));
        assert_eq!(ask(state, &Method::POST, "/v1/rooms/b", &room).0, 404);
        for (room, user, exp) in [("b", "u", later), ("a", "u", later - 120), ("a", &"u".repeat(37), later)] {
            let token = json!({ "properties": { "room_name": room, "user_id": user, "exp": exp } });
            assert_eq!(ask(state, &Method::POST, "/v1/meeting-tokens", &token).0, 400, "{token}");
        }
        assert_eq!(ask(state, &Method::DELETE, "/v1/rooms/a", &Value::Null).0, 200);
        assert_eq!(ask(state, &Method::DELETE, "/v1/rooms/a", &Value::Null).0, 404);
        assert_eq!((state.rooms.len(), state.tokens.len()), (0, 0));
    }

    #[test]
    fn a_room_can_be_looked_at_and_changed() {
        let state = &mut State::default();
        let later = Utc::now().timestamp() + 60;
        ask(state, &Method::POST, "/v1/rooms", &json!({ "name": "a", "properties": { "exp": later, "nbf": 1 } }));
        let changed = ask(state, &Method::POST, "/v1/rooms/a", &json!({ "properties": { "exp": later + 1 } }));
        assert_eq!(changed.1["config"], json!({ "exp": later + 1, "nbf": 1 }));
        assert_eq!(ask(state, &Method::GET, "/v1/rooms/a", &Value::Null), changed);
    }
}
