//! Tables as CSV (RFC 4180), sent while their rows are read, so that a table of any length takes the memory of one
//! chunk.

use std::{borrow::Cow, error::Error, future::Future, io};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use csv_core::{Terminator, WriteResult, Writer, WriterBuilder};
use futures_util::{Stream, StreamExt, stream};
use http::{StatusCode, header::CONTENT_DISPOSITION};
use poem::{Body, IntoResponse, Response};
use poem_openapi::{
    ApiResponse,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
};
use rust_decimal::Decimal;
use thiserror::Error;
use uuid::Uuid;

use super::{disposition::attachment, streamed::CHUNK};
use crate::error::causes;

/// The media type in the specification.
const MEDIA_TYPE: &str = "text/csv";
/// The media type as it is sent (RFC 4180, RFC 7111).
pub const CONTENT_TYPE: &str = "text/csv; charset=utf-8; header=present";
/// Upper bound of the bytes of quotes, delimiter and line end together.
const MARKS_MAX: usize = 8;
/// Mark at the beginning by which some spreadsheets know UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A cell of a table.
///
/// Numbers, dates and the like are written as they are. Text that people write is guarded, because a spreadsheet
/// runs a cell that begins like a formula: such text gets an apostrophe in front, which marks it as text. The type of
/// a column decides that, so that `-5` in a column of numbers stays a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell(Cow<'static, str>);

impl Cell {
    /// A cell without a value.
    pub const EMPTY: Self = Self(Cow::Borrowed(""));

    /// Makes a cell of text that people write. Puts an apostrophe before the beginning of a formula, at the start of
    /// the text and after characters that end a cell in spreadsheets of other regions.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        // Most texts have none of these bytes. The full-width characters below begin with the last one.
        if !text.bytes().any(|byte| matches!(byte, b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | 0xef)) {
            return Self(text);
        }
        // Where a comma separates decimals, a semicolon separates cells, and quotes are read by that.
        let begins = |before: Option<char>| before.is_none_or(|c| matches!(c, ';' | '\t' | '\r' | '\n'));
        Self(guarded(&text, begins).map_or(text, Cow::from))
    }

    /// Makes a cell of a telephone number: in the form of E.164 (`+` and at most 15 digits) as it is, in any other as
    /// text.
    pub fn phone(number: impl Into<Cow<'static, str>>) -> Self {
        let number = number.into();
        let digits = number.strip_prefix('+').unwrap_or_default();
        let is_number = (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { Self(number) } else { Self::text(number) }
    }

    /// Makes a cell of a name that the program defines, e.g. of a state.
    pub const fn name(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Returns the text of the cell.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Puts an apostrophe before each beginning of a formula where a cell begins, by the character before it; `None` if
/// there is none.
fn guarded(text: &str, begins: impl Fn(Option<char>) -> bool) -> Option<String> {
    // The full-width forms are formulas to spreadsheets of East Asia.
    let formula = |c| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    let mut guarded = String::with_capacity(text.len() + 1);
    let mut before = None;
    for c in text.chars() {
        if begins(before) && formula(c) {
            guarded.push('\'');
        }
        guarded.push(c);
        before = Some(c);
    }
    (guarded.len() > text.len()).then_some(guarded)
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self(number.to_string().into())
    }
}

/// Digits with a point, without zeros at the end of the fraction.
impl From<Decimal> for Cell {
    fn from(number: Decimal) -> Self {
        Self(number.normalize().to_string().into())
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::name(if value { "true" } else { "false" })
    }
}

impl From<NaiveDate> for Cell {
    fn from(date: NaiveDate) -> Self {
        Self(date.to_string().into())
    }
}

impl From<NaiveTime> for Cell {
    fn from(time: NaiveTime) -> Self {
        Self(time.format("%H:%M:%S").to_string().into())
    }
}

/// RFC 3339 in UTC, with as many digits of a second as it has.
impl From<DateTime<Utc>> for Cell {
    fn from(moment: DateTime<Utc>) -> Self {
        Self(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true).into())
    }
}

impl From<Uuid> for Cell {
    fn from(id: Uuid) -> Self {
        Self(id.to_string().into())
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::EMPTY, Into::into)
    }
}

/// Character between the cells of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delimiter {
    /// `,`, as RFC 4180 says.
    #[default]
    Comma,
    /// `;`, for spreadsheets of regions where a comma separates decimals.
    Semicolon,
}

impl Delimiter {
    const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
        }
    }
}

/// A table to be sent.
pub struct Table<S> {
    /// The names of the columns.
    pub header: Vec<Cell>,
    /// True to begin with the byte order mark, which only some spreadsheets ask for.
    pub byte_order_mark: bool,
    /// Character between cells. No line of the table names it (`sep=`): parsers would read that line as a row.
    pub delimiter: Delimiter,
    /// The rows, each with as many cells as the header. The stream is polled only as fast as the receiver reads, and
    /// dropped when the receiver is gone.
    pub rows: S,
}

/// Observer of a table that is being sent. If it is dropped before [`Watch::finished`] or [`Watch::failed`], the
/// receiver has gone.
pub trait Watch: Send + 'static {
    /// Notes that the connection has taken `rows` more rows.
    fn taken(&mut self, rows: u64);

    /// Ends a table that the connection has taken to its last row. The receiver sees the end of the table only after
    /// this has succeeded; if it fails, the transfer breaks off.
    fn finished(self) -> impl Future<Output = io::Result<()>> + Send;

    /// Ends a table whose source has failed. The transfer breaks off after this.
    fn failed(self) -> impl Future<Output = ()> + Send;
}

/// Observes nothing.
impl Watch for () {
    fn taken(&mut self, _rows: u64) {}

    async fn finished(self) -> io::Result<()> {
        Ok(())
    }

    async fn failed(self) {}
}

/// Reason why a table is not written to its end.
#[derive(Debug, Error)]
enum Fault<E> {
    #[error("the source of the rows failed")]
    Source(#[source] E),
    #[error("a row has {row} cells, the header {header}")]
    Columns { row: usize, header: usize },
}

impl<S, E> Table<S>
where
    S: Stream<Item = Result<Vec<Cell>, E>> + Send + 'static,
    E: Error + Send + Sync + 'static,
{
    /// Turns the table into a body. If a row fails, the body fails and breaks the connection, so that the receiver
    /// can't take a part of the table for the whole.
    pub fn into_body(self) -> Body {
        self.into_watched_body(())
    }

    /// Turns the table into a body like [`Table::into_body`], which `watch` observes.
    pub fn into_watched_body(self, watch: impl Watch) -> Body {
        let writing = Writing {
            columns: self.header.len(),
            header: Some((self.header, self.byte_order_mark)),
            delimiter: self.delimiter,
            rows: Box::pin(self.rows),
        };
        let sending = Sending { writing, watch, handed_over: 0, more: true };
        Body::from_bytes_stream(stream::try_unfold(Some(sending), |sending| async {
            let Some(mut sending) = sending else { return Ok(None) };
            // The next chunk is asked for once the connection has taken the last one.
            sending.watch.taken(sending.handed_over);
            if !sending.more {
                sending.watch.finished().await?;
                return Ok(None);
            }
            match sending.writing.chunk().await {
                Ok(Written { bytes, rows, more }) => {
                    sending.handed_over = rows;
                    sending.more = more;
                    Ok(Some((bytes, Some(sending))))
                }
                Err(fault) => {
                    tracing::error!(error = causes(&fault), "a table broke off");
                    sending.watch.failed().await;
                    Err(io::Error::other("the table broke off"))
                }
            }
        }))
    }
}

/// Table under way to its receiver.
struct Sending<S, W> {
    writing: Writing<S>,
    watch: W,
    /// Rows of the last chunk, which the connection has not taken yet.
    handed_over: u64,
    /// False once the last chunk is handed over.
    more: bool,
}

struct Writing<S> {
    columns: usize,
    /// Bytes that the first chunk begins with.
    header: Option<(Vec<Cell>, bool)>,
    delimiter: Delimiter,
    rows: S,
}

/// Chunk that is ready to be sent.
struct Written {
    bytes: Bytes,
    /// Number of rows in it, without the header.
    rows: u64,
    /// True if there are more rows.
    more: bool,
}

impl<S, E> Writing<S>
where
    S: Stream<Item = Result<Vec<Cell>, E>> + Unpin,
{
    /// Returns the next chunk.
    async fn chunk(&mut self) -> Result<Written, Fault<E>> {
        let mut chunk = Chunk::new(self.delimiter);
        if let Some((header, byte_order_mark)) = self.header.take() {
            chunk.bytes.extend_from_slice(if byte_order_mark { BYTE_ORDER_MARK } else { &[] });
            chunk.row(&header);
        }
        let mut rows = 0;
        while chunk.bytes.len() < CHUNK {
            let Some(row) = self.rows.next().await else {
                return Ok(Written { bytes: chunk.bytes.into(), rows, more: false });
            };
            let row = row.map_err(Fault::Source)?;
            if row.len() != self.columns {
                return Err(Fault::Columns { row: row.len(), header: self.columns });
            }
            chunk.row(&row);
            rows += 1;
        }
        Ok(Written { bytes: chunk.bytes.into(), rows, more: true })
    }
}

/// Rows that are sent at once.
struct Chunk {
    bytes: Vec<u8>,
    writer: Writer,
    delimiter: Delimiter,
}

impl Chunk {
    fn new(delimiter: Delimiter) -> Self {
        let writer = WriterBuilder::new().delimiter(delimiter.byte()).terminator(Terminator::CRLF).build();
        Self { bytes: Vec::with_capacity(CHUNK + CHUNK / 4), writer, delimiter }
    }

    fn row(&mut self, cells: &[Cell]) {
        for (index, Cell(text)) in cells.iter().enumerate() {
            if index > 0 {
                self.put(MARKS_MAX, Writer::delimiter);
            }
            // Spreadsheets that separate cells by commas read the quotes within such a row as text. No number, date or
            // name has a comma, so that only text is guarded.
            let split = self.delimiter == Delimiter::Semicolon && text.contains(',');
            let other = if split { guarded(text, |before| before == Some(',')) } else { None };
            let text = other.as_deref().unwrap_or(text);
            // In the worst case each byte is a quote, which is written twice.
            self.put(2 * text.len() + MARKS_MAX, |writer, room| {
                let (result, _, written) = writer.field(text.as_bytes(), room);
                (result, written)
            });
        }
        self.put(MARKS_MAX, Writer::terminator);
    }

    /// Appends what `write` writes, `most` bytes at most.
    fn put(&mut self, most: usize, write: impl FnOnce(&mut Writer, &mut [u8]) -> (WriteResult, usize)) {
        let begin = self.bytes.len();
        self.bytes.resize(begin + most, 0);
        let (_, written) = write(&mut self.writer, &mut self.bytes[begin..]);
        self.bytes.truncate(begin + written);
    }
}

/// 200 with a table, to be stored as a file.
pub struct CsvFile {
    name: String,
    body: Body,
}

impl CsvFile {
    /// A table that is stored under `name`, which ends with `.csv`.
    pub fn new<S, E>(name: impl Into<String>, table: Table<S>) -> Self
    where
        S: Stream<Item = Result<Vec<Cell>, E>> + Send + 'static,
        E: Error + Send + Sync + 'static,
    {
        Self::watched(name, table, ())
    }

    /// A table like that of [`CsvFile::new`], which `watch` observes while it is sent.
    pub fn watched<S, E>(name: impl Into<String>, table: Table<S>, watch: impl Watch) -> Self
    where
        S: Stream<Item = Result<Vec<Cell>, E>> + Send + 'static,
        E: Error + Send + Sync + 'static,
    {
        Self { name: name.into(), body: table.into_watched_body(watch) }
    }
}

impl ApiResponse for CsvFile {
    fn meta() -> MetaResponses {
        let string = |format| MetaSchemaRef::Inline(Box::new(MetaSchema { format, ..MetaSchema::new("string") }));
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The table. It is sent as it is read: if something fails on the way, the connection \
                              breaks off.",
                status: Some(StatusCode::OK.as_u16()),
                status_range: None,
                content: vec![MetaMediaType { content_type: MEDIA_TYPE, schema: string(Some("binary")) }],
                headers: vec![MetaHeader {
                    name: "Content-Disposition".to_owned(),
                    description: Some("The name of the file.".to_owned()),
                    required: true,
                    deprecated: false,
                    schema: string(None),
                }],
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}

impl IntoResponse for CsvFile {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type(CONTENT_TYPE)
            .header(CONTENT_DISPOSITION, attachment(&self.name))
            .body(self.body)
    }
}

#[cfg(test)]
mod tests;
