//! A bucket of one test's own.

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use crate::Stack;

/// Makes the bucket. It goes with the stack.
pub(crate) async fn bucket_create(name: &str) {
    let stack = Stack::get();
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let credentials = Credentials::new(&stack.s3_access_key, &stack.s3_secret_key, None, None, "stack.json");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url(&stack.s3_endpoint)
        .force_path_style(true)
        .http_client(http)
        .build();
    Client::from_conf(config).create_bucket().bucket(name).send().await.expect("S3 makes a bucket");
}
