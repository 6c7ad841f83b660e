//! The mirror is switched on and off while sessions are open.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::config::MirrorConfig;
use super::counters::MirrorCounters;
use super::running::Mirror;
use super::sink::MirroredSession;
use crate::metrics::{Readings, Source};
use crate::recording::SessionId;

/// How long a mirror that is switched off has for what waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often whoever waits looks again.
const LOOK: Duration = Duration::from_millis(2);

/// Whether there is a mirror, and which one. Clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct MirrorSwitch(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How often it was switched: an open session that remembers another number looks again.
    position: AtomicU64,
    on: Mutex<On>,
    counters: Arc<MirrorCounters>,
    was_on: AtomicBool,
}

#[derive(Debug, Default)]
struct On {
    mirror: Option<Mirror>,
    /// Nothing is switched on any more.
    is_finished: bool,
    /// Mirrors that were switched off, and do what still waits.
    ending: Vec<JoinHandle<()>>,
}

impl Source for MirrorSwitch {
    fn tell(&self, readings: &mut Readings) {
        if self.0.was_on.load(Ordering::Relaxed) {
            self.0.counters.tell(readings);
        }
    }
}

impl MirrorSwitch {
    /// Switches to another mirror, or to none. What the former one has to do it does in the background. `source` is what reports call the
    /// server whose sessions are mirrored.
    ///
    /// # Errors
    ///
    /// What the system refuses; everything is as before then.
    pub fn turn(&self, config: Option<MirrorConfig>, source: &str) -> io::Result<()> {
        let counters = &self.0.counters;
        let mirror = config.map(|config| Mirror::start(config, source, Arc::clone(counters))).transpose()?;
        self.0.was_on.fetch_or(mirror.is_some(), Ordering::Relaxed);
        let mut on = self.on();
        if on.is_finished {
            // The process ends: there is no session any more.
            return Ok(());
        }
        let former = std::mem::replace(&mut on.mirror, mirror);
        self.0.position.fetch_add(1, Ordering::Release);
        on.ending.retain(|ending| !ending.is_finished());
        if let Some(former) = former {
            let end = move || former.finish(Instant::now() + PATIENCE);
            on.ending.push(std::thread::Builder::new().name("mirror-ends".to_owned()).spawn(end)?);
        }
        Ok(())
    }

    /// A number that changes each time it is switched.
    #[inline]
    pub fn position(&self) -> u64 {
        self.0.position.load(Ordering::Acquire)
    }

    /// Whether there is a mirror.
    pub fn is_on(&self) -> bool {
        self.on().mirror.is_some()
    }

    /// Where the records of a session go, if there is a mirror.
    pub fn session(&self, client: IpAddr) -> Option<(SessionId, MirroredSession)> {
        self.on().mirror.as_ref().map(|mirror| mirror.session(Some(client)))
    }

    /// Waits until at most half of the memory is used that may be. For those who have the time: whoever forwards must not.
    pub fn wait_for_room(&self) {
        while self.on().mirror.as_ref().is_some_and(|mirror| !mirror.has_room()) {
            std::thread::sleep(LOOK);
        }
    }

    /// Switches off for the last time, and waits until what is left is done, at most until `deadline`.
    pub fn finish(&self, deadline: Instant) {
        let On { mirror, ending, .. } = std::mem::replace(&mut *self.on(), On { is_finished: true, ..On::default() });
        if let Some(mirror) = mirror {
            mirror.finish(deadline);
        }
        for ending in ending {
            // They have their own limit, which may be later than this.
            while !ending.is_finished() && Instant::now() < deadline {
                std::thread::sleep(LOOK);
            }
        }
        self.log("mirror stopped");
    }

    /// Logs what was counted, if there ever was a mirror.
    pub fn log(&self, what: &'static str) {
        if self.0.was_on.load(Ordering::Relaxed) {
            self.0.counters.log(what);
        }
    }

    fn on(&self) -> MutexGuard<'_, On> {
        self.0.on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
