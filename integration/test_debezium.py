"""The Debezium form beside what Debezium's own engine makes of the same rows: each field of each event, with its schema.

What differs on purpose is in DIFFERENT, with its reason, and in docs/row-formats.md."""

import re

import pytest
from harness.binlog import at, position
from harness.debezium import Engine
from harness.types import families, pack32

DB = "dbz_test"
OPTIONS = {"provide.transaction.metadata": "true", "include.query": "true"}
FIXED = """CREATE TABLE fixed (id INT PRIMARY KEY, n INT NOT NULL DEFAULT 5, v VARCHAR(9) NOT NULL DEFAULT 'x', d DATE NOT NULL DEFAULT '0000-00-00',
           dt DATETIME(3) NOT NULL DEFAULT '0000-00-00', dt6 DATETIME(6) NOT NULL, ts TIMESTAMP NOT NULL DEFAULT '0000-00-00', ts3 TIMESTAMP(3) NOT NULL DEFAULT '0000-00-00',
           t TIME NOT NULL, y YEAR NOT NULL, b BIT NOT NULL DEFAULT 0, b9 BIT(9) NOT NULL, de DECIMAL(9,3) NOT NULL DEFAULT 1.5, e ENUM('a','b') NOT NULL,
           s SET('a','b') NOT NULL, bl BLOB NOT NULL, f FLOAT NOT NULL, nts TIMESTAMP NULL, g GEOMETRY NOT NULL, bo TINYINT(1) NOT NULL DEFAULT 1, bu BIGINT UNSIGNED NOT NULL)"""
ZERO = "n=0, v='', d='0000-00-00', dt='0000-00-00', dt6='0000-00-00', ts='0000-00-00', ts3='0000-00-00', t=0, y=0, b=0, b9=0, de=0, e='a', s='', bl='', f=0, nts='0000-00-00', g=POINT(1,2), bu=0"


def differences(ours, theirs, path=()):
    """(path, our value, their value) of what is not the same."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in {**ours, **theirs}:
            yield from differences(ours.get(key, "nothing"), theirs.get(key, "nothing"), (*path, key))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs)):
            # Fields of a schema by their names.
            name = other.get("field", index) if isinstance(other, dict) else index
            yield from differences(one, other, (*path, name))
    elif isinstance(ours, float) or isinstance(theirs, float):
        # A FLOAT has fewer digits than it takes to tell doubles apart.
        if ours is None or theirs is None or float(ours) != float(theirs) and pack32(float(ours)) != pack32(float(theirs)):
            yield path, ours, theirs
    elif ours != theirs or type(ours) is not type(theirs):
        yield path, ours, theirs


# What differs on purpose: the table's name, the end of the path, why. docs/row-formats.md has the same.
DIFFERENT = [
    (".*", "source version", "the program's own"),
    (".*", "ts_[mun]s", "when the event was made"),
    (".*", "fields .* default", "the binlog has no defaults of columns"),
    ("floating", "fields c3 type|(before|after) c3", "FLOAT(7,3): the log does not tell it from FLOAT"),
    ("temporal|fixed", "(before|after) (c1|y)", "YEAR 0000 is 0 here, 1900 there"),
    ("temporal", "after c(2|1[1-8])", "years below 100 (enable.time.adjuster), and dates that are in no calendar, 0 there, are what they are here"),
    ("text_.*|enumerations", "allowed|(before|after) .*", "names of an ENUM there have the escapes of the table's definition"),
    ("json_documents", "after c1", "numbers are printed as Java prints them"),
    (".*", "source query", "cut where it is long"),
]
# The MariaDB connector is an older release.
OF_MARIADB = [
    ("fixed|temporal", "(before|after) (nts|ts3|c19|c2[0-6])", "the zero TIMESTAMP is 1970 in every column and has the column's digits, which newer releases changed"),
    (".*", "source (thread|pos)", "MariaDB 11.5 and later log the thread, and no positions, which the connector does not know"),
]
# Tables of these sorts of columns; what character sets make of text is judged by the servers.
SORTS = {"integers", "decimals", "floating", "bits", "temporal", "text_utf8mb4", "binary_data", "enumerations", "shapes", "json_documents", "vectors",
         "addresses", "compressed_columns", "json_text"}


def is_on_purpose(server, table, path):
    known = DIFFERENT + OF_MARIADB * (server.flavor == "mariadb")
    text = " ".join(map(str, path))
    return any(re.fullmatch(name, table) and re.search(f"(^| )({end})$", text) for name, end, _ in known)


@pytest.mark.newer_mariadb
def test_events_are_those_of_debezium(writer, binlogs, tmp_path):
    writer.fresh_databases(DB)
    some = [family for family in families(writer.release) if family.name in SORTS]
    with writer.root(database=DB) as cursor:
        cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
        cursor.execute("CREATE TABLE marker (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20))")
        cursor.execute(FIXED)
        for family in some:
            cursor.execute(family.ddl())
        engine = Engine(writer, tmp_path / "engine", DB, OPTIONS)
        try:
            engine.wait("begins here", lambda: cursor.execute("INSERT INTO marker (v) VALUES ('begins here')"))
            start = position(writer)
            for family in some:
                for id_, row in enumerate(family.value_rows(), 1):
                    cursor.execute(f"INSERT INTO `{family.name}` VALUES ({id_}, 0, {', '.join(row)})")
                cursor.execute(f"UPDATE `{family.name}` SET touched = 1 WHERE id < 3")
            cursor.execute("SET SESSION sql_mode = ''")
            for statement in (f"INSERT INTO fixed SET id=1, {ZERO}", "BEGIN", "INSERT INTO fixed SELECT 2, fixed.n, v, d, dt, dt6, ts, ts3, t, y, b, b9, de, e, s, bl, f, nts, g, bo, bu FROM fixed",
                              "UPDATE fixed SET n = 7", "UPDATE fixed SET id = id + 10", "INSERT INTO marker (v) VALUES ('x')", "DELETE FROM fixed WHERE id = 11", "COMMIT", "DELETE FROM fixed",
                              "INSERT INTO marker (v) VALUES ('ends here')"):
                cursor.execute(statement)
            engine.wait("ends here")
        finally:
            engine.close()
    rows = binlogs("--format", "debezium", "--schemas", "--transactions", "--server-name", "dbz", "--from", at(start), "--until", "now",
                   "--include", f"{DB}.*", server=writer).finish().lines()
    theirs = [value for _, _, value in engine.events() if value and "op" in value["payload"]]
    first = next(index for index, value in enumerate(theirs) if value["payload"]["source"]["table"] != "marker")
    theirs, ours = theirs[first:], [row for row in rows if "op" in row["payload"]]
    while ours[0]["payload"]["source"]["table"] == "marker":
        ours.pop(0)
    with_events = {value["payload"]["source"]["table"] for value in theirs}
    # The MariaDB connector's parser does not know some types.
    missing = {family.name for family in some} - with_events
    assert not missing or writer.flavor == "mariadb" and missing <= {"addresses", "compressed_columns"}
    ours = [value for value in ours if value["payload"]["source"]["table"] in with_events]
    assert len(ours) == len(theirs)
    found = {}
    for one, other in zip(ours, theirs):
        for path, our, their in differences(one, other):
            table = other["payload"]["source"]["table"]
            if not is_on_purpose(writer, table, path):
                found.setdefault((table, *path), []).append((our, their))
    assert not found, "\n".join(f"{where}: {len(pairs)} times, ours and theirs {pairs[:2]!r:.300}" for where, pairs in found.items())
    edges = lambda values: {(value["payload"]["id"], value["payload"]["status"]): value for value in values if value and "status" in value["payload"]}
    ours, theirs = edges(rows), edges(value for _, _, value in engine.events())
    known = lambda edge: all(table["data_collection"].split(".")[1] in with_events for table in edge["payload"]["data_collections"] or [])
    whole = [key for key in ours if key in theirs and known(ours[key])]
    assert len(whole) > 10
    for key in whole:
        one, other = ours[key]["payload"], theirs[key]["payload"]
        for payload in (one, other):
            # Theirs come in no order.
            payload["data_collections"] = payload["data_collections"] and sorted(payload["data_collections"], key=str)
            if writer.flavor == "mariadb":
                # The connector has the time of the event at hand, be it the one before.
                payload.pop("ts_ms")
        assert ours[key] == theirs[key], key
