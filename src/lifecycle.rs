//! How a process is told to stop: one watcher of signals for all subcommands, one token for everything that runs.
//!
//! Nothing here ends the process: the caller says what to do when there is no more time.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How often a thread that waits looks whether it should stop.
const LOOK: Duration = Duration::from_millis(20);

/// What a first SIGTERM or SIGINT may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as the program needs: it has something to deliver.
    Endless,
    /// The program only prints. It ends by itself within this time at the latest, and when its terminal is closed.
    Printer(Duration),
}

/// Why the process must end now, whatever it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutShort {
    /// A second signal came.
    SecondSignal,
    /// The time that a printer has is over: nothing is lost.
    TimeIsOver,
}

/// What SIGHUP does. It is never a kill, unless the program prints on a terminal and that is gone.
pub(crate) enum HangUp {
    /// Nothing; the log says so.
    Ignored,
    /// It calls this, on the thread that watches signals: a second signal is not noticed before it returns.
    Calls(Box<dyn FnMut() + Send>),
}

/// Returns a token that the first SIGTERM or SIGINT cancels; a second one calls `cut_short`.
///
/// From the return of this function on: a signal that comes while the program is still starting is not lost.
pub(crate) fn watch(
    patience: Patience,
    on_hang_up: HangUp,
    cut_short: impl FnOnce(CutShort) + Send + 'static,
) -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let token = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let mut signals = {
        let _context = runtime.enter();
        Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            on_hang_up,
            prints_on_terminal: matches!(patience, Patience::Printer(_)) && io::stdout().is_terminal(),
        }
    };
    let watch = async move {
        signals.stop().await;
        token.cancel();
        match patience {
            Patience::Endless => {
                tracing::info!("told to stop; a second signal ends the program at once");
                signals.stop().await;
            }
            Patience::Printer(patience) => {
                if timeout(patience, signals.stop()).await.is_err() {
                    return cut_short(CutShort::TimeIsOver);
                }
            }
        }
        tracing::warn!("second signal: stopping at once, what is not delivered is lost");
        cut_short(CutShort::SecondSignal);
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watch))?;
    Ok(stop)
}

/// Does what may wait long for others before anything is begun, in a thread of its own. `None` if `stop` comes first: the thread is
/// abandoned, and the process should end.
pub(crate) fn unless_stopped<T: Send + 'static>(
    stop: &CancellationToken,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Option<T>> {
    let (sender, receiver) = sync_channel(1);
    thread::Builder::new().name("start".to_owned()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.send(work());
    })?;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(done) => return Ok(Some(done)),
            Err(RecvTimeoutError::Timeout) if !stop.is_cancelled() => {}
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the thread that starts has panicked")),
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    on_hang_up: HangUp,
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
                    match &mut self.on_hang_up {
                        HangUp::Calls(call) => call(),
                        HangUp::Ignored => tracing::warn!(
                            "SIGHUP is ignored: settings are read only at the start, and a log file that was renamed is \
                             reopened without being told"
                        ),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_waits_for_others_does_not_keep_a_stop_waiting() {
        let stop = CancellationToken::new();
        assert_eq!(unless_stopped(&stop, || 1).unwrap(), Some(1));
        stop.cancel();
        let (_never, waits) = std::sync::mpsc::channel::<()>();
        assert_eq!(unless_stopped(&stop, move || waits.recv()).unwrap(), None);
    }

    #[test]
    fn work_that_panics_is_an_error() {
        let stop = CancellationToken::new();
        assert!(unless_stopped(&stop, || panic!("on purpose")).map(drop::<Option<()>>).is_err());
    }
}
