//! The actor of a request, and where the request comes from.

use std::net::IpAddr;

use uuid::Uuid;

use crate::ids::{ApiKeyId, OrganizationId, UserId};

/// Longest user agent that is kept, in characters.
const USER_AGENT_LENGTH: usize = 300;

/// Shortens a user agent to `USER_AGENT_LENGTH` characters and removes control characters: a PostgreSQL text cannot
/// hold NUL, nobody needs the rest of a long one, and refused requests of strangers wait in memory.
pub(crate) fn user_agent(sent: &str) -> String {
    sent.chars().filter(|c| !c.is_control()).take(USER_AGENT_LENGTH).collect()
}

/// The actor of a request or job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Actor {
    /// A person.
    User(UserId),
    /// A program with an organization's key.
    ApiKey(ApiKeyId),
    /// The service itself, told by the identity provider.
    System,
    /// Nobody who is known.
    Anonymous,
}

impl Actor {
    /// As the column and Telemetry's API write it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::ApiKey(_) => "api_key",
            Self::System => "system",
            Self::Anonymous => "anonymous",
        }
    }

    /// The person.
    pub(crate) fn person(self) -> Option<UserId> {
        if let Self::User(user) = self { Some(user) } else { None }
    }

    /// The id of the person, as the column and Telemetry's API write it.
    pub(crate) fn user(self) -> Option<i64> {
        if let Self::User(user) = self { Some(user.0) } else { None }
    }

    /// The id of the key.
    pub(crate) fn api_key(self) -> Option<i64> {
        if let Self::ApiKey(key) = self { Some(key.0) } else { None }
    }
}

/// Where an audited request came from; the same for every row of the request.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The actor.
    pub(crate) actor: Actor,
    /// The administrator behind the actor, while impersonating.
    pub(crate) impersonator: Option<UserId>,
    /// In which organization; `None` is written as 0.
    pub(crate) organization: Option<OrganizationId>,
    /// The operation called.
    pub(crate) operation_id: &'static str,
    /// Id of the request, ours.
    pub(crate) request_id: String,
    /// Id that the caller gave the request; kept with the data that erasure removes.
    pub(crate) client_request_id: Option<Uuid>,
    /// The caller's address.
    pub(crate) ip: Option<IpAddr>,
    /// The caller's program, as it calls itself.
    pub(crate) user_agent: Option<String>,
}

impl Origin {
    /// Of what no request asked for; `run_id` ties the rows of one run together.
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
