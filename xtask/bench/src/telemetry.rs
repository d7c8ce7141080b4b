//! A stand-in for Telemetry that acknowledges every audit event.
//!
//! Core's forwarder works as it does in production, and its cost is part of the measurement. The cost of storing the
//! events at Telemetry, on its own machine, is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::http::Connection;

#[derive(Debug, Deserialize)]
struct Batch {
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    id: String,
}

/// Events that the stand-in has acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    pub(crate) events: AtomicU64,
    pub(crate) batches: AtomicU64,
}

/// Listens on a free port for as long as the program runs and counts what it acknowledges; returns the URL.
pub(crate) async fn start(acknowledged: Arc<Acknowledged>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acknowledged = Arc::clone(&acknowledged);
            tokio::spawn(async move {
                let served = match Connection::new(stream) {
                    Ok(connection) => serve(connection, &acknowledged).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = served {
                    eprintln!("    the stand-in for Telemetry: {error:#}");
                }
            });
        }
    });
    Ok(url)
}

async fn serve(mut connection: Connection, acknowledged: &Acknowledged) -> Result<()> {
    while connection.receive().await? {
        let answer = if connection.start_line().starts_with("POST /v1/audit/ingest ") {
            let batch: Batch = serde_json::from_slice(connection.body())?;
            acknowledged.events.fetch_add(batch.events.len() as u64, Ordering::Relaxed);
            acknowledged.batches.fetch_add(1, Ordering::Relaxed);
            let results: Vec<_> =
                batch.events.into_iter().map(|event| json!({"id": event.id, "result": "accepted"})).collect();
            let body = json!({"results": results}).to_string();
            let length = body.len();
            format!("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        } else {
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()
        };
        connection.send(answer.as_bytes()).await?;
    }
    Ok(())
}
