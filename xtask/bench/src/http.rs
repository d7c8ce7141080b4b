//! Minimal HTTP/1.1 client over a connection that stays open. It does little work, so that the shared cores work for
//! the server.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An open connection, of a client or a server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Received bytes; the last message is at the start.
    buffer: Vec<u8>,
    /// Ends of the head and the body of the last message.
    head: usize,
    end: usize,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024), head: 0, end: 0 })
    }

    pub(crate) async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        Self::new(stream)
    }

    pub(crate) async fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(message).await?)
    }

    /// Waits for the next message; false at the end of the connection.
    pub(crate) async fn receive(&mut self) -> Result<bool> {
        self.buffer.drain(..self.end);
        (self.head, self.end) = (0, 0);
        loop {
            if let Some((head, length)) = head(&self.buffer)?
                && self.buffer.len() >= head + length
            {
                (self.head, self.end) = (head, head + length);
                return Ok(true);
            }
            self.buffer.reserve(16 * 1024);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                if self.buffer.is_empty() {
                    return Ok(false);
                }
                bail!("the connection ended within a message");
            }
        }
    }

    /// Sends a request and waits for its answer's status.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<u16> {
        self.send(request).await?;
        if !self.receive().await? {
            bail!("the server closed the connection");
        }
        status(&self.buffer)
    }

    /// The last message's body.
    pub(crate) fn body(&self) -> &[u8] {
        &self.buffer[self.head..self.end]
    }

    /// The last message's first line.
    pub(crate) fn start_line(&self) -> String {
        let line = self.buffer[..self.head].split(|byte| *byte == b'\r').next().unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    }
}

/// Returns the end of the head of the message at the start of `buffer` and the length of its body; `None` while
/// the head is incomplete.
fn head(buffer: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let mut length = 0;
    for line in buffer[..end].split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(b"content-length") {
            length = std::str::from_utf8(value)?.trim().parse().context("a content length is a number")?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            bail!("the message has no content length");
        }
    }
    Ok(Some((end + 4, length)))
}

/// The status of the answer at the start of `buffer`.
fn status(buffer: &[u8]) -> Result<u16> {
    let digits = buffer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
    status.context("the answer is not HTTP/1.1")
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_head_says_where_the_body_is() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Type: a\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200";
        let (head_end, length) = head(answer).unwrap().unwrap();
        assert_eq!(&answer[head_end..head_end + length], b"hello");
        assert_eq!(status(answer).unwrap(), 201);
        assert!(head(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n").unwrap().is_none());
        assert!(head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(status(b"SSH-2.0-server").is_err());
    }

    #[tokio::test]
    async fn messages_are_told_apart_however_they_arrive() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for part in ["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 2\r\n\r\nabHTTP/1.1 404 Not Found\r\n\r\n"] {
                stream.write_all(part.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        });
        let mut connection = Connection::connect(&address).await.unwrap();
        assert!(connection.receive().await.unwrap());
        assert_eq!(connection.body(), b"ab");
        assert!(connection.receive().await.unwrap());
        assert_eq!(connection.start_line(), "HTTP/1.1 404 Not Found");
        assert!(connection.body().is_empty());
        assert!(!connection.receive().await.unwrap());
        server.await.unwrap();
    }
}
