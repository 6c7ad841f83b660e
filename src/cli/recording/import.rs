//! `mysql-interceptor recording import`: a recording of logs that exist.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;

use crate::cli::exit::{Failure, at_once};
use crate::cli::settings::{KafkaArgs, LogArgs, choice};
use crate::lifecycle::{self, HangUp, Patience};
use crate::mysql::charset::Charset;
use crate::recording::disk::{Key, RecordingWriter, WriterOptions};
use crate::recording::import::{Counts, Import, ImportOptions, LogZone, MessageImport, SourceKind};
use crate::recording::{Record, RecordingAbout};
use crate::stored::{Block, Input, Message, Source, Step, StoredAt, TopicSource, Topics};

/// How long the process may take to end when it is told to stop.
const STOP_PATIENCE: Duration = Duration::from_millis(500);
/// Messages that are read before the recording's start is fixed: the earliest may come late.
const HELD: usize = 2000;

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor recording import --from slowlog --out rec slow.log.1.gz slow.log
  mysql-interceptor recording import --from generallog --out rec general.log
  mysql --batch -e 'SELECT * FROM mysql.general_log' | mysql-interceptor recording import --from generallog --out rec -
  mysql-interceptor recording import --from messages --out rec kafka:MYSQL_EVENTS --kafka-bootstrap-servers kafka:9092

Files are read in the order in which they are named: the oldest first.";

/// The settings of `recording import`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    /// What is imported
    #[arg(long, value_name = "SOURCE", required = true, value_parser = choice::<From>())]
    from: From,

    /// Folder of the recording; it must be empty, or not exist yet
    #[arg(long, value_name = "DIR", required = true)]
    out: PathBuf,

    /// Files, plain or compressed with gzip or zstd; - is standard input; for messages also folders of Parquet, ndjson:PATH, kafka:TOPIC
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<String>,

    /// Time zone of the log's times that name none, such as +02:00 or Europe/Berlin [default: what a slow log shows, else this machine's]
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    time_zone: Option<TimeZone>,

    /// Character set of texts in sessions that set none
    #[arg(long, value_name = "NAME", value_parser = charset)]
    charset: Option<String>,

    /// Encrypt the recording with the key in this file
    #[arg(long, value_name = "KEYFILE")]
    record_encrypt: Option<PathBuf>,

    #[command(flatten)]
    kafka: KafkaArgs,

    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

/// What is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
enum From {
    /// A slow query log of MySQL, MariaDB or Percona Server, or a dump of mysql.slow_log
    SlowLog,
    /// A general query log, or a dump of mysql.general_log
    GeneralLog,
    /// Our own messages: NDJSON, Parquet, or a topic
    Messages,
}

fn zone(text: &str) -> Result<TimeZone, String> {
    let offset = format!("2000-01-01T00:00:00{text}");
    if let Ok(time) = jiff::fmt::temporal::DateTimeParser::new().parse_timestamp(&offset) {
        let midnight = jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0);
        let utc = TimeZone::UTC.to_datetime(time);
        let seconds = midnight.duration_since(utc).as_secs();
        let offset = i32::try_from(seconds).ok().and_then(|seconds| jiff::tz::Offset::from_seconds(seconds).ok());
        return offset.map(TimeZone::fixed).ok_or_else(|| format!("{text:?} is no time zone"));
    }
    TimeZone::get(text).map_err(|_| {
        format!("{text:?} is no time zone: give an offset such as +02:00, or a name such as Europe/Berlin")
    })
}

fn charset(text: &str) -> Result<String, String> {
    match Charset::from_name(text) {
        Some(_) => Ok(text.to_ascii_lowercase()),
        None => Err(format!("{text:?} is no character set of MySQL's or MariaDB's")),
    }
}

/// Makes the recording.
pub(in crate::cli) fn run(args: &ImportArgs) -> Result<(), Failure> {
    lifecycle::watch(Patience::Printer(STOP_PATIENCE), HangUp::Ignored, at_once).map_err(Failure::failed)?;
    let key = args.record_encrypt.as_deref().map(Key::read).transpose().map_err(Failure::usage)?;
    match args.from {
        From::SlowLog => args.log(SourceKind::SlowLog, key),
        From::GeneralLog => args.log(SourceKind::GeneralLog, key),
        From::Messages => args.messages(key),
    }
}

/// A number that tells this recording's sessions from those of others.
fn recorder() -> u32 {
    let mut bytes = [0; 4];
    // Without a random number the time will do.
    match ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes) {
        Ok(()) => u32::from_le_bytes(bytes),
        Err(_) => u32::try_from(jiff::Timestamp::now().as_millisecond() & 0xffff_ffff).unwrap_or_default(),
    }
}

/// The recording as it is written.
struct Output {
    writer: RecordingWriter,
    dir: String,
}

impl Output {
    fn create(args: &ImportArgs, about: &RecordingAbout, key: Option<Key>) -> Result<Self, Failure> {
        let options = WriterOptions { key, ..WriterOptions::default() };
        let writer = RecordingWriter::create(&args.out, about, options).map_err(Failure::failed)?;
        Ok(Self { writer, dir: args.out.display().to_string() })
    }

    fn write(&mut self, record: &Record) -> Result<(), Failure> {
        self.writer.write(record).map_err(Failure::failed)
    }

    fn finish(self, counts: &Counts) -> Result<(), Failure> {
        self.writer.finish().map_err(Failure::failed)?;
        say(&self.dir, counts);
        Ok(())
    }
}

/// What was imported, and what was not, on standard error.
fn say(dir: &str, counts: &Counts) {
    let Counts { sessions, commands, began_before, unplayable, clamped, skipped } = counts;
    eprintln!("{dir}: {sessions} sessions with {commands} commands");
    let note = |count: &u64, text: &str| {
        if *count > 0 {
            eprintln!("  {count} {text}");
        }
    };
    note(began_before, "sessions were there before the log begins");
    note(unplayable, "commands cannot be replayed: their text or a value is not whole");
    note(clamped, "commands began before the log's first entries; they are put at its beginning");
    for (why, count) in skipped {
        note(count, &format!("left out: {why}"));
    }
}

impl ImportArgs {
    fn files(&self) -> Result<Vec<Input>, Failure> {
        let input = |word: &String| match word.as_str() {
            "-" => Ok(Input::Standard),
            word if word.starts_with("kafka:") => Err(Failure::usage(format!(
                "{word}: only messages come from Kafka (--from messages), and then from there alone"
            ))),
            word => Ok(Input::File(word.into())),
        };
        self.inputs.iter().map(input).collect()
    }

    fn log(&self, kind: SourceKind, key: Option<Key>) -> Result<(), Failure> {
        let options = ImportOptions {
            recorder: recorder(),
            charset: self.charset.clone(),
            zone: self.time_zone.clone().map_or(LogZone::Found, LogZone::Given),
        };
        let mut import = Import::open(kind, self.files()?, &options).map_err(Failure::failed)?;
        let mut output = Output::create(self, &import.about(), key)?;
        for record in import.by_ref() {
            output.write(&record.map_err(Failure::failed)?)?;
        }
        output.finish(import.counts())
    }

    fn messages(&self, key: Option<Key>) -> Result<(), Failure> {
        let mut importing =
            Importing { import: MessageImport::new(recorder()), held: Vec::new(), output: None, args: self, key };
        let mut source = self.source()?;
        let mut block = Block::default();
        loop {
            match source.read(&mut block).map_err(Failure::failed)? {
                Step::End => break,
                Step::Waiting => {}
                Step::Filled => block.messages().try_for_each(|(_, message)| importing.add(Held::of(&message)))?,
            }
        }
        importing.finish()
    }

    /// Where the messages are.
    fn source(&self) -> Result<Box<dyn Source + Send>, Failure> {
        let named = |word: &String| word.parse().map_err(|reason| Failure::usage(format!("{word}: {reason}")));
        let sources: Vec<StoredAt> = self.inputs.iter().map(named).collect::<Result<_, _>>()?;
        let [StoredAt::Topic(topic)] = sources.as_slice() else {
            return StoredAt::open_all(&sources, false).map_err(Failure::failed);
        };
        let Some(brokers) = self.kafka.brokers() else {
            return Err(Failure::usage(format!("kafka:{topic}: --kafka-bootstrap-servers is missing")));
        };
        let topics = Topics::connect(brokers, "import", &self.kafka.kafka_option).map_err(Failure::failed)?;
        let names = topics.named(std::slice::from_ref(topic)).map_err(Failure::failed)?;
        Ok(Box::new(TopicSource::new(topics, &names, None, false).map_err(Failure::failed)?))
    }
}

/// A message with its headers.
struct Held {
    json: Vec<u8>,
    seq: Option<u64>,
    proxy: Option<String>,
    is_cut: bool,
}

impl Held {
    fn of(message: &Message<'_>) -> Self {
        Self {
            json: message.json.to_vec(),
            seq: message.seq,
            proxy: message.proxy.map(str::to_owned),
            is_cut: message.is_cut,
        }
    }

    fn message(&self) -> Message<'_> {
        Message { seq: self.seq, proxy: self.proxy.as_deref(), is_cut: self.is_cut, ..Message::line(&self.json) }
    }
}

/// Messages on their way into a recording.
struct Importing<'a> {
    import: MessageImport,
    /// The first ones, until the start is known.
    held: Vec<Held>,
    output: Option<Output>,
    args: &'a ImportArgs,
    key: Option<Key>,
}

impl Importing<'_> {
    fn add(&mut self, held: Held) -> Result<(), Failure> {
        if self.output.is_some() {
            return self.take(&held);
        }
        self.held.push(held);
        if self.held.len() < HELD { Ok(()) } else { self.begin() }
    }

    /// The start is known: the earliest of the messages that were held.
    fn begin(&mut self) -> Result<(), Failure> {
        let held = std::mem::take(&mut self.held);
        if let Some(first) = held.iter().filter_map(|held| MessageImport::timestamp(held.message())).min() {
            self.import.starting_at(first);
        }
        let mut records = VecDeque::new();
        for held in &held {
            self.import.add(held.message(), &mut records);
        }
        if self.import.counts().sessions == 0 {
            let names = self.args.inputs.join(", ");
            return Err(Failure::failed(format!(
                "{names}: none of our messages is in it: each should be a JSON object on a line"
            )));
        }
        self.output = Some(Output::create(self.args, &self.import.about(), self.key.take())?);
        self.write(records)
    }

    fn take(&mut self, held: &Held) -> Result<(), Failure> {
        let mut records = VecDeque::new();
        self.import.add(held.message(), &mut records);
        self.write(records)
    }

    fn write(&mut self, records: VecDeque<Record>) -> Result<(), Failure> {
        let Some(output) = &mut self.output else { return Ok(()) };
        records.iter().try_for_each(|record| output.write(record))
    }

    fn finish(mut self) -> Result<(), Failure> {
        if self.output.is_none() {
            self.begin()?;
        }
        let mut records = VecDeque::new();
        self.import.finish(&mut records);
        self.write(records)?;
        match self.output {
            Some(output) => output.finish(self.import.counts()),
            None => Ok(()),
        }
    }
}
