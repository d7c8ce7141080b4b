//! Redis, which holds short-lived state that instances share.

use std::time::Duration;

use async_trait::async_trait;
use bb8_redis::{RedisConnectionManager, bb8::Pool};
use secrecy::{ExposeSecret, SecretString};
use server_shared::http::health::Probe;

/// Longest wait of a request for a connection; without one it continues without Redis.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(500);

/// Builds a pool that connects on its first use.
pub(crate) fn connect(url: &SecretString) -> Result<Pool<RedisConnectionManager>, redis::RedisError> {
    let manager = RedisConnectionManager::new(url.expose_secret())?;
    Ok(Pool::builder().max_size(16).connection_timeout(ACQUIRE_TIMEOUT).build_unchecked(manager))
}

/// Readiness check of Redis: sends `PING`.
pub(crate) struct RedisProbe(pub(crate) Pool<RedisConnectionManager>);

#[async_trait]
impl Probe for RedisProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut connection = self.0.get().await?;
        redis::cmd("PING").query_async::<()>(&mut *connection).await?;
        Ok(())
    }
}
