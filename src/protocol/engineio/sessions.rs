//! The Engine.IO sessions of one worker: an index of them, and one timer for all their heartbeats.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use slab::Slab;
use tokio::{sync::Notify, time::Instant};

use super::{
    deadlines::{Deadlines, SessionKey},
    session::{EngineSession, MessageHandler},
    sid::{Sid, SidSecret},
    workers::EngineWorkers,
};
use crate::{
    config,
    packet::engine::OpenPacket,
    protocol::services::WorkerServices,
    socket::{Connection, ConnectionLimits, Connections, negotiate::Deflate},
};

/// Maximum number of attachments per packet.
const MAX_ATTACHMENTS: usize = 256;

/// Settings of all sessions of the node.
#[derive(Clone)]
pub struct Settings {
    /// The time from a pong to the next ping.
    pub ping_interval: Duration,
    /// How long a pong may take.
    pub ping_timeout: Duration,
    /// How long a client may take to connect to a namespace.
    pub connect_timeout: Duration,
    /// How long a client that polls may take to poll for the first time.
    pub poll_timeout: Duration,
    /// Maximum number of sessions of one worker without a namespace: its equal share of the node's limit.
    pub max_pending: usize,
    /// Maximum number of bytes of one message or payload.
    pub max_payload: usize,
    /// Limits of packets with attachments.
    pub packets: crate::packet::PacketLimits,
}

impl Settings {
    /// From the configuration.
    pub fn new(config: &config::Config) -> Self {
        let own = &config.socketio;
        Self {
            ping_interval: own.ping_interval.0,
            ping_timeout: own.ping_timeout.0,
            connect_timeout: own.connect_timeout.0,
            poll_timeout: own.poll_timeout.0,
            max_pending: (own.max_pending / config.server.worker_threads()).max(1),
            max_payload: own.max_payload,
            packets: crate::packet::PacketLimits { attachments: MAX_ATTACHMENTS, bytes: own.max_payload },
        }
    }
}

/// The sessions of one worker.
pub struct Sessions {
    services: Rc<WorkerServices>,
    connections: Rc<Connections>,
    settings: Settings,
    node: Box<str>,
    worker: u8,
    workers: Arc<EngineWorkers>,
    all: RefCell<Slab<Rc<EngineSession>>>,
    serial: Cell<u32>,
    /// When pings are due.
    pings: RefCell<Deadlines>,
    /// When pongs are due.
    pongs: RefCell<Deadlines>,
    /// When connecting to a namespace is due.
    connects: RefCell<Deadlines>,
    /// When the first poll is due.
    polls: RefCell<Deadlines>,
    /// Sessions without a namespace, the oldest first. One that has connected is removed when the queue is full.
    pending: RefCell<VecDeque<SessionKey>>,
    /// The time to which the timer is set.
    timer: Cell<Option<Instant>>,
    sooner: Notify,
}

impl Sessions {
    /// Without sessions yet, for a worker of the node `node`. Runs the sessions' timers and takes what other workers
    /// pass on, on this thread.
    pub fn start(
        services: Rc<WorkerServices>,
        connections: Rc<Connections>,
        settings: Settings,
        node: &str,
        workers: &Arc<EngineWorkers>,
    ) -> Rc<Self> {
        let (worker, handovers) = workers.connect();
        let sessions = Rc::new(Self {
            services,
            connections,
            node: node.into(),
            worker,
            workers: Arc::clone(workers),
            all: RefCell::default(),
            serial: Cell::default(),
            pings: RefCell::new(Deadlines::new(settings.ping_interval)),
            pongs: RefCell::new(Deadlines::new(settings.ping_timeout)),
            connects: RefCell::new(Deadlines::new(settings.connect_timeout)),
            polls: RefCell::new(Deadlines::new(settings.poll_timeout)),
            pending: RefCell::default(),
            timer: Cell::default(),
            sooner: Notify::new(),
            settings,
        });
        actix_rt::spawn(Rc::clone(&sessions).run());
        actix_rt::spawn(Rc::clone(&sessions).serve(handovers));
        sessions
    }

    /// The settings of the sessions.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The worker's services.
    pub const fn services(&self) -> &Rc<WorkerServices> {
        &self.services
    }

    /// Whether the session belongs to this node.
    pub fn is_of_this_node(&self, sid: &Sid) -> bool {
        sid.node == self.node
    }

    pub(super) const fn worker(&self) -> u8 {
        self.worker
    }

    pub(super) const fn workers(&self) -> &Arc<EngineWorkers> {
        &self.workers
    }

    /// A connection for a new session.
    pub fn connection(&self, limits: &Arc<ConnectionLimits>, deflate: Option<Deflate>) -> Rc<Connection> {
        Connection::pending(Rc::clone(&self.connections), Arc::clone(limits), deflate)
    }

    /// Opens a session; returns it with its open packet, which is not sent yet. A polling session may upgrade to a
    /// WebSocket if `upgrades` is set.
    pub fn open(
        self: &Rc<Self>,
        connection: Rc<Connection>,
        handler: Rc<dyn MessageHandler>,
        polling: bool,
        upgrades: bool,
    ) -> (Rc<EngineSession>, String) {
        let (now, secret, serial) = (Instant::now(), SidSecret::random(), self.serial.get());
        self.serial.set(serial.wrapping_add(1));
        let mut all = self.all.borrow_mut();
        let entry = all.vacant_entry();
        let key = SessionKey { index: u32::try_from(entry.key()).unwrap_or(u32::MAX), serial };
        let session = EngineSession::new(Rc::clone(self), connection, handler, (key, secret), polling);
        entry.insert(Rc::clone(&session));
        drop(all);
        session.expect_ping(self.pings.borrow_mut().add(now, key));
        self.connects.borrow_mut().add(now, key);
        if polling {
            self.polls.borrow_mut().add(now, key);
        }
        if session.is_silent() {
            session.wait_for_connect();
        }
        self.set_timer();
        let sid = Sid { node: self.node.clone(), worker: self.worker, index: key.index, secret };
        let open = OpenPacket {
            sid: &sid.text(),
            upgrade: polling && upgrades,
            ping_interval: self.settings.ping_interval,
            ping_timeout: self.settings.ping_timeout,
            max_payload: self.settings.max_payload,
        };
        (session, open.packet())
    }

    /// The session with this id; an expired session ends now.
    pub(super) fn find(&self, sid: &Sid) -> Option<Rc<EngineSession>> {
        let session = self.all.borrow().get(sid.index as usize).cloned()?;
        (session.is_known_by(&sid.secret) && session.is_alive(Instant::now())).then_some(session)
    }

    pub(super) fn remove(&self, key: SessionKey) {
        let mut all = self.all.borrow_mut();
        let here = all.get(key.index as usize).is_some_and(|session| session.key() == key);
        let removed = here.then(|| all.remove(key.index as usize));
        drop(all);
        drop(removed);
    }

    /// A pong arrived: returns the time of the next ping.
    pub(super) fn schedule_ping(&self, key: SessionKey) -> Instant {
        let due = self.pings.borrow_mut().add(Instant::now(), key);
        self.set_timer();
        due
    }

    /// A session is in no namespace. If there are too many, the oldest are closed: an eighth of the limit at once,
    /// because each time the whole queue is searched.
    pub(super) fn add_pending(&self, key: SessionKey) {
        let max = self.settings.max_pending;
        let mut pending = self.pending.borrow_mut();
        pending.push_back(key);
        if pending.len() <= max {
            return;
        }
        pending.retain(|key| self.get(*key).is_some_and(|session| session.stays_pending()));
        let surplus = if pending.len() > max { pending.len() - (max - max / 8) } else { 0 };
        let oldest: Vec<SessionKey> = pending.drain(..surplus).collect();
        drop(pending);
        for session in oldest.into_iter().filter_map(|key| self.get(key)) {
            session.give_way();
        }
    }

    fn get(&self, key: SessionKey) -> Option<Rc<EngineSession>> {
        let session = self.all.borrow().get(key.index as usize).cloned()?;
        (session.key() == key).then_some(session)
    }

    fn next(&self) -> Option<Instant> {
        let queues = [&self.pings, &self.pongs, &self.connects, &self.polls];
        queues.into_iter().filter_map(|queue| queue.borrow().next()).min()
    }

    fn set_timer(&self) {
        let next = self.next();
        if next.is_some_and(|next| self.timer.get().is_none_or(|timer| next < timer)) {
            self.sooner.notify_one();
        }
    }

    /// Runs the timers of all sessions while the worker lives.
    async fn run(self: Rc<Self>) {
        loop {
            self.do_what_is_due();
            let next = self.next();
            self.timer.set(next);
            match next {
                Some(next) => tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = self.sooner.notified() => {}
                },
                None => self.sooner.notified().await,
            }
        }
    }

    fn do_what_is_due(&self) {
        let now = Instant::now();
        while let Some((due, key)) = { self.pings.borrow_mut().due(now) } {
            if let Some(session) = self.get(key)
                && session.ping(due)
            {
                // Counted from the due time of the ping: a late timer neither shortens nor extends the client's time.
                let by = self.pongs.borrow_mut().add(due, key);
                session.expect_pong(by);
            }
        }
        while let Some((due, key)) = { self.pongs.borrow_mut().due(now) } {
            if let Some(session) = self.get(key) {
                session.pong_was_due(due);
            }
        }
        while let Some((_, key)) = { self.connects.borrow_mut().due(now) } {
            if let Some(session) = self.get(key) {
                session.connect_was_due();
            }
        }
        while let Some((_, key)) = { self.polls.borrow_mut().due(now) } {
            if let Some(session) = self.get(key) {
                session.poll_was_due();
            }
        }
    }
}
