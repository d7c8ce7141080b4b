//! Success answers other than 200.

use poem::{IntoResponse, Response, http::StatusCode};
use poem_openapi::{
    ApiResponse,
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::{ToJSON, Type},
};

pub(super) fn meta(status: StatusCode, description: &'static str, content: Vec<MetaMediaType>) -> MetaResponses {
    MetaResponses {
        responses: vec![MetaResponse {
            description,
            status: Some(status.as_u16()),
            status_range: None,
            content,
            headers: Vec::new(),
        }],
    }
}

macro_rules! json_response {
    ($(#[$doc:meta])* $name:ident, $status:expr, $description:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name<T>(pub T);

        impl<T: ToJSON> ApiResponse for $name<T> {
            fn meta() -> MetaResponses {
                let media = MetaMediaType { content_type: Json::<T>::CONTENT_TYPE, schema: T::schema_ref() };
                meta($status, $description, vec![media])
            }

            fn register(registry: &mut Registry) {
                <T as Type>::register(registry);
            }
        }

        impl<T: ToJSON> IntoResponse for $name<T> {
            fn into_response(self) -> Response {
                Json(self.0).with_status($status).into_response()
            }
        }
    };
}

json_response!(
    /// 201 with the created resource.
    Created, StatusCode::CREATED, "Created. The body is the created resource."
);
json_response!(
    /// 202 with the state of the work.
    Accepted, StatusCode::ACCEPTED, "Accepted. The body states what was stored, or the job that was started."
);

/// 204 without a body.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        meta(StatusCode::NO_CONTENT, "Success without a body.", Vec::new())
    }

    fn register(_registry: &mut Registry) {}
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}
