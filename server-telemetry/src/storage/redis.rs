//! Redis: what instances tell each other. Everything works without it, only less is remembered.

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

/// How long anything may take; whoever waits here is a request.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Why Redis could not be used.
#[derive(Debug, Error)]
pub(crate) enum RedisFault {
    /// It answered with an error or not at all.
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    /// No connection could be had in time.
    #[error("no connection to Redis: {0}")]
    Pool(#[from] RunError<RedisError>),
    /// No answer in time.
    #[error("Redis took too long")]
    TimedOut,
}

/// Connections to Redis.
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    client: Client,
    pool: Pool<RedisConnectionManager>,
}

impl Redis {
    /// Prepares connections; none is made yet.
    pub(crate) fn new(url: &SecretString) -> Result<Self, RedisError> {
        let client = Client::open(url.expose_secret())?;
        let manager = RedisConnectionManager::new(url.expose_secret())?;
        let pool = Pool::builder().max_size(4).connection_timeout(TIMEOUT).build_unchecked(manager);
        Ok(Self { client, pool })
    }

    /// Tells everybody who listens to `channel`.
    pub(crate) async fn publish(&self, channel: &str, message: &str) -> Result<(), RedisFault> {
        let publish = async {
            let mut connection = self.pool.get().await?;
            let _receivers: i64 = connection.publish(channel, message).await?;
            Ok(())
        };
        tokio::time::timeout(TIMEOUT, publish).await.map_err(|_| RedisFault::TimedOut)?
    }

    /// A connection of its own that hears what is published on `channel`.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<PubSub, RedisFault> {
        let subscribe = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(channel).await?;
            Ok(subscription)
        };
        tokio::time::timeout(4 * TIMEOUT, subscribe).await.map_err(|_| RedisFault::TimedOut)?
    }
}

/// Asks whether Redis is there.
pub(crate) struct RedisProbe(pub Redis);

#[async_trait]
impl Probe for RedisProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut connection = self.0.pool.get().await?;
        let _pong: String = redis::cmd("PING").query_async(&mut *connection).await?;
        Ok(())
    }
}
