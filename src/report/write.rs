//! A report's folder: `report.json`, `diffs.ndjson`, `report.html`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::model::{Report, VERSION};
use crate::files::{self, FileMode};

/// The whole report.
const JSON: &str = "report.json";
/// A line for each difference.
const DIFFERENCES: &str = "diffs.ndjson";
/// The report in a browser.
const PAGE: &str = "report.html";

/// Why a report cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// The file system refuses.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// `write` or `read`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no report.
    #[error("{} is no report: {source}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A later version of this program wrote it.
    #[error("{} has version {found} of the form, and this program reads versions up to {VERSION}: use the program that wrote it, or a newer one", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
}

impl Report {
    /// Writes the report into a folder, which is created if there is none; a report that is there is replaced.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), ReportError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ReportError::File { what: "write", path, source }
        };
        FileMode::default().create_folders(folder).map_err(failed(folder))?;
        let write = |name: &str, content: &dyn Fn(&mut dyn Write) -> io::Result<()>| {
            let path = folder.join(name);
            let write = |file: &mut File| {
                let mut buffered = BufWriter::new(file);
                content(&mut buffered)?;
                buffered.flush()
            };
            files::replace(&path, FileMode::default(), write).map_err(failed(&path))
        };
        write(JSON, &|out| self.write_json(out))?;
        write(DIFFERENCES, &|out| self.write_differences(out))?;
        write(PAGE, &|out| self.write_page(out))
    }

    /// Reads the report that is in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, ReportError> {
        let path = folder.join(JSON);
        let unreadable = |source| ReportError::File { what: "read", path: path.clone(), source };
        let foreign = |source| ReportError::Foreign { path: path.clone(), source };
        let file = File::open(&path).map_err(unreadable)?;
        let json: serde_json::Value = serde_json::from_reader(BufReader::new(file)).map_err(foreign)?;
        if let Some(found) = json.get("version").and_then(serde_json::Value::as_u64).filter(|v| *v > VERSION.into()) {
            return Err(ReportError::Newer { path, found });
        }
        serde_json::from_value(json).map_err(foreign)
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }

    fn write_differences(&self, out: &mut dyn Write) -> io::Result<()> {
        for difference in &self.differences {
            serde_json::to_writer(&mut *out, difference)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::collector::{Collector, CollectorOptions};
    use crate::report::fixture::{answered, error, execution, rows};
    use crate::report::model::Facts;

    fn report() -> Report {
        let mut collector = Collector::new(CollectorOptions::default());
        for (number, answer) in [rows(&["1"]), error(1064), rows(&["2"])].into_iter().enumerate() {
            let (before, now) = (answered("SELECT a", [rows(&["1"])]), answered("SELECT a", [answer]));
            collector.add(&execution(number as u64, &before, &now));
        }
        collector.skipped("changes data", 2);
        collector.finish(Facts::default())
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("deep/report");
        let report = report();
        report.write(&folder).unwrap();
        assert!(folder.join(JSON).is_file());
        assert_eq!(Report::read(&folder).unwrap(), report);
        let lines = std::fs::read_to_string(folder.join("diffs.ndjson")).unwrap();
        let classes: Vec<_> =
            lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect();
        assert_eq!((classes[0]["class"].as_str(), classes[1]["class"].as_str()), (Some("error"), Some("rows")));
        assert_eq!(classes.len(), 2);
    }

    #[test]
    fn what_is_no_report_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = || Report::read(folder.path()).unwrap_err().to_string();
        assert!(said().starts_with("cannot read ") && !folder.path().join(JSON).is_file());
        std::fs::write(folder.path().join("report.json"), "{\"version\":1}").unwrap();
        assert!(said().contains("is no report: missing field"), "{}", said());
        std::fs::write(folder.path().join("report.json"), "{\"version\":2}").unwrap();
        assert!(said().contains("has version 2 of the form"), "{}", said());
    }
}
