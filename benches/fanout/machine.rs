//! Where a process runs, what it has used, and what many measurements come to.

use rustix::thread::{CpuSet, sched_setaffinity};

/// Keeps this process, and those it starts, on one core: the server has one, and whoever loads it another, so that neither is measured by when
/// the other is put aside. Where there is no such core, or `FANOUT_WANDERS` is set, it goes where it is put.
pub fn stay_on(core: usize) {
    if std::env::var_os("FANOUT_WANDERS").is_some() {
        return;
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    let _ = sched_setaffinity(None, &cores);
}

/// Time on a processor, of all threads of this process, in nanoseconds.
pub fn cpu_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a proc file system").flatten();
    let spent = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    spent.filter_map(|line| line.split(' ').next()?.parse::<u64>().ok()).sum()
}

/// Resident memory of this process.
pub fn rss_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("a proc file system");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    share(values, 0.5)
}

/// The value below which this share of them lies.
pub fn share(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * share) as usize).min(values.len() - 1)]
}
