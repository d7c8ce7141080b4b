//! Who calls. The gate has decided before a handler's arguments are extracted; the extractors only
//! take what it left, and state the security scheme in the specification.

use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use serde::Deserialize;
use server_shared::{ApiError, mark::Door};

/// Name of the security scheme of people.
pub(crate) const TELEMETRY_TOKEN: &str = "telemetry_token";
/// Name of Core's security scheme.
pub(crate) const SERVICE_TOKEN: &str = "service_token";

/// What a person is in the organization of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Runs the platform.
    Superadmin,
    /// Runs the organization.
    Admin,
    /// Treats patients.
    Specialist,
    /// Front desk.
    Staff,
    /// Is treated.
    Patient,
}

impl Role {
    /// As tokens, rows and the database context write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Superadmin => "superadmin",
            Self::Admin => "admin",
            Self::Specialist => "specialist",
            Self::Staff => "staff",
            Self::Patient => "patient",
        }
    }
}

/// A person, as Core's token says; nothing of it ever comes from a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Person {
    /// Id of the user in Core.
    pub user_id: i64,
    /// Id of the organization it acts in; only a superadmin may have none.
    pub organization_id: Option<i64>,
    /// The role there.
    pub role: Role,
}

/// A person acting in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// Id of the user in Core.
    pub user_id: i64,
    /// Id of the organization.
    pub organization_id: i64,
    /// The role there.
    pub role: Role,
}

impl Person {
    /// The person in its organization; refuses a superadmin who is in none.
    pub(crate) fn member(&self) -> Result<Member, ApiError> {
        let Some(organization_id) = self.organization_id else {
            return Err(ApiError::forbidden(
                "organization_required",
                "This is done in an organization; get a token for one.",
            ));
        };
        Ok(Member { user_id: self.user_id, organization_id, role: self.role })
    }

    /// Refuses everybody but those who run the organization or the platform.
    pub(crate) fn must_administrate(&self) -> Result<(), ApiError> {
        match self.role {
            Role::Admin | Role::Superadmin => Ok(()),
            Role::Specialist | Role::Staff | Role::Patient => {
                Err(ApiError::forbidden("permission_denied", "Only an administrator of the organization may do this."))
            }
        }
    }
}

/// Core, with the service token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service(());

/// Core asks for what is protected only when it has written the audit entry for it.
impl Door for Service {}

/// What the gate leaves in the request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    /// A person with a telemetry token.
    Person(Person),
    /// Core.
    Service,
}

fn bearer(description: &'static str, format: Option<&'static str>) -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "http",
        description: Some(description),
        name: None,
        key_in: None,
        scheme: Some("bearer"),
        bearer_format: format,
        flows: None,
        openid_connect_url: None,
    }
}

fn caller(request: &Request) -> Result<Caller, ApiError> {
    let caller = request.extensions().get::<Caller>().copied();
    caller.ok_or_else(|| ApiError::internal("a secured operation was reached past the gate"))
}

impl<'a> ApiExtractor<'a> for Person {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let description = "A token that Core issues for ten minutes (`POST /v1/me/telemetry-token`): user, \
                           organization and role.";
        registry.create_security_scheme(TELEMETRY_TOKEN, bearer(description, Some("JWT")));
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![TELEMETRY_TOKEN]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        match caller(request)? {
            Caller::Person(person) => Ok(person),
            Caller::Service => Err(ApiError::internal("the gate let Core into an operation of people").into()),
        }
    }
}

impl<'a> ApiExtractor<'a> for Service {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let description = "The token that Core and this service share. Two are accepted while it rotates.";
        registry.create_security_scheme(SERVICE_TOKEN, bearer(description, None));
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SERVICE_TOKEN]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        match caller(request)? {
            Caller::Service => Ok(Self(())),
            Caller::Person(_) => Err(ApiError::internal("the gate let a person into an operation of Core").into()),
        }
    }
}
