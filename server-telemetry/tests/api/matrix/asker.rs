//! Who tries.

use reqwest::RequestBuilder;
use test_support::{Fixture, Issuer, Operation, Stack, TelemetryApp, TelemetryPerson};

/// The organization that most happens in.
pub(super) const HOME: i64 = 1;
/// The other one.
pub(super) const AWAY: i64 = 2;
/// Home's patient.
pub(super) const PATIENT: i64 = 7;

/// The columns of the grid.
pub(crate) const ASKERS: [&str; 10] = [
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

/// Somebody who calls, by the token it has.
pub(crate) struct Asker(Option<String>);

impl Asker {
    /// By the name of the column.
    pub(crate) fn named(name: &str) -> Self {
        Self(match name {
            "anonymous" => None,
            "service" => Some(Stack::get().telemetry_internal_token.clone()),
            "session" => Some(Issuer::session("user_1")),
            name => Some(person(name).token()),
        })
    }

    /// A request of this asker's.
    pub(crate) fn request(&self, app: &TelemetryApp, operation: &Operation, fixture: &Fixture) -> RequestBuilder {
        self.request_to(app, operation, &operation.target(fixture), fixture)
    }

    /// The same request of this asker's, sent to another path.
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

/// Home's person, and those above organizations.
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
