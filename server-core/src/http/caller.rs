//! Security schemes of callers, and their extractors for handlers.

use poem::{Request, RequestBody, Result, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use server_shared::{
    ApiError,
    http::{ClientRequestId, RequestId, client_ip::ClientIp},
};

use crate::identity::{Actor, Caller, Origin, Person, user_agent};

/// Name of the security scheme for people in the specification.
pub(super) const SESSION_TOKEN: &str = "session_token";
/// Name of the security scheme for programs in the specification.
pub(super) const API_KEY: &str = "api_key";
/// The header that carries an API key.
pub(super) const API_KEY_HEADER: &str = "X-Api-Key";

/// Returns the origin of a request.
pub(crate) fn origin_of(request: &Request, operation_id: &'static str, actor: Actor) -> Origin {
    Origin {
        actor,
        impersonator: None,
        organization: None,
        operation_id,
        request_id: RequestId::of(request).to_owned(),
        client_request_id: ClientRequestId::of(request),
        ip: ClientIp::of(request),
        user_agent: request.header(header::USER_AGENT).map(user_agent),
    }
}

fn register_session_token(registry: &mut Registry) {
    registry.create_security_scheme(
        SESSION_TOKEN,
        MetaSecurityScheme {
            ty: "http",
            description: Some(
                "Session token of the identity provider (JWT, RS256), or token of an impersonation (`rximp_…`).",
            ),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: Some("JWT"),
            flows: None,
            openid_connect_url: None,
        },
    );
}

fn register_api_key(registry: &mut Registry) {
    registry.create_security_scheme(
        API_KEY,
        MetaSecurityScheme {
            ty: "apiKey",
            description: Some("API key of an organization (`rxkey_…`), with the permissions of its scopes."),
            name: Some(API_KEY_HEADER),
            key_in: Some("header"),
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        },
    );
}

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_session_token(registry);
        register_api_key(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SESSION_TOKEN, API_KEY]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        // The gate is in front of every secured operation; without it there is no caller.
        let caller = request.extensions().get::<Self>().cloned();
        caller.ok_or_else(|| ApiError::internal("a secured operation was reached without a caller").into())
    }
}

impl<'a> ApiExtractor<'a> for Person {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_session_token(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SESSION_TOKEN]
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        let caller = Caller::from_request(request, body, options).await?;
        Self::of(caller).ok_or_else(|| ApiError::internal("a key passed the gate of a person's operation").into())
    }
}
