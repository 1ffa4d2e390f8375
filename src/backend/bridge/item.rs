//! One call on its way: what is sent, and where its lines go.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::Instant,
};

use super::{
    line::{Command, End, Failure, Line},
    parse::Said,
    report::{Kind, Report},
    request::Encoded,
};

/// One call of a request.
pub(super) struct Item {
    pub encoded: Encoded,
    pub sender: mpsc::Sender<Line>,
    pub report: Report,
    /// Without a line it has failed at this moment.
    pub deadline: Instant,
    /// Whether Django has said the last of it.
    answered: bool,
    /// Whether nothing further goes to the session.
    over: bool,
    accepted: bool,
    /// Lines for which the session has no room yet, and their bytes.
    waiting: VecDeque<(Line, usize)>,
    held: usize,
    /// Whether the session is asked for room.
    asking: bool,
}

impl Item {
    pub fn new(encoded: Encoded, sender: mpsc::Sender<Line>, report: Report) -> Self {
        let accepted = report.kind != Kind::Connect;
        let deadline = report.began();
        let waiting = VecDeque::new();
        Self {
            encoded,
            sender,
            report,
            deadline,
            answered: false,
            over: false,
            accepted,
            waiting,
            held: 0,
            asking: false,
        }
    }

    /// Whether neither Django nor the session has anything left to do.
    pub fn is_done(&self) -> bool {
        self.over && self.waiting.is_empty()
    }

    /// Whether Django is still to answer.
    pub const fn is_open(&self) -> bool {
        !self.over
    }

    /// Whether Django has said the last of it.
    pub const fn is_answered(&self) -> bool {
        self.answered
    }

    /// Whether the answer to the client is under way, so that a failure can no longer be one of the handshake.
    pub const fn is_accepted(&self) -> bool {
        self.accepted
    }

    /// Passes on what a line of `size` bytes says. `next` is the time until the next one.
    pub fn said(&mut self, said: Said, size: usize, next: Duration) -> Result<(), String> {
        self.answered = said.is_end();
        if self.over {
            return Ok(());
        }
        let line = match said {
            Said::Line(line) => line,
            Said::Note { kind, text } => {
                self.report.note(&kind, &text);
                return Ok(());
            }
        };
        self.check(&line)?;
        if matches!(line, Line::Command(Command::Accept { .. })) {
            self.accepted = true;
        }
        // A connect has one time for all of it.
        if self.report.kind != Kind::Connect {
            self.deadline = Instant::now() + next;
        }
        self.pass(line, size);
        Ok(())
    }

    /// After accept a consumer may close with 1000 and 3000 to 4999; before it the code does not matter. Daphne (its
    /// autobahn, `WebSocketProtocol.sendClose`) raises for all others.
    fn check(&self, line: &Line) -> Result<(), String> {
        match line {
            Line::Command(Command::Close { code, .. }) if self.closes() && !matches!(code, 1000 | 3000..=4999) => {
                Err("close: the code is not 1000, nor 3000 to 4999".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether a client gets a close frame.
    fn closes(&self) -> bool {
        self.accepted && self.report.kind != Kind::Disconnect
    }

    /// The call has failed.
    pub fn fail(&mut self, failure: Failure) {
        if !self.over {
            self.pass(Line::End(End::Failed(failure)), 0);
        }
    }

    /// The call has failed after Django may have begun: what is not accepted may try again later.
    pub fn fail_unknown(&mut self, reason: &str, retry_after: Option<Duration>) {
        let reason = reason.to_owned();
        self.fail(if self.accepted { Failure::Broken(reason) } else { Failure::Away { reason, retry_after } });
    }

    /// No line came in time.
    pub fn late(&mut self, silence: &str, connect: Duration) {
        if self.report.kind == Kind::Connect && self.accepted && !self.over {
            let text = format!(
                "connect() at {} did not finish within {} s: a consumer that goes on by itself has to stay with Daphne, or its \
                 loop has to become a worker's that calls group_send",
                self.report.path(),
                connect.as_secs()
            );
            return self.pass(Line::End(End::Refused { kind: "long".to_owned(), text }), 0);
        }
        self.fail_unknown(silence, None);
    }

    /// The session does not want the rest.
    pub fn forget(&mut self) {
        self.over = true;
        self.waiting.clear();
        self.held = 0;
    }

    fn pass(&mut self, line: Line, size: usize) {
        self.report.line(&line);
        self.over = matches!(line, Line::End(_));
        self.waiting.push_back((line, size));
        self.held += size;
        self.hand_over();
    }

    /// Hands the session as many lines as it takes.
    fn hand_over(&mut self) {
        while let Some((line, size)) = self.waiting.pop_front() {
            match self.sender.try_send(line) {
                Ok(()) => self.held -= size,
                Err(TrySendError::Full(line)) => return self.waiting.push_front((line, size)),
                Err(TrySendError::Closed(_)) => self.forget(),
            }
        }
    }

    /// Where to ask for room, if lines wait for it and nobody asks yet.
    pub fn wants_room(&mut self) -> Option<mpsc::Sender<Line>> {
        let wants = !self.waiting.is_empty() && !self.asking;
        self.asking |= wants;
        wants.then(|| self.sender.clone())
    }

    /// The session has room; without a permit it has gone.
    pub fn resume(&mut self, permit: Option<mpsc::OwnedPermit<Line>>) {
        self.asking = false;
        match (permit, self.waiting.pop_front()) {
            (Some(permit), Some((line, size))) => {
                self.held -= size;
                permit.send(line);
            }
            (Some(_), None) => {}
            (None, _) => self.forget(),
        }
        self.hand_over();
    }

    /// Whether lines wait for the session.
    pub fn is_held(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The bytes of those lines.
    pub const fn held(&self) -> usize {
        self.held
    }
}
