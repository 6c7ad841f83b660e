//! How a process ends: one watcher of signals for all subcommands.

use std::io::{self, IsTerminal};
use std::process;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

/// The exit code after a second SIGTERM or SIGINT.
const CUT_SHORT: i32 = 1;

/// What a first SIGTERM or SIGINT may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as the program needs: it has something to deliver.
    Endless,
    /// The program only prints. It ends by itself at the latest after this time, and when its terminal is closed.
    Printer(Duration),
}

/// Calls `begin_stop` at the first SIGTERM or SIGINT; a second one ends the process at once. SIGHUP is not a kill.
///
/// From the return of this function on: a signal that comes while the program is still starting is not lost.
pub(crate) fn watch(patience: Patience, begin_stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let mut signals = {
        let _context = runtime.enter();
        Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            prints_on_terminal: matches!(patience, Patience::Printer(_)) && io::stdout().is_terminal(),
        }
    };
    let watch = async move {
        signals.stop().await;
        begin_stop();
        match patience {
            Patience::Endless => {
                tracing::info!("told to stop; a second signal ends the program at once");
                signals.stop().await;
            }
            Patience::Printer(patience) => {
                if timeout(patience, signals.stop()).await.is_err() {
                    process::exit(0);
                }
            }
        }
        tracing::warn!("second signal: stopping at once, what is not delivered is lost");
        process::exit(CUT_SHORT);
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watch)).map(drop)
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    prints_on_terminal: bool,
}

impl Signals {
    /// Returns at the next signal that says stop.
    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {
                    if self.prints_on_terminal && !io::stdout().is_terminal() {
                        return;
                    }
                    tracing::warn!(
                        "SIGHUP is ignored: settings are read at the start only, and a log file that was renamed is \
                         opened again without being told"
                    );
                }
            }
        }
    }
}
