//! A line that says how far something is: the last one on standard error, written again and again.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a bar is on standard error's last line; changed only by who holds its lock.
static IS_DRAWN: AtomicBool = AtomicBool::new(false);

/// Takes the bar away, if there is one, so that something else can be written; `out` is standard error, locked.
pub(crate) fn clear(out: &mut impl Write) -> io::Result<()> {
    if IS_DRAWN.swap(false, Ordering::Relaxed) { out.write_all(b"\r\x1b[K") } else { Ok(()) }
}

/// Writes it, as much as the terminal's width has room for.
pub(crate) fn draw(line: &str) {
    let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    let line: String = line.chars().take(width.saturating_sub(1)).collect();
    let mut out = io::stderr().lock();
    // A terminal that is gone shows nothing.
    let _ = write!(out, "\r{line}\x1b[K");
    IS_DRAWN.store(true, Ordering::Relaxed);
}

/// Leaves the line to what follows.
pub(crate) fn end() {
    let _ = clear(&mut io::stderr().lock());
}

/// A duration as it stands there: `12 s`, `3m05s`, `1h20m`.
pub(crate) fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        assert_eq!([0, 59, 60, 185, 3600, 4805].map(duration), ["0 s", "59 s", "1m00s", "3m05s", "1h00m", "1h20m"]);
    }
}
