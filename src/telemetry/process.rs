//! What the system knows about this process, read from `/proc` on demand: memory, files, time.
//!
//! The names are those of every Prometheus client library, so ready-made dashboards and alerts understand them.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// The names and HELP texts, as in `/metrics` and docs/METRICS.md.
pub const NAMES: &[(&str, &str)] = &[
    ("process_cpu_seconds_total", "Processor time used, user and system"),
    ("process_open_fds", "Open file descriptors"),
    ("process_max_fds", "Maximum number of open file descriptors"),
    ("process_resident_memory_bytes", "Resident memory"),
    ("process_start_time_seconds", "Start time of the process, in Unix time"),
    ("process_threads", "Number of threads"),
];

/// Ticks per second in `/proc`: USER_HZ, which is 100 on every architecture that Rust's Linux targets know.
const TICKS: f64 = 100.0;

/// Reads `/proc` at each scrape; a value that cannot be read is left out.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = Stat::read();
        let values = [
            stat.as_ref().map(|stat| stat.cpu_seconds),
            open_files(),
            rlimit::Resource::NOFILE.get().ok().map(|(soft, _)| soft as f64),
            field(&status, "VmRSS:").map(|kibibytes| kibibytes * 1024.0),
            stat.as_ref().and_then(|stat| Some(boot_time()? + stat.started_after_boot)),
            field(&status, "Threads:"),
        ];
        for (&(name, help), value) in NAMES.iter().zip(values) {
            let Some(value) = value else { continue };
            match name.strip_suffix("_total") {
                Some(name) => encode(&mut encoder, name, help, &ConstCounter::new(value))?,
                None => encode(&mut encoder, name, help, &ConstGauge::new(value))?,
            }
        }
        Ok(())
    }
}

fn encode(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// The number after a name in `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// Since Linux 6.2 the directory's size is the number of its entries; before that they must be counted.
fn open_files() -> Option<f64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64),
        count => Some(count as f64),
    }
}

fn boot_time() -> Option<f64> {
    field(&fs::read_to_string("/proc/stat").ok()?, "btime")
}

struct Stat {
    cpu_seconds: f64,
    started_after_boot: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// proc(5): utime, stime and starttime are the fields 14, 15 and 22; the second, the name, may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self { cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS, started_after_boot: ticks(22)? / TICKS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_after_a_name_with_brackets_and_spaces() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 1200 1000000 500";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.cpu_seconds, stat.started_after_boot), (3.0, 12.0));
        assert!(Stat::parse("7 (short) S 1").is_none());
        assert_eq!(field("Name:\tx\nVmRSS:\t  2048 kB\nThreads:\t3\n", "VmRSS:"), Some(2048.0));
    }
}
