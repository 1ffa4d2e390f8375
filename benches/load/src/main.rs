//! `load`: opens connections, publishes stamped messages, checks every number on every connection, and reports the
//! server's cost. `load --help` lists the modes; `benches/README.md` describes how the figures are made.

mod client;
mod frames;
mod ledger;
mod options;
mod procfs;
mod publish;
mod report;
mod run;
mod shared;
mod socket;
mod stamp;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Map, Value, json};

use client::Client;
use options::{Mode, Options, Target};
use procfs::Memory;
use publish::Publisher;
use report::{Moment, figure, percentiles};
use shared::{Shared, now_ns};

fn main() -> ExitCode {
    let mut options = Options::parse();
    match options.mode {
        Mode::Groups | Mode::Ingest => {}
        Mode::Echo => options.groups = options.conns,
        _ => options.groups = 1,
    }
    match measure(options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure(options: Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let targets = options.url.iter().map(|url| Target::parse(url)).collect::<Result<Vec<_>, _>>()?;
    if !socket::room_for(options.conns as u64 + 64) {
        return Err(format!("{} connections need more open files than this process may have", options.conns).into());
    }
    let publishes = matches!(options.mode, Mode::Broadcast | Mode::Groups | Mode::Storm | Mode::Ingest);
    let shared = Arc::new(Shared::new(options.groups, options.conns));
    let mut publisher = match &options.publisher {
        _ if options.mode == Mode::Echo => Some(Publisher::clients(shared.clone(), &options.template)?),
        Some(url) if publishes => Some(Publisher::open(url, &options.template)?),
        None if publishes => return Err("--pub is needed".into()),
        _ => None,
    };
    let options = Arc::new(options);
    let mut report = Map::new();
    report.insert("mode".into(), json!(options.mode.name()));
    report.insert("connections".into(), json!(options.conns));

    let (memory, before, start) = (Memory::of(&options.server_pid), Moment::now(&options), now_ns());
    let client = Client::new(options.clone(), targets, shared.clone(), options.messages + options.warmup)?;
    let receiver = std::thread::Builder::new().name("receiver".into()).spawn(move || client.run())?;
    connect(&options, &shared);
    std::thread::sleep(Duration::from_millis(options.settle_ms));
    let open = shared.open.load(SeqCst);
    let mut part = Map::new();
    let seconds = (shared.last_open_ns.load(SeqCst).max(start + 1) - start) as f64 / 1e9;
    part.insert("open".into(), json!(open));
    part.insert("failed_attempts".into(), json!(shared.failed.load(SeqCst)));
    part.insert("seconds".into(), figure(seconds));
    part.insert("per_s".into(), figure(open as f64 / seconds));
    Moment::now(&options).spent(&before, "handshake", open, &mut part);
    report.insert("connect".into(), part.into());
    report.insert("memory".into(), memory_since(&options, memory, open));

    let all = open == options.conns as u64;
    let mut figures = Map::new();
    let published = match (&mut publisher, all) {
        (Some(publisher), true) => match options.mode {
            Mode::Storm => run::storm::run(&options, &shared, publisher, &mut figures)?,
            Mode::Ingest => run::ingest::run(&options, &shared, publisher, &mut figures)?,
            _ => run::deliver::run(&options, &shared, publisher, &mut figures)?,
        },
        (None, true) if options.mode == Mode::Idle => {
            let (before, start) = (Moment::now(&options), Instant::now());
            std::thread::sleep(Duration::from_millis(options.hold_ms));
            let us = Moment::now(&options).server.us_since(&before.server);
            figures.insert("seconds".into(), figure(start.elapsed().as_secs_f64()));
            figures.insert("server_ms_per_s".into(), figure(us / 1000.0 / start.elapsed().as_secs_f64()));
            figures.insert("memory".into(), memory_since(&options, memory, open));
            0
        }
        _ => 0,
    };
    let closed = if options.mode == Mode::Storm { 0 } else { shared.closed.load(SeqCst) };
    shared.stop.store(true, SeqCst);
    let totals = receiver.join().map_err(|_| "the receiving thread panicked")?;
    let missing = report::missing(&options, &totals, published);
    report::reconciled(&totals, missing, options.mode == Mode::Storm, &mut figures);
    figures.insert("closed_by_server".into(), json!(closed));
    figures.insert("latency_ms".into(), percentiles(&totals.latency));
    figures.insert("last_receiver_ms".into(), percentiles(&totals.last_receiver));
    figures.insert("handshake_ms".into(), percentiles(&totals.handshake));
    if options.mode == Mode::Storm {
        figures.insert("away_ms".into(), percentiles(&totals.away));
    }
    report.insert("run".into(), figures.into());
    println!("{}", Value::Object(report));
    let wrong = missing.lost + totals.doubled + totals.reordered + totals.misrouted + closed;
    let away = options.mode == Mode::Storm && shared.open.load(SeqCst) < options.conns as u64;
    Ok(ExitCode::from(if !all || away { 3 } else { u8::from(wrong > 0) }))
}

/// Waits until every connection is open or has given up, or until the timeout.
fn connect(options: &Options, shared: &Shared) {
    let deadline = Instant::now() + Duration::from_secs_f64(options.connect_seconds);
    while Instant::now() < deadline
        && shared.handshakes.load(SeqCst) + shared.gave_up.load(SeqCst) < options.conns as u64
    {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn memory_since(options: &Options, before: Memory, open: u64) -> Value {
    let now = Memory::of(&options.server_pid);
    let each = |then: u64, now: u64| figure((now as f64 - then as f64) * 1024.0 / open.max(1) as f64);
    json!({
        "pss_bytes_per_connection": each(before.pss, now.pss),
        "rss_bytes_per_connection": each(before.rss, now.rss),
        "pss_kb": now.pss,
        "pss_kb_before": before.pss,
    })
}
