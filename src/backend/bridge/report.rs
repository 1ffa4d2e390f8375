//! What an operator learns of a call: counters, a line of `channelgate tail`, and bounded lines of the log.
//!
//! Nothing here contains what a client sent or a consumer answered: only names, numbers, and texts of errors.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    call::{BridgeCall, CallEvent, Sharing},
    line::{Command, End, Failure, Line},
};
use crate::{
    event::Value,
    telemetry::{
        Metrics, Throttle,
        tail::{CallTrace, TailEvent},
    },
};

/// Maximum number of characters of a text from Django in the log.
const MAX_TEXT: usize = 500;

/// The interval of log lines of one class.
const INTERVAL: Duration = Duration::from_secs(10);

/// Classes of log lines that are kept apart; the rest share one interval.
const MAX_CLASSES: usize = 1024;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Message,
    Event,
    Disconnect,
}

impl Kind {
    pub const fn of(event: &CallEvent) -> Self {
        match event {
            CallEvent::Connect(_) => Self::Connect,
            CallEvent::Text(_) | CallEvent::Binary(_) => Self::Message,
            CallEvent::Event(_) | CallEvent::Shared(..) => Self::Event,
            CallEvent::Disconnect { .. } => Self::Disconnect,
        }
    }

    /// The label in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Message => "message",
            Self::Event => "event",
            Self::Disconnect => "disconnect",
        }
    }
}

/// The names of commands, in the order of their counts.
const COMMANDS: [&str; 9] =
    ["accept", "send", "close", "group_add", "group_discard", "group_send", "send_channel", "deny", "deny_body"];

const fn index(command: &Command) -> usize {
    match command {
        Command::Accept { .. } => 0,
        Command::Send(_) => 1,
        Command::Close { .. } => 2,
        Command::GroupAdd(_) => 3,
        Command::GroupDiscard(_) => 4,
        Command::GroupSend { .. } => 5,
        Command::SendChannel { .. } => 6,
        Command::Deny { .. } => 7,
        Command::DenyBody(_) => 8,
    }
}

/// Collects what is known of one call; reports it at its end, or as cancelled when it is dropped.
pub(super) struct Report {
    pub kind: Kind,
    pub connection: Arc<str>,
    consumer: Arc<str>,
    seq: u64,
    /// Only known at a connect.
    path: Option<Box<str>>,
    sharing: Option<Sharing>,
    began: Instant,
    commands: [u32; COMMANDS.len()],
    log: Arc<CallLog>,
    reported: bool,
}

/// Where calls are reported.
pub(super) struct CallLog {
    pub metrics: Metrics,
    classes: Mutex<HashMap<(Arc<str>, String), Throttle>>,
}

impl CallLog {
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, classes: Mutex::default() }
    }

    /// Logs a warning about a consumer, at most one of its class in the interval.
    fn warn(&self, consumer: &Arc<str>, class: &str, text: &str) {
        match self.passes(consumer, class) {
            None => {}
            Some(0) => log::warn!("{text}"),
            Some(count) => log::warn!("{text} ({count} like it left out)"),
        }
    }

    /// Whether a line of this class may be logged now; with the number of those left out before it.
    fn passes(&self, consumer: &Arc<str>, class: &str) -> Option<u64> {
        let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (Arc::clone(consumer), class.to_owned());
        if classes.len() >= MAX_CLASSES && !classes.contains_key(&key) {
            key = (Arc::from(""), String::new());
        }
        classes.entry(key).or_insert_with(|| Throttle::new(INTERVAL)).pass()
    }
}

impl Report {
    pub fn new(call: &BridgeCall, log: &Arc<CallLog>) -> Self {
        let path = match &call.event {
            CallEvent::Connect(scope) => scope.get("path").and_then(Value::as_str).map(Box::from),
            _ => None,
        };
        let sharing = match &call.event {
            CallEvent::Shared(_, sharing) => Some(sharing.clone()),
            _ => None,
        };
        Self {
            kind: Kind::of(&call.event),
            connection: Arc::clone(&call.connection),
            consumer: Arc::clone(&call.consumer),
            seq: call.seq,
            path,
            sharing,
            began: Instant::now(),
            commands: [0; COMMANDS.len()],
            log: Arc::clone(log),
            reported: false,
        }
    }

    /// When the call was made.
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// The path of a client that connects.
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }

    /// A note of the package: right, but worth a look.
    pub fn note(&self, kind: &str, text: &str) {
        let class = format!("note {}", cut(kind, 40));
        self.log.warn(&self.consumer, &class, &format!("consumer {:?}: {}", self.consumer, cut(text, MAX_TEXT)));
    }

    /// Counts what a line says; the end reports the call.
    pub fn line(&mut self, line: &Line) {
        match line {
            Line::Command(command) => self.commands[index(command)] += 1,
            Line::End(end) => self.end(end),
        }
    }

    fn end(&mut self, end: &End) {
        let (outcome, why) = outcome(end);
        if let Some(why) = &why {
            let what = match end {
                End::Error { .. } => "raised",
                End::Refused { .. } => "is refused",
                End::Restart(_) => "cannot go on",
                _ => "failed",
            };
            let text =
                format!("consumer {:?}: {} of {} {what}: {why}", self.consumer, self.kind.label(), self.connection);
            // An exception or a refusal is a class by what it is; all else by how it ended.
            let class = match end {
                End::Error { kind, .. } => format!("{outcome} {}", cut(kind, 80)),
                // Its text begins with the name of the consumer's class.
                End::Refused { kind, text } => {
                    format!("{outcome} {} {}", cut(kind, 80), cut(text.split_whitespace().next().unwrap_or(""), 120))
                }
                _ => outcome.to_owned(),
            };
            self.log.warn(&self.consumer, &class, &text);
        }
        if let End::Refused { kind, .. } = end {
            self.log.metrics.bridge.refused(kind);
        }
        self.finish(outcome, why);
    }

    fn finish(&mut self, outcome: &'static str, why: Option<String>) {
        if std::mem::replace(&mut self.reported, true) {
            return;
        }
        let took = self.began.elapsed();
        self.log.metrics.bridge.ended(self.kind.label(), outcome, took);
        self.log.metrics.tail.tell(None, || {
            TailEvent::Call(Box::new(CallTrace {
                connection: Arc::clone(&self.connection),
                consumer: Arc::clone(&self.consumer),
                path: self.path.take(),
                seq: self.seq,
                call: self.kind.label(),
                sharers: self.sharing.as_ref().map(|sharing| sharing.sharers.load(Ordering::Relaxed)),
                us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                commands: COMMANDS.iter().copied().zip(self.commands).filter(|(_, count)| *count > 0).collect(),
                outcome,
                why,
            }))
        });
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.finish("cancelled", None);
    }
}

/// The label of an end, and why it came to that.
fn outcome(end: &End) -> (&'static str, Option<String>) {
    match end {
        End::Open { .. } => ("open", None),
        End::Stopped => ("stopped", None),
        End::Error { kind, text } => ("error", Some(format!("{}: {}", cut(kind, 80), cut(text, MAX_TEXT)))),
        End::Refused { kind, text } => ("refused", Some(format!("{}: {}", cut(kind, 80), cut(text, MAX_TEXT)))),
        End::Restart(text) => ("restart", Some(cut(text, MAX_TEXT))),
        End::Failed(failure) => {
            let why = match failure {
                Failure::Away { reason, .. } | Failure::Broken(reason) | Failure::Misconfigured(reason) => {
                    cut(reason, MAX_TEXT)
                }
                Failure::Overloaded => "too many calls wait for Django".to_owned(),
                Failure::TooLarge(bytes) => format!("a call of more than {bytes} bytes is too large"),
            };
            (failure.label(), Some(why))
        }
    }
}

impl Failure {
    /// The label in metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Away { .. } => "away",
            Self::Overloaded => "overloaded",
            Self::Broken(_) => "broken",
            Self::Misconfigured(_) => "misconfigured",
            Self::TooLarge(_) => "too_large",
        }
    }
}

/// The first characters of a text, in one line.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_one_kind_are_one_line_in_ten_seconds() {
        let log = CallLog::new(Metrics::new());
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        assert_eq!(log.passes(&one, "error KeyError"), Some(0));
        assert_eq!(log.passes(&one, "error KeyError"), None);
        assert_eq!(log.passes(&one, "error ValueError"), Some(0), "another kind");
        assert_eq!(log.passes(&two, "error KeyError"), Some(0), "another consumer");
        // Classes that an exception's name makes up do not grow without end.
        let passed = (0..3 * MAX_CLASSES).filter(|number| log.passes(&one, &format!("error E{number}")).is_some());
        assert_eq!(passed.count(), MAX_CLASSES - 3 + 1);
        assert_eq!(log.classes.lock().unwrap().len(), MAX_CLASSES + 1);
    }
}
