//! Callers of the grid.

use reqwest::RequestBuilder;
use test_support::{Fixture, Issuer, Operation, Stack, TelemetryApp, TelemetryPerson};

/// Organization with most of the data.
pub(super) const HOME: i64 = 1;
/// Another organization.
pub(super) const AWAY: i64 = 2;
/// Patient of the home organization.
pub(super) const PATIENT: i64 = 7;

/// Columns of the grid.
pub(super) const ASKERS: [&str; 10] = [
    "anonymous",
    "superadmin",
    "platform",
    "admin",
    "specialist",
    "staff",
    "patient",
    "other-patient",
    "service",
    "session",
];

/// Caller, identified by its token.
pub(super) struct Asker(Option<String>);

impl Asker {
    /// Returns the caller of a column.
    pub(super) fn named(name: &str) -> Self {
        Self(match name {
            "anonymous" => None,
            "service" => Some(Stack::get().telemetry_internal_token.clone()),
            "session" => Some(Issuer::session("user_1")),
            name => Some(person(name).token()),
        })
    }

    /// Makes a request of this caller.
    pub(super) fn request(&self, app: &TelemetryApp, operation: &Operation, fixture: &Fixture) -> RequestBuilder {
        self.request_to(app, operation, &operation.target(fixture), fixture)
    }

    /// Makes the same request, sent to another path.
    pub(super) fn request_to(
        &self,
        app: &TelemetryApp,
        operation: &Operation,
        target: &str,
        fixture: &Fixture,
    ) -> RequestBuilder {
        let request = app.request(operation.method.clone(), target);
        let request = self.0.iter().fold(request, RequestBuilder::bearer_auth);
        fixture.json().into_iter().fold(request, RequestBuilder::json)
    }
}

/// Returns a person of the home organization, a superadmin included.
pub(super) fn person(name: &str) -> TelemetryPerson {
    let of = |user, role| TelemetryPerson { user, organization: Some(HOME), role, patient: None };
    match name {
        "superadmin" => of(1, "superadmin"),
        "platform" => TelemetryPerson { organization: None, ..of(1, "superadmin") },
        "admin" => of(2, "admin"),
        "specialist" => of(3, "specialist"),
        "staff" => of(4, "staff"),
        "patient" => TelemetryPerson { patient: Some(27), ..of(PATIENT, "patient") },
        "other-patient" => TelemetryPerson { patient: Some(28), ..of(8, "patient") },
        _ => panic!("nobody is called {name}"),
    }
}
