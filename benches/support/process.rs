//! CPU and memory of a child process, as counted by the kernel (Linux).

use std::{fs, time::Duration};

/// CPU time of all threads of `pid` so far.
///
/// # Errors
/// When the kernel does not report it.
pub fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let schedstat = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += schedstat.split_whitespace().next().unwrap_or("0").parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// Resident bytes of `pid`.
///
/// # Errors
/// When the kernel does not report it.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| anyhow::anyhow!("/proc/{pid}/status tells no VmRSS"))
}

/// CPU time of the ended child processes of this one.
///
/// # Errors
/// When the kernel does not report it.
pub fn children_cpu_time() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name in brackets may contain spaces; field 3 comes after it.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().skip(13).take(2));
    let ticks: u64 = fields.into_iter().flatten().map(|field| field.parse().unwrap_or(0)).sum();
    // A tick is a hundredth of a second on every Linux in use.
    Ok(Duration::from_millis(ticks * 10))
}
