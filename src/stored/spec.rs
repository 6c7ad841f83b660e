//! Where messages are read from, as it is written: in the words of `--sink`, or a path alone.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::block::Block;
use super::files::{FileSource, LiveFile};
use super::input::Input;
use super::parquet::ParquetSource;
use super::source::{Progress, Source, SourceError, Step};
use super::spool::SpoolSource;

/// Where messages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredAt {
    /// `-`: lines from standard input.
    Standard,
    /// A file of lines, or of Parquet, or a folder of those: it is looked at when it is opened.
    Path(PathBuf),
    /// `ndjson:PATH`: what a sink writes there, with the files that it has rotated.
    Ndjson(PathBuf),
    /// `parquet:DIR`: the same as the folder alone.
    Parquet(PathBuf),
    /// `spool:DIR`: what `--spool DIR` keeps there.
    Spool(PathBuf),
    /// `kafka:TOPIC`
    Topic(String),
}

impl FromStr for StoredAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORMS: &str =
            "expected a file, a folder, ndjson:PATH, parquet:DIR, spool:DIR, kafka:TOPIC or - for standard input";
        match text.split_once(':') {
            _ if text == "-" => Ok(Self::Standard),
            Some(("ndjson", path)) if !path.is_empty() => Ok(Self::Ndjson(path.into())),
            Some(("parquet", path)) if !path.is_empty() => Ok(Self::Parquet(path.into())),
            Some(("spool", path)) if !path.is_empty() => Ok(Self::Spool(path.into())),
            Some(("kafka", topic)) if !topic.is_empty() => Ok(Self::Topic(topic.to_owned())),
            Some(("ndjson" | "parquet" | "spool" | "kafka", _)) => Err(FORMS.to_owned()),
            _ if text.is_empty() => Err(FORMS.to_owned()),
            _ => Ok(Self::Path(text.into())),
        }
    }
}

impl StoredAt {
    /// Opens what is named, one after the other; `follows`: the last one is read on as it grows. Topics are not among them.
    pub(crate) fn open_all(all: &[Self], follows: bool) -> Result<Box<dyn Source + Send>, SourceError> {
        let mut sources: Vec<Box<dyn Source + Send>> = Vec::new();
        let mut inputs = Vec::new();
        let mut followed = None;
        for (index, at) in all.iter().enumerate() {
            let is_followed = follows && index + 1 == all.len();
            match at {
                Self::Standard => inputs.push(Input::Standard),
                Self::Path(path) | Self::Parquet(path) => {
                    let kind = kind_of(path).map_err(|error| SourceError::input(path.display().to_string(), error))?;
                    match kind {
                        PathKind::Lines if is_followed => {
                            let mut live = LiveFile::new(path.clone());
                            // Those that were rotated before are other files.
                            drop(live.rotated());
                            followed = Some(live);
                        }
                        PathKind::Lines => inputs.push(Input::File(path.clone())),
                        PathKind::Parquet => {
                            if !inputs.is_empty() {
                                sources.push(Box::new(FileSource::new(std::mem::take(&mut inputs), None)));
                            }
                            sources.push(Box::new(ParquetSource::new(path, is_followed)?));
                        }
                    }
                }
                Self::Ndjson(path) => {
                    let mut live = LiveFile::new(path.clone());
                    inputs.extend(live.rotated().into_iter().map(Input::File));
                    if is_followed {
                        followed = Some(live);
                    } else if path.exists() || inputs.is_empty() {
                        inputs.push(Input::File(path.clone()));
                    }
                }
                Self::Spool(folder) => {
                    if !inputs.is_empty() {
                        sources.push(Box::new(FileSource::new(std::mem::take(&mut inputs), None)));
                    }
                    sources.push(Box::new(SpoolSource::new(folder, is_followed)?));
                }
                Self::Topic(topic) => {
                    return Err(SourceError::Foreign {
                        name: format!("kafka:{topic}"),
                        reason: "a topic is read alone, not together with files".to_owned(),
                    });
                }
            }
        }
        if !inputs.is_empty() || followed.is_some() {
            sources.push(Box::new(FileSource::new(inputs, followed)));
        }
        Ok(match sources.pop() {
            Some(only) if sources.is_empty() => only,
            last => {
                sources.extend(last);
                Box::new(Several { sources: sources.into_iter().collect() })
            }
        })
    }
}

enum PathKind {
    Lines,
    Parquet,
}

fn kind_of(path: &Path) -> std::io::Result<PathKind> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Ok(PathKind::Parquet);
    }
    // A pipe gives its first bytes only once.
    if !metadata.is_file() {
        return Ok(PathKind::Lines);
    }
    let mut magic = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut magic)?;
    Ok(if magic == b"PAR1" { PathKind::Parquet } else { PathKind::Lines })
}

/// Sources, one after the other.
struct Several {
    sources: std::collections::VecDeque<Box<dyn Source + Send>>,
}

impl Source for Several {
    fn read(&mut self, block: &mut Block) -> Result<Step, SourceError> {
        while let Some(source) = self.sources.front_mut() {
            match source.read(block)? {
                Step::End => drop(self.sources.pop_front()),
                step => return Ok(step),
            }
        }
        Ok(Step::End)
    }

    fn progress(&self) -> Option<Progress> {
        let all: Option<Vec<_>> = self.sources.iter().map(|source| source.progress()).collect();
        let all = all?;
        Some(Progress { done: all.iter().map(|one| one.done).sum(), total: all.iter().map(|one| one.total).sum() })
    }
}
