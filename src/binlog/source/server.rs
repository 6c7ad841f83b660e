//! A server's binlog stream.
//!
//! Source: MySQL's `sql/rpl_source.cc` and `sql/rpl_binlog_sender.cc`; MariaDB's `sql/sql_repl.cc`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::BinlogError;
use crate::binlog::event::position::Position;
use crate::binlog::gtid::{AnyGtidSet, GtidSet, MariaDbGtid};
use crate::client::{ClientError, ConnectOptions, Connection};
use crate::mysql::wire::{MAX_PACKET_PAYLOAD, Malformed};

const COM_BINLOG_DUMP: u8 = 0x12;
const COM_REGISTER_SLAVE: u8 = 0x15;
const COM_BINLOG_DUMP_GTID: u8 = 0x1e;
/// The stream begins with the first event after these GTIDs.
const BINLOG_THROUGH_GTID: u16 = 4;
/// Heartbeats say the position in 64 bits.
const USE_HEARTBEAT_EVENT_V2: u16 = 2;

/// What the source is told of us.
#[derive(Debug, Clone)]
pub(crate) struct SourceOptions {
    pub(crate) connect: ConnectOptions,
    pub(crate) server_id: Option<u32>,
    pub(crate) report_host: Option<String>,
    /// How often the server says that it is there while it has nothing to say.
    pub(crate) heartbeat: Duration,
}

/// Where the stream begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BinlogStart {
    /// At an event.
    Position(Position),
    /// Behind all of these transactions.
    Gtids(AnyGtidSet),
}

impl std::fmt::Display for BinlogStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Position(position) => position.fmt(f),
            Self::Gtids(gtids) => write!(f, "after {gtids}"),
        }
    }
}

/// A stream of events.
#[derive(Debug)]
pub(crate) struct ServerSource {
    connection: Connection,
    packet: Vec<u8>,
    address: (String, u16),
    /// What was asked for, for errors.
    asked: String,
}

impl ServerSource {
    /// Connects, for questions first.
    pub(crate) fn connect(options: &SourceOptions, stop: CancellationToken) -> Result<Self, BinlogError> {
        let mut connection = Connection::open(&options.connect)?;
        connection.stop_with(stop);
        let address = (options.connect.host.clone(), options.connect.port);
        Ok(Self { connection, packet: Vec::new(), address, asked: String::new() })
    }

    /// Whether the next event may be long in coming.
    pub(crate) fn is_idle(&self) -> bool {
        self.connection.is_idle()
    }

    pub(crate) fn is_mariadb(&self) -> bool {
        self.connection.is_mariadb()
    }

    pub(crate) fn server_version(&self) -> &str {
        self.connection.server_version()
    }

    /// Reading also fails when this flag is set.
    pub(crate) fn interrupt_with(&mut self, flag: Arc<AtomicBool>) {
        self.connection.interrupt_with(flag);
    }

    /// Where a stream can begin that is to come by `position`: there, or where the protocol has no room for it, at the file's begin.
    /// MySQL takes 64 bits together with GTIDs, MariaDB 32.
    pub(crate) fn reachable(&mut self, position: &Position) -> Result<Position, BinlogError> {
        let is_short = u32::try_from(position.offset).is_ok();
        if is_short || (!self.is_mariadb() && self.has_gtids()?) {
            return Ok(position.clone());
        }
        tracing::info!(
            %position,
            "the server takes no position beyond 4 GiB: its file is read from the beginning, which takes a while, and left out up to there"
        );
        Ok(Position { offset: 4, ..position.clone() })
    }

    /// Whether a MySQL server gives out its binlog by GTIDs.
    fn has_gtids(&mut self) -> Result<bool, BinlogError> {
        Ok(self.variable("gtid_mode")?.is_some_and(|mode| mode == "ON"))
    }

    /// Those of these transactions that the server does not know: it has lost them, never had them, or does not have them yet.
    pub(crate) fn lacking(&mut self, gtids: &AnyGtidSet) -> Result<Option<String>, BinlogError> {
        let lacking = match gtids {
            AnyGtidSet::MySql(_) if self.is_mariadb() => None,
            AnyGtidSet::MySql(set) => {
                self.connection.query_one(&format!("SELECT GTID_SUBTRACT('{set}', @@GLOBAL.gtid_executed)"))?
            }
            AnyGtidSet::MariaDb(_) if !self.is_mariadb() => None,
            AnyGtidSet::MariaDb(set) => {
                // What it has executed itself or logged as a replica, by domain and server, and what else it has applied.
                let state = self.variable("gtid_binlog_state")?.unwrap_or_default();
                let applied = self.variable("gtid_current_pos")?.unwrap_or_default();
                let known: Vec<MariaDbGtid> = mariadb_gtids(&state).chain(mariadb_gtids(&applied)).collect();
                let is_known = |gtid: &MariaDbGtid| {
                    known.iter().any(|it| it.domain == gtid.domain && it.sequence >= gtid.sequence)
                };
                let lacking: Vec<String> = set.iter().filter(|gtid| !is_known(gtid)).map(ToString::to_string).collect();
                Some(lacking.join(","))
            }
        };
        Ok(lacking.map(|set| set.replace('\n', "")).filter(|set| !set.is_empty()))
    }

    /// What only grows as long as the binlog is not begun again, to be compared with a later answer.
    pub(crate) fn extent(&mut self) -> Result<LogExtent, BinlogError> {
        let files = self.files()?;
        let executed = match self.is_mariadb() {
            true => self.variable("gtid_binlog_state")?,
            false => self.variable("gtid_executed")?,
        };
        Ok(LogExtent { files, executed: executed.unwrap_or_default().replace('\n', "") })
    }

    /// The end of what is there now, and the GTIDs of everything up to there if the server keeps them.
    pub(crate) fn current_position(&mut self) -> Result<(Position, Option<AnyGtidSet>), BinlogError> {
        let rows = self.connection.binlog_status()?;
        let mut row = rows.into_iter().next().ok_or_else(|| BinlogError::Refused(BINLOG_OFF.into()))?.into_iter();
        let file = row.next().flatten().unwrap_or_default();
        let offset = row.next().flatten().and_then(|text| text.parse().ok()).unwrap_or(4);
        // Binlog_Do_DB, Binlog_Ignore_DB, Executed_Gtid_Set
        let executed = row.nth(2).flatten();
        let position = Position { file, offset };
        let gtids = if self.is_mariadb() { self.gtids_at(&position)? } else { executed.and_then(gtid_set) };
        Ok((position, gtids))
    }

    /// The GTIDs of everything up to `position`. MySQL knows them at the end and at the beginning of each file only.
    pub(crate) fn gtids_at(&mut self, position: &Position) -> Result<Option<AnyGtidSet>, BinlogError> {
        if !self.is_mariadb() {
            return Ok(None);
        }
        let Position { file, offset } = position;
        let file = file.replace('\\', "\\\\").replace('\'', "''");
        let gtids = self.connection.query_one(&format!("SELECT BINLOG_GTID_POS('{file}', {offset})"))?;
        Ok(gtids.and_then(gtid_set))
    }

    /// What tells this server from others: `@@server_uuid`, MariaDB's `@@server_uid` or, before 10.5, its number.
    pub(crate) fn identity(&mut self) -> Result<Option<String>, BinlogError> {
        if self.is_mariadb() {
            return match self.variable("server_uid")? {
                Some(id) => Ok(Some(id)),
                None => Ok(self.variable("server_id")?.map(|id| format!("server-id-{id}"))),
            };
        }
        self.variable("server_uuid")
    }

    /// Whether this is a connection to that server.
    pub(crate) fn is_to(&self, options: &SourceOptions) -> bool {
        self.address == (options.connect.host.clone(), options.connect.port)
    }

    /// The files that are there, oldest first.
    pub(crate) fn files(&mut self) -> Result<Vec<(String, u64)>, BinlogError> {
        let rows = match self.connection.query("SHOW BINARY LOGS") {
            Err(ClientError::Server { code: 1381, .. }) => return Err(BinlogError::Refused(BINLOG_OFF.into())),
            result => result?,
        };
        let file = |row: Vec<Option<String>>| {
            let mut fields = row.into_iter();
            let name = fields.next().flatten()?;
            Some((name, fields.next().flatten().and_then(|size| size.parse().ok()).unwrap_or(0)))
        };
        Ok(rows.into_iter().filter_map(file).collect())
    }

    /// A variable of the server.
    pub(crate) fn variable(&mut self, name: &str) -> Result<Option<String>, BinlogError> {
        match self.connection.query_one(&format!("SELECT @@GLOBAL.{name}")) {
            // Unknown to this server.
            Err(ClientError::Server { code: 1193, .. }) => Ok(None),
            result => Ok(result?),
        }
    }

    /// Asks for the stream; from here on there are only events. Says whether they end in checksums.
    pub(crate) fn start(&mut self, options: &SourceOptions, start: &BinlogStart) -> Result<bool, BinlogError> {
        let checksums =
            self.variable("binlog_checksum")?.is_some_and(|algorithm| algorithm.eq_ignore_ascii_case("CRC32"));
        let mut set = |statement: &str| match self.connection.query(statement) {
            // A variable that this server does not have.
            Ok(_) | Err(ClientError::Server { code: 1193, .. }) => Ok(()),
            Err(error) => Err(error),
        };
        set(
            "SET @master_binlog_checksum = @@GLOBAL.binlog_checksum, @source_binlog_checksum = @@GLOBAL.binlog_checksum",
        )?;
        let heartbeat = options.heartbeat.as_nanos();
        set(&format!("SET @master_heartbeat_period = {heartbeat}, @source_heartbeat_period = {heartbeat}"))?;
        let is_mariadb = self.connection.is_mariadb();
        let server_id = options.server_id.unwrap_or_else(random_server_id);
        if is_mariadb {
            self.connection.query("SET @mariadb_slave_capability = 4")?;
        } else {
            let uuid = format!("{:08x}-0000-4000-8000-{:012x}", server_id, u64::from(std::process::id()));
            self.connection.query(&format!("SET @slave_uuid = '{uuid}', @replica_uuid = '{uuid}'"))?;
        }
        self.register(options, server_id)?;
        // Three heartbeats missed: the link is dead.
        self.connection.set_patience(options.heartbeat * 3 + Duration::from_secs(5))?;
        self.asked = match start {
            BinlogStart::Position(position) => position.to_string(),
            BinlogStart::Gtids(gtids) => gtids.to_string(),
        };
        let command = match start {
            BinlogStart::Gtids(AnyGtidSet::MariaDb(gtids)) => {
                self.connection.query(&format!("SET @slave_connect_state = '{gtids}'"))?;
                self.connection.query("SET @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0")?;
                dump("", 4, server_id, is_mariadb)
            }
            BinlogStart::Gtids(AnyGtidSet::MySql(gtids)) => {
                let mut set = Vec::new();
                gtids.encode(&mut set);
                dump_gtid("", 4, &set, server_id)
            }
            BinlogStart::Position(position) => match u32::try_from(position.offset) {
                Ok(offset) => dump(&position.file, offset, server_id, is_mariadb),
                Err(_) if !is_mariadb && self.has_gtids()? => {
                    dump_gtid(&position.file, position.offset, &no_gtids(), server_id)
                }
                Err(_) => {
                    let reason = format!(
                        "{position}: the server takes no position beyond 4 GiB; begin with {}:4",
                        position.file
                    );
                    return Err(BinlogError::Refused(reason));
                }
            },
        };
        self.connection.command(&command)?;
        Ok(checksums)
    }

    /// Makes SHOW REPLICAS name us.
    fn register(&mut self, options: &SourceOptions, server_id: u32) -> Result<(), BinlogError> {
        let host =
            options.report_host.clone().unwrap_or_else(|| gethostname::gethostname().to_string_lossy().into_owned());
        let mut command = vec![COM_REGISTER_SLAVE];
        command.extend_from_slice(&server_id.to_le_bytes());
        let host = host.as_bytes().get(..host.len().min(60)).unwrap_or_default();
        command.push(u8::try_from(host.len()).unwrap_or(0));
        command.extend_from_slice(host);
        // No user, no password, no port; rank and master id are of no use.
        command.extend_from_slice(&[0; 2 + 2 + 4 + 4]);
        Ok(self.connection.command_ok(&command)?)
    }

    /// The next event. That the server ends the stream is an error: it does so where it is shut down.
    pub(crate) fn next(&mut self) -> Result<&[u8], BinlogError> {
        self.connection.read_packet(&mut self.packet)?;
        match self.packet.split_first() {
            Some((0, _)) => Ok(self.packet.get(1..).unwrap_or_default()),
            Some((0xfe, rest)) if rest.len() < 9 => {
                Err(BinlogError::StreamEnded { address: format!("{}:{}", self.address.0, self.address.1) })
            }
            Some((0xff, _)) => {
                let error = self.connection.check_error(&self.packet);
                Err(error.err().map_or_else(
                    || BinlogError::Refused("an error without a text".into()),
                    |error| explain(error, &self.asked),
                ))
            }
            _ => Err(self.connection.malformed(Malformed("binlog stream packet")).into()),
        }
    }
}

/// A server's binlog files with their sizes, oldest first, and the transactions it has executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogExtent {
    pub(crate) files: Vec<(String, u64)>,
    executed: String,
}

impl LogExtent {
    /// Whether the binlog was begun again after this: what was there has become less, and was not only purged.
    pub(crate) fn was_begun_again(&self, later: &Self) -> bool {
        let number = |(name, _): &(String, u64)| Position { file: name.clone(), offset: 0 }.file_number();
        let (Some(last), Some(later_last)) = (self.files.last(), later.files.last()) else { return false };
        let is_shorter =
            |(name, size): &(String, u64)| later.files.iter().any(|(other, now)| other == name && now < size);
        let goes_back = number(last).zip(number(later_last)).is_some_and(|(before, now)| now < before);
        goes_back || self.files.iter().any(is_shorter) || self.has_lost_transactions(later)
    }

    fn has_lost_transactions(&self, later: &Self) -> bool {
        if let (Ok(AnyGtidSet::MySql(before)), Ok(AnyGtidSet::MySql(now))) =
            (self.executed.parse(), later.executed.parse())
        {
            return !before.is_subset_of(&now);
        }
        let last = |state: &str, domain: u32| {
            mariadb_gtids(state).filter(|gtid| gtid.domain == domain).map(|gtid| gtid.sequence).max()
        };
        let is_less = |gtid: MariaDbGtid| match last(&later.executed, gtid.domain) {
            Some(now) => now < gtid.sequence,
            // A domain may be forgotten (DELETE_DOMAIN_ID), but not all.
            None => later.executed.is_empty(),
        };
        mariadb_gtids(&self.executed).any(is_less)
    }
}

/// A list that may have several GTIDs of one domain.
fn mariadb_gtids(text: &str) -> impl Iterator<Item = MariaDbGtid> {
    text.split(',').filter_map(|gtid| gtid.trim().parse().ok())
}

/// `None` for an empty text too: there are no GTIDs, or none yet.
fn gtid_set(text: String) -> Option<AnyGtidSet> {
    text.parse().ok().filter(|set: &AnyGtidSet| !set.is_empty())
}

const BINLOG_OFF: &str = "the source writes no binlog; start it with --log-bin (and binlog_format=ROW)";

/// What the server's error 1236 means, which has only a text.
fn explain(error: ClientError, asked: &str) -> BinlogError {
    let ClientError::Server { code: 1236, message, address, .. } = &error else {
        return error.into();
    };
    let is_purged = message.contains("purged")
        || message.contains("Could not find first log file name")
        || message.contains("Could not find GTID state");
    let is_ahead = ["more GTIDs than", "not in the master's binlog", "slave has diverged"]
        .iter()
        .any(|text| message.contains(text));
    let remedy = if is_ahead {
        "it does not have what was delivered: it has lost transactions (a backup was restored, or the binlog was begun again by RESET), or \
         never had them; compare with the tables, and begin with --from oldest or --on-purged=oldest, after a new copy of the data"
    } else if message.contains("same server_uuid/server_id") || message.contains("same server_id") {
        "another reader has the same server id; give each its own (--server-id)"
    } else if is_purged {
        "what is asked for has been purged; the oldest that is there is shown by SHOW BINARY LOGS; begin there with --from oldest or \
         --on-purged=oldest, after a new copy of the data"
    } else if message.contains("impossible position") || message.contains("bogus data") {
        "no event begins at that position; SHOW BINLOG EVENTS shows where events begin"
    } else {
        "see the server's error log"
    };
    let text = format!("{address} refuses the stream from {asked}: {message} ({remedy})");
    if is_purged || is_ahead { BinlogError::Purged(text) } else { BinlogError::Refused(text) }
}

/// A number that no other replica is likely to have; 0 and those of real servers, which are small, are left alone.
fn random_server_id() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    0x4000_0000 | (random as u32 & 0x3fff_ffff)
}

fn no_gtids() -> Vec<u8> {
    let mut set = Vec::new();
    GtidSet::new().encode(&mut set);
    set
}

fn dump(file: &str, offset: u32, server_id: u32, is_mariadb: bool) -> Vec<u8> {
    // MariaDB sends the statements' texts only to those who want them (BINLOG_SEND_ANNOTATE_ROWS_EVENT).
    let flags: u16 = if is_mariadb { 2 } else { 0 };
    let mut command = vec![COM_BINLOG_DUMP];
    command.extend_from_slice(&offset.to_le_bytes());
    command.extend_from_slice(&flags.to_le_bytes());
    command.extend_from_slice(&server_id.to_le_bytes());
    command.extend_from_slice(file.as_bytes());
    command
}

/// Without a file's name the server looks for the file by the GTIDs; with one, it begins there, and leaves out the transactions of the set.
fn dump_gtid(file: &str, offset: u64, gtids: &[u8], server_id: u32) -> Vec<u8> {
    let mut command = vec![COM_BINLOG_DUMP_GTID];
    command.extend_from_slice(&(BINLOG_THROUGH_GTID | USE_HEARTBEAT_EVENT_V2).to_le_bytes());
    command.extend_from_slice(&server_id.to_le_bytes());
    command.extend_from_slice(&u32::try_from(file.len()).unwrap_or(0).to_le_bytes());
    command.extend_from_slice(file.as_bytes());
    command.extend_from_slice(&offset.to_le_bytes());
    command.extend_from_slice(&u32::try_from(gtids.len()).unwrap_or(0).to_le_bytes());
    command.extend_from_slice(gtids);
    debug_assert!(command.len() < MAX_PACKET_PAYLOAD);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(files: &[(&str, u64)], executed: &str) -> LogExtent {
        let files = files.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        LogExtent { files, executed: executed.to_owned() }
    }

    #[test]
    fn a_log_that_has_become_less_was_begun_again() {
        const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let sets = [format!("{UUID}:1-5"), format!("{UUID}:1-9"), format!("{UUID}:1-3")];
        let [five, nine, three] = sets.each_ref().map(String::as_str);
        let before = extent(&[("b.000003", 500), ("b.000004", 100)], five);
        for (files, executed, expected) in [
            (&[("b.000003", 500), ("b.000004", 200)][..], nine, false),
            // Purged, and rotated.
            (&[("b.000004", 300), ("b.000005", 4)], nine, false),
            (&[("b.000005", 4)], five, false),
            (&[("b.000001", 4000)], nine, true),
            (&[("b.000003", 500), ("b.000004", 99)], nine, true),
            (&[("b.000003", 500), ("b.000004", 100), ("b.000005", 9)], three, true),
            (&[("b.000004", 100)], "", true),
            (&[], five, false),
        ] {
            assert_eq!(before.was_begun_again(&extent(files, executed)), expected, "{files:?} {executed}");
        }
        let files = [("b.000001", 500)];
        for (state, later, expected) in [
            ("0-1-5,0-2-9,1-1-3", "0-2-9,0-1-10,1-1-3", false),
            // A domain that was forgotten.
            ("0-1-5,1-1-3", "0-1-5", false),
            ("0-1-5,0-2-9", "0-1-8", true),
            ("0-1-5", "", true),
            ("", "0-1-5", false),
        ] {
            assert_eq!(extent(&files, state).was_begun_again(&extent(&files, later)), expected, "{state} {later}");
        }
    }

    #[test]
    fn a_stream_by_gtids_may_begin_beyond_four_gigabytes() {
        let command = dump_gtid("b.1", 4_527_458_311, &no_gtids(), 7);
        assert_eq!(command[..7], [COM_BINLOG_DUMP_GTID, 6, 0, 7, 0, 0, 0]);
        assert_eq!(command[7..14], [3, 0, 0, 0, b'b', b'.', b'1']);
        assert_eq!(command[14..22], 4_527_458_311_u64.to_le_bytes());
        assert_eq!(command[22..], [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
