//! Waiting with a time limit.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Interval at which a condition is checked.
const STEP: Duration = Duration::from_millis(25);

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Turns SIGINT and SIGTERM into a flag that waits and loops check, so that a process ends its children.
pub(crate) fn watch_signals() -> Result<()> {
    let flag = STOP.get_or_init(|| Arc::new(AtomicBool::new(false)));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot watch signals")?;
    }
    Ok(())
}

/// Returns `true` if this process was asked to end.
pub(crate) fn stop_wanted() -> bool {
    STOP.get().is_some_and(|flag| flag.load(Ordering::SeqCst))
}

/// Returns an error if this process was asked to end.
pub(crate) fn check_stop() -> Result<()> {
    if stop_wanted() {
        bail!("interrupted");
    }
    Ok(())
}

/// Waits until this process is asked to end.
pub(crate) fn until_stopped() {
    eprintln!("    Ctrl-C ends it");
    while !stop_wanted() {
        std::thread::sleep(STEP);
    }
}

/// Checks a condition until it holds (`Some`), fails, is interrupted, or `limit` has passed.
///
/// # Errors
/// Fails with the condition's own error, with "interrupted", or with `late`, which names the condition and a remedy.
pub(crate) fn until<T>(
    limit: Duration,
    late: impl FnOnce() -> String,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        check_stop()?;
        if Instant::now() >= end {
            bail!("{}", late());
        }
        std::thread::sleep(STEP);
    }
}

/// The status and body of a plain HTTP request to a server on this machine.
pub(crate) fn http(method: &str, address: SocketAddr, path: &str, body: &str) -> Result<(u16, String)> {
    let limit = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    answer_parse(&String::from_utf8_lossy(&answer))
}

fn answer_parse(answer: &str) -> Result<(u16, String)> {
    let status = answer.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let status = status.context("the answer is not HTTP")?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_split_into_status_and_body() {
        let (status, body) =
            answer_parse("HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\nnot yet\r\n\r\nreally").unwrap();
        assert_eq!((status, body.as_str()), (503, "not yet\r\n\r\nreally"));
        assert!(answer_parse("SSH-2.0-server").is_err());
    }

    #[test]
    fn a_wait_ends_with_its_reason() {
        let late = until(Duration::from_millis(1), || "too late".into(), || Ok(None::<()>)).unwrap_err();
        assert_eq!(late.to_string(), "too late");
        let mut looks = 0;
        let value = until(Duration::from_secs(5), String::new, || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(value.unwrap(), 3);
    }
}
