//! SIGHUP: the configuration is read again, and what can change while sessions are open changes.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::config::Plan;
use super::recording::end_recording;
use crate::cli::settings::{CliError, FileContents};
use crate::lifecycle::HangUp;
use crate::mirror::MirrorSwitch;
use crate::recording::{RecordingSource, RecordingSwitch};
use crate::settings::{Note, Origins};

/// What the layers say now.
#[derive(Debug)]
pub(in crate::cli) struct Reread {
    pub(in crate::cli) plan: Plan,
    pub(in crate::cli) words: Words,
    pub(in crate::cli) origins: Origins,
    pub(in crate::cli) notes: Vec<Note>,
}

/// Each setting as it was written, by its id, in the order of the table.
pub(in crate::cli) type Words = Vec<(String, Vec<String>)>;

/// Reads the layers again.
pub(in crate::cli) type ReadAgain = Box<dyn Fn() -> Result<Option<Reread>, CliError> + Send>;

/// Settings that take effect at once: those whose ids begin so.
const LIVE: [&str; 2] = [MIRROR, RECORD];
const MIRROR: &str = "mirror";
const RECORD: &str = "record";

/// The signal, and where it is noticed.
pub(super) fn signal() -> (HangUp, Receiver<()>) {
    let (sender, receiver): (SyncSender<()>, _) = sync_channel(1);
    // One that comes while another waits is the same wish.
    let call = move || {
        let _ = sender.try_send(());
    };
    (HangUp::Calls(Box::new(call)), receiver)
}

/// What is in force, and how it changes.
pub(super) struct Reload {
    pub(super) read_again: ReadAgain,
    pub(super) words: Words,
    pub(super) contents: FileContents,
    pub(super) mirror: MirrorSwitch,
    pub(super) recording: RecordingSwitch,
}

impl Reload {
    /// Waits for signals on a thread of its own, for as long as the process lives.
    pub(super) fn start(mut self, signals: Receiver<()>) -> io::Result<()> {
        let wait = move || {
            while signals.recv().is_ok() {
                self.reload();
            }
        };
        std::thread::Builder::new().name("reload".to_owned()).spawn(wait).map(drop)
    }

    fn reload(&mut self) {
        match (self.read_again)() {
            Ok(Some(reread)) => self.apply(reread),
            Ok(None) => {}
            Err(error) => {
                let error = error.to_string();
                let error = error.trim_end().trim_start_matches("error: ");
                tracing::error!("SIGHUP: the configuration is wrong, everything stays as it is: {error}");
            }
        }
    }

    fn apply(&mut self, reread: Reread) {
        let Reread { plan, words, origins, notes } = reread;
        for note in &notes {
            tracing::warn!("{note}");
        }
        let changed = changed(&self.words, &words);
        let (mut live, fixed): (Vec<_>, Vec<_>) = changed.into_iter().partition(|id| is_live(id));
        let name = |id: &String| origins.of(id).name();
        let names = |ids: &[String]| ids.iter().map(name).collect::<Vec<_>>().join(", ");
        if !fixed.is_empty() {
            tracing::warn!("SIGHUP: changed, and needs a restart to take effect: {}", names(&fixed));
        }
        let mut what = live.iter().map(name).collect::<Vec<_>>();
        let refilled = plan.contents.iter().filter(|content| !self.contents.contains(content));
        let refilled: Vec<_> = refilled.map(|(id, _)| (*id).to_owned()).filter(|id| !live.contains(id)).collect();
        what.extend(refilled.iter().map(|id| format!("what is in the file of {}", name(id))));
        live.extend(refilled);
        // One that could not be written any further: there may be room for it now.
        let restarts = plan.recording.is_some() && self.recording.has_stopped();
        if live.is_empty() && !restarts {
            tracing::info!(
                "SIGHUP: the configuration was read again; nothing changed that takes effect while the proxy runs"
            );
            return;
        }
        let source = plan.proxy.upstream.to_string();
        let concerns = |prefix| live.iter().any(|id| id.starts_with(prefix));
        let on_or_off = |is_on| if is_on { "on" } else { "off" };
        let (mirror, recording) = (on_or_off(plan.mirror.is_some()), on_or_off(plan.recording.is_some()));
        if concerns(MIRROR)
            && let Err(error) = self.mirror.turn(plan.mirror, &source)
        {
            tracing::error!(%error, "SIGHUP: the mirror cannot be switched, everything stays as it is");
            return;
        }
        if concerns(RECORD) || restarts {
            // One whose settings have changed goes on with the new ones, in its folder or another.
            end_recording(&self.recording);
            if let Some(config) = &plan.recording
                && let Err(error) = config.begin(RecordingSource::Proxy, Some(source), &self.recording)
            {
                tracing::error!("SIGHUP: nothing is recorded any more: {error} ({})", origins.of(RECORD).name());
            }
        }
        tracing::info!(mirror, recording, "SIGHUP: the configuration was read again; changed: {}", what.join(", "));
        self.contents = plan.contents;
        // The rest is not in force, and is named again the next time.
        for (id, now) in words.into_iter().filter(|(id, _)| is_live(id)) {
            if let Some((_, known)) = self.words.iter_mut().find(|(known, _)| *known == id) {
                *known = now;
            }
        }
    }
}

fn is_live(id: &str) -> bool {
    LIVE.iter().any(|prefix| id.starts_with(prefix))
}

/// The ids of settings that are written in another way.
fn changed(before: &Words, now: &Words) -> Vec<String> {
    let differs = |(id, words): &&(String, Vec<String>)| {
        before.iter().find(|(known, _)| known == id).is_none_or(|(_, known)| known != words)
    };
    now.iter().filter(differs).map(|(id, _)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(settings: &[(&str, &[&str])]) -> Words {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        settings.iter().map(|(id, given)| ((*id).to_owned(), words(given))).collect()
    }

    #[test]
    fn what_is_written_in_another_way_has_changed() {
        let before = words(&[("mirror", &[]), ("workers", &["0"]), ("sink", &["stdout"])]);
        assert!(changed(&before, &before).is_empty());
        let now = words(&[("mirror", &["mysql://u@h"]), ("workers", &["0"]), ("sink", &["stdout", "kafka"])]);
        assert_eq!(changed(&before, &now), ["mirror", "sink"]);
        assert!(is_live("mirror") && is_live("mirror_sample") && is_live("record_max_size") && !is_live("sink"));
    }

    #[test]
    fn signals_are_one_wish_until_somebody_looks() {
        let (HangUp::Calls(mut call), signals) = signal() else { panic!("it is listened to") };
        call();
        call();
        assert!(signals.try_recv().is_ok() && signals.try_recv().is_err());
    }
}
