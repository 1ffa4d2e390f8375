//! Data shared by the receiving thread and the measuring thread, and their clock.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::thread::Thread;

use hdrhistogram::Histogram;

/// Nanoseconds of the monotonic clock.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call only writes to `time`.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A histogram of nanoseconds, up to two minutes, to three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 120_000_000_000, 3).expect("constant bounds")
}

/// The group of a message: spread, but both sides compute the same.
pub fn group_of(seq: u32, groups: usize) -> usize {
    let mut x = u64::from(seq) ^ 0x9e37_79b9_7f4a_7c15;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) % groups.max(1) as u64) as usize
}

/// Counters, all monotonic but `open`.
pub struct Shared {
    /// Handshakes that succeeded.
    pub handshakes: AtomicU64,
    /// Connections open now.
    pub open: AtomicU64,
    pub last_open_ns: AtomicU64,
    /// Attempts that failed, and connections that gave up.
    pub failed: AtomicU64,
    pub gave_up: AtomicU64,
    /// Connections that ended unexpectedly.
    pub closed: AtomicU64,
    /// Messages received for the first time.
    pub delivered: AtomicU64,
    pub bytes: AtomicU64,
    pub last_delivery_ns: AtomicU64,
    /// The value of `delivered` that the measuring thread waits for.
    pub target: AtomicU64,
    /// The first number whose publishing has not begun, and the first whose publishing has not ended.
    pub begun: AtomicU32,
    pub published: AtomicU32,
    /// Open connections by group.
    pub members: Vec<AtomicU64>,
    /// The socket of each open connection, for messages that the clients send; -1 while it has none.
    pub sockets: Vec<AtomicI32>,
    pub stop: AtomicBool,
    waiter: Thread,
}

impl Shared {
    /// Marks the calling thread as the waiting one.
    pub fn new(groups: usize, connections: usize) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            handshakes: zero(),
            open: zero(),
            last_open_ns: zero(),
            failed: zero(),
            gave_up: zero(),
            closed: zero(),
            delivered: zero(),
            bytes: zero(),
            last_delivery_ns: zero(),
            target: AtomicU64::new(u64::MAX),
            begun: AtomicU32::new(0),
            published: AtomicU32::new(0),
            members: (0..groups).map(|_| zero()).collect(),
            sockets: (0..connections).map(|_| AtomicI32::new(-1)).collect(),
            stop: AtomicBool::new(false),
            waiter: std::thread::current(),
        }
    }

    /// Wakes the measuring thread.
    pub fn unpark(&self) {
        self.waiter.unpark();
    }

    /// Waits for this number of deliveries; false after the timeout.
    pub fn wait_for(&self, target: u64, seconds: f64) -> bool {
        let deadline = now_ns() + (seconds * 1e9) as u64;
        self.target.store(target, SeqCst);
        loop {
            if self.delivered.load(SeqCst) >= target {
                return true;
            }
            let now = now_ns();
            if now >= deadline {
                return false;
            }
            std::thread::park_timeout(std::time::Duration::from_nanos((deadline - now).min(50_000_000)));
        }
    }
}
