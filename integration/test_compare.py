"""`compare` and the classes of differences: MySQL recordings replayed on MariaDB and the other way round, with a difference planted for each class.
Whatever was not planted must not differ."""

import json

import pytest

from harness import run
from harness.proxy import binary

DB = "compared"
TABLES = [
    "CREATE TABLE {name} (id INT PRIMARY KEY, name VARCHAR(40), price DECIMAL(12,2), born DATETIME(3), size DOUBLE, note TEXT, raw VARBINARY(20))",
    *(f"INSERT INTO {{name}} VALUES ({n}, 'name {n} \u00e4\u00df', {n}.50, '2026-01-0{n} 03:04:05.678', {n}.25, REPEAT('x', {n * 200}), X'00FF0{n}')" for n in range(1, 7)),
]
NAMES = ["same", "changed", "missing", "fewer", "unheeded", "swapped", "made", "stricter", "keyed"]
# Table or kind of statement: what was changed on the target, and the class it must show up in.
PLANTED = {
    "changed": ("UPDATE changed SET price = 9.99 WHERE id = 3", "rows"),
    "missing": ("DROP TABLE missing", "error"),
    "fewer": ("DELETE FROM fewer WHERE id = 2", "rows"),
    "unheeded": ("CREATE TRIGGER keeps BEFORE UPDATE ON unheeded FOR EACH ROW SET NEW.price = OLD.price", "affected"),
    "swapped": ("UPDATE swapped SET name = CASE id WHEN 1 THEN 'second' WHEN 2 THEN 'first' ELSE name END", "order"),
    "made": ("CREATE TABLE IF NOT EXISTS made LIKE same", "error"),
    "stricter": ("ALTER TABLE stricter ADD UNIQUE (price)", "error"),
    "keyed": ("ALTER TABLE keyed AUTO_INCREMENT = 500", "nature"),
    "pause": ("CREATE FUNCTION pause() RETURNS INT NO SQL BEGIN DO SLEEP(0.5); RETURN 1; END", "time"),
    "now (": (None, "nature"),
}


def lay_out(server, is_target):
    """The same tables on both; on the target, with what is planted."""
    server.fresh_databases(DB)
    with server.root(database=DB) as cursor:
        for name in NAMES:
            if name != "keyed" and not (name == "made" and not is_target):
                for statement in TABLES:
                    cursor.execute(statement.format(name=name))
        cursor.execute("CREATE TABLE keyed (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40))")
        cursor.execute("UPDATE swapped SET name = CASE id WHEN 1 THEN 'first' WHEN 2 THEN 'second' ELSE name END")
        if server.flavor == "mysql":
            cursor.execute("SET GLOBAL log_bin_trust_function_creators = ON")
        if not is_target:
            cursor.execute("CREATE FUNCTION pause() RETURNS INT NO SQL RETURN 1")
            return
        for change, _ in PLANTED.values():
            if change:
                cursor.execute(change)


def work(proxy):
    """What an application does: most of it must not differ."""
    with proxy.connect(database=DB, charset="utf8mb4") as client, client.cursor() as cursor:
        def say(sql, *params):
            try:
                cursor.execute(sql, params or None)
                return cursor.fetchall()
            except Exception:
                return None
        for name in NAMES:
            for number in range(1, 4):
                if name == "keyed":
                    say("INSERT INTO keyed (name) VALUES (%s)", f"a{number}")
                    continue
                say(f"SELECT COUNT(*) FROM {name} WHERE id > 100 + %s", number)
            if name not in ("keyed", "unheeded", "stricter"):
                say(f"SELECT name FROM {name} ORDER BY id")
                # Of `swapped` other rows would differ, too, with their ids.
                say(f"SELECT * FROM {name if name != 'swapped' else 'same'}")
        for number in (1, 2):
            say("UPDATE unheeded SET price = price + 1 WHERE id = %s", number)
            say("UPDATE same SET price = price + 1 WHERE id = %s", number)
            say("INSERT INTO same (id, name) VALUES (%s, %s)", 10 + number, "it's")
            say("INSERT INTO stricter (id, price) VALUES (%s, 1.50)", 10 + number)
            say("DELETE FROM same WHERE id = %s", 10 + number)
        for _ in range(2):
            say("SELECT NOW(6), UUID(), CONNECTION_ID()")
            say("SELECT pause()")
        say("SELECT a syntax error")
        say("SELECT * FROM nowhere")
        say("BEGIN")
        say("INSERT INTO same (id) VALUES (77)")
        say("ROLLBACK")
        say("SELECT id % 2 AS odd, SUM(size), MIN(born), MAX(note) FROM same GROUP BY odd ORDER BY odd")


def record(proxies, server, folder):
    proxy = proxies(server, "--record", folder)
    work(proxy)
    proxy.stop()


def replay(recording, target, folder):
    """The report of a replay into the folder."""
    done = run([binary(), "replay", recording, "--target", f"mysql://app:app-secret@{target.address}", "--allow-writes", "--report", folder])
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report.json").read_text())


def found(report):
    """The class of each difference, by what was planted."""
    patterns = {digest["digest"]: digest["pattern"] for digest in report["digests"]}
    differences = set()
    for difference in report["differences"]:
        pattern = patterns[difference["digest"]]
        # On a busy machine anything may take long.
        if difference["class"] == "warnings" or difference["class"] == "time" and "pause" not in pattern:
            continue
        planted = [name for name in PLANTED if name in pattern]
        differences.add((planted[0] if planted else pattern, difference["class"]))
    return differences


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("direction", ["mysql to mariadb", "mariadb to mysql"])
def test_each_difference_is_in_its_class_and_there_are_no_others(direction, request, proxies, tmp_path):
    mysql, mariadb = request.getfixturevalue("mysql"), request.getfixturevalue("mariadb_11_8")
    source, target = (mysql, mariadb) if direction.startswith("mysql") else (mariadb, mysql)
    lay_out(source, False)
    record(proxies, source, tmp_path / "recording")
    lay_out(target, True)
    new, old = tmp_path / "new", tmp_path / "old"
    report = replay(tmp_path / "recording", target, new)
    statements = report["statements"]
    expected = {(name, kind) for name, (_, kind) in PLANTED.items()}
    assert found(report) == expected, report["differences"]

    # The results are a recording: compared with what they were made from, they say the same.
    again = tmp_path / "again"
    compared = run([binary(), "compare", tmp_path / "recording", new, "--report", again, "--fail-on", "error>3,rows,p99>100000x"])
    assert compared.returncode == 3, compared.stderr
    assert "--fail-on rows: " in compared.stderr and "p99" not in compared.stderr, compared.stderr
    report = json.loads((again / "report.json").read_text())
    assert found(report) == expected
    assert report["statements"] == statements

    # A second replay on what it was recorded on has none of it, but for what differs by nature; as the baseline it takes that away.
    lay_out(source, False)
    report = replay(tmp_path / "recording", source, old)
    assert {kind for _, kind in found(report)} <= {"nature", "time"}, report["differences"]
    held = run([binary(), "compare", "--merge", again, "--baseline", old, "--report", tmp_path / "held", "--fail-on", "any"])
    assert held.returncode == 3, held.stderr
    report = json.loads((tmp_path / "held/report.json").read_text())
    clock = [difference for difference in report["differences"] if difference["class"] == "nature" and "NOW" in difference["example"]["sql"]]
    assert [difference["count"] - difference["noise"] for difference in clock] == [0]
    # Two replays of one recording, and plans for what became slower.
    plans = [f"--explain-{name}=mysql://app:app-secret@{server.address}/{DB}" for name, server in (("recorded", source), ("target", target))]
    both = run([binary(), "compare", old, new, "--report", tmp_path / "both", *plans])
    assert both.returncode == 0, both.stderr
    report = json.loads((tmp_path / "both/report.json").read_text())
    assert found(report) >= expected - {("keyed", "nature"), ("now (", "nature")}
    explained = [digest["explain"] for digest in report["digests"] if digest["explain"] and "changed" in digest["pattern"]]
    assert any(pair["expected"]["plan"] and pair["observed"]["plan"] for pair in explained), explained
    assert "app-secret" not in (tmp_path / "both/report.html").read_text()


def test_what_is_no_pair_is_refused(tmp_path):
    def refused(*words, code=1):
        done = run([binary(), "compare", *words])
        assert done.returncode == code and "panicked" not in done.stderr, done.stderr
        return done.stderr

    empty = tmp_path / "empty"
    empty.mkdir()
    assert "expected two folders" in refused(empty, code=2)
    assert str(empty) in refused(empty, empty)
    assert "cannot read" in refused("--merge", empty)
    assert "--baseline" in refused(empty, empty, f"--baseline={empty}", code=2)
    assert "expected error, rows" in refused(empty, empty, "--fail-on=everything", code=2)
    assert "--explain-recorded and --explain-target" in refused(empty, empty, "--explain-target=mysql://app@db", code=2)
    (empty / "report.json").write_text('{"version": 7}')
    assert "has version 7 of the form" in refused("--merge", empty)
