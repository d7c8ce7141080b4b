//! Each kind of request, as bytes.

use std::io::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

use crate::ingest::Bodies;

/// Number of calendars that each connection books in turn.
pub(crate) const CALENDARS: u32 = 10;

/// The requests of one connection, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    kind: Kind,
    /// The header lines that every request has.
    headers: String,
    /// Number of requests so far.
    count: u64,
    /// State of the generator that picks ids; different for each connection.
    random: u64,
}

/// Kind of request.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `GET /health`, without a caller.
    Health,
    /// `GET /v1/appointments/{id}`, each time another one: `first`, `first + 2`, … (`appointments` of them).
    Get { first: u64, appointments: u64 },
    /// `GET /v1/appointments?page_size=25`
    List,
    /// `POST /v1/appointments`, in calendars that only this connection books.
    Create { connection: u32, connections: u32, offset: u32, base: DateTime<Utc> },
    /// Batches of events for Telemetry.
    Ingest(Bodies),
}

/// Caller and its organization.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'a> {
    pub(crate) token: &'a str,
    pub(crate) organization: u32,
}

impl Requests {
    /// `number` is the connection's, for it to pick other ids than the others do.
    pub(crate) fn new(kind: Kind, caller: Option<Caller<'_>>, address: &str, number: u32) -> Self {
        let caller = caller.map_or_else(String::new, |Caller { token, organization }| {
            format!("Authorization: Bearer {token}\r\nX-Organization-Id: {organization}\r\n")
        });
        let headers = format!("Host: {address}\r\nUser-Agent: xtask-bench\r\nAccept: application/json\r\n{caller}");
        Self { kind, headers, count: 0, random: u64::from(number) + 1 }
    }

    /// The status that each answer must have.
    pub(crate) fn status(&self) -> u16 {
        match self.kind {
            Kind::Create { .. } => 201,
            Kind::Ingest(_) => 202,
            Kind::Health | Kind::Get { .. } | Kind::List => 200,
        }
    }

    /// Number of requests so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Writes the next request over whatever is in `request`.
    ///
    /// # Errors
    /// None: writing to memory does not fail.
    pub(crate) fn next(&mut self, request: &mut Vec<u8>) -> std::io::Result<()> {
        request.clear();
        let n = self.count;
        self.count += 1;
        let headers = &self.headers;
        match self.kind {
            Kind::Health => write!(request, "GET /health HTTP/1.1\r\n{headers}\r\n"),
            Kind::Get { first, appointments } => {
                let id = first + 2 * (random(&mut self.random) % appointments);
                write!(request, "GET /v1/appointments/{id} HTTP/1.1\r\n{headers}\r\n")
            }
            Kind::List => write!(request, "GET /v1/appointments?page_size=25 HTTP/1.1\r\n{headers}\r\n"),
            Kind::Create { connection, connections, offset, base } => {
                // The same plan as in sql/naive-create.sql.
                let turn = u32::try_from(n % u64::from(CALENDARS)).unwrap_or_default();
                let person = offset + 1 + connection + connections * turn;
                let slot = i64::try_from(n / u64::from(CALENDARS)).unwrap_or(i64::MAX);
                let start = base + TimeDelta::minutes(30) * i32::try_from(slot).unwrap_or(i32::MAX);
                let end = start + TimeDelta::minutes(30);
                let body = format!(
                    r#"{{"title":"Follow-up","started_at":"{}","ended_at":"{}","specialist_id":{person},"patient_id":{person}}}"#,
                    start.format("%FT%TZ"),
                    end.format("%FT%TZ"),
                );
                let length = body.len();
                write!(
                    request,
                    "POST /v1/appointments HTTP/1.1\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
                )
            }
            Kind::Ingest(ref mut bodies) => {
                let path = bodies.path();
                let body = bodies.next();
                write!(
                    request,
                    "POST {path} HTTP/1.1\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len(),
                )?;
                request.extend_from_slice(body.as_bytes());
                Ok(())
            }
        }
    }
}

/// The next number of a splitmix64 generator.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_bookings_are_the_same() {
        let base = DateTime::UNIX_EPOCH;
        let mut bodies = BTreeSet::new();
        for connection in 0..4 {
            let kind = Kind::Create { connection, connections: 4, offset: 80, base };
            let mut requests = Requests::new(kind, None, "h", connection);
            let mut request = Vec::new();
            for _ in 0..25 {
                requests.next(&mut request).unwrap();
                let text = String::from_utf8(request.clone()).unwrap();
                let (_, body) = text.split_once("\r\n\r\n").unwrap();
                let body: serde_json::Value = serde_json::from_str(body).unwrap();
                let specialist = body["specialist_id"].as_u64().unwrap();
                assert!((81..=120).contains(&specialist), "{specialist}");
                assert!(bodies.insert((specialist, body["started_at"].as_str().unwrap().to_owned())));
            }
        }
        assert_eq!(bodies.len(), 100);
        assert!(bodies.contains(&(81, "1970-01-01T01:00:00Z".to_owned())), "the third round of the first calendar");
    }

    #[test]
    fn ids_are_those_of_the_organization() {
        let caller = Caller { token: "t", organization: 1 };
        let mut requests = Requests::new(Kind::Get { first: 7, appointments: 3 }, Some(caller), "h", 0);
        let mut seen = BTreeSet::new();
        let mut request = Vec::new();
        for _ in 0..100 {
            requests.next(&mut request).unwrap();
            let text = String::from_utf8(request.clone()).unwrap();
            assert!(text.contains("Authorization: Bearer t\r\nX-Organization-Id: 1\r\n"));
            seen.insert(text.lines().next().unwrap().to_owned());
        }
        let expected = [7, 9, 11].map(|id| format!("GET /v1/appointments/{id} HTTP/1.1"));
        assert_eq!(seen, BTreeSet::from(expected.map(|line| line)));
    }
}
