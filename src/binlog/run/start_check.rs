//! Whether a source has the place where reading is to begin, and the one where it is to end.

use super::place::Until;
use crate::binlog::event::position::Position;
use crate::binlog::gtid::{AnyGtid, AnyGtidSet};
use crate::binlog::run::error::RunError;
use crate::binlog::source::{BinlogError, BinlogStart, ServerSource};

/// Refuses what the source cannot have; true where the end was read before, so that there is nothing to do. `origin` is what the start
/// comes from, for errors; `read` the GTIDs of what was read before it, where they are known.
pub(super) fn check(
    origin: &str,
    start: &BinlogStart,
    until: &Until,
    read: Option<&AnyGtidSet>,
    source: &mut ServerSource,
) -> Result<bool, RunError> {
    // Without the right to ask, the server says itself what it does not have where the stream is to begin.
    let by_position = matches!(start, BinlogStart::Position(_)) || matches!(until, Until::Position(_));
    let files = if by_position { source.files().unwrap_or_default() } else { Vec::new() };
    let read = match start {
        BinlogStart::Position(position) => {
            check_place(origin, position, &files)?;
            read
        }
        BinlogStart::Gtids(set) => {
            if !set.is_empty() {
                check_flavor(origin, matches!(set, AnyGtidSet::MariaDb(_)), source)?;
            }
            Some(set)
        }
    };
    match until {
        Until::Gtid(gtid) => {
            check_flavor("`until`", matches!(gtid, AnyGtid::MariaDb(_)), source)?;
            let was_read = read.is_some_and(|set| set.contains(gtid));
            if was_read {
                tracing::info!(%gtid, "--until: it was read before");
            }
            Ok(was_read)
        }
        Until::Position(end) => check_name(end, &files).map(|()| false),
        Until::Never | Until::Now | Until::Timestamp(_) => Ok(false),
    }
}

/// An end in a file that will never come.
fn check_name(end: &Position, files: &[(String, u64)]) -> Result<(), RunError> {
    if files.is_empty() || files.iter().any(|(name, _)| Position::is_of_one_log(name, &end.file)) {
        return Ok(());
    }
    let last = files.last().map_or("", |(name, _)| name);
    Err(RunError::Start(format!("`until` {end}: the source's files have other names ({last})")))
}

/// The two kinds of server do not understand each other's GTIDs.
fn check_flavor(option: &str, is_of_mariadb: bool, source: &ServerSource) -> Result<(), RunError> {
    if is_of_mariadb == source.is_mariadb() {
        return Ok(());
    }
    let (given, is) = if is_of_mariadb { ("MariaDB", "MySQL") } else { ("MySQL", "MariaDB") };
    Err(RunError::Start(format!("{option} has {given}'s GTIDs, but the source is {is}")))
}

/// The source's binlog is another than the one that was read.
pub(super) fn begun_again(position: &Position, what: &str) -> BinlogError {
    BinlogError::Purged(format!(
        "reading is to go on at {position}, but the source's binlog is not the one that was read up to there ({what}): it was begun again by \
         RESET, a backup was restored, or it is another server's; go on with `from` oldest or `on_purged`=oldest, after a new copy of the data"
    ))
}

/// A place that the source's binlog does not have (any more): it has been purged, or the binlog was begun again by RESET.
fn check_place(option: &str, position: &Position, files: &[(String, u64)]) -> Result<(), BinlogError> {
    let name = |file: Option<&(String, u64)>| file.map(|(name, _)| name.clone()).unwrap_or_default();
    let what = match files.iter().find(|(name, _)| *name == position.file) {
        Some((_, size)) if position.offset <= *size => return Ok(()),
        Some((_, size)) => format!("the file has only {size} bytes (was the binlog begun again by RESET?)"),
        None if files.is_empty() => return Ok(()),
        None => format!(
            "the source has no file of that name (it may have been purged, or the binlog begun again by RESET); it has {} to {}",
            name(files.first()),
            name(files.last())
        ),
    };
    Err(BinlogError::Purged(format!(
        "{option} {position}: {what}; go on with `from` oldest or `on_purged`=oldest, after a new copy of the data"
    )))
}
