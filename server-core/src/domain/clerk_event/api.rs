use poem::Request;
use poem_openapi::{OpenApi, param::Header};
use server_shared::{
    ApiError,
    http::{NoContent, RawBody},
};

use super::{Service, event::ClerkEvent, service::Message};
use crate::{
    domain::Tag,
    http::origin_of,
    identity::{Actor, Caller},
};

/// `/webhooks/clerk`
pub(crate) struct Api {
    pub(crate) clerk: Service,
}

#[OpenApi(tag = "Tag::Identity")]
impl Api {
    /// Receive an event of the identity provider
    ///
    /// Takes the webhooks of Clerk, which signs each message by the scheme of Svix. Answers 401 `invalid_signature` for
    /// a message without a valid signature, or signed more than five minutes ago. Each message takes effect once, in
    /// whatever order messages arrive. Answers 204 also for a message that changes nothing: of a type that is not
    /// needed here, or with a `timestamp` or `data.updated_at` before 1970 or more than five minutes in the future.
    #[oai(path = "/webhooks/clerk", method = "post", operation_id = "clerk_webhook_receive")]
    async fn clerk_webhook_receive(
        &self,
        request: &Request,
        /// Id of the message, the same each time the message is sent.
        #[oai(name = "svix-id")]
        id: Header<Option<String>>,
        /// Time at which the message was sent, in seconds since 1970.
        #[oai(name = "svix-timestamp")]
        timestamp: Header<Option<String>>,
        /// `v1,` and the base64 of the HMAC-SHA-256 of `id.timestamp.body`; several signatures are separated by spaces.
        #[oai(name = "svix-signature")]
        signatures: Header<Option<String>>,
        body: RawBody<ClerkEvent>,
    ) -> Result<NoContent, ApiError> {
        let message = Message {
            id: id.0.as_deref().unwrap_or_default(),
            timestamp: timestamp.0.as_deref().unwrap_or_default(),
            signatures: signatures.0.as_deref().unwrap_or_default(),
            body: &body.bytes,
        };
        let sent = self.clerk.verify(&message)?;
        self.clerk
            .receive(&Caller::system(origin_of(request, "clerk_webhook_receive", Actor::System)), sent, body.checked()?)
            .await?;
        Ok(NoContent)
    }
}
