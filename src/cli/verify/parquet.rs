//! A folder of Parquet files, and the marker streams beside them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::VerifyError;
use super::files::{content, has_no_beginning, whole_lines};
use crate::audit::verify::{Kind, Report, Retention, Seen, Verification};
use crate::audit::{Event, FileHash, Hash, Instance, Manifest, PublicKey, Record};
use crate::deliver::parquet::names;
use crate::stored::{SourceError, each_audited_row, files_of};

/// How often the folder is looked at while the process that writes to it renames files.
const ATTEMPTS: usize = 10;

/// What is in a file, as far as it can be read.
struct Found {
    name: String,
    messages: u64,
    sha256: Hash,
}

/// Verifies a folder, or one file of it with the sidecar of its own.
pub(super) fn verify(path: &Path, key: Option<PublicKey>) -> Result<Report, VerifyError> {
    let is_folder = path.is_dir();
    // The files after the sidecars: what markers cover is there by then.
    let lines = if is_folder { streams(path)? } else { lines_of(&names::sidecar_of(path))? };
    if lines.is_empty() {
        return Err(VerifyError::NoMarkers(path.display().to_string()));
    }
    // What a marker covers is in a file that is removed with that marker. So what is claimed, and not there, has not expired.
    let records = is_folder && has_no_beginning(lines.iter());
    let retention = Retention { records, is_part: !is_folder, ..Retention::default() };
    let mut verification = Verification::new(format!("parquet:{}", path.display()), key, retention);
    lines.iter().for_each(|line| verification.record(line));
    let files = if is_folder { files_of(path)? } else { vec![path.to_owned()] };
    let manifests = manifests(&lines);
    let mut found = Vec::new();
    for (place, file) in (0..).zip(&files) {
        found.extend(read(file, place, &manifests, &mut verification)?);
    }
    compare(manifests, &found, &mut verification);
    Ok(verification.finish())
}

/// The marker streams of a folder, the oldest first. The process that writes to it may rename the last one meanwhile: then they are read again.
fn streams(folder: &Path) -> Result<Vec<Vec<u8>>, VerifyError> {
    let mut lines = Vec::new();
    for _ in 0..ATTEMPTS {
        let sidecars = sidecars(folder)?;
        lines.clear();
        for path in sidecars.iter().chain([&folder.join(names::STREAM)]) {
            lines.extend(lines_of(path)?);
        }
        if sidecars == self::sidecars(folder)? {
            break;
        }
    }
    Ok(lines)
}

/// The sidecars of the files of a folder, whether those are there or not.
fn sidecars(folder: &Path) -> Result<Vec<PathBuf>, VerifyError> {
    let failed = |source| VerifyError::Read { name: folder.display().to_string(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_name().is_some_and(|name| names::file_of_sidecar(&name.to_string_lossy()).is_some()) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The whole lines of a file; none if it is not there.
fn lines_of(path: &Path) -> Result<Vec<Vec<u8>>, VerifyError> {
    match content(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(VerifyError::Read { name: path.display().to_string(), source }),
        Ok(bytes) => Ok(whole_lines(&bytes).map(<[u8]>::to_vec).collect()),
    }
}

/// What the streams say of files, by their names.
fn manifests(lines: &[Vec<u8>]) -> BTreeMap<String, (Instance, Manifest)> {
    let records = lines.iter().filter_map(|line| Record::parse(line).0);
    let manifests = records.filter_map(|Record { instance, event, .. }| match event {
        Event::FileFinished(manifest) => Some((manifest.file.clone(), (instance, manifest))),
        _ => None,
    });
    manifests.collect()
}

/// Reads a file as far as that goes; `None`: no process has written it with markers.
fn read(
    file: &Path,
    place: u32,
    manifests: &BTreeMap<String, (Instance, Manifest)>,
    verification: &mut Verification,
) -> Result<Option<Found>, VerifyError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (mut messages, mut unaudited, mut hash) = (0, 0, FileHash::default());
    let result = each_audited_row(file, |message, row| match row {
        None => unaudited += 1,
        Some((id, link)) => {
            messages += 1;
            hash.add(&link.hash);
            verification.message(&Seen { id, link, message, place });
        }
    });
    verification.unaudited(unaudited);
    match result {
        Ok(()) => {}
        Err(SourceError::Input(error)) if error.source.kind() != io::ErrorKind::InvalidData => {
            return Err(VerifyError::Read { name: error.name, source: error.source });
        }
        Err(error) => {
            let kind = if manifests.contains_key(&name) { Kind::Manifest } else { Kind::Added };
            verification.found(kind, error.to_string());
        }
    }
    Ok((messages > 0 || manifests.contains_key(&name)).then(|| Found { name, messages, sha256: hash.hash() }))
}

/// Holds the files against their manifests.
fn compare(manifests: BTreeMap<String, (Instance, Manifest)>, found: &[Found], verification: &mut Verification) {
    let is_as_written =
        |found: &&Found, manifest: &Manifest| (found.messages, found.sha256) == (manifest.messages, manifest.sha256);
    for (file, (instance, manifest)) in &manifests {
        let of_name = found.iter().find(|found| found.name == *file);
        if of_name.is_some_and(|found| is_as_written(&found, manifest)) {
            continue;
        }
        // Another file's content is known to be that file's own, unless that one has no manifest or another content, too.
        let elsewhere = found
            .iter()
            .filter(|found| is_as_written(found, manifest))
            .find(|found| manifests.get(&found.name).is_none_or(|(_, its_own)| !is_as_written(found, its_own)));
        let written = manifest.messages;
        match (elsewhere, of_name) {
            (Some(Found { name, .. }), _) => {
                verification.found(Kind::Manifest, format!("{file}: what was written to it is in {name}"));
            }
            (None, Some(Found { messages, .. })) => verification.suspected(
                Kind::Manifest,
                format!(
                    "{file}: instance {instance} has written {written} messages to it, and it has {messages}, or others"
                ),
            ),
            (None, None) => {
                let text =
                    format!("{file}: it is not there, and instance {instance} has written {written} messages to it");
                verification.suspected(Kind::Manifest, text);
            }
        }
    }
}

#[cfg(test)]
mod tests;
