//! One request to Django and its answer: a single call, or a batch of calls that do not wait for each other.
//!
//! In: [`Item`]s. Out: their lines, each as soon as it arrives; and for each an end. It is dropped to close the request.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{
    item::Item,
    line::{End, Failure, Line},
    parse::{Said, parse},
    reader::{Reader, Unread},
    refusal::{Head, head},
    report::Kind,
    request,
    services::{CallServices, Stream},
};
use crate::{
    backend::{
        transport::Trouble,
        turns::{Turn, Turns},
    },
    warn_bounded,
};

/// A call ends after this time at the latest.
const LONGEST: Duration = Duration::from_secs(600);

/// A call that has answered something leaves its turn after this time.
const LEAVES_AFTER: Duration = Duration::from_secs(5);

/// How long the end of an answer may take after its last line, so that the connection can be used again.
const TAIL: Duration = Duration::from_secs(2);

/// Bytes of a batch that may wait for slow sessions before the answer is read no further.
const MAX_HELD: usize = 16 << 20;

/// A request that Django has begun to answer.
struct Answer<'a> {
    services: &'a CallServices,
    reader: Reader,
    items: &'a mut [Item],
    ends_at: Instant,
    leaves_at: Instant,
    turn: Option<Turn>,
    stream: Option<Stream<'a>>,
    lines: u64,
}

/// Carries out the calls, at once if there is a turn for them already.
pub(super) async fn exchange(services: &CallServices, items: &mut [Item], turn: Option<Turn>) {
    match unless_gone(items, begin(services, items, turn)).await {
        None => {}
        Some(Ok((reader, turn, sent))) => {
            let (ends_at, leaves_at) = (sent + LONGEST, sent + LEAVES_AFTER);
            let answer =
                Answer { services, reader, items, ends_at, leaves_at, turn: Some(turn), stream: None, lines: 0 };
            answer.read().await;
        }
        Some(Err(Ending::Known(failure))) => items.iter_mut().for_each(|item| item.fail(failure.clone())),
        Some(Err(Ending::Unknown { reason, retry_after })) => {
            items.iter_mut().for_each(|item| item.fail_unknown(&reason, retry_after));
        }
    }
}

/// What `work` gives, or nothing once every session has gone.
async fn unless_gone<T>(items: &[Item], work: impl Future<Output = T>) -> Option<T> {
    let gone = async {
        for item in items {
            item.sender.closed().await;
        }
    };
    tokio::select! {
        biased;
        () = gone => None,
        done = work => Some(done),
    }
}

/// Whether a line refuses a whole batch.
const fn is_refusal(said: &Result<Said, String>) -> bool {
    matches!(said, Ok(Said::Line(Line::End(End::Refused { .. }))))
}

/// Why there are no lines.
enum Ending {
    Known(Failure),
    /// Django may have done anything.
    Unknown {
        reason: String,
        retry_after: Option<Duration>,
    },
}

/// Sends the request, again and again while Django certainly did not receive it.
async fn begin(
    services: &CallServices,
    items: &[Item],
    mut turn: Option<Turn>,
) -> Result<(Reader, Turn, Instant), Ending> {
    let Some(first) = items.first() else { return Err(Ending::Known(Failure::Overloaded)) };
    let kind = first.report.kind;
    let turns = services.turns_of(kind);
    let _place = match kind {
        Kind::Connect => Some(turns.place().map_err(|_| Ending::Known(Failure::Overloaded))?),
        _ => None,
    };
    let wait_until = services.wait_until(kind, first.report.began());
    let body = request::body(items.iter().map(|item| &item.encoded));
    if items.len() > 1 || kind == Kind::Event || kind == Kind::Disconnect {
        services.log.metrics.bridge.batches.observe(items.len() as f64);
    }
    loop {
        let turn = match turn.take() {
            Some(turn) => turn,
            None => granted(services, turns, items.len(), wait_until).await.map_err(Ending::Known)?,
        };
        let sent = Instant::now();
        let patience = if kind == Kind::Connect { wait_until } else { sent + services.patience.line };
        let posted =
            timeout_at(patience, services.transport.post(&services.url, &body, ("Accept-Encoding", "identity")));
        let response = match posted.await {
            Ok(Ok(response)) => response,
            Ok(Err(Trouble { unsent: true, reason })) => {
                services.reach.refused(&reason);
                drop(turn);
                continue;
            }
            Ok(Err(Trouble { reason, .. })) => {
                services.reach.reached();
                return Err(Ending::Unknown { reason, retry_after: None });
            }
            Err(_) => {
                return Err(Ending::Unknown { reason: services.silence(kind != Kind::Connect), retry_after: None });
            }
        };
        services.reach.reached();
        return match head(response, body.len(), services.transport.signs()) {
            Head::Lines(response) => Ok((Reader::new(response), turn, sent)),
            Head::Unavailable { reason, retry_after } => Err(Ending::Unknown { reason, retry_after }),
            Head::Wrong(failure) => Err(Ending::Known(failure)),
        };
    }
}

/// Waits for Django, and for a turn.
async fn granted(services: &CallServices, turns: &Turns, calls: usize, until: Instant) -> Result<Turn, Failure> {
    let _waiting = services.waiting(calls);
    let granted = timeout_at(until, async {
        services.reach.pass().await;
        turns.turn().await
    });
    match granted.await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(services.not_now()),
    }
}

impl Answer<'_> {
    async fn read(mut self) {
        let now = Instant::now();
        for item in self.items.iter_mut() {
            item.deadline = match item.is_accepted() {
                true => now + self.services.patience.line,
                false => self.services.wait_until(Kind::Connect, item.report.began()),
            };
        }
        let closed = |(index, item): (usize, &Item)| {
            let sender = item.sender.clone();
            async move {
                sender.closed().await;
                index
            }
        };
        let mut gone: FuturesUnordered<_> = self.items.iter().enumerate().map(closed).collect();
        let mut rooms = FuturesUnordered::new();
        let mut paused: Option<Instant> = None;
        while !self.items.iter().all(Item::is_done) {
            for (index, sender) in
                self.items.iter_mut().enumerate().filter_map(|(index, item)| Some((index, item.wants_room()?)))
            {
                rooms.push(async move { (index, sender.reserve_owned().await) });
            }
            if !self.items.iter().any(Item::is_open) {
                // Only the sessions have something left to do.
                self.turn = None;
            }
            let is_readable = self.is_readable();
            match (is_readable, paused) {
                (false, None) => paused = Some(Instant::now()),
                (true, Some(since)) => {
                    // Django is not to blame for the time in which nobody listened.
                    self.items.iter_mut().for_each(|item| item.deadline += since.elapsed());
                    paused = None;
                }
                _ => {}
            }
            let wakes_at = self.wakes_at(is_readable);
            if wakes_at <= Instant::now() {
                // A flood of lines does not stop the clock.
                self.late(is_readable);
                continue;
            }
            tokio::select! {
                biased;
                Some(index) = gone.next() => self.items[index].forget(),
                Some((index, permit)) = rooms.next() => self.items[index].resume(permit.ok()),
                line = self.reader.next(), if is_readable => self.line(line),
                () = sleep_until(wakes_at) => {}
            }
        }
        self.finish().await;
    }

    /// A session that does not take its lines stops the reading; in a batch only when much waits.
    fn is_readable(&self) -> bool {
        let held = match &*self.items {
            [item] => item.is_held(),
            items => items.iter().map(Item::held).sum::<usize>() > MAX_HELD,
        };
        !held && self.items.iter().any(Item::is_open)
    }

    /// The next moment at which something has to be done; far away once Django has answered all.
    fn wakes_at(&self, is_readable: bool) -> Instant {
        let open = || self.items.iter().filter(|item| item.is_open());
        let silent = open().filter(|_| is_readable).map(|item| item.deadline);
        let longest = open().next().map(|_| self.ends_at);
        let leaves = (self.lines > 0 && self.turn.is_some()).then_some(self.leaves_at);
        silent.chain(longest).chain(leaves).min().unwrap_or_else(|| Instant::now() + LONGEST)
    }

    /// A moment has come for which the calls were waiting.
    fn late(&mut self, is_readable: bool) {
        let now = Instant::now();
        if self.lines > 0 && self.turn.is_some() && now >= self.leaves_at {
            self.stream = self.services.stream();
            match self.stream {
                Some(_) => self.turn = None,
                None => self.leaves_at = now + LEAVES_AFTER,
            }
        }
        for item in self.items.iter_mut() {
            if now >= self.ends_at {
                item.fail_unknown(&format!("it lasts longer than {} s", LONGEST.as_secs()), None);
            } else if is_readable && now >= item.deadline {
                item.late(&self.services.silence(item.is_accepted()), self.services.patience.connect);
            }
        }
    }

    /// Handles what was read.
    fn line(&mut self, line: Result<Option<Bytes>, Unread>) {
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => {
                let reason = format!("the answer ended after {} lines, before the last one", self.lines);
                return self.items.iter_mut().for_each(|item| item.fail_unknown(&reason, None));
            }
            Err(Unread::Lost(reason)) => {
                let reason = format!("line {} of the answer: {reason}", self.lines + 1);
                return self.items.iter_mut().for_each(|item| item.fail_unknown(&reason, None));
            }
            Err(Unread::TooLong(most)) => {
                self.lines += 1;
                return self.wrong(&format!("it is longer than {most} bytes"));
            }
        };
        self.lines += 1;
        let parsed = match parse(&line) {
            Ok(parsed) => parsed,
            Err(reason) => return self.wrong(&reason),
        };
        match parsed.call {
            Some(index) if index < self.items.len() => self.of(index, parsed.said, line.len()),
            None if self.items.len() == 1 => self.of(0, parsed.said, line.len()),
            None if is_refusal(&parsed.said) => self.items.iter_mut().for_each(|item| {
                // Django has looked at none of them.
                let refused = parsed.said.clone();
                let _ = refused.and_then(|said| item.said(said, line.len(), Duration::ZERO));
            }),
            None => self.wrong("it does not say to which call of the batch it belongs (n)"),
            Some(_) => self.wrong("n is not the number of a call of this request"),
        }
    }

    /// A line of one call.
    fn of(&mut self, index: usize, said: Result<Said, String>, size: usize) {
        let (number, next) = (self.lines, self.services.patience.line);
        let follows = self.items.len() == 1 && self.reader.has_more();
        let item = &mut self.items[index];
        if item.is_answered() {
            warn_bounded!("line {number} of an answer of Django comes after the end of its call");
            return;
        }
        let told = match said {
            Ok(said) if follows && said.is_end() => Err("it is the end, and another line follows".to_owned()),
            said => said.and_then(|said| item.said(said, size, next)),
        };
        if let Err(reason) = told {
            item.fail(Failure::Broken(format!("line {number} of the answer: {reason}")));
        }
    }

    /// The answer is not what a consumer does, and it is not known to which call that belongs.
    fn wrong(&mut self, reason: &str) {
        let reason = format!("line {} of the answer: {reason}", self.lines);
        self.items.iter_mut().for_each(|item| item.fail(Failure::Broken(reason.clone())));
    }

    /// After the last line: reads the end of the answer, so that its connection is used again.
    async fn finish(mut self) {
        if self.items.iter().all(Item::is_answered)
            && matches!(timeout(TAIL, self.reader.next()).await, Ok(Ok(Some(_))))
        {
            warn_bounded!("a line of an answer of Django comes after the last end");
        }
    }
}
