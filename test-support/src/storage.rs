//! A bucket of one test's own, and what is in it.

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
    client().create_bucket().bucket(name).send().await.expect("S3 makes a bucket");
}

/// Puts an object.
pub(crate) async fn object_put(bucket: &str, key: &str, body: &str) {
    let body = body.as_bytes().to_vec().into();
    client().put_object().bucket(bucket).key(key).body(body).send().await.expect("S3 takes an object");
}

/// Every object: key and content.
pub(crate) async fn objects(bucket: &str) -> Vec<(String, Vec<u8>)> {
    let client = client();
    let mut pages = client.list_objects_v2().bucket(bucket).into_paginator().send();
    let mut objects = Vec::new();
    while let Some(page) = pages.next().await {
        for key in page.expect("S3 lists objects").contents.unwrap_or_default().into_iter().filter_map(|o| o.key) {
            let object = client.get_object().bucket(bucket).key(&key).send().await.expect("S3 gives an object");
            let body = object.body.collect().await.expect("S3 sends all of an object").to_vec();
            objects.push((key, body));
        }
    }
    objects
}

fn client() -> Client {
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
    Client::from_conf(config)
}
