//! Calendar feeds: a secret in a link, by which a program reads its owner's appointments.
//!
//! Calendar programs can't send our headers, so this is the one secret that is taken from a link. It is looked up in
//! the database each time, so that a revoked link is refused at once in every process; programs request their
//! calendars every few minutes, not every second.

use std::sync::Arc;

use poem::Request;
use server_shared::{
    ApiError,
    http::{failure::Failures, rate_limit},
};

use super::{
    Identities,
    authentication::person,
    caller::origin_of,
    limits::{Budgets, who},
    repository,
};
use crate::{
    database::Across,
    identity::{Actor, Caller, Credential, Origin, Person, Secrets},
};

/// Finds the owners of feeds by their tokens.
#[derive(Clone)]
pub(crate) struct Feeds {
    across: Across,
    secrets: Arc<Secrets>,
    identities: Identities,
    budgets: Budgets,
    failures: Failures,
}

impl Feeds {
    /// Loads from the owner's pool, because the caller is needed to make a context.
    pub(crate) fn new(
        across: Across,
        secrets: Arc<Secrets>,
        identities: Identities,
        budgets: Budgets,
        failures: Failures,
    ) -> Self {
        Self { across, secrets, identities, budgets, failures }
    }

    /// Returns the owner of the feed that `token` opens, with its present role in the feed's organization, and counts a
    /// read of the owner. Returns 404 for any other token, and counts a failure of the sender.
    pub(crate) async fn caller(
        &self,
        request: &Request,
        operation_id: &'static str,
        token: &str,
    ) -> Result<Caller, ApiError> {
        let mut origin = origin_of(request, operation_id, Actor::Anonymous);
        let Some(caller) = self.owner(token, &mut origin).await? else {
            return Err(match self.failures.count(origin.ip).await {
                Some(verdict) => rate_limit::refusal(&verdict),
                None => ApiError::not_found("calendar_feed_not_found", "There is no such calendar feed."),
            });
        };
        if let Some(who) = who(origin.actor) {
            let verdict = self.budgets.read(who).await;
            if !verdict.admitted {
                return Err(rate_limit::refusal(&verdict));
            }
        }
        Ok(caller)
    }

    async fn owner(&self, token: &str, origin: &mut Origin) -> Result<Option<Caller>, ApiError> {
        if !self.secrets.claims(token) {
            return Ok(None);
        }
        let Some(owner) = repository::feed_owner(&self.across, &self.secrets.hash(token)).await? else {
            return Ok(None);
        };
        let Some(identity) = self.identities.find(&owner.subject).await? else { return Ok(None) };
        origin.actor = Actor::User(identity.user_id);
        let owner_there = person(Credential::Feed(identity), origin)?.in_organization(owner.organization);
        Ok(owner_there.map(Person::into_caller))
    }
}
