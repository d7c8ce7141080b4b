//! S3, which stores files.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region, timeout::TimeoutConfig},
    operation::abort_multipart_upload::AbortMultipartUploadError,
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use bytes::Bytes;
use secrecy::ExposeSecret;
use server_shared::http::health::Probe;

use crate::config::StorageConfig;

/// Largest number of objects that S3 deletes in one request.
const DELETE_BATCH: usize = 1000;

/// Longest time of a request, with its repetitions.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Longest time in which S3 puts thousands of parts together.
const COMPLETED_WITHIN: Duration = Duration::from_mins(10);

/// Client of one bucket.
#[derive(Clone)]
pub(crate) struct Storage {
    client: Client,
    bucket: String,
}

impl Storage {
    /// Builds the client. It sends nothing before its first use.
    pub(crate) fn new(config: &StorageConfig) -> Self {
        let key = config.access_key_id.expose_secret();
        let secret = config.secret_access_key.expose_secret();
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut builder = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(Credentials::new(key, secret, None, None, "configuration"))
            .timeout_config(TimeoutConfig::builder().operation_timeout(ANSWERED_WITHIN).build())
            .http_client(http);
        if let Some(endpoint) = &config.endpoint {
            // Servers other than AWS have no DNS name for each bucket.
            builder = builder.endpoint_url(endpoint.as_str()).force_path_style(true);
        }
        Self { client: Client::from_conf(builder.build()), bucket: config.bucket.clone() }
    }
}

/// Readiness check of S3: asks for the bucket.
pub(crate) struct StorageProbe(pub(crate) Storage);

#[async_trait]
impl Probe for StorageProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.client.head_bucket().bucket(&self.0.bucket).send().await?;
        Ok(())
    }
}

/// Failure of a request to S3.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("S3 can't be reached or refuses the request")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("S3 did not delete {0} objects")]
    Kept(usize),
    #[error("S3 has begun no upload, or has not confirmed a part of one")]
    Unconfirmed,
}

/// Object that is about to be stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewObject<'a> {
    /// Key of the object.
    pub(crate) key: &'a str,
    /// Media type that S3 sends it with.
    pub(crate) content_type: &'a str,
    /// `Content-Disposition` that S3 sends it with.
    pub(crate) disposition: &'a str,
}

/// Upload of an object in parts, of which S3 shows nothing before it is complete.
#[derive(Debug)]
pub(crate) struct Upload {
    key: String,
    /// Id that S3 has given to the upload.
    id: String,
    parts: Vec<CompletedPart>,
}

impl Upload {
    /// Returns the id that S3 has given to the upload.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl StorageError {
    fn of(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl Storage {
    /// Returns the keys that begin with `prefix`.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let mut keys = Vec::new();
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(StorageError::of)?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
        }
        Ok(keys)
    }

    /// Deletes objects. Ignores those that don't exist.
    pub(crate) async fn delete(&self, keys: &[String]) -> Result<(), StorageError> {
        for batch in keys.chunks(DELETE_BATCH) {
            let objects = batch.iter().map(|key| ObjectIdentifier::builder().key(key).build());
            let objects = objects.collect::<Result<Vec<_>, _>>().map_err(StorageError::of)?;
            let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(StorageError::of)?;
            let request = self.client.delete_objects().bucket(&self.bucket).delete(delete);
            let answer = request.send().await.map_err(StorageError::of)?;
            match answer.errors() {
                [] => {}
                kept => return Err(StorageError::Kept(kept.len())),
            }
        }
        Ok(())
    }

    /// Begins the upload of an object.
    pub(crate) async fn upload_begin(&self, new: NewObject<'_>) -> Result<Upload, StorageError> {
        let request = self.client.create_multipart_upload().bucket(&self.bucket).key(new.key);
        let request = request.content_type(new.content_type).content_disposition(new.disposition);
        let begun = request.send().await.map_err(StorageError::of)?;
        let id = begun.upload_id.ok_or(StorageError::Unconfirmed)?;
        Ok(Upload { key: new.key.to_owned(), id, parts: Vec::new() })
    }

    /// Uploads the next part. All parts but the last have at least 5 MiB; there are at most 10,000.
    pub(crate) async fn upload_part(&self, upload: &mut Upload, part: Bytes) -> Result<(), StorageError> {
        let number = i32::try_from(upload.parts.len() + 1).map_err(StorageError::of)?;
        let request = self.client.upload_part().bucket(&self.bucket).key(&upload.key).upload_id(&upload.id);
        // A body in memory is sent as it is, with its length and checksum in headers.
        let sent = request.part_number(number).body(ByteStream::from(part)).send().await.map_err(StorageError::of)?;
        let mut completed = CompletedPart::builder().part_number(number).e_tag(sent.e_tag.unwrap_or_default());
        completed = completed.set_checksum_crc32(sent.checksum_crc32);
        upload.parts.push(completed.build());
        Ok(())
    }

    /// Completes an upload: from then on the object is there.
    pub(crate) async fn upload_complete(&self, upload: &Upload) -> Result<(), StorageError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(upload.parts.clone())).build();
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(&upload.key);
        let patience = TimeoutConfig::builder().operation_timeout(COMPLETED_WITHIN).build();
        let patient = aws_sdk_s3::Config::builder().timeout_config(patience);
        let request = request.upload_id(&upload.id).multipart_upload(parts).customize().config_override(patient);
        request.send().await.map_err(StorageError::of)?;
        Ok(())
    }

    /// Gives up an upload and deletes its parts. Ignores one that is not there.
    pub(crate) async fn upload_abort(&self, key: &str, id: &str) -> Result<(), StorageError> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(id);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(AbortMultipartUploadError::is_no_such_upload) => Ok(()),
            Err(error) => Err(StorageError::of(error)),
        }
    }

    /// Stores a small object in one request.
    pub(crate) async fn put(&self, new: NewObject<'_>, body: Bytes) -> Result<(), StorageError> {
        let request = self.client.put_object().bucket(&self.bucket).key(new.key);
        let request = request.content_type(new.content_type).content_disposition(new.disposition);
        request.body(ByteStream::from(body)).send().await.map_err(StorageError::of)?;
        Ok(())
    }

    /// Returns a link by which anybody reads an object for `valid`. Sends no request, so the object need not be there.
    pub(crate) async fn link(&self, key: &str, valid: Duration) -> Result<String, StorageError> {
        let presigning = PresigningConfig::expires_in(valid).map_err(StorageError::of)?;
        let request = self.client.get_object().bucket(&self.bucket).key(key).presigned(presigning).await;
        Ok(request.map_err(StorageError::of)?.uri().to_owned())
    }
}
