//! The log: lines for people or JSON for programs, on standard error, filtered by `RUST_LOG` (default `info`).
//!
//! A record is always one line, whatever a client wrote into it. Below `info` only this program's own records are
//! written: other libraries log client data (actix-http logs a header that it cannot parse). No thread that logs ever
//! waits for the reader of standard error: `queue` holds the lines and the thread that writes them. A line gets its time
//! when it gets its place, so that the times are in order.

mod queue;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    env,
    fmt::{self, Write as _},
    io::{self, Write as _},
    panic::{self, PanicHookInfo},
    sync::LazyLock,
    thread,
    time::{Duration, SystemTime},
};

use env_logger::{Builder, DEFAULT_WRITE_STYLE_ENV, Env, Target, WriteStyle, fmt::Formatter};
use log::{Level, Record};
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;

use self::queue::LineQueue;
use crate::config::LogFormat;

/// How long the end of the process waits for the last lines to be written.
const FLUSH: Duration = Duration::from_secs(1);

/// One per process, as `log` has one logger.
static LINES: LazyLock<LineQueue> = LazyLock::new(LineQueue::default);

/// The log. Dropping it waits up to a second for the last lines to be written.
#[must_use]
#[derive(Debug)]
pub struct Log;

/// Starts the log. Call once.
pub fn start(format: LogFormat) -> Log {
    let mut builder = Builder::from_env(Env::default().default_filter_or("info"));
    builder.format(move |out, record| match (is_written(record.level(), record.target()), format) {
        (false, _) => Ok(()),
        (true, LogFormat::Human) => human(out, record),
        (true, LogFormat::Json) => writeln!(out, "{}", json(record)),
    });
    let write = || LINES.write_to(io::stderr(), report_loss);
    // Without the thread, lines are written directly.
    let is_queued = thread::Builder::new().name("log".to_owned()).spawn(write).is_ok();
    builder.write_style(style()).target(Target::Pipe(Box::new(Timed { format, is_queued })));
    builder.init();
    panic::set_hook(Box::new(log_panic));
    Log
}

/// Waits up to a second until the lines so far are written.
pub fn flush() {
    LINES.flush(FLUSH);
}

/// Lines dropped because standard error did not accept them.
pub(super) fn dropped_lines() -> Counter {
    LINES.dropped().clone()
}

/// Bytes of lines that are not written yet.
pub(super) fn waiting_bytes() -> usize {
    LINES.bytes()
}

impl Drop for Log {
    fn drop(&mut self) {
        flush();
    }
}

/// The target of env_logger: takes one line at a time, without its time.
struct Timed {
    format: LogFormat,
    is_queued: bool,
}

impl io::Write for Timed {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let head = |out: &mut Vec<u8>| time(self.format, SystemTime::now(), out);
        if self.is_queued && !line.is_empty() {
            LINES.push(head, line);
        } else if !line.is_empty() {
            let mut whole = Vec::new();
            head(&mut whole);
            whole.extend_from_slice(line);
            io::stderr().write_all(&whole)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Colours if standard error is a terminal that shows them; env_logger checks this only for its own targets.
fn style() -> WriteStyle {
    match env::var(DEFAULT_WRITE_STYLE_ENV).as_deref() {
        Ok("always") => WriteStyle::Always,
        Ok("never") => WriteStyle::Never,
        _ => anstream::AutoStream::choice(&io::stderr()).into(),
    }
}

fn report_loss(lines: u64) {
    log::warn!("{lines} log lines were dropped: standard error did not accept them");
}

/// Logs a panic like any other line: the standard hook would wait for the reader and lock standard error meanwhile.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let (name, message) = (thread.name().unwrap_or("unnamed"), panic.payload_as_str().unwrap_or("no message"));
    let place = panic.location().map(|location| format!(" at {location}")).unwrap_or_default();
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => log::error!("thread {name} panicked{place}: {message}\n{backtrace}"),
        _ => log::error!("thread {name} panicked{place}: {message}"),
    }
}

/// Whether a record may be written at all. actix-http has an error for each malformed request: any client could fill the
/// log with them. `socket/takeover.rs` writes them at the level of other malformed requests.
fn is_written(level: Level, target: &str) -> bool {
    let of_clients = target.starts_with("actix_http");
    (level <= Level::Info && !of_clients) || target == "channelgate" || target.starts_with("channelgate::")
}

/// The beginning of a line.
fn time(format: LogFormat, now: SystemTime, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = match format {
        LogFormat::Human => write!(out, "[{:.3}", Rfc3339(now)),
        LogFormat::Json => write!(out, r#"{{"timestamp":"{:.6}","#, Rfc3339(now)),
    };
}

/// The rest of a line for people.
fn human(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let style = out.default_level_style(record.level());
    let message = OneLine(record.args());
    writeln!(out, " {style}{:<5}{style:#} {}] {message}", record.level(), record.target())
}

#[derive(Serialize)]
struct Entry<'a> {
    level: &'static str,
    target: &'a str,
    message: String,
}

/// The rest of a line for programs.
fn json(record: &Record<'_>) -> String {
    let entry = Entry {
        level: match record.level() {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        },
        target: record.target(),
        message: record.args().to_string(),
    };
    // Serializing three texts cannot fail. The time stands where the object begins.
    let object = serde_json::to_string(&entry).unwrap_or_default();
    object.strip_prefix('{').unwrap_or(&object).to_owned()
}

/// A text with its control characters escaped, so that it can neither forge a line of the log nor move a terminal's
/// cursor.
pub struct OneLine<T>(pub T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character.is_control() {
            true => write!(self.0, "{}", character.escape_default()),
            false => self.0.write_char(character),
        })
    }
}

/// A time as RFC 3339 in UTC, with microseconds if the format names no precision.
pub struct Rfc3339(pub SystemTime);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::try_from(self.0) {
            Ok(time) => write!(f, "{time:.0$}", f.precision().unwrap_or(6)),
            Err(_) => f.write_str("1970-01-01T00:00:00.000000Z"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MOMENT: Duration = Duration::from_micros(1_766_304_000_250_000);

    #[test]
    fn a_json_line_is_valid_for_any_message() {
        let nasty = "\"quoted\" \\ \n new line \u{0} \u{1b}[31m ünï \u{2028} {\"a\": 1}";
        let arguments = format_args!("{nasty}");
        let record = Record::builder().args(arguments).level(Level::Warn).target("channelgate::hub").build();
        let mut line = Vec::new();
        time(LogFormat::Json, SystemTime::UNIX_EPOCH + MOMENT, &mut line);
        line.extend(json(&record).bytes());
        let line = String::from_utf8(line).unwrap();
        assert!(!line.contains('\n'));
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["message"], nasty);
        assert_eq!(read["timestamp"], "2025-12-21T08:00:00.250000Z");
        assert_eq!((read["level"].as_str(), read["target"].as_str()), (Some("warn"), Some("channelgate::hub")));
    }

    #[test]
    fn a_line_for_people_begins_with_milliseconds() {
        let mut head = Vec::new();
        time(LogFormat::Human, SystemTime::UNIX_EPOCH + MOMENT, &mut head);
        assert_eq!(head, b"[2025-12-21T08:00:00.250Z");
    }

    #[test]
    fn a_message_cannot_forge_a_log_line() {
        let message = "type \"x\"\r\n[2026 INFO channelgate] all is well\u{1b}[2J";
        let shown = OneLine(&format_args!("{message}")).to_string();
        assert_eq!(shown, "type \"x\"\\r\\n[2026 INFO channelgate] all is well\\u{1b}[2J");
    }

    #[test]
    fn records_of_other_libraries_below_info_are_not_written() {
        assert!(is_written(Level::Trace, "channelgate::node"));
        assert!(is_written(Level::Info, "actix_server::builder"));
        assert!(!is_written(Level::Debug, "actix_server::worker"));
        assert!(is_written(Level::Info, "actix_server::worker"));
        assert!(!is_written(Level::Error, "actix_http::h1::dispatcher"), "a line for each malformed request");
        assert!(!is_written(Level::Trace, "channelgated"));
    }
}
