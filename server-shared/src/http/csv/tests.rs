//! Tables, read back by a parser of CSV.

use std::{
    convert::Infallible,
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::TimeZone;
use csv_core::{ReadRecordResult, Reader};
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

fn of<S>(rows: S) -> Table<S> {
    let header = vec![Cell::name("first"), Cell::name("second")];
    Table { header, byte_order_mark: false, delimiter: Delimiter::Comma, rows }
}

fn table<E>(rows: Vec<Result<Vec<Cell>, E>>) -> Table<impl Stream<Item = Result<Vec<Cell>, E>>> {
    of(stream::iter(rows))
}

#[allow(clippy::unnecessary_wraps, reason = "a row of a source that could fail")]
fn text(cells: [&str; 2]) -> Result<Vec<Cell>, Infallible> {
    Ok(cells.map(|cell| Cell::text(cell.to_owned())).into())
}

/// The rows of a document, the header first.
fn read(document: &[u8]) -> Vec<Vec<String>> {
    let (mut reader, mut rest, mut rows) = (Reader::new(), document, Vec::new());
    let (mut text, mut ends) = (vec![0; document.len()], [0; 8]);
    loop {
        let (result, read, _, cells) = reader.read_record(rest, &mut text, &mut ends);
        rest = &rest[read..];
        match result {
            ReadRecordResult::Record => {
                let begins = iter::once(&0).chain(&ends);
                let cells = begins.zip(&ends).take(cells).map(|(begin, end)| &text[*begin..*end]);
                rows.push(cells.map(|cell| String::from_utf8(cell.to_vec()).unwrap()).collect());
            }
            // Of the last line end, or of nothing.
            ReadRecordResult::InputEmpty if rest.is_empty() => {}
            ReadRecordResult::End => return rows,
            fault => panic!("{fault:?} with {} bytes left", rest.len()),
        }
    }
}

#[tokio::test]
async fn a_table_is_written_as_rfc_4180_says() {
    let rows = vec![text(["plain", ""]), text(["a,b", "say \"yes\""]), text(["two\nlines", "ö 北 🦀"])];
    let expected = "first,second\r\nplain,\r\n\"a,b\",\"say \"\"yes\"\"\"\r\n\"two\nlines\",ö 北 🦀\r\n";
    assert_eq!(table(rows.clone()).into_body().into_string().await.unwrap(), expected);
    let marked = Table { byte_order_mark: true, ..table(rows) };
    assert_eq!(marked.into_body().into_string().await.unwrap(), format!("\u{feff}{expected}"));
    let semicolons = Table { delimiter: Delimiter::Semicolon, ..table(vec![text(["a,b", "c;d"])]) };
    assert_eq!(semicolons.into_body().into_string().await.unwrap(), "first;second\r\na,b;\"c;d\"\r\n");
    // A spreadsheet that separates cells by commas finds a formula in another cell.
    let semicolons = Table { delimiter: Delimiter::Semicolon, ..table(vec![text(["a,=1,-2", "1, -2,b"])]) };
    assert_eq!(semicolons.into_body().into_string().await.unwrap(), "first;second\r\na,'=1,'-2;1, -2,b\r\n");
    assert_eq!(Cell::text("a,=1").0, "a,=1");
    // Without a row there is the header.
    let empty = table::<Infallible>(Vec::new());
    assert_eq!(empty.into_body().into_string().await.unwrap(), "first,second\r\n");
}

#[test]
fn text_runs_in_no_spreadsheet_and_values_stay_values() {
    for dangerous in
        ["=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "-", "@SUM(1)", "\t1", "\r1", "\n1", "＝1", "＋1", "－1", "＠SUM(1)"]
    {
        assert_eq!(Cell::text(dangerous).0, format!("'{dangerous}"));
    }
    for (dangerous, shown) in
        [("x;=1+1", "x;'=1+1"), ("a\n=1+1", "a\n'=1+1"), (";\t@x", ";'\t'@x"), ("a;-1;b", "a;'-1;b")]
    {
        assert_eq!(Cell::text(dangerous).0, shown);
    }
    for harmless in ["", "Grace", "a=1", "1-2", "1+1", "'t Hooft", "a@example.com", " =1"] {
        assert_eq!(Cell::text(harmless).0, harmless);
    }
    for (number, shown) in [
        ("+40721234567", "+40721234567"),
        ("+123456789012345", "+123456789012345"),
        ("+1234567890123456", "'+1234567890123456"),
        ("+", "'+"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("+40 721 234 567", "'+40 721 234 567"),
        ("0721 234 567", "0721 234 567"),
    ] {
        assert_eq!(Cell::phone(number).0, shown);
    }
    let moment = Utc.timestamp_opt(1_790_000_000, 250_000_000).unwrap();
    for (cell, shown) in [
        (Cell::from(-5), "-5"),
        (Cell::from(-1.5), "-1.5"),
        (Cell::from(true), "true"),
        (Cell::from(NaiveDate::from_ymd_opt(2026, 3, 29).unwrap()), "2026-03-29"),
        (Cell::from(moment), "2026-09-21T14:13:20.250Z"),
        (Cell::from(Uuid::nil()), "00000000-0000-0000-0000-000000000000"),
        (Cell::from(Some(-7)), "-7"),
        (Cell::from(None::<i64>), ""),
        (Cell::from(Decimal::new(-1250, 3)), "-1.25"),
        (Cell::from(NaiveTime::from_hms_opt(7, 5, 0).unwrap()), "07:05:00"),
    ] {
        assert_eq!(cell.0, shown);
    }
}

proptest! {
    #[test]
    fn any_table_is_read_back(
        rows in vec(vec(vec(prop_oneof![
            any::<char>(),
            select(vec!['"', ',', ';', '\r', '\n', '\t', '=', '+', '-', '@', '\'', '\\', '\0', ' ', 'a']),
        ], 0..6), 2), 0..20)
    ) {
        let rows: Vec<[String; 2]> =
            rows.into_iter().map(|row| [0, 1].map(|cell: usize| row[cell].iter().collect())).collect();
        let written = rows.iter().map(|[one, two]| text([one, two])).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let document = runtime.block_on(table(written).into_body().into_bytes()).unwrap();
        let mut found = read(&document);
        prop_assert_eq!(found.remove(0), ["first", "second"]);
        prop_assert_eq!(found.len(), rows.len());
        for (found, written) in found.iter().flatten().zip(rows.iter().flatten()) {
            let text = |cell: &String| cell.replace('\'', "");
            prop_assert_eq!(text(found), text(written));
            prop_assert!(!found.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{found:?} is run as a formula");
            for part in found.split([';', '\t', '\r', '\n']) {
                prop_assert!(!part.starts_with(['=', '+', '-', '@']), "{found:?} is run as a formula elsewhere");
            }
        }
    }
}

/// Rows of some 100 bytes, without an end, that count how many of them were taken.
fn endless(taken: &Arc<AtomicUsize>) -> impl Stream<Item = Result<Vec<Cell>, Infallible>> + use<> {
    let taken = Arc::clone(taken);
    stream::repeat_with(move || {
        taken.fetch_add(1, Ordering::SeqCst);
        text([&"x".repeat(98), ""])
    })
}

#[tokio::test]
async fn rows_are_taken_only_as_the_receiver_takes_them() {
    let taken = Arc::new(AtomicUsize::new(0));
    let body = of(endless(&taken)).into_body();
    assert_eq!(taken.load(Ordering::SeqCst), 0, "nobody has asked yet");
    let mut chunks = body.into_bytes_stream();
    let mut received = 0;
    for chunk in 1..=200 {
        received += chunks.next().await.unwrap().unwrap().len();
        let taken = taken.load(Ordering::SeqCst);
        assert!(taken * 100 <= received, "{taken} rows were taken for the {received} bytes that were received");
        assert!(received <= chunk * 2 * CHUNK, "{received} bytes are too many for {chunk} chunks");
    }
    assert!(received > 100 * CHUNK, "chunks are of a size that is worth sending: {received} bytes in 200 of them");
    drop(chunks);
    assert_eq!(Arc::strong_count(&taken), 1, "the source is dropped along with its receiver");
}

#[derive(Debug, Error)]
#[error("the store is gone")]
struct StoreGone;

#[tokio::test]
async fn a_table_that_fails_is_no_body() {
    let row = || Ok::<_, StoreGone>(vec![Cell::from(1), Cell::text("x".repeat(CHUNK))]);
    let mut chunks = table(vec![row(), row(), Err(StoreGone), row()]).into_body().into_bytes_stream();
    for _ in 0..2 {
        assert!(chunks.next().await.unwrap().is_ok(), "what came before is sent");
    }
    assert!(chunks.next().await.unwrap().is_err(), "the body breaks");
    assert!(chunks.next().await.is_none(), "nothing comes after");
    let ragged = table(vec![row(), Ok(vec![Cell::EMPTY])]);
    assert!(ragged.into_body().into_bytes().await.is_err(), "a row of another length is a fault, not a shifted column");
}

#[test]
fn a_file_has_its_name_and_type() {
    let file = CsvFile::new("Pacienți.csv", table::<Infallible>(Vec::new())).into_response();
    assert_eq!(file.content_type(), Some(CONTENT_TYPE));
    let disposition = file.header(CONTENT_DISPOSITION).unwrap();
    assert_eq!(disposition, "attachment; filename=\"Pacienti.csv\"; filename*=UTF-8''Pacien%C8%9Bi.csv");
    let meta = &CsvFile::meta().responses[0];
    assert!(CONTENT_TYPE.starts_with(meta.content[0].content_type), "the specification names the type that is sent");
}

/// Observations of a table: rows that were taken, and its end.
#[derive(Default, Clone)]
struct Observed(Arc<Mutex<(u64, &'static str)>>);

impl Watch for Observed {
    fn taken(&mut self, rows: u64) {
        self.0.lock().unwrap().0 += rows;
    }

    async fn finished(self) -> io::Result<()> {
        let mut observed = self.0.lock().unwrap();
        observed.1 = "finished";
        if observed.0 == 13 { Err(io::Error::other("the trail is gone")) } else { Ok(()) }
    }

    async fn failed(self) {
        self.0.lock().unwrap().1 = "failed";
    }
}

#[tokio::test]
async fn an_observer_hears_of_rows_once_they_are_taken() {
    let row = || Ok::<_, StoreGone>(vec![Cell::from(1), Cell::text("x".repeat(CHUNK / 2))]);
    let body = |rows| {
        let observed = Observed::default();
        let chunks = table(rows).into_watched_body(observed.clone()).into_bytes_stream();
        (observed, chunks)
    };
    let (observed, mut chunks) = body(vec![row(), row(), row()]);
    chunks.next().await.unwrap().unwrap();
    assert_eq!(*observed.0.lock().unwrap(), (0, ""), "the first chunk is not taken yet");
    chunks.next().await.unwrap().unwrap();
    assert_eq!(*observed.0.lock().unwrap(), (2, ""));
    assert!(chunks.next().await.is_none());
    assert_eq!(*observed.0.lock().unwrap(), (3, "finished"), "the end is seen after the observer has heard of it");

    let (observed, mut chunks) = body(vec![row(), row(), row(), row(), Err(StoreGone)]);
    while chunks.next().await.is_some_and(|chunk| chunk.is_ok()) {}
    assert_eq!(*observed.0.lock().unwrap(), (4, "failed"));

    let (observed, mut chunks) = body(vec![row(), row(), row(), row()]);
    chunks.next().await.unwrap().unwrap();
    drop(chunks);
    assert_eq!(*observed.0.lock().unwrap(), (0, ""), "the receiver has gone");
    assert_eq!(Arc::strong_count(&observed.0), 1, "the observer is dropped");
}

#[tokio::test]
async fn a_table_whose_end_is_not_recorded_has_none() {
    let rows = (0_i64..13).map(|number| Ok::<_, StoreGone>(vec![Cell::from(number), Cell::EMPTY])).collect();
    assert!(table(rows).into_watched_body(Observed::default()).into_bytes().await.is_err());
}
