//! A JSON document that is sent while it is read from the database, so that a document of any length takes the memory
//! of a few chunks.

use std::{error::Error, future::Future, io};

use bytes::Bytes;
use futures_util::stream;
use poem::Body;
use tokio::sync::mpsc;

use crate::error::causes;

/// Bytes of a chunk, and the number of chunks that may wait for the receiver.
pub(super) const CHUNK: usize = 64 * 1024;
const CHUNKS_WAITING: usize = 4;

/// The receiver closed the connection.
#[derive(Debug, thiserror::Error)]
#[error("the receiver has gone")]
pub struct Gone;

/// A document that writes its own content.
pub trait Document: Send + 'static {
    /// Reason why a document is not written to its end.
    type Fault: Error + From<Gone> + Send;

    /// Writes the document, every list and object of it closed.
    fn write(self, outlet: &mut Outlet) -> impl Future<Output = Result<(), Self::Fault>> + Send;
}

/// Makes the document the body of an answer. A failure breaks the connection, so that the receiver can't take a part of
/// the document for the whole.
pub fn body(document: impl Document) -> Body {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    tokio::spawn(async move {
        let mut outlet = Outlet { buffer: Vec::with_capacity(CHUNK), filled: Vec::new(), sender };
        if let Err(fault) = whole(document, &mut outlet).await
            && !outlet.sender.is_closed()
        {
            tracing::error!(error = causes(&fault), "a document broke off");
            // Ignores a receiver that has been dropped.
            let _ = outlet.sender.send(Err(io::Error::other("the document broke off"))).await;
        }
    });
    Body::from_bytes_stream(stream::unfold(receiver, |mut receiver| async {
        let chunk = receiver.recv().await?;
        Some((chunk, receiver))
    }))
}

async fn whole<D: Document>(document: D, outlet: &mut Outlet) -> Result<(), D::Fault> {
    document.write(outlet).await?;
    Ok(outlet.flush().await?)
}

/// Sends a document in chunks.
pub struct Outlet {
    buffer: Vec<u8>,
    /// Open lists, the innermost last; `true` for one that has an entry.
    filled: Vec<bool>,
    sender: mpsc::Sender<Result<Bytes, io::Error>>,
}

impl Outlet {
    /// Opens an object, as an entry of the open list if there is one. The object has the members of `head`, a JSON
    /// object that is not empty, and the list `list`, which stays open.
    pub async fn open(&mut self, head: &str, list: &str) -> Result<(), Gone> {
        self.separate();
        let head = head.strip_suffix('}').unwrap_or(head);
        self.filled.push(false);
        self.text(&format!("{head},\"{list}\":[")).await
    }

    /// Writes an entry of the open list, as JSON.
    pub async fn entry(&mut self, entry: &str) -> Result<(), Gone> {
        self.separate();
        self.text(entry).await
    }

    /// Begins an entry of the open list, for [`Outlet::bytes`].
    pub fn separate(&mut self) {
        if let Some(filled) = self.filled.last_mut()
            && std::mem::replace(filled, true)
        {
            self.buffer.push(b',');
        }
    }

    /// Writes a part of an entry.
    pub async fn bytes(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    /// Closes the open list and opens `list` in the same object.
    pub async fn next(&mut self, list: &str) -> Result<(), Gone> {
        self.filled.pop();
        self.filled.push(false);
        self.text(&format!("],\"{list}\":[")).await
    }

    /// Closes the open list and its object.
    pub async fn close(&mut self) -> Result<(), Gone> {
        self.filled.pop();
        self.text("]}").await
    }

    async fn text(&mut self, text: &str) -> Result<(), Gone> {
        self.bytes(text.as_bytes()).await
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sender.send(Ok(chunk.into())).await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Fault {
        #[error("the store is gone")]
        Store,
        #[error(transparent)]
        Gone(#[from] Gone),
    }

    /// As many rows as this; then it fails, if it is to.
    struct Rows {
        rows: usize,
        fails: bool,
    }

    impl Document for Rows {
        type Fault = Fault;

        async fn write(self, outlet: &mut Outlet) -> Result<(), Fault> {
            outlet.open(r#"{"of":1}"#, "tables").await?;
            for table in ["empty", "full"] {
                outlet.open(&json!({ "table": table }).to_string(), "rows").await?;
                for row in (0..self.rows).filter(|_| table == "full") {
                    outlet.entry(&row.to_string()).await?;
                }
                outlet.close().await?;
            }
            if self.fails {
                return Err(Fault::Store);
            }
            outlet.next("others").await?;
            for part in ["{\"a\"", ":1}"] {
                if part.starts_with('{') {
                    outlet.separate();
                }
                outlet.bytes(part.as_bytes()).await?;
            }
            outlet.close().await?;
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_document_of_any_length_is_json() {
        for rows in [0, 1, 100_000] {
            let text = body(Rows { rows, fails: false }).into_string().await.unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(document["tables"][0], json!({ "table": "empty", "rows": [] }));
            assert_eq!(document["tables"][1]["rows"].as_array().map(Vec::len), Some(rows));
            assert_eq!((&document["of"], &document["others"]), (&json!(1), &json!([{ "a": 1 }])));
        }
    }

    #[tokio::test]
    async fn one_that_breaks_off_is_no_body() {
        assert!(body(Rows { rows: 3, fails: true }).into_bytes().await.is_err());
    }
}
