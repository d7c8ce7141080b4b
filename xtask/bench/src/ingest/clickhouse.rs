//! ClickHouse over HTTP, and its inserts without Telemetry.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::bodies::Subject;
use crate::setup::TelemetrySetup;

/// Number of different batches that are inserted in turn.
const BLOCKS: u64 = 32;
/// Batches in a large one: about 10,000 events, as Telemetry sends under load.
const LARGE: u64 = 10_000;

/// Address of ClickHouse.
#[derive(Debug)]
pub(super) struct ClickHouse {
    address: String,
    database: String,
}

impl ClickHouse {
    pub(super) fn new(telemetry: &TelemetrySetup) -> Self {
        Self { address: telemetry.clickhouse_address.clone(), database: telemetry.clickhouse_database.clone() }
    }

    /// Runs a query and returns its answer. HTTP/1.0, so that the answer ends with the connection.
    async fn bytes(&self, query: &str) -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.address).await.context("ClickHouse does not listen")?;
        let Self { address, database } = self;
        let request = format!(
            "POST /?database={database} HTTP/1.0\r\nHost: {address}\r\nX-ClickHouse-User: default\r\nContent-Length: {}\r\n\r\n{query}",
            query.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let head = position(&answer, b"\r\n\r\n").context("ClickHouse did not answer")?;
        let body = answer.split_off(head + 4);
        ensure!(
            answer[..head].split(|byte| *byte == b' ').nth(1) == Some(b"200"),
            "{}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }

    /// Runs a query whose answer is a text.
    pub(super) async fn text(&self, query: &str) -> Result<String> {
        Ok(String::from_utf8(self.bytes(query).await?)?)
    }

    /// Runs a query whose answer is a number.
    pub(super) async fn number(&self, query: &str) -> Result<u64> {
        let text = self.text(query).await?;
        text.trim().parse().with_context(|| format!("{query} gave {text:?}"))
    }
}

/// Rows of a table, as Telemetry has stored them, in batches.
struct Blocks {
    /// A copy of the table without rows.
    table: String,
    blocks: Vec<Vec<u8>>,
}

/// Inserts of one client into copies of a subject's tables.
pub(super) struct Inserts {
    subject: Subject,
    small: Vec<Blocks>,
    large: Vec<Blocks>,
    connection: Option<TcpStream>,
}

impl Inserts {
    pub(super) async fn new(clickhouse: &ClickHouse, subject: Subject) -> Result<Self> {
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (table, rows) in subject.tables().iter().zip(subject.rows()) {
            let copy = format!("bench_{}_{table}", subject as u8);
            clickhouse.bytes(&format!("create table {copy} as {table}")).await?;
            small.push(Blocks { table: copy.clone(), blocks: blocks(clickhouse, table, *rows, BLOCKS).await? });
            let rows = rows * (LARGE / subject.events());
            large.push(Blocks { table: copy, blocks: blocks(clickhouse, table, rows, 1).await? });
        }
        Ok(Self { subject, small, large, connection: None })
    }

    /// Inserts batches of the subject's size for the duration `time`; returns the number of events.
    pub(super) async fn run(&mut self, clickhouse: &ClickHouse, time: Duration) -> Result<u64> {
        let small = std::mem::take(&mut self.small);
        let batches = self.insert(clickhouse, &small, time).await;
        self.small = small;
        Ok(batches? * self.subject.events())
    }

    /// Inserts large batches for the duration `time`; returns the number of events.
    pub(super) async fn run_large(&mut self, clickhouse: &ClickHouse, time: Duration) -> Result<u64> {
        let large = std::mem::take(&mut self.large);
        let batches = self.insert(clickhouse, &large, time).await;
        self.large = large;
        Ok(batches? * (LARGE / self.subject.events()) * self.subject.events())
    }

    async fn insert(&mut self, clickhouse: &ClickHouse, tables: &[Blocks], time: Duration) -> Result<u64> {
        let end = Instant::now() + time;
        let mut batches = 0;
        while Instant::now() < end {
            for Blocks { table, blocks } in tables {
                let turn = usize::try_from(batches)? % blocks.len().max(1);
                let block = blocks.get(turn).context("there is no batch to insert")?;
                self.post(clickhouse, table, block).await?;
            }
            batches += 1;
        }
        Ok(batches)
    }

    async fn post(&mut self, clickhouse: &ClickHouse, table: &str, block: &[u8]) -> Result<()> {
        let mut stream = if let Some(stream) = self.connection.take() {
            stream
        } else {
            let stream = TcpStream::connect(&clickhouse.address).await?;
            stream.set_nodelay(true)?;
            stream
        };
        let ClickHouse { address, database } = clickhouse;
        // The settings of Telemetry's own inserts.
        let mut request = format!(
            "POST /?database={database}&async_insert=0&insert_deduplicate=0&query=INSERT%20INTO%20{table}%20FORMAT%20RowBinary HTTP/1.1\r\n\
             Host: {address}\r\nX-ClickHouse-User: default\r\nContent-Length: {}\r\n\r\n",
            block.len()
        )
        .into_bytes();
        request.extend_from_slice(block);
        stream.write_all(&request).await?;
        let mut answer = Vec::with_capacity(4096);
        let head = loop {
            if let Some(head) = position(&answer, b"\r\n\r\n") {
                break head;
            }
            if stream.read_buf(&mut answer).await? == 0 {
                bail!("ClickHouse closed the connection");
            }
        };
        ensure!(
            answer.starts_with(b"HTTP/1.1 200"),
            "ClickHouse refused an insert: {}",
            String::from_utf8_lossy(&answer)
        );
        // The answer has no body: it is one chunk without a byte.
        while !answer[head + 4..].starts_with(b"0\r\n\r\n") {
            if stream.read_buf(&mut answer).await? == 0 {
                bail!("ClickHouse closed the connection: {}", String::from_utf8_lossy(&answer));
            }
        }
        self.connection = Some(stream);
        Ok(())
    }
}

/// Reads `count` batches of `rows` rows that Telemetry has stored.
async fn blocks(clickhouse: &ClickHouse, table: &str, rows: u64, count: u64) -> Result<Vec<Vec<u8>>> {
    let mut blocks = Vec::new();
    let mut offset = 0;
    for _ in 0..count {
        let query = format!("select * from {table} limit {rows} offset {offset} format RowBinary");
        let block = clickhouse.bytes(&query).await?;
        if !block.is_empty() {
            blocks.push(block);
        }
        offset += rows;
    }
    Ok(blocks)
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
