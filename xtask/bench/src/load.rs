//! Many connections that each send the next request as soon as they have an answer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;

use crate::http::Connection;
use crate::requests::Requests;

/// Time limit for an answer; a longer one means that the server hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections with their requests.
#[derive(Debug)]
pub(crate) struct Load {
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    connection: Connection,
    requests: Requests,
    latencies: Vec<Duration>,
}

/// Result of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) elapsed: Duration,
    /// One entry an answer.
    pub(crate) latencies: Vec<Duration>,
}

impl Load {
    /// Opens a connection for each sequence of requests.
    pub(crate) async fn connect(address: &str, requests: Vec<Requests>) -> Result<Self> {
        let mut clients = Vec::with_capacity(requests.len());
        for requests in requests {
            let connection = Connection::connect(address).await?;
            clients.push(Client { connection, requests, latencies: Vec::new() });
        }
        Ok(Self { clients })
    }

    /// Sends requests for the duration `time`, and waits for the answers that are then missing.
    pub(crate) async fn run(&mut self, time: Duration) -> Result<Run> {
        let started = Instant::now();
        let end = started + time;
        let mut tasks = JoinSet::new();
        for client in self.clients.drain(..) {
            tasks.spawn(client.run(end));
        }
        let mut latencies = Vec::new();
        let all = async {
            while let Some(client) = tasks.join_next().await {
                let mut client = client??;
                latencies.append(&mut client.latencies);
                self.clients.push(client);
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(time + PATIENCE, all)
            .await
            .with_context(|| format!("no answer within {} s", PATIENCE.as_secs()))??;
        Ok(Run { elapsed: started.elapsed(), latencies })
    }

    /// Returns the number of requests that these sequences have made so far.
    pub(crate) fn asked(&self) -> u64 {
        self.clients.iter().map(|client| client.requests.count()).sum()
    }

    /// Returns the sequences of requests, so that they can be continued.
    pub(crate) fn close(self) -> Vec<Requests> {
        self.clients.into_iter().map(|client| client.requests).collect()
    }
}

impl Client {
    async fn run(mut self, end: Instant) -> Result<Self> {
        let expected = self.requests.status();
        let mut request = Vec::with_capacity(2048);
        let mut asked = Instant::now();
        while asked < end {
            self.requests.next(&mut request)?;
            let status = self.connection.call(&request).await?;
            if status != expected {
                let body = String::from_utf8_lossy(self.connection.body()).chars().take(500).collect::<String>();
                let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
                bail!("{} was answered {status}, not {expected}: {body}", String::from_utf8_lossy(line));
            }
            let answered = Instant::now();
            self.latencies.push(answered - asked);
            asked = answered;
        }
        Ok(self)
    }
}
