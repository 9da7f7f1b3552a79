//! A hub under measurement: the real binary, release profile, as a child process on a free port with a journal of its own.
//!
//! Used by the benches that need the server's own CPU time apart from the load's. Ends the child when dropped.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The child, where it listens, and the folder of its journal.
pub struct HubProcess {
    child: Child,
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
}

impl HubProcess {
    /// Starts `trunkline serve` with `config` (TOML) and waits until it accepts connections.
    pub fn start(config: &str) -> Self {
        let folder = tempfile::tempdir_in(scratch()).expect("a scratch folder");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        fs::write(folder.path().join("trunkline.toml"), config).expect("the scratch folder can be written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_trunkline"))
            .current_dir(folder.path())
            .args(["serve", "--config", "trunkline.toml", "--journal", "sled:data", "--listen", &address.to_string()])
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the hub starts");
        let out = child.stdout.take().expect("piped");
        std::thread::spawn(move || BufReader::new(out).lines().for_each(drop));
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end && child.try_wait().expect("a child").is_none(), "the hub did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, address, folder }
    }
    /// User and system time that the process has used so far.
    pub fn cpu(&self) -> Duration {
        cpu_of(self.child.id())
    }
    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        resident_of(self.child.id())
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process, from `/proc` (clock ticks of 10 ms).
pub fn cpu_of(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let after_name = stat.rsplit_once(')').expect("a name in parentheses").1;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|t| t.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}

/// Resident memory of a process in bytes, from `/proc`.
pub fn resident_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident size");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("kilobytes") * 1024
}

/// How many fdatasyncs of one 4 KiB write the disk under `folder` does in a second: what no durable append can beat alone.
pub fn fdatasyncs_per_second(folder: &Path) -> f64 {
    use std::io::Write as _;
    let mut file = fs::File::create(folder.join("fdatasync.probe")).expect("the scratch folder can be written");
    let (start, mut done) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(1) {
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("the disk takes it");
        done += 1;
    }
    f64::from(done) / start.elapsed().as_secs_f64()
}

/// The value below which `share` of the sorted samples lie.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

/// Benches write to the build folder's disk, not to a memory file system.
pub fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned()
}
