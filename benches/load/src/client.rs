//! The receiving thread: non-blocking sockets under edge-triggered epoll, one buffer for all, frames read in place.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use hdrhistogram::Histogram;

use crate::frames::{self, Inflater, masked};
use crate::ledger::{Ledger, Verdict};
use crate::options::{Mode, Options, Target};
use crate::shared::{Shared, group_of, histogram, now_ns};
use crate::socket::{self, Poll};
use crate::stamp;

/// The thread's results, returned at its end.
pub struct Totals {
    pub ledger: Ledger,
    pub groups: Vec<usize>,
    pub latency: Histogram<u64>,
    /// From publishing to the last receiver, per message.
    pub last_receiver: Histogram<u64>,
    pub handshake: Histogram<u64>,
    /// From the end of a connection to its next handshake (storm).
    pub away: Histogram<u64>,
    pub doubled: u64,
    pub reordered: u64,
    pub misrouted: u64,
    /// Frames without a stamp.
    pub other: u64,
    /// How connections ended, by close code; 1006 if none was sent.
    pub ended: BTreeMap<u16, u64>,
    /// Reasons of failed attempts, up to a maximum number.
    pub failures: BTreeMap<String, u64>,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum State {
    Down,
    Connecting,
    Handshake,
    Greeting,
    Open,
}

struct Conn {
    fd: i32,
    state: State,
    group: usize,
    target: usize,
    tries: u32,
    code: u16,
    began: u64,
    lost_at: u64,
    part: Vec<u8>,
}

/// The thread's state.
pub struct Client {
    options: Arc<Options>,
    targets: Vec<Target>,
    shared: Arc<Shared>,
    poll: Poll,
    conns: Vec<Conn>,
    under_way: usize,
    retry: BinaryHeap<Reverse<(u64, usize)>>,
    /// When an attempt started at that time has taken too long.
    overdue: VecDeque<(u64, usize)>,
    salt: u32,
    random: u64,
    hint: usize,
    inflater: Inflater,
    per_message: Vec<(u64, u64)>,
    batch: (u64, u64),
    totals: Totals,
}

impl Client {
    /// For this number of messages in all.
    pub fn new(
        options: Arc<Options>,
        targets: Vec<Target>,
        shared: Arc<Shared>,
        messages: usize,
    ) -> std::io::Result<Self> {
        let totals = Totals {
            ledger: Ledger::new(messages),
            groups: Vec::new(),
            latency: histogram(),
            last_receiver: histogram(),
            handshake: histogram(),
            away: histogram(),
            doubled: 0,
            reordered: 0,
            misrouted: 0,
            other: 0,
            ended: BTreeMap::new(),
            failures: BTreeMap::new(),
        };
        Ok(Self {
            poll: Poll::new()?,
            conns: Vec::new(),
            under_way: 0,
            retry: BinaryHeap::new(),
            overdue: VecDeque::new(),
            // A different source address in each run, so that the TIME_WAIT of an earlier one does not matter.
            salt: (std::process::id() ^ (now_ns() >> 20) as u32) % 60_000,
            random: now_ns() | 1,
            hint: 0,
            inflater: Inflater::new(),
            per_message: vec![(0, 0); messages],
            batch: (0, 0),
            totals,
            options,
            targets,
            shared,
        })
    }

    /// Runs until it is asked to stop.
    pub fn run(mut self) -> Totals {
        if let Some(core) = self.options.pin {
            socket::pin(core);
        }
        let mut buffer = vec![0u8; 256 * 1024];
        let mut events = Vec::new();
        while !self.shared.stop.load(Relaxed) {
            self.start_some();
            let pause = match self.retry.peek() {
                Some(Reverse((due, _))) => (due.saturating_sub(now_ns()) / 1_000_000 + 1).min(20) as i32,
                None => 20,
            };
            self.poll.wait(&mut events, pause);
            for &(ci, happened) in &events {
                self.happened(ci, happened, &mut buffer);
            }
            self.count();
        }
        self.finish()
    }

    fn finish(mut self) -> Totals {
        for &(sent, last) in self.per_message.iter().filter(|(_, last)| *last > 0) {
            let _ = self.totals.last_receiver.record(last.saturating_sub(sent).max(1));
        }
        self.totals.groups = self.conns.iter().map(|conn| conn.group).collect();
        for conn in self.conns {
            socket::close(conn.fd);
        }
        self.totals
    }

    fn start_some(&mut self) {
        let patience = self.options.handshake_seconds * 1_000_000_000;
        while let Some(&(began, ci)) = self.overdue.front()
            && began + patience < now_ns()
        {
            self.overdue.pop_front();
            let conn = &self.conns[ci];
            if conn.began == began && !matches!(conn.state, State::Open | State::Down) {
                self.gone(ci, "no answer in time");
            }
        }
        let storm = self.options.mode == Mode::Storm;
        while let Some(&Reverse((due, ci))) = self.retry.peek() {
            // In a storm, clients reconnect without waiting for each other.
            if due > now_ns() || (!storm && self.under_way >= self.options.concurrency) {
                break;
            }
            self.retry.pop();
            self.start(ci);
        }
        while self.under_way < self.options.concurrency && self.conns.len() < self.options.conns {
            let ci = self.conns.len();
            self.conns.push(Conn {
                fd: -1,
                state: State::Down,
                group: ci % self.options.groups.max(1),
                target: ci % self.targets.len(),
                tries: 0,
                code: 0,
                began: 0,
                lost_at: 0,
                part: Vec::new(),
            });
            self.totals.ledger.add();
            self.start(ci);
        }
    }

    fn start(&mut self, ci: usize) {
        let target = &self.targets[self.conns[ci].target];
        let conn = &mut self.conns[ci];
        conn.began = now_ns();
        conn.code = 1006;
        conn.part.clear();
        self.under_way += 1;
        match socket::connect(target, socket::source(self.salt, ci)) {
            Ok(fd) => {
                conn.fd = fd;
                conn.state = State::Connecting;
                self.overdue.push_back((conn.began, ci));
                self.poll.add(fd, ci);
            }
            Err(error) => {
                self.under_way -= 1;
                self.failed(ci, &format!("connect: {error}"));
            }
        }
    }

    fn failed(&mut self, ci: usize, why: &str) {
        self.shared.failed.fetch_add(1, SeqCst);
        if self.totals.failures.len() < 10 || self.totals.failures.contains_key(why) {
            *self.totals.failures.entry(why.to_owned()).or_default() += 1;
        }
        let conn = &mut self.conns[ci];
        conn.tries += 1;
        let pause = if self.options.mode == Mode::Storm {
            conn.target = (conn.target + 1) % self.targets.len();
            let longest = self.options.backoff_ms.min(100 << conn.tries.min(10));
            self.chance(longest)
        } else if self.conns[ci].tries <= self.options.retries {
            100
        } else {
            self.shared.gave_up.fetch_add(1, SeqCst);
            self.shared.unpark();
            return;
        };
        self.retry.push(Reverse((now_ns() + pause * 1_000_000, ci)));
    }

    /// A random number from 0 to `most`, evenly distributed.
    fn chance(&mut self, most: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % (most + 1)
    }

    /// The connection ended.
    fn gone(&mut self, ci: usize, why: &str) {
        let conn = &mut self.conns[ci];
        self.shared.sockets[ci].store(-1, SeqCst);
        socket::close(std::mem::replace(&mut conn.fd, -1));
        conn.part = Vec::new();
        match std::mem::replace(&mut conn.state, State::Down) {
            State::Down => {}
            State::Open => {
                conn.lost_at = now_ns();
                *self.totals.ended.entry(conn.code).or_default() += 1;
                self.totals.ledger.closed(ci, self.shared.published.load(SeqCst));
                self.shared.open.fetch_sub(1, SeqCst);
                self.shared.closed.fetch_add(1, SeqCst);
                if self.options.mode == Mode::Storm {
                    conn.tries = 0;
                    conn.target = (conn.target + 1) % self.targets.len();
                    let due = self.conns[ci].lost_at + self.chance(self.options.jitter_ms * 1000) * 1000;
                    self.retry.push(Reverse((due, ci)));
                }
            }
            _ => {
                self.under_way -= 1;
                self.failed(ci, why);
            }
        }
    }

    fn send(&mut self, ci: usize, bytes: &[u8]) {
        // What clients send here fits into any send buffer; a short write is counted and fails the run.
        if !socket::send(self.conns[ci].fd, bytes) {
            self.totals.other += 1;
        }
    }

    fn expand(&self, text: &str, ci: usize) -> String {
        text.replace("{i}", &ci.to_string()).replace("{g}", &self.conns[ci].group.to_string())
    }

    fn handshake(&mut self, ci: usize) {
        let target = &self.targets[self.conns[ci].target];
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {}\r\n\
             Sec-WebSocket-Version: 13\r\n",
            self.expand(&target.path, ci),
            target.host,
            frames::KEY
        );
        if self.options.deflate {
            request += "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";
        }
        for header in &self.options.header {
            request += &format!("{}\r\n", self.expand(header, ci));
        }
        request += "\r\n";
        self.conns[ci].state = State::Handshake;
        self.send(ci, request.as_bytes());
    }

    fn open(&mut self, ci: usize) {
        let now = now_ns();
        let conn = &mut self.conns[ci];
        conn.state = State::Open;
        let _ = self.totals.handshake.record((now - conn.began).max(1));
        if conn.lost_at > 0 {
            let _ = self.totals.away.record((now - conn.lost_at).max(1));
        }
        self.under_way -= 1;
        // Messages published from here on count as lost if they do not arrive.
        self.totals.ledger.opened(ci, self.shared.begun.load(SeqCst));
        self.shared.sockets[ci].store(conn.fd, SeqCst);
        self.shared.members[conn.group].fetch_add(u64::from(conn.lost_at == 0), SeqCst);
        self.shared.last_open_ns.store(now, SeqCst);
        self.shared.open.fetch_add(1, SeqCst);
        if self.shared.handshakes.fetch_add(1, SeqCst) + 1 >= self.options.conns as u64 {
            self.shared.unpark();
        }
    }

    fn frame(&mut self, ci: usize, flags: u8, payload: &[u8], now: u64) {
        match flags & 15 {
            0..=2 if self.conns[ci].state == State::Open => self.message(ci, flags, payload, now),
            0..=2 if self.options.socketio && payload.first() == Some(&b'0') => self.send(ci, &masked(1, b"40")),
            0..=2 => {
                let prefix = if self.options.socketio { Some("40") } else { self.options.ready_prefix.as_deref() };
                if prefix.is_some_and(|prefix| payload.starts_with(prefix.as_bytes())) {
                    self.open(ci);
                }
            }
            8 => {
                if let Some(code) = payload.first_chunk() {
                    self.conns[ci].code = u16::from_be_bytes(*code);
                }
                self.send(ci, &masked(8, &payload[..payload.len().min(2)]));
                self.gone(ci, "a close frame during the handshake");
            }
            9 => self.send(ci, &masked(10, payload)),
            _ => {}
        }
    }

    #[inline]
    fn message(&mut self, ci: usize, flags: u8, payload: &[u8], now: u64) {
        let text = if flags & 0x40 == 0 { Some(payload) } else { self.inflater.inflate(payload) };
        let Some((seq, sent)) = text.and_then(|text| stamp::find(text, &mut self.hint)) else {
            if self.options.socketio && payload == b"2" {
                self.send(ci, &masked(1, b"3"));
            } else {
                self.totals.other += 1;
            }
            return;
        };
        match self.totals.ledger.received(ci, seq) {
            Verdict::First => {}
            Verdict::Reordered => self.totals.reordered += 1,
            Verdict::Doubled => return self.totals.doubled += 1,
            Verdict::Unknown => return self.totals.other += 1,
        }
        if self.options.groups > 1 && group_of(seq, self.options.groups) != self.conns[ci].group {
            return self.totals.misrouted += 1;
        }
        if seq as usize >= self.options.warmup {
            let _ = self.totals.latency.record(now.saturating_sub(sent).max(1));
            let message = &mut self.per_message[seq as usize];
            *message = (sent, message.1.max(now));
        }
        self.batch.0 += 1;
        self.batch.1 += payload.len() as u64;
    }

    fn scan(&mut self, ci: usize, bytes: &[u8], now: u64) -> usize {
        let mut at = 0;
        while self.conns[ci].state != State::Down
            && let Some((flags, from, to)) = frames::first(&bytes[at..])
        {
            self.frame(ci, flags, &bytes[at + from..at + to], now);
            at += to;
        }
        at
    }

    fn data(&mut self, ci: usize, bytes: &[u8], now: u64) {
        let mut part = std::mem::take(&mut self.conns[ci].part);
        let whole = if part.is_empty() {
            bytes
        } else {
            part.extend_from_slice(bytes);
            &part
        };
        let used = if self.conns[ci].state == State::Handshake {
            self.answer(ci, whole, now)
        } else {
            self.scan(ci, whole, now)
        };
        if self.conns[ci].state != State::Down && used < whole.len() {
            self.conns[ci].part = whole[used..].to_vec();
        }
    }

    /// The response to the handshake, and the bytes after it.
    fn answer(&mut self, ci: usize, bytes: &[u8], now: u64) -> usize {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return 0 };
        let head = &bytes[..end];
        let deflates = memchr::memmem::find(head, b"permessage-deflate").is_some();
        if !head.starts_with(b"HTTP/1.1 101") || memchr::memmem::find(head, frames::ACCEPT).is_none() {
            let status = String::from_utf8_lossy(head).lines().next().unwrap_or_default().to_owned();
            self.gone(ci, &status);
            return bytes.len();
        }
        if self.options.deflate && !deflates {
            self.gone(ci, "the server does not compress");
            return bytes.len();
        }
        self.conns[ci].state = State::Greeting;
        for first in self.options.first.clone() {
            let first = self.expand(&first, ci);
            self.send(ci, &masked(1, first.as_bytes()));
        }
        if !self.options.socketio && self.options.ready_prefix.is_none() {
            self.open(ci);
        }
        end + 4 + self.scan(ci, &bytes[end + 4..], now)
    }

    fn happened(&mut self, ci: usize, happened: socket::Happened, buffer: &mut [u8]) {
        if self.conns[ci].state == State::Connecting {
            if let Some(error) = socket::error(self.conns[ci].fd) {
                return self.gone(ci, &format!("connect: {error}"));
            }
            if !happened.writable {
                return;
            }
            self.handshake(ci);
        }
        while happened.readable && self.conns[ci].fd >= 0 {
            match socket::receive(self.conns[ci].fd, buffer) {
                Ok(0) => self.gone(ci, "closed during the handshake"),
                Ok(read) => {
                    self.data(ci, &buffer[..read], now_ns());
                    if read < buffer.len() && !happened.hangup {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) => self.gone(ci, &format!("receive: {error}")),
            }
        }
    }

    fn count(&mut self) {
        let (messages, bytes) = std::mem::take(&mut self.batch);
        if messages > 0 {
            self.shared.bytes.fetch_add(bytes, Relaxed);
            self.shared.last_delivery_ns.store(now_ns(), SeqCst);
            let delivered = self.shared.delivered.fetch_add(messages, SeqCst) + messages;
            if delivered >= self.shared.target.load(SeqCst) {
                self.shared.unpark();
            }
        }
    }
}
