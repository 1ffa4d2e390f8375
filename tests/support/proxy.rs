//! A TCP proxy that can make a link half dead: open, and silent in one direction.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Forwards to a Redis. On request it drops all data from Redis to the connections that have subscribed by then,
/// without closing them.
pub struct Proxy {
    port: u16,
    /// Connections up to this number are muted.
    muted: Arc<AtomicU64>,
    accepted: Arc<AtomicU64>,
    /// New connections wait.
    held: Arc<AtomicBool>,
    /// What Redis says comes so many milliseconds late.
    late: Arc<AtomicU64>,
}

impl Proxy {
    /// A proxy in front of the server on this loopback port.
    pub fn before(to: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (muted, accepted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (held, late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let lag = Arc::clone(&late);
        let (mute, count, hold) = (Arc::clone(&muted), Arc::clone(&accepted), Arc::clone(&held));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                while hold.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect((Ipv4Addr::LOCALHOST, to))) else { return };
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let subscribed = Arc::new(AtomicU64::new(0));
                let (up, down) = (Arc::clone(&subscribed), subscribed);
                let (from, into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                // A connection closed by the client stays open at Redis: the link is half dead.
                std::thread::spawn(move || {
                    pump(from, into, |bytes| {
                        if bytes.windows(9).any(|word| word == b"SUBSCRIBE") {
                            up.store(1, Ordering::SeqCst);
                        }
                        true
                    });
                });
                let (mute, lag) = (Arc::clone(&mute), Arc::clone(&lag));
                std::thread::spawn(move || {
                    pump(server, client, |_| {
                        std::thread::sleep(Duration::from_millis(lag.load(Ordering::SeqCst)));
                        down.load(Ordering::SeqCst) == 0 || number > mute.load(Ordering::SeqCst)
                    });
                });
            }
        });
        Self { port, muted, accepted, held, late }
    }

    /// The URL to use instead of the Redis.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on, current subscriptions receive nothing.
    pub fn mute_subscriptions(&self) {
        self.muted.store(self.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Makes Redis a distant one: each answer takes so long.
    pub fn delay(&self, late: Duration) {
        self.late.store(late.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    /// Whether new connections wait until they may pass again.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut into: TcpStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 16384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if passes(&buffer[..length]) && into.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // Nothing more is read here; the other direction ends by itself, or never.
    let _ = from.shutdown(Shutdown::Read);
}
