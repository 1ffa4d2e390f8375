//! Carries log lines to standard error: a bounded queue and one thread that writes.
//!
//! In: whole lines, from any thread. Out: the same lines, in order, on a descriptor that another process reads. A
//! thread that logs never waits for that reader: a line that finds the queue full, or that cannot be written, is
//! dropped and counted (docs/decisions/0018).

use std::{
    io::{self, Write},
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;

/// Bytes that may wait; the writer may hold a second batch of this size.
const MOST: usize = 256 * 1024;

/// Bytes that stay allocated between two batches.
const KEPT: usize = 16 * 1024;

/// The pause before the next attempt when a non-blocking descriptor accepts nothing.
const RETRY: Duration = Duration::from_millis(20);

/// Lines waiting to be written.
#[derive(Default)]
pub struct LineQueue {
    state: Mutex<State>,
    changed: Condvar,
    dropped: Counter,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Bytes that the writer has taken and not finished.
    writing: usize,
}

impl LineQueue {
    /// Takes a line, which ends with a line feed, or drops it. `head` writes what comes before it, such as the time: of
    /// two lines, the one whose head is written first comes first.
    pub fn push(&self, head: impl FnOnce(&mut Vec<u8>), line: &[u8]) {
        let mut state = self.lock();
        let before = state.waiting.len();
        head(&mut state.waiting);
        if state.waiting.len() + line.len() > MOST {
            state.waiting.truncate(before);
            self.dropped.inc();
            return;
        }
        state.waiting.extend_from_slice(line);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until every line is written, at most this long.
    pub fn flush(&self, patience: Duration) {
        // The outcome of the wait does not matter.
        drop(self.changed.wait_timeout_while(self.lock(), patience, |state| state.bytes() > 0));
    }

    /// Bytes that are not written yet.
    pub fn bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// Lines that were dropped.
    pub const fn dropped(&self) -> &Counter {
        &self.dropped
    }

    /// Writes lines forever. After a loss, calls `report` with the number of lost lines once lines can be written
    /// again.
    pub fn write_to(&self, out: impl Write, report: impl Fn(u64)) {
        let mut writer = Writer { out, is_torn: false };
        let (mut batch, mut takes_lines, mut reported) = (Vec::new(), false, 0);
        loop {
            let lost = |reported| match takes_lines {
                true => self.dropped.get() - reported,
                false => 0,
            };
            self.take(&mut batch, || lost(reported) > 0);
            // The queue has just been emptied, so the report fits.
            if let lost @ 1.. = lost(reported) {
                reported += lost;
                report(lost);
            }
            for line in batch.split_inclusive(|byte| *byte == b'\n') {
                takes_lines = writer.write(line).is_ok();
                if !takes_lines {
                    self.dropped.inc();
                }
            }
        }
    }

    /// The batch is done: waits for the next one, which may be empty if there is a loss to report.
    fn take(&self, batch: &mut Vec<u8>, report: impl Fn() -> bool) {
        batch.clear();
        batch.shrink_to(KEPT);
        let mut state = self.lock();
        state.writing = 0;
        self.changed.notify_all();
        let idle = |state: &mut State| state.waiting.is_empty() && !report();
        state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.waiting, batch);
        state.writing = batch.len();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bytes(&self) -> usize {
        self.waiting.len() + self.writing
    }
}

struct Writer<W> {
    out: W,
    /// A part of the last line was written, but not its end.
    is_torn: bool,
}

impl<W: Write> Writer<W> {
    /// Writes a line with one call if the descriptor accepts it: other processes may write to it, too.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.write_all(b"\n")?;
        }
        self.write_all(line)
    }

    fn write_all(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    /// Long enough for any machine; nothing here takes that long.
    const PATIENCE: Duration = Duration::from_secs(20);

    const fn no_head(_: &mut Vec<u8>) {}

    /// A descriptor that accepts a write only when the test lets it, with this outcome.
    struct Gate {
        outcomes: mpsc::Receiver<io::Result<usize>>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // At the end of the test the thread stays blocked.
            let outcome = self.outcomes.recv().unwrap_or_else(|_| {
                loop {
                    thread::park();
                }
            });
            let count = outcome?.min(bytes.len());
            let _ = self.written.send(bytes[..count].to_vec());
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Rig {
        queue: Arc<LineQueue>,
        outcomes: mpsc::Sender<io::Result<usize>>,
        written: mpsc::Receiver<Vec<u8>>,
    }

    impl Rig {
        fn new() -> Self {
            let (outcomes, gate) = mpsc::channel();
            let (sender, written) = mpsc::channel();
            let queue = Arc::new(LineQueue::default());
            let of_thread = Arc::clone(&queue);
            thread::spawn(move || {
                let report = |lost| of_thread.push(no_head, format!("{lost} lost\n").as_bytes());
                of_thread.write_to(Gate { outcomes: gate, written: sender }, report);
            });
            Self { queue, outcomes, written }
        }

        fn allow(&self, writes: usize) {
            (0..writes).for_each(|_| self.outcomes.send(Ok(usize::MAX)).unwrap());
        }

        fn next(&self) -> String {
            String::from_utf8(self.written.recv_timeout(PATIENCE).unwrap()).unwrap()
        }
    }

    #[test]
    fn lines_are_written_whole_in_order_and_before_a_flush_returns() {
        let rig = Rig::new();
        rig.allow(100);
        for number in 0..100 {
            rig.queue.push(no_head, format!("{number}\n").as_bytes());
        }
        rig.queue.flush(PATIENCE);
        assert_eq!(rig.queue.bytes(), 0);
        let written: Vec<Vec<u8>> = rig.written.try_iter().collect();
        assert_eq!(written, (0..100).map(|number| format!("{number}\n").into_bytes()).collect::<Vec<_>>());
        assert_eq!(rig.queue.dropped().get(), 0);
    }

    #[test]
    fn heads_are_written_in_the_order_of_the_lines_also_by_several_threads() {
        let (rig, heads) = (Rig::new(), Arc::new(AtomicUsize::new(0)));
        rig.allow(400);
        let threads = (0..4).map(|_| {
            let (queue, heads) = (Arc::clone(&rig.queue), Arc::clone(&heads));
            let head = move |line: &mut Vec<u8>| line.extend(heads.fetch_add(1, Ordering::SeqCst).to_string().bytes());
            thread::spawn(move || (0..100).for_each(|_| queue.push(&head, b"\n")))
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        (0..400).for_each(|number| assert_eq!(rig.next(), format!("{number}\n")));
    }

    #[test]
    fn logging_never_waits_for_the_reader_and_dropped_lines_are_counted_and_reported() {
        let rig = Rig::new();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        rig.queue.push(no_head, b"first\n");
        // The writer has it, and waits in its write.
        while rig.queue.lock().writing == 0 {
            thread::yield_now();
        }
        (0..MOST / line.len()).for_each(|_| rig.queue.push(no_head, &line));
        assert_eq!(rig.queue.dropped().get(), 0);
        (0..7).for_each(|_| rig.queue.push(no_head, &line));
        assert_eq!((rig.queue.dropped().get(), rig.queue.bytes()), (7, MOST + 6));
        rig.queue.flush(Duration::from_millis(10));
        assert_eq!(rig.queue.bytes(), MOST + 6, "a flush waits no longer than it may");
        rig.allow(1 + MOST / line.len() + 2);
        assert_eq!(rig.next(), "first\n");
        (0..MOST / line.len()).for_each(|_| assert_eq!(rig.next().len(), line.len()));
        assert_eq!(rig.next(), "7 lost\n");
        rig.queue.push(no_head, b"last\n");
        assert_eq!(rig.next(), "last\n");
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted_and_reported_later() {
        let rig = Rig::new();
        for _ in 0..3 {
            rig.outcomes.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
            rig.queue.push(no_head, b"lost\n");
            rig.queue.flush(PATIENCE);
        }
        assert_eq!(rig.queue.dropped().get(), 3);
        rig.allow(2);
        rig.queue.push(no_head, b"there\n");
        assert_eq!((rig.next(), rig.next()), ("there\n".to_owned(), "3 lost\n".to_owned()));
        rig.queue.flush(PATIENCE);
        assert_eq!(rig.queue.dropped().get(), 3);
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next_and_a_short_write_goes_on() {
        let rig = Rig::new();
        rig.outcomes.send(Ok(2)).unwrap();
        rig.outcomes.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        rig.queue.push(no_head, b"torn\n");
        rig.queue.flush(PATIENCE);
        rig.outcomes.send(Ok(1)).unwrap();
        rig.outcomes.send(Err(io::ErrorKind::WouldBlock.into())).unwrap();
        rig.outcomes.send(Err(io::ErrorKind::Interrupted.into())).unwrap();
        rig.outcomes.send(Ok(2)).unwrap();
        rig.allow(2);
        rig.queue.push(no_head, b"whole\n");
        let written: String = (0..5).map(|_| rig.next()).collect();
        assert_eq!(written, "to\nwhole\n1 lost\n");
    }
}
