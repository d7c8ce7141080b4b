//! Structured logs: one JSON object a line on standard output, times in RFC 3339 UTC.
//!
//! Never logged: bodies, query strings, tokens, keys, names, addresses, anything about health. A line
//! holds only ids, codes, counts and durations.

use std::cell::Cell;
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// Level of the log (`LOG_LEVEL`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Conditions that may become failures.
    Warn,
    /// One line for each request, and events for operators.
    #[default]
    Info,
    /// Details for developers.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Returns the level as it is written in `LOG_LEVEL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// Returns the directives of the filter. Libraries log warnings only, at any level of ours, because their debug
    /// lines hold statements, headers and bodies.
    fn directives(self) -> String {
        const LIBRARIES: [&str; 10] = [
            "aws_config",
            "aws_sdk_s3",
            "aws_smithy_runtime",
            "clickhouse",
            "h2",
            "hyper",
            "hyper_util",
            "poem",
            "rustls",
            "sqlx",
        ];
        let libraries = if self == Self::Error { "error" } else { "warn" };
        LIBRARIES.iter().fold(self.as_str().to_owned(), |all, library| format!("{all},{library}={libraries}"))
    }
}

/// Starts logging for the whole process, panics included. Only the first call has an effect.
pub fn init(level: LogLevel) {
    let started = subscriber(level, std::io::stdout).try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(panic_log));
    }
}

fn subscriber(
    level: LogLevel,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(EnvFilter::new(level.directives()))
        .with_writer(writer)
        .finish()
}

thread_local! {
    /// Place of this thread's last panic, until it is read.
    static LAST_PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// Returns the place of this thread's last panic as `file:line:column`, for the code that caught it. Returns it
/// once, and nothing before [`init`].
pub fn place_of_last_panic() -> Option<String> {
    LAST_PANIC.take()
}

/// Logs the place of a panic. Its message is logged at `debug` alone, because it may quote data.
fn panic_log(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(place, thread = thread.name(), "panicked");
    // Not called `message`: a line has one of those already.
    tracing::debug!(place, said = panic.payload_as_str(), "panicked with");
    LAST_PANIC.set(place);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    /// Returns the lines that are logged at this level.
    fn lines(level: LogLevel, log: impl FnOnce()) -> Vec<Value> {
        let output = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&output);
        tracing::subscriber::with_default(subscriber(level, move || Writer(Arc::clone(&written))), log);
        let output = output.lock().unwrap();
        output.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    struct Writer(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Writer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_of_json_with_the_time_in_utc() {
        let lines = lines(LogLevel::Info, || tracing::info!(status = 200, text = "two\nlines", "answered"));
        let [line] = lines.as_slice() else { unreachable!("one event, {} lines", lines.len()) };
        assert_eq!(
            (&line["level"], &line["message"], &line["status"]),
            (&"INFO".into(), &"answered".into(), &200.into())
        );
        assert_eq!(line["text"], "two\nlines");
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{time}");
    }

    #[test]
    fn what_a_panic_says_is_logged_at_debug_alone() {
        let panics = || {
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(panic_log));
            let caught = std::panic::catch_unwind(|| panic!("no patient Planted Name"));
            std::panic::set_hook(hook);
            assert!(caught.is_err());
            let place = place_of_last_panic().expect("the hook keeps the place");
            assert!(place.contains("logging.rs"), "{place}");
            assert_eq!(place_of_last_panic(), None, "told once");
        };
        let [line] = <[Value; 1]>::try_from(lines(LogLevel::Info, panics)).expect("one line");
        assert_eq!((&line["level"], &line["message"]), (&"ERROR".into(), &"panicked".into()));
        assert!(!line.to_string().contains("Planted"), "{line}");
        let [_, said] = <[Value; 2]>::try_from(lines(LogLevel::Debug, panics)).expect("two lines");
        assert_eq!((&said["level"], &said["said"]), (&"DEBUG".into(), &"no patient Planted Name".into()));
    }

    #[test]
    fn libraries_never_say_more_than_warnings() {
        for (level, expected) in [(LogLevel::Trace, &["own", "warning"][..]), (LogLevel::Error, &[])] {
            let lines = lines(level, || {
                tracing::debug!("own");
                tracing::debug!(target: "sqlx::query", "a statement");
                tracing::warn!(target: "sqlx::query", "warning");
            });
            assert_eq!(lines.iter().map(|line| line["message"].as_str().unwrap()).collect::<Vec<_>>(), expected);
        }
    }
}
