//! S3, which stores files.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region, timeout::TimeoutConfig},
    types::{Delete, ObjectIdentifier},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use secrecy::ExposeSecret;
use server_shared::http::health::Probe;

use crate::config::StorageConfig;

/// Largest number of objects that S3 deletes in one request.
const DELETE_BATCH: usize = 1000;

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
            .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(30)).build())
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
}
