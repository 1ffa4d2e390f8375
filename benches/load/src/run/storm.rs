//! Messages at a steady rate while connections end and return: how fast they return, and what they missed.
//!
//! The calling program writes `mark NAME` when it disturbs the servers, and `stop` at the end.

use std::io::{BufRead, Result};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::options::Options;
use crate::publish::Publisher;
use crate::report::figure;
use crate::shared::{Shared, now_ns};
use crate::stamp;

/// The interval of observation.
const TICK_NS: u64 = 100_000_000;

/// One disturbance of the servers.
struct Mark {
    name: String,
    at: f64,
    handshakes: u64,
    first_lost: Option<f64>,
    all_back: Option<f64>,
    down: u64,
    lowest: u64,
}

/// Runs the mode; returns how many numbers were published.
pub fn run(options: &Options, shared: &Shared, publisher: &mut Publisher, to: &mut Map<String, Value>) -> Result<u32> {
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(|line| line.ok()) {
            if send.send(line).is_err() {
                break;
            }
        }
        let _ = send.send("stop".to_owned());
    });
    println!("{}", json!({ "ready": shared.open.load(SeqCst) }));
    let conns = options.conns as u64;
    let start = now_ns();
    let at = || (now_ns() - start) as f64 / 1e9;
    let step = (1e9 / options.rate.max(1.0)) as u64;
    let (mut next, mut due, mut tick) = (0u32, start, start);
    let mut marks: Vec<Mark> = Vec::new();
    let mut ticks: Vec<u64> = Vec::new();
    let first = shared.handshakes.load(SeqCst);
    let mut stopping = None;
    loop {
        while let Ok(line) = lines.try_recv() {
            match line.split_once(' ') {
                Some(("mark", name)) => marks.push(Mark {
                    name: name.to_owned(),
                    at: at(),
                    handshakes: shared.handshakes.load(SeqCst),
                    first_lost: None,
                    all_back: None,
                    down: shared.closed.load(SeqCst),
                    lowest: conns,
                }),
                _ => stopping = stopping.or(Some(now_ns())),
            }
        }
        let now = now_ns();
        if now >= tick {
            tick += TICK_NS;
            ticks.push(shared.handshakes.load(SeqCst));
            let open = shared.open.load(SeqCst);
            if let Some(mark) = marks.last_mut() {
                mark.lowest = mark.lowest.min(open);
                if shared.closed.load(SeqCst) > mark.down {
                    mark.first_lost = mark.first_lost.or(Some(at()));
                    // The last time that all connections were back, until the next mark.
                    mark.all_back = if open >= conns { mark.all_back.or(Some(at())) } else { None };
                }
            }
        }
        // Ends when all connections are back, or after the timeout.
        if let Some(asked) = stopping {
            let waited = (now - asked) as f64 / 1e9;
            if (shared.open.load(SeqCst) >= conns && waited > 1.0) || waited > options.timeout {
                break;
            }
        }
        if at() > options.seconds || next as usize >= options.messages {
            break;
        }
        if now >= due {
            due += step;
            let text = stamp::text(next, now, options.size);
            next += 1;
            shared.begun.store(next, SeqCst);
            publisher.publish(&text, 0)?;
            shared.published.store(next, SeqCst);
        }
        let pause = due.min(tick).saturating_sub(now_ns());
        std::thread::sleep(Duration::from_nanos(pause));
    }
    let seconds = at();
    // The last messages are still on their way: wait until no more arrive for a while.
    let deadline = now_ns() + (options.timeout * 1e9) as u64;
    while now_ns() < deadline && now_ns() < shared.last_delivery_ns.load(SeqCst) + 1_000_000_000 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let again = shared.handshakes.load(SeqCst) - first;
    let per_second = |width: usize| {
        let spans = ticks.windows(width + 1).filter_map(|span| Some(span.last()? - span.first()?));
        spans.max().unwrap_or(0) as f64 * 10.0 / width as f64
    };
    to.insert("published".into(), json!(next));
    to.insert("delivered".into(), json!(shared.delivered.load(SeqCst)));
    to.insert("seconds".into(), figure(seconds));
    to.insert("handshakes_again".into(), json!(again));
    to.insert("peak_handshakes_per_s".into(), figure(per_second(10)));
    to.insert("peak_handshakes_per_s_over_100_ms".into(), figure(per_second(1)));
    to.insert("failed_attempts".into(), json!(shared.failed.load(SeqCst)));
    to.insert("still_away".into(), json!(conns.saturating_sub(shared.open.load(SeqCst))));
    let marks = marks.iter().map(|mark| {
        json!({
            "name": mark.name,
            "at_s": figure(mark.at),
            "first_lost_after_s": mark.first_lost.map(|time| figure(time - mark.at)),
            "all_back_after_s": mark.all_back.map(|time| figure(time - mark.at)),
            "most_away": conns - mark.lowest,
            "handshakes_before": mark.handshakes - first,
        })
    });
    to.insert("marks".into(), marks.collect());
    Ok(next)
}
