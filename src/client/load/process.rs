//! What a server costs: processor time and memory of a process and of all that came of it, as `/proc` tells. It never touches the process.

use std::{collections::HashMap, fs, io, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// A process and its descendants, added up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// How many processes.
    pub processes: u32,
    /// User and system time, that of children already gone included.
    pub cpu: Duration,
    /// Resident memory; pages that processes share count once for each.
    pub resident_bytes: u64,
}

/// Processor time that this process has used so far, ended threads included.
#[must_use]
pub fn own_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or(0))
}

struct Row {
    parent: u32,
    ticks: u64,
    pages: u64,
}

/// What `pid` and its descendants have used so far.
///
/// # Errors
/// No such process, or no `/proc`.
pub fn usage(pid: u32) -> io::Result<Usage> {
    let mut rows = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end between the listing and the reading.
        if let Some(row) = fs::read_to_string(entry.path().join("stat")).ok().as_deref().and_then(row) {
            rows.insert(pid, row);
        }
    }
    if !rows.contains_key(&pid) {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no process {pid}")));
    }
    let mut usage = Usage::default();
    let (mut ticks, mut pages) = (0, 0);
    for (candidate, row) in &rows {
        if descends(*candidate, pid, &rows) {
            usage.processes += 1;
            ticks += row.ticks;
            pages += row.pages;
        }
    }
    usage.cpu = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    usage.resident_bytes = pages * rustix::param::page_size() as u64;
    Ok(usage)
}

fn descends(pid: u32, from: u32, rows: &HashMap<u32, Row>) -> bool {
    let ancestors = std::iter::successors(Some(pid), |pid| rows.get(pid).map(|row| row.parent));
    // The listing is not of one instant: a number used again could make a ring.
    ancestors.take(64).any(|pid| pid == from)
}

/// The line of `/proc/<pid>/stat`: the name in parentheses may hold anything, the fields behind it are numbers.
fn row(stat: &str) -> Option<Row> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // utime, stime, and those of children that were waited for.
    let ticks = (11..15).map(number).sum::<Option<u64>>()?;
    Some(Row { parent: u32::try_from(number(1)?).ok()?, ticks, pages: number(21)? })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn counts_a_process_and_its_children() {
        let mut shell =
            Command::new("sh").args(["-c", "cat; :"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let mut say = shell.stdin.take().expect("piped");
        say.write_all(b"there\n").expect("said");
        let mut line = String::new();
        BufReader::new(shell.stdout.take().expect("piped")).read_line(&mut line).expect("heard");
        let usage = usage(shell.id()).expect("it runs");
        drop(say);
        shell.wait().expect("it ends with what it reads");
        assert_eq!(usage.processes, 2, "the shell and its `cat`");
        assert!(usage.resident_bytes > 100_000, "{usage:?}");
    }

    #[test]
    fn reads_names_that_hold_anything() {
        let row =
            row("12 (a ) b) S 7 1 1 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 9 0 5 99 77 18446744073709551615 1").expect("a row");
        assert_eq!((row.parent, row.ticks, row.pages), (7, 100, 77));
        assert!(super::row("12 (short) S 7").is_none());
        assert_eq!(usage(u32::MAX).expect_err("none").kind(), io::ErrorKind::NotFound);
    }
}
