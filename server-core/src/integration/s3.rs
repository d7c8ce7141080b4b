//! S3: where files live.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region, timeout::TimeoutConfig},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use secrecy::ExposeSecret;
use server_shared::http::health::Probe;

use crate::config::StorageConfig;

/// A bucket.
#[derive(Clone)]
pub(crate) struct Storage {
    client: Client,
    bucket: String,
}

impl Storage {
    /// Nothing is sent before the first use.
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
            // Servers other than AWS's have no DNS name a bucket.
            builder = builder.endpoint_url(endpoint.as_str()).force_path_style(true);
        }
        Self { client: Client::from_conf(builder.build()), bucket: config.bucket.clone() }
    }
}

/// Asks S3 for the bucket.
pub(crate) struct StorageProbe(pub(crate) Storage);

#[async_trait]
impl Probe for StorageProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.client.head_bucket().bucket(&self.0.bucket).send().await?;
        Ok(())
    }
}
