//! Redis: what instances share for a short while.

use std::time::Duration;

use async_trait::async_trait;
use bb8_redis::{RedisConnectionManager, bb8::Pool};
use secrecy::{ExposeSecret, SecretString};
use server_shared::http::health::Probe;

/// How long a request may wait for a connection; it goes on without Redis after that.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(500);

/// A pool that connects when it is first used.
pub(crate) fn connect(url: &SecretString) -> Result<Pool<RedisConnectionManager>, redis::RedisError> {
    let manager = RedisConnectionManager::new(url.expose_secret())?;
    Ok(Pool::builder().max_size(16).connection_timeout(ACQUIRE_TIMEOUT).build_unchecked(manager))
}

/// Asks Redis.
pub(crate) struct RedisProbe(pub(crate) Pool<RedisConnectionManager>);

#[async_trait]
impl Probe for RedisProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut connection = self.0.get().await?;
        redis::cmd("PING").query_async::<()>(&mut *connection).await?;
        Ok(())
    }
}
