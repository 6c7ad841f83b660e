//! `mysql-interceptor recording info`: what a recording has, and how much of it a replay will do.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::source::{KeyArgs, printed, stdout, watch};
use crate::cli::exit::Failure;
use crate::cli::settings::LogArgs;
use crate::recording::disk::{Recording, RecordingEnd, Records};
use crate::recording::{RecordingAbout, Survey};
use crate::settings::boolean;

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor recording info rec
  mysql-interceptor recording info rec --json | jq .not_replayed";

/// Names of a group are shown up to this many.
const MAX_NAMES: usize = 12;

/// The settings of `recording info`.
#[derive(Debug, Args)]
pub(in crate::cli) struct InfoArgs {
    /// Folder of the recording
    #[arg(value_name = "DIR", required = true)]
    dir: PathBuf,

    #[command(flatten)]
    key: KeyArgs,

    /// One JSON object
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    json: bool,

    #[command(flatten)]
    pub(super) log: LogArgs,
}

/// Everything that is said.
#[derive(Serialize)]
struct Info<'a> {
    dir: String,
    #[serde(flatten)]
    about: &'a RecordingAbout,
    files: u64,
    removed_files: u64,
    bytes: u64,
    bytes_per_command: Option<f64>,
    encrypted: bool,
    /// How many runs of a recorder made it, one after the other.
    runs: usize,
    /// Whether the recording ends as it should.
    complete: bool,
    /// Bytes at its end of which nothing could be made.
    left_out_bytes: u64,
    duration_ms: u64,
    #[serde(flatten)]
    survey: Survey,
}

/// Reads the recording, and says what is in it.
pub(super) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let stop = watch()?;
    let recording = args.key.open(&args.dir)?;
    let mut survey = Survey::default();
    let mut records = recording.records();
    for record in records.by_ref() {
        survey.add(&record.map_err(Failure::failed)?);
        if stop.is_cancelled() {
            return Err(Failure::Incomplete);
        }
    }
    let info = Info::new(&recording, &records, survey).map_err(Failure::failed)?;
    let mut output = stdout();
    let text = match args.json {
        true => serde_json::to_string_pretty(&info).map_err(Failure::failed)? + "\n",
        false => info.text(),
    };
    let result = output.write_all(text.as_bytes());
    printed(result, &mut output)
}

impl<'a> Info<'a> {
    fn new(
        recording: &'a Recording,
        records: &Records<'_>,
        survey: Survey,
    ) -> Result<Self, crate::recording::disk::RecordingError> {
        let (files, bytes) = recording.size()?;
        let duration_ms = survey.last_ms.unwrap_or(0).saturating_sub(survey.first_ms.unwrap_or(0));
        Ok(Self {
            dir: recording.dir().display().to_string(),
            about: recording.about(),
            files,
            removed_files: recording.removed_files(),
            bytes,
            bytes_per_command: (survey.commands > 0).then(|| bytes as f64 / survey.commands as f64),
            encrypted: recording.is_encrypted(),
            runs: recording.runs(),
            complete: records.ending() == Some(RecordingEnd::Complete),
            left_out_bytes: records.left_out(),
            duration_ms,
            survey,
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // A String takes everything.
            let _ = writeln!(text, "{name:<12}{value}");
        };
        line("Recording", self.dir.clone());
        line("Made from", self.source());
        line("Began", self.time());
        if let Some(set) = &self.about.gtid_set {
            line("GTID set", set.clone());
        }
        line("Files", self.size());
        line("Sessions", self.sessions());
        line("Commands", self.commands());
        self.replay().into_iter().for_each(|(name, value)| line(name, value));
        for (name, counts) in
            [("Statements", &self.survey.kinds), ("Users", &self.survey.users), ("Databases", &self.survey.databases)]
        {
            line(name, most(counts));
        }
        text
    }

    fn source(&self) -> String {
        let about = self.about;
        let mut text =
            format!("{}, by mysql-interceptor {}", about.source.to_string().replace('_', " "), about.program);
        if let Some(server) = &about.server {
            text += &format!("; server {server}");
        }
        let versions: Vec<_> = match &about.server_version {
            Some(version) => vec![version.clone()],
            None => self.survey.server_versions.iter().take(3).cloned().collect(),
        };
        if !versions.is_empty() {
            text += &format!(" ({})", versions.join(", "));
        }
        if about.redacted {
            text += "; redacted";
        }
        if !about.lacks.is_empty() {
            let lacks: Vec<_> = about.lacks.iter().map(|lack| lack.to_string().replace('_', " ")).collect();
            text += &format!("; it has no {}", lacks.join(", no "));
        }
        text
    }

    fn time(&self) -> String {
        let ms = self.survey.first_ms.unwrap_or(self.about.started_ms);
        let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let time = time.map_or_else(|| format!("{ms} ms"), |time| format!("{time:.3}"));
        format!("{time}, for {}.{:03} s", self.duration_ms / 1000, self.duration_ms % 1000)
    }

    fn size(&self) -> String {
        let mut text = format!("{}, {} bytes", self.files, self.bytes);
        if let Some(each) = self.bytes_per_command {
            text += &format!(", {each:.1} a command");
        }
        if self.encrypted {
            text += ", encrypted";
        }
        if self.runs > 1 {
            text += &format!(", of {} runs of its recorder", self.runs);
        }
        if self.removed_files > 0 {
            text += &format!("; the first {} were removed, as it had its largest size", self.removed_files);
        }
        if !self.complete {
            text += "; it has no end: its recorder still writes, or was ended in the middle";
        }
        if !self.complete || self.left_out_bytes > 0 {
            text += &format!(" ({} bytes are left out)", self.left_out_bytes);
        }
        text
    }

    fn sessions(&self) -> String {
        let survey = &self.survey;
        let mut text = (survey.sessions + survey.sessions_begun_before).to_string();
        for (count, what) in [
            (survey.sessions_begun_before, "of them had begun before"),
            (survey.sessions_refused, "logins were refused"),
            (survey.gaps, "times a session's recording was interrupted"),
        ] {
            if count > 0 {
                text += &format!("; {count} {what}");
            }
        }
        text
    }

    fn commands(&self) -> String {
        let survey = &self.survey;
        let mut text = format!("{}; {} answered with an error", survey.commands, survey.errors);
        if survey.without_outcome > 0 {
            text += &format!("; {} without a known outcome, which are not compared", survey.without_outcome);
        }
        text
    }

    fn replay(&self) -> Vec<(&'static str, String)> {
        let survey = &self.survey;
        let share = |count: u64| match survey.commands {
            0 => 0.0,
            all => count as f64 * 100.0 / all as f64,
        };
        let will = format!("{} commands ({:.1}%) will be replayed", survey.replayed, share(survey.replayed));
        let mut lines = vec![("Replay", will)];
        for (reason, count) in &survey.not_replayed {
            lines.push(("", format!("{count} ({:.1}%) will not: {reason}", share(*count))));
        }
        if survey.sessions_begun_before > 0 {
            let what = "user variables and temporary tables of sessions that had begun before are not known";
            lines.push(("", what.to_owned()));
        }
        lines
    }
}

/// Names by their counts, the greatest first.
fn most(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut shown: Vec<_> =
        sorted.iter().take(MAX_NAMES).map(|(name, count)| format!("{} {count}", printable(name))).collect();
    if sorted.len() > MAX_NAMES {
        shown.push(format!("and {} more", sorted.len() - MAX_NAMES));
    }
    shown.join(", ")
}

/// A name on a terminal.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
