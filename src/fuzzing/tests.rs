//! The targets over the seeds, and over mutations of them; and the seeds themselves.

use std::path::Path;

use super::mutations::run;

#[test]
fn sessions() {
    run("session", super::session, 3000);
}

#[test]
fn packets_and_texts() {
    run("wire", super::wire, 3000);
}

#[test]
fn captures() {
    run("capture", super::capture, 1000);
}

#[test]
fn recordings() {
    run("recording", super::recording, 300);
}

#[test]
fn spools() {
    run("spool", super::spool, 300);
}

#[test]
fn the_sessions_begin_as_ones_that_are_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz/session");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        // The others are bugs that were found.
        if name.ends_with("_statements") || name.ends_with("_prepared") {
            let heard = super::session::hear(&std::fs::read(&path).unwrap());
            assert_eq!((heard.lost.as_deref(), heard.statements >= 7), (None, true), "{name}: {heard:#?}");
        }
    }
}

#[test]
fn captured_sessions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captured");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            super::session(&std::fs::read(path).unwrap());
        }
    }
}
