//! PostgreSQL's wire protocol, as far as counting needs it: the framing of both directions, and the
//! messages that carry SQL.

use std::collections::HashMap;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// The start-up message with the role.
    Start { user: String },
    /// A question whether to encrypt; answered by one byte without a frame.
    Encrypt,
    /// SQL that is to be run: a simple query, or a prepared statement that is bound.
    Sql(String),
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
    /// What is complete after these bytes.
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
            b'Q' => vec![Said::Sql(text(body).0), Said::Sync],
            b'P' => {
                let (name, rest) = text(body);
                let (sql, _) = text(rest);
                self.prepared.insert(name, sql);
                vec![Said::Other]
            }
            b'B' => {
                let (_, rest) = text(body);
                let (name, _) = text(rest);
                vec![Said::Sql(self.prepared.get(&name).cloned().unwrap_or_default())]
            }
            b'S' => vec![Said::Sync],
            _ => vec![Said::Other],
        }
    }
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
    /// How many one-byte answers are due before the next frame.
    pub(super) bare: usize,
}

impl Backend {
    /// How many ReadyForQuery messages are complete after these bytes.
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
        bytes.extend(message(b'B', b"\0s1\0\0\0\0\0\0\0"));
        bytes.extend(message(b'S', b""));
        bytes.extend(message(b'Q', b"commit\0"));
        let mut frontend = Frontend::default();
        let said: Vec<Said> = bytes.chunks(3).flat_map(|piece| frontend.read(piece)).collect();
        let sql = |text: &str| Said::Sql(text.to_owned());
        let user = "restartix_app".to_owned();
        let expected =
            [Said::Encrypt, Said::Start { user }, Said::Other, sql("select $1"), Said::Sync, sql("commit"), Said::Sync];
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
