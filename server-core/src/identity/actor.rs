//! Actor and origin of a request.

use std::net::IpAddr;

use uuid::Uuid;

use crate::ids::{ApiKeyId, OrganizationId, UserId};

/// Largest number of characters kept of a user agent.
const USER_AGENT_LENGTH: usize = 300;

/// Shortens a user agent to `USER_AGENT_LENGTH` characters and removes control characters. A PostgreSQL text can't hold
/// NUL, the rest of a long user agent is of no use, and entries of unknown callers wait in memory.
pub(crate) fn user_agent(sent: &str) -> String {
    sent.chars().filter(|c| !c.is_control()).take(USER_AGENT_LENGTH).collect()
}

/// Actor of a request or job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Actor {
    /// A person.
    User(UserId),
    /// A program with an API key of an organization.
    ApiKey(ApiKeyId),
    /// The service itself: in jobs, and on messages of the identity provider.
    System,
    /// An unknown caller.
    Anonymous,
}

impl Actor {
    /// Returns the kind as the column `actor_kind` and Telemetry's API write it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::ApiKey(_) => "api_key",
            Self::System => "system",
            Self::Anonymous => "anonymous",
        }
    }

    /// Returns the user, if the actor is one.
    pub(crate) fn person(self) -> Option<UserId> {
        if let Self::User(user) = self { Some(user) } else { None }
    }

    /// Returns the id of the user, as the column and Telemetry's API write it.
    pub(crate) fn user(self) -> Option<i64> {
        if let Self::User(user) = self { Some(user.0) } else { None }
    }

    /// Returns the id of the API key.
    pub(crate) fn api_key(self) -> Option<i64> {
        if let Self::ApiKey(key) = self { Some(key.0) } else { None }
    }
}

/// Origin of an audited request; the same for every row of the request.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The actor.
    pub(crate) actor: Actor,
    /// Administrator who acts as the user, while impersonating.
    pub(crate) impersonator: Option<UserId>,
    /// Organization of the request; `None` is written as 0.
    pub(crate) organization: Option<OrganizationId>,
    /// Id of the operation.
    pub(crate) operation_id: &'static str,
    /// Id that this service gave the request.
    pub(crate) request_id: String,
    /// Id that the caller gave the request; stored with the data that an erasure deletes.
    pub(crate) client_request_id: Option<Uuid>,
    /// IP address of the caller.
    pub(crate) ip: Option<IpAddr>,
    /// `User-Agent` of the caller.
    pub(crate) user_agent: Option<String>,
}

impl Origin {
    /// Returns the origin of work that no request asked for; `run_id` links the rows of one run.
    pub(crate) fn own(actor: Actor, operation_id: &'static str, run_id: Uuid) -> Self {
        Self {
            actor,
            impersonator: None,
            organization: None,
            operation_id,
            request_id: run_id.to_string(),
            client_request_id: None,
            ip: None,
            user_agent: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_user_agent_the_beginning_is_kept_without_control_characters() {
        assert_eq!(user_agent("agent\0 of\n chaos"), "agent of chaos");
        assert_eq!(user_agent(&"ä".repeat(400_000)), "ä".repeat(USER_AGENT_LENGTH));
    }
}
