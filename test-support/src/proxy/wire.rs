//! PostgreSQL's wire protocol, as far as counting needs it: the framing of both directions, and the
//! messages that carry SQL.

use std::collections::HashMap;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// SQL that was run, and the values bound to its parameters, as they went over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text.
    pub sql: String,
    /// The values in PostgreSQL's binary format, `None` for null; none for a simple query.
    pub values: Vec<Option<Vec<u8>>>,
}

/// Message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// The start-up message with the role.
    Start { user: String },
    /// A question whether to encrypt; answered by one byte without a frame.
    Encrypt,
    /// SQL that is to be run: a simple query, or a prepared statement that is bound.
    Sql(Statement),
    /// The end of a cycle: PostgreSQL answers it with ReadyForQuery.
    Sync,
    /// Anything else.
    Other,
}

/// Takes the client's bytes apart.
#[derive(Debug, Default)]
pub(super) struct Frontend {
    buffer: Vec<u8>,
    started: bool,
    /// The SQL of each prepared statement, by its name.
    prepared: HashMap<String, String>,
}

impl Frontend {
    /// Returns the messages that are complete after these bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.buffer.extend_from_slice(bytes);
        let mut said = Vec::new();
        while let Some(message) = self.next() {
            said.extend(message);
        }
        said
    }

    fn next(&mut self) -> Option<Vec<Said>> {
        // Before the start-up message there is no type byte.
        let head = usize::from(self.started);
        let length = u32::from_be_bytes(self.buffer.get(head..head + 4)?.try_into().ok()?) as usize;
        if self.buffer.len() < head + length {
            return None;
        }
        let frame: Vec<u8> = self.buffer.drain(..head + length).collect();
        let (kind, body) = (frame[0], &frame[head + 4..]);
        if self.started { Some(self.message(kind, body)) } else { Some(vec![self.start(body)]) }
    }

    fn start(&mut self, body: &[u8]) -> Said {
        let code = body.get(..4).map_or(0, |code| u32::from_be_bytes([code[0], code[1], code[2], code[3]]));
        if code == SSL_REQUEST || code == GSS_REQUEST {
            return Said::Encrypt;
        }
        self.started = true;
        let texts: Vec<&[u8]> = body.get(4..).unwrap_or_default().split(|byte| *byte == 0).collect();
        let user = texts.chunks(2).find(|pair| pair[0] == b"user").and_then(|pair| pair.get(1));
        Said::Start { user: user.map(|user| String::from_utf8_lossy(user).into_owned()).unwrap_or_default() }
    }

    fn message(&mut self, kind: u8, body: &[u8]) -> Vec<Said> {
        match kind {
            // A simple query is answered by ReadyForQuery without a Sync.
            b'Q' => vec![Said::Sql(Statement { sql: text(body).0, values: Vec::new() }), Said::Sync],
            b'P' => {
                let (name, rest) = text(body);
                let (sql, _) = text(rest);
                self.prepared.insert(name, sql);
                vec![Said::Other]
            }
            b'B' => {
                let (_, rest) = text(body);
                let (name, rest) = text(rest);
                let sql = self.prepared.get(&name).cloned().unwrap_or_default();
                vec![Said::Sql(Statement { sql, values: values(rest).unwrap_or_default() })]
            }
            b'S' => vec![Said::Sync],
            _ => vec![Said::Other],
        }
    }
}

/// The values of a Bind message, from the count of format codes on.
fn values(mut body: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut take = |length: usize| {
        let (taken, rest) = body.split_at_checked(length)?;
        body = rest;
        Some(taken)
    };
    let formats = u16::from_be_bytes(take(2)?.try_into().ok()?);
    take(usize::from(formats) * 2)?;
    let count = u16::from_be_bytes(take(2)?.try_into().ok()?);
    let mut values = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let length = i32::from_be_bytes(take(4)?.try_into().ok()?);
        // A negative length is a null.
        values.push(match usize::try_from(length) {
            Ok(length) => Some(take(length)?.to_vec()),
            Err(_) => None,
        });
    }
    Some(values)
}

/// A text that ends in a zero byte, and what follows it.
fn text(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let rest = bytes.get(end + 1..).unwrap_or_default();
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), rest)
}

/// Takes the server's bytes apart.
#[derive(Debug, Default)]
pub(super) struct Backend {
    buffer: Vec<u8>,
    /// Number of one-byte answers that are due before the next frame.
    pub(super) bare: usize,
}

impl Backend {
    /// Returns the number of ReadyForQuery messages that are complete after these bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) -> usize {
        self.buffer.extend_from_slice(bytes);
        let mut ready = 0;
        while let Some(kind) = self.next() {
            ready += usize::from(kind == b'Z');
        }
        ready
    }

    fn next(&mut self) -> Option<u8> {
        if self.bare > 0 && !self.buffer.is_empty() {
            self.bare -= 1;
            let answer = self.buffer.remove(0);
            assert_eq!(answer, b'N', "PostgreSQL encrypts: the proxy can't read along");
            return Some(0);
        }
        let length = u32::from_be_bytes(self.buffer.get(1..5)?.try_into().ok()?) as usize;
        if self.buffer.len() < 1 + length {
            return None;
        }
        self.buffer.drain(..=length).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    fn start_up() -> Vec<u8> {
        let body = [&196_608_u32.to_be_bytes()[..], b"user\0restartix_app\0database\0x\0\0"].concat();
        [&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], &body].concat()
    }

    #[test]
    fn messages_are_read_in_any_pieces() {
        let mut bytes = [8_u32.to_be_bytes(), SSL_REQUEST.to_be_bytes()].concat();
        bytes.extend(start_up());
        bytes.extend(message(b'P', b"s1\0select $1\0\0\0"));
        bytes.extend(message(b'B', b"\0s1\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\0"));
        bytes.extend(message(b'S', b""));
        bytes.extend(message(b'Q', b"commit\0"));
        let mut frontend = Frontend::default();
        let said: Vec<Said> = bytes.chunks(3).flat_map(|piece| frontend.read(piece)).collect();
        let sql = |text: &str, values: &[Option<&str>]| {
            let values = values.iter().map(|value| value.map(|value| value.as_bytes().to_vec())).collect();
            Said::Sql(Statement { sql: text.to_owned(), values })
        };
        let user = "restartix_app".to_owned();
        let expected = [
            Said::Encrypt,
            Said::Start { user },
            Said::Other,
            sql("select $1", &[Some("ab"), None]),
            Said::Sync,
            sql("commit", &[]),
            Said::Sync,
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn ready_for_query_is_counted_after_a_bare_byte_too() {
        let mut backend = Backend { bare: 1, ..Backend::default() };
        let bytes = [&b"N"[..], &message(b'D', b"ZZZZZ"), &message(b'Z', b"I"), &message(b'Z', b"T")].concat();
        let ready: usize = bytes.chunks(2).map(|piece| backend.read(piece)).sum();
        assert_eq!(ready, 2, "a Z inside of a row is no message");
    }
}
