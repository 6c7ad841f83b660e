//! Where messages go, as it is written: `stdout`, `ndjson:PATH`, `kafka`, `parquet:DIR`.

use std::fmt;
use std::path::PathBuf;

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SinkSpec {
    Stdout,
    /// A file of JSON lines.
    Ndjson(PathBuf),
    Kafka,
    /// A folder of Parquet files.
    Parquet(PathBuf),
}

/// The kinds of destinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SinkKind {
    Stdout,
    Ndjson,
    Kafka,
    Parquet,
}

impl SinkKind {
    fn form(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Ndjson => "ndjson:PATH",
            Self::Kafka => "kafka",
            Self::Parquet => "parquet:DIR",
        }
    }
}

impl SinkSpec {
    /// Reads one that is of one of these kinds.
    pub(crate) fn parse(text: &str, kinds: &[SinkKind]) -> Result<Self, String> {
        let spec = match text.trim().split_once(':') {
            None if text.trim() == "stdout" => Some(Self::Stdout),
            None if text.trim() == "kafka" => Some(Self::Kafka),
            Some(("ndjson", path)) if !path.is_empty() => Some(Self::Ndjson(path.into())),
            Some(("parquet", path)) if !path.is_empty() => Some(Self::Parquet(path.into())),
            _ => None,
        };
        spec.filter(|spec| kinds.contains(&spec.kind())).ok_or_else(|| {
            let (last, others) = kinds.split_last().map_or(("", &[][..]), |(last, others)| (last.form(), others));
            let others: Vec<_> = others.iter().map(|kind| kind.form()).collect();
            format!("expected {} or {last}", others.join(", "))
        })
    }

    pub(crate) fn kind(&self) -> SinkKind {
        match self {
            Self::Stdout => SinkKind::Stdout,
            Self::Ndjson(_) => SinkKind::Ndjson,
            Self::Kafka => SinkKind::Kafka,
            Self::Parquet(_) => SinkKind::Parquet,
        }
    }
}

impl fmt::Display for SinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Kafka => f.write_str("kafka"),
            Self::Ndjson(path) => write!(f, "ndjson:{}", path.display()),
            Self::Parquet(path) => write!(f, "parquet:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_written_as_it_is_read() {
        let all = [SinkKind::Stdout, SinkKind::Ndjson, SinkKind::Kafka, SinkKind::Parquet];
        for text in ["stdout", "ndjson:/var/log/a:b.ndjson", "kafka", "parquet:lake"] {
            assert_eq!(SinkSpec::parse(&format!(" {text} "), &all).unwrap().to_string(), text);
        }
        for text in ["", "ndjson", "ndjson:", "parquet:", "kafka:", "stdout:x", "file:/x", "NDJSON:/x"] {
            let error = SinkSpec::parse(text, &all).unwrap_err();
            assert_eq!(error, "expected stdout, ndjson:PATH, kafka or parquet:DIR", "{text}");
        }
        assert!(SinkSpec::parse("parquet:x", &all[..3]).is_err());
    }
}
