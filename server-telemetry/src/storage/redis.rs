//! Redis: messages between instances. Everything works without it, but less is cached.

use std::time::Duration;

use async_trait::async_trait;
use bb8_redis::{
    RedisConnectionManager,
    bb8::{Pool, RunError},
    redis::{self, AsyncCommands, Client, RedisError, aio::PubSub},
};
use secrecy::{ExposeSecret, SecretString};
use server_shared::http::health::Probe;
use thiserror::Error;

/// Longest time for a command; a request waits for it.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Error of Redis.
#[derive(Debug, Error)]
pub(crate) enum RedisFault {
    /// Redis answered with an error or not at all.
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    /// No connection was available in time.
    #[error("no connection to Redis: {0}")]
    Pool(#[from] RunError<RedisError>),
    /// Redis did not answer in time.
    #[error("Redis took too long to answer")]
    TimedOut,
}

/// Connections to Redis.
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    client: Client,
    pool: Pool<RedisConnectionManager>,
}

impl Redis {
    /// Prepares the pool without connecting yet.
    pub(crate) fn new(url: &SecretString) -> Result<Self, RedisError> {
        let client = Client::open(url.expose_secret())?;
        let manager = RedisConnectionManager::new(url.expose_secret())?;
        let pool = Pool::builder().max_size(4).connection_timeout(TIMEOUT).build_unchecked(manager);
        Ok(Self { client, pool })
    }

    /// Publishes `message` to everybody who listens to `channel`.
    pub(crate) async fn publish(&self, channel: &str, message: &str) -> Result<(), RedisFault> {
        let publish = async {
            let mut connection = self.pool.get().await?;
            let _receivers: i64 = connection.publish(channel, message).await?;
            Ok(())
        };
        tokio::time::timeout(TIMEOUT, publish).await.map_err(|_| RedisFault::TimedOut)?
    }

    /// Opens a connection of its own that receives the messages of `channel`.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<PubSub, RedisFault> {
        let subscribe = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(channel).await?;
            Ok(subscription)
        };
        tokio::time::timeout(4 * TIMEOUT, subscribe).await.map_err(|_| RedisFault::TimedOut)?
    }
}

/// Probes Redis.
pub(crate) struct RedisProbe(pub Redis);

#[async_trait]
impl Probe for RedisProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut connection = self.0.pool.get().await?;
        let _pong: String = redis::cmd("PING").query_async(&mut *connection).await?;
        Ok(())
    }
}
