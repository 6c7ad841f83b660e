//! A topic that several players share, as the source of a replay.

use std::fmt;

use tokio_util::sync::CancellationToken;

use super::source::{Flow, RecordSource, SessionWatch, Start};
use crate::recording::kafka::{Group, GroupConfig, GroupWatch, Whole, decode};
use crate::recording::{Record, RecordingAbout, SessionId};
use rdkafka::message::Message as _;

/// The sessions of a topic that this player's group gives it.
pub(crate) struct GroupSource {
    config: GroupConfig,
    group: Option<Group>,
    about: RecordingAbout,
    stop: CancellationToken,
}

impl GroupSource {
    /// Looks at the topic, and does not join the group yet.
    pub(crate) fn open(config: GroupConfig, stop: CancellationToken) -> Result<Self, String> {
        let (about, _) = Whole::of(&config).and_then(|whole| whole.first()).map_err(|error| error.to_string())?;
        Ok(Self { config, group: None, about, stop })
    }

    /// Joins the group: what is read from here on is played.
    pub(crate) fn join(&mut self) -> Result<(), String> {
        self.group = Some(Group::join(self.config.clone()).map_err(|error| error.to_string())?);
        Ok(())
    }

    /// All of the topic, for whoever looks at it before the start.
    fn scan(&self, take: &mut dyn FnMut(Record) -> Flow) -> Result<(), String> {
        let read = Whole::of(&self.config).and_then(|whole| {
            whole.read(|message| match decode(message.payload().unwrap_or_default()) {
                Ok((record, _)) => take(record) != Flow::On,
                Err(_) => false,
            })
        });
        read.map_err(|error| error.to_string())
    }
}

impl RecordSource for GroupSource {
    fn about(&self) -> &RecordingAbout {
        &self.about
    }

    fn length_ns(&self) -> Option<u64> {
        None
    }

    fn start(&self) -> Option<Start> {
        let zero = self.group.as_ref()?.zero(&self.stop)?;
        Some(Start { epoch_ms: zero.start_ms })
    }

    fn watch(&self) -> Option<Box<dyn SessionWatch>> {
        let watch: Box<dyn SessionWatch> = Box::new(self.group.as_ref()?.watch());
        Some(watch)
    }

    fn read(&mut self, _from_ns: u64, _to_ns: u64, take: &mut dyn FnMut(Record) -> Flow) -> Result<(), String> {
        let Some(group) = &self.group else { return self.scan(take) };
        while let Some(record) = group.next(&self.stop)? {
            if take(record) == Flow::End {
                break;
            }
        }
        Ok(())
    }

    fn notes(&mut self) -> Vec<String> {
        let Some(group) = &mut self.group else { return Vec::new() };
        group.leave();
        let counts = group.counts();
        let mut notes = vec![format!(
            "this player had {} sessions of topic {}, shared with the other players of group {}",
            counts.sessions, self.config.topic, self.config.group
        )];
        let mut note = |count: u64, text: &str| {
            if count > 0 {
                notes.push(format!("{count} {text}"));
            }
        };
        note(
            counts.begun_again,
            "sessions were begun again from their beginning: the player that had them did not come to their end",
        );
        note(counts.maybe_committed, "writes of these may have been committed before, and were done twice");
        note(
            counts.given_up,
            "sessions were given up here: their partition went to another player, which begins them again",
        );
        note(counts.done_before, "sessions were over when their partition came here, and were not played again");
        note(counts.repeated, "records came again and were left out");
        note(counts.missing, "records are missing in the topic, though later ones of their sessions are there");
        note(counts.without_beginning, "records were left out: their sessions' beginnings are not in the topic");
        note(counts.foreign, "messages of the topic are no records");
        notes
    }
}

impl fmt::Debug for GroupSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupSource").field("topic", &self.config.topic).finish_non_exhaustive()
    }
}

impl SessionWatch for GroupWatch {
    fn began(&self, session: SessionId) {
        Self::began(self, session);
    }

    fn given_up(&self, session: SessionId) -> CancellationToken {
        self.token(session)
    }

    fn ended(&self, session: SessionId, given_up: &CancellationToken) {
        Self::ended(self, session, given_up);
    }
}
