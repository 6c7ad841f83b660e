use std::path::Path;

use crate::deliver::batch::batch_of;
use crate::deliver::ndjson::*;
use crate::files::FileMode;

fn config(path: &Path) -> NdjsonConfig {
    NdjsonConfig {
        path: path.to_owned(),
        rotate_size: 0,
        rotate_age: Duration::ZERO,
        compress: Compression::None,
        keep: 0,
        mode: FileMode::default(),
        fsync: Fsync::Never,
    }
}

fn write_all(sink: &mut NdjsonSink, batch: &Batch) {
    let mut from = 0;
    while from < batch.len() {
        from += sink.write(batch, from).unwrap();
    }
}

#[test]
fn the_newest_file_outlives_the_older_ones_of_its_second() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sql.ndjson");
    let now = SystemTime::now();
    let mut names = Vec::new();
    for _ in 0..5 {
        let target = RotatedName::free(&path, now);
        fs::write(&target, "x\n").unwrap();
        names.push(target);
        // Only the last three are kept.
        if names.len() > 3 {
            fs::remove_file(&names[names.len() - 4]).unwrap();
        }
    }
    let mut unique = names.clone();
    unique.dedup();
    assert_eq!(unique.len(), 5, "{names:?}");
    assert!(names[4].to_str().unwrap().ends_with("-5"), "{names:?}");
}

#[test]
fn lines_are_appended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ndjson");
    for _ in 0..2 {
        let mut sink = NdjsonSink::open(config(&path)).unwrap();
        assert_eq!(sink.write(&batch_of(&[(1, "{}"), (2, "[]")]), 1).unwrap(), 1);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "[]\n[]\n");
}

#[test]
fn a_torn_last_line_is_cut_off_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ndjson");
    for (torn, whole) in [("{}\n{\"a\":", "{}\n"), ("half", ""), ("{}\n", "{}\n"), ("", "")] {
        fs::write(&path, torn).unwrap();
        NdjsonSink::open(config(&path)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    }
    let long = "x".repeat(200_000);
    fs::write(&path, format!("{{}}\n{long}")).unwrap();
    NdjsonSink::open(config(&path)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n");
}

#[test]
fn a_file_is_rotated_before_it_grows_beyond_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ndjson");
    let mut sink = NdjsonSink::open(NdjsonConfig { rotate_size: 8, ..config(&path) }).unwrap();
    write_all(&mut sink, &batch_of(&[(1, "111"), (1, "222"), (1, "333"), (1, "too large for the limit"), (1, "4")]));
    assert_eq!(fs::read_to_string(&path).unwrap(), "4\n");
    let rotated: Vec<_> =
        RotatedName::all(&path).iter().map(|name| fs::read_to_string(name.plain(&path)).unwrap()).collect();
    assert_eq!(rotated, ["111\n222\n", "333\n", "too large for the limit\n"]);
}

#[test]
fn a_file_is_rotated_by_age_unless_it_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ndjson");
    let mut sink = NdjsonSink::open(NdjsonConfig { rotate_age: Duration::from_millis(1), ..config(&path) }).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    sink.tick().unwrap();
    assert_eq!(RotatedName::all(&path), []);
    write_all(&mut sink, &batch_of(&[(1, "1")]));
    sink.tick().unwrap();
    assert_eq!(RotatedName::all(&path).len(), 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn a_file_that_was_renamed_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ndjson");
    let mut sink = NdjsonSink::open(config(&path)).unwrap();
    write_all(&mut sink, &batch_of(&[(1, "1")]));
    fs::rename(&path, directory.path().join("a.ndjson.1")).unwrap();
    sink.path_checked = Instant::now().checked_sub(PATH_CHECK).unwrap();
    sink.tick().unwrap();
    write_all(&mut sink, &batch_of(&[(1, "2")]));
    assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
}

#[test]
fn an_interrupted_compression_is_resumed_and_the_oldest_go() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ndjson");
    let file = |suffix: &str| directory.path().join(format!("a.ndjson.20260131T12000{suffix}"));
    fs::write(file("0Z-1"), "oldest").unwrap();
    fs::write(file("1Z-1"), "one").unwrap();
    fs::write(file("1Z-1.zst.unfinished"), "half").unwrap();
    fs::write(file("2Z-1"), "two").unwrap();
    fs::write(file("2Z-1.zst"), zstd::encode_all(&b"two"[..], 3).unwrap()).unwrap();
    fs::write(directory.path().join("a.ndjson.other"), "").unwrap();
    janitor::round(&path, Compression::Zstd, 2);
    let mut left: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["a.ndjson.20260131T120001Z-1.zst", "a.ndjson.20260131T120002Z-1.zst", "a.ndjson.other"]);
    assert_eq!(zstd::decode_all(&fs::read(file("1Z-1.zst")).unwrap()[..]).unwrap(), b"one");
}

#[test]
fn a_stop_waits_for_the_compression() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ndjson");
    let config = NdjsonConfig { rotate_size: 1 << 20, compress: Compression::Zstd, ..config(&path) };
    let mut sink = NdjsonSink::open(config).unwrap();
    // Each of these has a file of its own; the last one stays as it is.
    let large = "x".repeat(1 << 20);
    write_all(&mut sink, &batch_of(&[(1, &large), (2, &large), (3, &large), (4, &large)]));
    sink.flush(Instant::now() + Duration::from_secs(60)).unwrap();
    let mut states: Vec<_> = RotatedName::all(&path)
        .iter()
        .map(|name| (name.plain(&path).exists(), name.unfinished(&path).exists(), name.compressed(&path).exists()))
        .collect();
    assert_eq!(states.len(), 3);
    states.dedup();
    assert_eq!(states, [(false, false, true)]);
}

#[test]
fn a_compressed_file_has_the_rights_of_the_live_file() {
    use std::os::unix::fs::PermissionsExt;
    let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ndjson");
    let config = NdjsonConfig { compress: Compression::Zstd, mode: "0660".parse().unwrap(), ..config(&path) };
    let mut sink = NdjsonSink::open(config).unwrap();
    assert_eq!(rights(&path), 0o660);
    write_all(&mut sink, &batch_of(&[(1, "one")]));
    sink.rotate().unwrap();
    write_all(&mut sink, &batch_of(&[(1, "two")]));
    // An operator's own choice holds for what becomes of that file.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    sink.rotate().unwrap();
    sink.flush(Instant::now() + Duration::from_secs(60)).unwrap();
    let compressed = RotatedName::all(&path).iter().map(|name| rights(&name.compressed(&path))).collect::<Vec<_>>();
    assert_eq!(compressed, [0o660, 0o604]);
}

#[test]
fn a_full_disk_is_an_error_that_leaves_no_half_line() {
    let mut sink = NdjsonSink::open(config(Path::new("/dev/full"))).unwrap();
    let error = sink.write(&batch_of(&[(1, "{}")]), 0).unwrap_err();
    assert!(error.to_string().starts_with("cannot write to /dev/full: No space left"), "{error}");
}

#[test]
fn a_missing_directory_is_an_error_at_start() {
    let error = NdjsonSink::open(config(Path::new("/nowhere/a.ndjson"))).unwrap_err();
    assert!(error.to_string().starts_with("cannot open /nowhere/a.ndjson"), "{error}");
}

#[test]
fn with_interval_messages_are_delivered_when_they_are_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ndjson");
    let config = NdjsonConfig { rotate_size: 8, fsync: Fsync::Interval, ..config(&path) };
    let mut sink = NdjsonSink::open(config).unwrap();
    write_all(&mut sink, &batch_of(&[(1, "111"), (1, "222")]));
    sink.tick().unwrap();
    assert_eq!(sink.delivered_through(), 0);
    // A file is synced before it goes out of our hands.
    write_all(&mut sink, &batch_of(&[(1, "333")]));
    assert_eq!(sink.delivered_through(), 2);
    fs::rename(&path, directory.path().join("moved")).unwrap();
    sink.path_checked -= PATH_CHECK;
    sink.tick().unwrap();
    assert_eq!(sink.delivered_through(), 3);
    write_all(&mut sink, &batch_of(&[(1, "444")]));
    sink.flush(Instant::now()).unwrap();
    assert_eq!(sink.delivered_through(), 4);
}
