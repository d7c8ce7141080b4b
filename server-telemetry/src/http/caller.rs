//! Extractors of callers for poem-openapi. The gate authenticates before a handler's arguments are extracted; the
//! extractors take the caller that it left, and declare the security scheme in the specification.

use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use server_shared::ApiError;

use crate::identity::{Caller, Person, Service};

/// Name of the security scheme of people.
pub(crate) const TELEMETRY_TOKEN: &str = "telemetry_token";
/// Name of Core's security scheme.
pub(crate) const SERVICE_TOKEN: &str = "service_token";

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
        let description = "Token with user, organization and role, which Core issues for ten minutes \
                           (`POST /v1/me/telemetry-token`).";
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
        let description = "Token that Core and Telemetry share. Two tokens are accepted during a rotation.";
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
        let core = caller(request)?.service();
        core.ok_or_else(|| ApiError::internal("the gate let a person into an operation of Core").into())
    }
}
