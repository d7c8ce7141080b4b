//! Callers of the matrix.

use reqwest::RequestBuilder;
use restartix_sdk::core::types::Scope;
use test_support::{Actor, CoreApp, Fixture, Operation, Program};

/// Caller of an operation.
pub(crate) enum Asker {
    /// A person with a session.
    Person(Actor),
    /// A program with an API key.
    Program(Program),
    /// A caller without credentials, at the address of the service.
    Nobody(reqwest::Client, String),
}

impl Asker {
    /// Returns a caller without credentials.
    pub(crate) fn nobody(app: &CoreApp) -> Self {
        Self::Nobody(reqwest::Client::builder().build().unwrap(), app.url())
    }

    /// Builds this caller's request for the operation.
    pub(crate) fn request(&self, operation: &Operation, fixture: &Fixture) -> RequestBuilder {
        self.request_to(operation, &operation.target(fixture), fixture)
    }

    /// Builds the same request to another path.
    pub(super) fn request_to(&self, operation: &Operation, target: &str, fixture: &Fixture) -> RequestBuilder {
        let method = operation.method.clone();
        let request = match self {
            Self::Person(actor) => actor.request(method, target),
            Self::Program(program) => program.request(method, target),
            Self::Nobody(http, base) => http.request(method, format!("{base}{target}")),
        };
        fixture.json().into_iter().fold(request, RequestBuilder::json)
    }
}

/// Returns every scope of the specification.
pub(super) fn scopes(all: &[Operation]) -> Vec<Scope> {
    let names = all.first().map(|operation| operation.enumerated("Scope")).unwrap_or_default();
    names.iter().map(|name| name.parse().expect("a scope of the specification")).collect()
}
