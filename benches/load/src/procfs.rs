//! What process trees cost: CPU time from the scheduler's own accounting, memory from `smaps_rollup`.

use std::collections::HashMap;
use std::fs;

/// CPU time of another process in nanoseconds: all its threads, including ended ones.
fn cpu_ns(pid: i32) -> Option<u64> {
    // The clock of a process: (~pid << 3) | CPUCLOCK_SCHED (clock_getcpuclockid(3)).
    let clock: libc::clockid_t = ((!pid) << 3) | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call only writes to `time`.
    let done = unsafe { libc::clock_gettime(clock, &raw mut time) } == 0;
    done.then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// CPU time of this process in nanoseconds.
pub fn own_cpu_ns() -> u64 {
    cpu_ns(std::process::id() as i32).unwrap_or(0)
}

fn children(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

fn tree(roots: &[i32]) -> Vec<i32> {
    let (mut all, mut todo) = (Vec::new(), roots.to_vec());
    while let Some(pid) = todo.pop() {
        if !all.contains(&pid) {
            all.push(pid);
            todo.extend(children(pid));
        }
    }
    all
}

/// CPU time of process trees at one moment.
#[derive(Clone, Default)]
pub struct Cpu {
    ns: HashMap<i32, u64>,
    user: u64,
    system: u64,
}

impl Cpu {
    pub fn of(roots: &[i32]) -> Self {
        let mut cpu = Self::default();
        for pid in tree(roots) {
            let Some(ns) = cpu_ns(pid) else { continue };
            cpu.ns.insert(pid, ns);
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // After the name, which may contain any character: utime and stime are fields 14 and 15 (proc(5)).
            let fields: Vec<u64> =
                stat.rsplit(") ").next().unwrap_or("").split(' ').map(|n| n.parse().unwrap_or(0)).collect();
            cpu.user += fields.get(11).unwrap_or(&0);
            cpu.system += fields.get(12).unwrap_or(&0);
        }
        cpu
    }

    /// Microseconds since an earlier moment.
    pub fn us_since(&self, earlier: &Self) -> f64 {
        let ns = self.ns.iter().map(|(pid, ns)| ns.saturating_sub(*earlier.ns.get(pid).unwrap_or(&0)));
        ns.sum::<u64>() as f64 / 1000.0
    }

    /// The share not spent in the kernel; from ticks, so only precise for long spans.
    pub fn user_share_since(&self, earlier: &Self) -> f64 {
        let user = self.user.saturating_sub(earlier.user) as f64;
        user / (user + self.system.saturating_sub(earlier.system) as f64)
    }
}

/// Memory of process trees in kB.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    pub pss: u64,
    pub rss: u64,
}

impl Memory {
    pub fn of(roots: &[i32]) -> Self {
        let mut memory = Self::default();
        for pid in tree(roots) {
            for line in fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default().lines() {
                let mut words = line.split_whitespace();
                let (name, value) = (words.next(), words.next().and_then(|value| value.parse().ok()).unwrap_or(0));
                match name {
                    Some("Pss:") => memory.pss += value,
                    Some("Rss:") => memory.rss += value,
                    _ => {}
                }
            }
        }
        memory
    }
}
