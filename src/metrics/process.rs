//! What the system knows of this process, under the names that Prometheus' client libraries give it.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};

use super::metric::Metric;
use super::reading::Readings;

const CPU: Metric = Metric::counter("process_cpu_seconds_total", "Processor time used, of user and system", &[]);
const START: Metric = Metric::gauge("process_start_time_seconds", "Start of the process, in seconds since 1970", &[]);
const RESIDENT: Metric = Metric::gauge("process_resident_memory_bytes", "Memory in use", &[]);
const VIRTUAL: Metric = Metric::gauge("process_virtual_memory_bytes", "Addresses in use", &[]);
const THREADS: Metric = Metric::gauge("process_threads", "Threads", &[]);
const FDS: Metric = Metric::gauge("process_open_fds", "Open file descriptors", &[]);

#[cfg(test)]
pub(super) const PROCESS_METRICS: &[Metric] = &[CPU, START, RESIDENT, VIRTUAL, THREADS, FDS];

/// Adds what can be found out; where there is no /proc, nothing.
pub(super) fn tell(readings: &mut Readings) {
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| Stat::parse(&text)) {
        let ticks = clock_ticks_per_second() as f64;
        readings.decimal(&CPU, &[], stat.cpu_ticks as f64 / ticks);
        if let Some(booted) = booted() {
            readings.decimal(&START, &[], booted as f64 + stat.start_ticks as f64 / ticks);
        }
        readings.whole(&RESIDENT, &[], stat.resident_pages * page_size() as u64);
        readings.whole(&VIRTUAL, &[], stat.virtual_bytes);
        readings.whole(&THREADS, &[], stat.threads);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder's.
        readings.whole(&FDS, &[], (open.count() as u64).saturating_sub(1));
    }
}

/// When the system started, in seconds since 1970.
fn booted() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Some of proc_pid_stat(5).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may have any of these in it. Fields count from 1.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_the_name() {
        let text = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 13 14 15 16 4 0 777 123456 42 18446744073709551615 1";
        let wanted = Stat { cpu_ticks: 42, threads: 4, start_ticks: 777, virtual_bytes: 123_456, resident_pages: 42 };
        assert_eq!(Stat::parse(text), Some(wanted));
        assert_eq!(Stat::parse("12 (a"), None);
    }
}
