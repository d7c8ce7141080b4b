//! A JSON body, checked against the very schema that the specification publishes for its type
//! before it is parsed, so that specification and behaviour can't disagree; every fault is listed.

use std::{
    marker::PhantomData,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use poem::{Body as RawRequestBody, Request, RequestBody, Result, http::StatusCode};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry},
    types::{ParseFromJSON, Type},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt;

use super::{
    census, json,
    schema::{Faults, Schemas},
};
use crate::error::{ApiError, FieldFault};

/// Largest size in bytes of the body of the request at hand.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

/// A validated JSON request body.
#[derive(Debug, Clone)]
pub struct Body<T>(pub T);

impl<T> Deref for Body<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The bytes of a JSON request body, for a handler that verifies a signature of them. The specification describes the
/// body as `T`; [`RawBody::checked`] checks it against that once the signature is verified.
#[derive(Debug, Clone)]
pub struct RawBody<T> {
    /// The bytes.
    pub bytes: Vec<u8>,
    schemas: Arc<Schemas>,
    described_as: PhantomData<T>,
}

impl<T: Type> RawBody<T> {
    /// Parses the bytes and checks them against the schema of `T`.
    pub fn checked(&self) -> Result<Value, ApiError> {
        checked::<T>(&self.schemas, &self.bytes)
    }
}

impl<'a, T: Type> ApiExtractor<'a> for RawBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(json_request::<T>())
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        if !request.content_type().is_some_and(is_json) {
            return Err(wrong_content_type().into());
        }
        let schemas = Arc::clone(schemas_of(request)?);
        Ok(Self { bytes: read(request, body).await?, schemas, described_as: PhantomData })
    }
}

fn json_request<T: Type>() -> MetaRequest {
    MetaRequest {
        description: None,
        content: vec![MetaMediaType { content_type: Json::<Value>::CONTENT_TYPE, schema: T::schema_ref() }],
        required: true,
    }
}

fn is_json(content_type: &str) -> bool {
    Json::<Value>::check_content_type(content_type)
}

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <T as Type>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(json_request::<T>())
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        if !request.content_type().is_some_and(is_json) {
            return Err(wrong_content_type().into());
        }
        let bytes = read(request, body).await?;
        Ok(Self(parse(schemas_of(request)?, &bytes)?))
    }
}

fn schemas_of(request: &Request) -> Result<&Arc<Schemas>, ApiError> {
    let schemas = request.data::<Arc<Schemas>>();
    schemas.ok_or_else(|| ApiError::internal("the schemas are not part of the request's data"))
}

/// Returns the largest size that the body of `request` may have, in bytes; 1 MiB unless the operation says otherwise.
pub fn limit(request: &Request) -> usize {
    request.extensions().get::<BodyLimit>().map_or(1024 * 1024, |limit| limit.0)
}

/// Reads the body up to the operation's limit.
pub async fn read(request: &Request, body: &mut RequestBody) -> Result<Vec<u8>, ApiError> {
    let limit = limit(request);
    let mut reader = body.take().map_err(|_| ApiError::internal("the body was read twice"))?.into_async_read();
    let mut bytes = Vec::new();
    // Reads one byte more than allowed, to detect a body that is too large.
    (&mut reader).take(limit as u64 + 1).read_to_end(&mut bytes).await.map_err(|_| incomplete())?;
    if bytes.len() > limit {
        return Err(too_large(limit));
    }
    Ok(bytes)
}

/// SHA-256 of the body of a request, taken while the body is read. Clones are of the same body.
#[derive(Debug, Clone)]
pub struct BodyDigest(Arc<Mutex<Reading>>);

#[derive(Debug, Default)]
struct Reading {
    hash: Sha256,
    /// The end has been read.
    whole: bool,
}

impl BodyDigest {
    /// Hashes the body of `request` while the next reader reads it, without buffering it.
    pub fn of(request: &mut Request) -> Self {
        let digest = Self(Arc::default());
        let (seen, ended) = (digest.clone(), digest.clone());
        let read = request.take_body().into_bytes_stream().inspect_ok(move |bytes| seen.reading().hash.update(bytes));
        // After the last chunk, and before the reader sees the end.
        let end = stream::poll_fn(move |_| {
            ended.reading().whole = true;
            Poll::Ready(None)
        });
        request.set_body(RawRequestBody::from_bytes_stream(read.chain(end)));
        digest
    }

    /// Returns the hash once the body has been read to its end.
    pub fn finished(&self) -> Option<[u8; 32]> {
        let reading = self.reading();
        reading.whole.then(|| reading.hash.clone().finalize().into())
    }

    /// Reads the body to its end, up to the operation's limit, and returns the hash; for a request that no handler
    /// reads.
    pub async fn read(&self, request: &mut Request) -> Result<[u8; 32], ApiError> {
        let limit = limit(request);
        let mut reader = request.take_body().into_async_read().take(limit as u64 + 1);
        let read = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
        let read = read.map_err(|_| incomplete())?;
        if read > limit as u64 {
            return Err(too_large(limit));
        }
        self.finished().ok_or_else(incomplete)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn incomplete() -> ApiError {
    ApiError::bad_request("incomplete_body", "The connection ended before the body did.")
}

/// Reads the rest of a refused request, up to a bound: a connection that is closed while the caller still writes would
/// lose the answer.
pub(crate) async fn drain(request: &mut Request) {
    const AT_MOST: u64 = 32 * 1024 * 1024;
    let mut reader = request.take_body().into_async_read().take(AT_MOST);
    // An error here only means that the caller left; there is nothing more to read.
    let _ = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
}

/// Checks `bytes` against the schema of `T` and parses them.
pub fn parse<T: ParseFromJSON>(schemas: &Schemas, bytes: &[u8]) -> Result<T, ApiError> {
    let value = checked::<T>(schemas, bytes)?;
    // The error's message may repeat the value, so it is dropped.
    T::parse_from_json(Some(value)).map_err(|_| misfit::<T>(schemas, bytes))
}

/// Returns the error of a body that its schema allows and its type does not.
fn misfit<T: Type>(schemas: &Schemas, bytes: &[u8]) -> ApiError {
    let faults = match (T::schema_ref(), checked::<T>(schemas, bytes)) {
        (MetaSchemaRef::Reference(name), Ok(value)) => schemas.faults_of_form(&name, value).unwrap_or_default(),
        _ => Faults::default(),
    };
    if let Err(error) = refuse(&faults) {
        return error;
    }
    // The type has a rule that the schema can't express.
    tracing::debug!(schema = %T::name(), "a body passed its schema, not its type");
    ApiError::validation(&[FieldFault::new("", "invalid", "a value is not of the kind the specification describes")])
}

/// Parses `bytes` and checks them against the schema of `T`.
fn checked<T: Type>(schemas: &Schemas, bytes: &[u8]) -> Result<Value, ApiError> {
    let MetaSchemaRef::Reference(name) = T::schema_ref() else {
        return Err(ApiError::internal(format!("{} is no named schema", T::name())));
    };
    let most = schemas.most_values(&name);
    if census::exceeds(bytes, most) {
        return Err(too_many_values(most));
    }
    let mut read = Faults::default();
    let value = json::read(bytes, &mut read).map_err(|error| malformed(&error))?;
    let mut faults = schemas.faults(&name, &value).map_err(ApiError::internal)?;
    faults.merge(read);
    refuse(&faults)?;
    Ok(value)
}

/// Repeated keys and unknown fields make a request malformed (400); everything else is a wrong value (422). With both
/// kinds present the request is malformed, and both are listed.
fn refuse(faults: &Faults) -> Result<(), ApiError> {
    if faults.count() == 0 {
        return Ok(());
    }
    let error = if faults.repeated_key() {
        let message = "Objects in the body have keys that are given more than once; see details.fields.";
        ApiError::bad_request("repeated_key", message)
    } else if faults.unknown_field() {
        let message = "The body has fields that this operation does not take; see details.fields.";
        ApiError::bad_request("unknown_field", message)
    } else {
        ApiError::validation(&[])
    };
    Err(error.with_fields_of(faults.listed(), faults.count()))
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    ApiError::bad_request("malformed_json", format!("The body is not JSON: fault at line {line}, column {column}."))
        .with_details(serde_json::json!({ "line": line, "column": column }))
}

/// 413.
pub fn too_large(limit: usize) -> ApiError {
    let message = format!("The body is too large; this operation takes at most {limit} bytes.");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        .with_details(serde_json::json!({ "limit": limit }))
}

/// 413 for a body that is small, but full of values.
fn too_many_values(most: usize) -> ApiError {
    let message =
        format!("The body holds too many values; this operation takes at most {most}, lists and their items counted.");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_values", message)
        .with_details(serde_json::json!({ "limit": most }))
}

/// 415.
pub fn wrong_content_type() -> ApiError {
    ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Send the body with the content type that the specification names, e.g. `Content-Type: application/json`.",
    )
}
