//! Who tries.

use reqwest::RequestBuilder;
use restartix_sdk::core::types::Scope;
use test_support::{Actor, CoreApp, Fixture, Operation, Program};

/// Somebody who calls.
pub(crate) enum Asker {
    /// With a session.
    Person(Actor),
    /// With an API key.
    Program(Program),
    /// Without credentials.
    Nobody(reqwest::Client, String),
}

impl Asker {
    /// Somebody without credentials.
    pub(crate) fn nobody(app: &CoreApp) -> Self {
        Self::Nobody(reqwest::Client::builder().build().unwrap(), app.url())
    }

    /// A request of this asker's.
    pub(crate) fn request(&self, operation: &Operation, fixture: &Fixture) -> RequestBuilder {
        self.request_to(operation, &operation.target(fixture), fixture)
    }

    /// The same request of this asker's, sent to another path.
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

/// Every scope there is.
pub(super) fn scopes(all: &[Operation]) -> Vec<Scope> {
    let names = all.first().map(|operation| operation.enumerated("Scope")).unwrap_or_default();
    names.iter().map(|name| name.parse().expect("a scope of the specification")).collect()
}
