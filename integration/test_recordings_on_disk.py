"""Recordings as files: what pyarrow reads of them is what a client did; kills, keys, and what `recording` makes of them."""

import json
import pathlib
import signal
import threading

import pyarrow
import pyarrow.ipc
import pytest
from harness import run, within
from harness.proxy import binary, environment, once


def tables(folder):
    """Each file of a recording, as a program reads it that knows nothing of us."""
    return [pyarrow.ipc.open_stream(path.read_bytes()).read_all() for path in sorted(pathlib.Path(folder).glob("*.arrows"))]


def rows(folder):
    return [row for table in tables(folder) for row in table.to_pylist()]


def commands(folder, name="COM_QUERY"):
    return [row for row in rows(folder) if row["event"] == "command" and row["command"] == name]


def has_end(folder):
    """Whether the end of a session has been written, while others still may be."""
    try:
        return any(row["event"] == "end" for row in rows(folder))
    except (OSError, pyarrow.ArrowInvalid):
        return False


def recording(*arguments, code=0):
    ended = once("recording", *arguments)
    assert ended.returncode == code, (ended.returncode, ended.stderr)
    return ended


def cat(folder, *options):
    return [json.loads(line) for line in recording("cat", folder, *options).stdout.splitlines()]


def test_pyarrow_reads_what_a_client_did(server, proxies, tmp_path):
    folder = tmp_path / "recording"
    proxy = proxies(server, "--record", folder)
    with proxy.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS recorded (id INT PRIMARY KEY, v VARCHAR(20))")
        cursor.execute("DELETE FROM recorded")
        cursor.execute("INSERT INTO recorded VALUES (1, 'one'), (2, 'two'), (3, 'd\u00fc')")
        cursor.execute("SELECT v FROM recorded ORDER BY id")
        cursor.execute("SELECT v FROM recorded ORDER BY id DESC")
        cursor.execute("SELECT v FROM recorded WHERE id = 1")
        with pytest.raises(Exception):
            cursor.execute("SELECT nothing FROM recorded")
    # What the proxy sees of a client's end after it was told to stop is the recording's end.
    within(lambda: has_end(folder), "the session's end in the recording")
    proxy.stop()
    table = pyarrow.concat_tables(tables(folder))
    assert table.schema.metadata[b"mysql_interceptor.recording.version"] == b"1"
    about = json.loads(table.schema.metadata[b"mysql_interceptor.recording.about"])
    assert about["source"] == "proxy"
    by_text = {row["sql"].decode(): row for row in commands(folder)}
    insert = by_text["INSERT INTO recorded VALUES (1, 'one'), (2, 'two'), (3, 'd\u00fc')"]
    assert (insert["answer"], insert["affected_rows"], insert["truncated"]) == ("ok", 3, False)
    up, down = by_text["SELECT v FROM recorded ORDER BY id"], by_text["SELECT v FROM recorded ORDER BY id DESC"]
    assert (up["answer"], up["rows"]) == ("rows", 3)
    assert up["checksum"] == down["checksum"] and up["checksum_ordered"] != down["checksum_ordered"]
    one = by_text["SELECT v FROM recorded WHERE id = 1"]
    assert one["rows"] == 1 and one["checksum"] is not None and one["checksum_ordered"] is None
    wrong = by_text["SELECT nothing FROM recorded"]
    assert (wrong["answer"], wrong["error"], wrong["sqlstate"]) == ("error", 1054, "42S22") and "nothing" in wrong["message"]
    session, = {row["session"] for row in by_text.values()}
    of_session = [row for row in rows(folder) if row["session"] == session]
    assert [row["number"] for row in of_session] == list(range(len(of_session)))
    assert of_session[0]["event"] == "begin" and of_session[-1]["event"] == "end" and of_session[-1]["close"] == "quit"
    facts = json.loads(of_session[0]["facts"])
    assert (facts["user"], facts["database"], facts["began_before"]) == ("app", "test", False)
    started = [row["started_ns"] for row in of_session]
    assert started == sorted(started) and all(row["duration_ns"] > 0 for row in by_text.values())
    assert b"app-secret" not in b"".join(path.read_bytes() for path in folder.iterdir())

    # The same by our own means.
    ours = [row for row in cat(folder) if row["event"] == "command" and row["command"] == "COM_QUERY"]
    assert [row["sql"] for row in ours] == [row["sql"].decode() for row in commands(folder)]
    info = json.loads(recording("info", folder, "--json").stdout)
    assert info["complete"] and info["commands"] == len([row for row in rows(folder) if row["event"] == "command"])
    assert info["errors"] == 1 and info["users"] == {"app": info["commands"]} and info["not_replayed"]["writes"] == 3
    text = recording("info", folder).stdout
    assert "3 (" in text and "changing data: replayed with --allow-writes" in text, text


def test_a_killed_recorder_leaves_what_can_be_read(mysql, proxies, tmp_path):
    folder = tmp_path / "recording"
    proxy = proxies(mysql, "--record", folder)
    with proxy.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 'first'")
        # On disk within a second, and readable while it is written.
        within(lambda: any(row.get("sql") == "SELECT 'first'" for row in cat(folder)), "the record is in the file", seconds=30)
        proxy.kill()
    info = json.loads(recording("info", folder, "--json").stdout)
    assert not info["complete"] and info["commands"] >= 1
    ended = recording("cat", folder)
    assert "has no end" in ended.stderr and "SELECT 'first'" in ended.stdout


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_proxy_that_is_started_again_goes_on_in_its_folder(mysql, proxies, tmp_path, encrypted):
    """Killed in the middle of a session, its last file torn besides; stopped; its settings changed: one recording."""
    folder, key, config = tmp_path / "recording", tmp_path / "key", tmp_path / "config.toml"
    key.write_text("5e" * 32)
    key.chmod(0o600)
    settings = f"record = '{folder}'\n" + (f"record_encrypt = '{key}'\n" if encrypted else "")
    with_key = ["--key-file", key] if encrypted else []
    config.write_text(settings)

    def recorded():
        return [row["sql"] for row in cat(folder, *with_key) if row["event"] == "command" and row["sql"]]

    proxy = proxies(mysql, "--config", config)
    with proxy.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 'killed'")
        within(lambda: folder.exists() and "SELECT 'killed'" in recorded(), "it is in the file", seconds=30)
        cursor.execute("BEGIN")
        within(lambda: "BEGIN" in recorded(), "it is in the file", seconds=30)
        proxy.kill()
    last = max(folder.glob("*.arrows*"))
    last.write_bytes(last.read_bytes()[:-5])
    proxy = proxies(mysql, "--config", config)
    with proxy.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 'again'")
        config.write_text(settings + "record_queue_bytes = '32MiB'\n")
        proxy.signal(signal.SIGHUP)
        proxy.wait_log("SIGHUP: .*changed")
        cursor.execute("SELECT 'with other settings'")
    within(lambda: not mysql.connections("app"), "the session is over")
    proxy.stop()
    other = once("proxy", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--config", config, "--sink", "stdout")
    assert other.returncode != 0 and "made from something else" in other.stderr
    texts = [text for text in recorded() if text.startswith("SELECT '")]
    assert texts == ["SELECT 'killed'", "SELECT 'again'", "SELECT 'with other settings'"]
    info = json.loads(recording("info", folder, "--json", *with_key).stdout)
    assert info["complete"] and info["runs"] == 3 and info["left_out_bytes"] > 0
    records = cat(folder, *with_key)
    ends = {row["session"]: row["close"] for row in records if row["event"] == "end"}
    assert len(ends) == 3 and list(ends.values()).count("recording_ended") == 2, ends
    times = [row["started_ns"] for row in records]
    assert times == sorted(times)


def test_an_encrypted_recording(mysql, proxies, tmp_path):
    key, other = tmp_path / "key", tmp_path / "other"
    for path, digits in ((key, "00ff" * 16), (other, "11" * 32)):
        path.touch(mode=0o600)
        path.write_text(digits + "\n")
    folder = tmp_path / "recording"
    proxy = proxies(mysql, "--record", folder, "--record-encrypt", key)
    with proxy.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 'a secret'")
    proxy.stop()
    assert b"a secret" not in b"".join(path.read_bytes() for path in folder.iterdir())
    assert "the recording is encrypted: give its key file" in recording("cat", folder, code=1).stderr
    assert "another key" in recording("cat", folder, "--key-file", other, code=1).stderr
    assert "SELECT 'a secret'" in recording("cat", folder, "--key-file", key, "--pretty").stdout
    # Without a key from now on.
    recording("cut", folder, "--key-file", key, "--out", tmp_path / "plain")
    assert [row["sql"] for row in commands(tmp_path / "plain") if b"secret" in row["sql"]] == [b"SELECT 'a secret'"]


def test_parts_and_sums(mysql, proxies, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    running = [proxies(mysql, "--record", folder) for folder in folders]

    def work(number):
        with running[number].connect() as connection, connection.cursor() as cursor:
            for count in range(50):
                cursor.execute(f"SELECT {number}, {count}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    [proxy.stop() for proxy in running]
    recording("merge", *folders, "--out", tmp_path / "all")
    merged = cat(tmp_path / "all")
    texts = [row["sql"] for row in merged if row.get("sql", "").startswith("SELECT ")]
    for number in range(2):
        of_one = [text for text in texts if text.startswith(f"SELECT {number},")]
        assert of_one == [f"SELECT {number}, {count}" for count in range(50)]
    assert [row["started_ns"] for row in merged] == sorted(row["started_ns"] for row in merged)

    middle = next(row for row in merged if row.get("sql") == "SELECT 0, 25")
    recording("cut", tmp_path / "all", "--session", middle["session"], "--from", middle["started"],
              "--out", tmp_path / "part")
    part = cat(tmp_path / "part")
    assert {row["session"] for row in part} == {middle["session"]}
    assert part[0]["event"] == "begin" and part[0]["began_before"] and part[0]["user"] == "app"
    assert part[-1]["event"] == "end"
    cut = [row["sql"] for row in part if "sql" in row]
    assert "SELECT 0, 25" in cut and "SELECT 0, 1" not in cut and cut[-1] == "SELECT 0, 49"
    # What is there already is not written over, and a session is in one recording only.
    assert "already holds a recording" in recording("cut", folders[0], "--out", folders[1], code=1).stderr
    assert "parts of one recording" in recording("merge", tmp_path / "all", folders[0], "--out", tmp_path / "again", code=1).stderr


def test_a_reader_may_go_away(mysql, proxies, tmp_path):
    folder = tmp_path / "recording"
    proxy = proxies(mysql, "--record", folder)
    with proxy.connect() as connection, connection.cursor() as cursor:
        for count in range(3000):
            cursor.execute(f"SELECT {count}")
    proxy.stop()
    ended = run(["bash", "-o", "pipefail", "-c", f"{binary()} recording cat {folder} | head -n 2"], env=environment())
    assert len(ended.stdout.splitlines()) == 2 and (ended.returncode, ended.stderr) == (0, "")


def test_mistakes_are_named(tmp_path):
    assert "there is no recording here" in recording("info", tmp_path, code=1).stderr
    (tmp_path / "00000001.arrows").write_text("something else")
    assert "00000001.arrows: this is no recording of mysql-interceptor" in recording("info", tmp_path, code=1).stderr
    assert "--from" in recording("cat", tmp_path, "--from", "yesterday", code=2).stderr
    assert "16 hexadecimal digits" in recording("cat", tmp_path, "--session", "7", code=2).stderr
