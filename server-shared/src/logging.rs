//! Structured logs: one JSON object a line on standard output, times in RFC 3339 UTC.
//!
//! Never logged: bodies, query strings, tokens, keys, names, addresses, anything about health. What a
//! line may hold is ids, codes, counts and durations.

use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How much is logged (`LOG_LEVEL`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may become a failure.
    Warn,
    /// One line a request, and what an operator wants to know.
    #[default]
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level as it is written in `LOG_LEVEL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The directives of the filter. Libraries stay at warnings at any level of ours: their debug lines
    /// hold statements, headers and bodies.
    fn directives(self) -> String {
        const LIBRARIES: [&str; 10] =
            ["aws_config", "aws_sdk_s3", "aws_smithy_runtime", "clickhouse", "h2", "hyper", "hyper_util", "poem", "rustls", "sqlx"];
        let libraries = if self == Self::Error { "error" } else { "warn" };
        LIBRARIES.iter().fold(self.as_str().to_owned(), |all, library| format!("{all},{library}={libraries}"))
    }
}

/// Starts logging for the whole process, panics included. Only the first call has an effect.
pub fn init(level: LogLevel) {
    let started = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_span_events(FmtSpan::NONE)
        .with_env_filter(EnvFilter::new(level.directives()))
        .with_writer(std::io::stdout)
        .try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(panic_log));
    }
}

/// A panic is a bug: its place is logged, its message only at `debug`, because a message may quote data.
fn panic_log(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(place, thread = thread.name(), "panicked");
    tracing::debug!(place, message = panic.payload_as_str(), "panicked with");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directive_is_understood() {
        for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace] {
            let filter = EnvFilter::try_new(level.directives()).unwrap();
            assert_eq!(filter.max_level_hint().unwrap().to_string(), level.as_str().to_uppercase());
        }
    }

    #[test]
    fn libraries_never_say_more_than_warnings() {
        let directives = LogLevel::Trace.directives();
        assert!(directives.starts_with("trace,") && directives.contains(",sqlx=warn"), "{directives}");
    }
}
