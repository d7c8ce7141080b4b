//! A JSON body that may be compressed (`Content-Encoding: gzip`).

use std::{io::Read, ops::Deref, sync::Arc};

use flate2::read::MultiGzDecoder;
use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    payload::{Json, Payload},
    registry::{MetaRequest, Registry},
    types::ParseFromJSON,
};
use server_shared::{
    ApiError,
    http::{body, encoding::Encoding, schema::Schemas},
};

/// Largest unpacked size of a compressed body, as a multiple of the operation's body limit.
const UNPACKED: usize = 2;
/// Largest ratio of the unpacked to the sent size, beyond the free bytes. A real batch compresses five to ten times,
/// one of a person who does not move a hundred times; a bomb a thousand times.
const RATIO: usize = 200;
/// Unpacked bytes that are allowed for any body, however small.
const FREE: usize = 256 * 1024;

/// A validated JSON request body, plain or gzip.
#[derive(Debug, Clone)]
pub(crate) struct CompressedBody<T>(pub T);

impl<T> Deref for CompressedBody<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for CompressedBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <body::Body<T> as ApiExtractor<'a>>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        <body::Body<T> as ApiExtractor<'a>>::request_meta().map(Encoding::declare_gzip)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        if !request.content_type().is_some_and(Json::<T>::check_content_type) {
            return Err(body::wrong_content_type().into());
        }
        let sent = body::read(request, body).await?;
        let bytes = match Encoding::of(request) {
            Some(Encoding::Gzip) => unpacked(&sent, UNPACKED * body::limit(request))?,
            // The frame lets no other encoding through.
            Some(Encoding::Plain) | None => sent,
        };
        let schemas = request
            .data::<Arc<Schemas>>()
            .ok_or_else(|| ApiError::internal("the schemas are not part of the request's data"))?;
        Ok(Self(body::parse(schemas, &bytes)?))
    }
}

fn unpacked(sent: &[u8], largest: usize) -> Result<Vec<u8>, ApiError> {
    let most = largest.min(FREE + RATIO * sent.len());
    let mut bytes = Vec::new();
    // Reads one byte more than allowed, to detect a body that is too large without unpacking all of it.
    MultiGzDecoder::new(sent)
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| ApiError::bad_request("malformed_gzip", "The body is not what `Content-Encoding: gzip` says."))?;
    if bytes.len() > most {
        return Err(body::too_large(most));
    }
    Ok(bytes)
}
