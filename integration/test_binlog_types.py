"""Every column type through the binary log, with the server as the judge: what SELECT says of a row is what its JSON must say."""

import dataclasses
import functools
import itertools
import subprocess

import pytest
from conftest import RELEASES
from harness import PATIENCE, types
from harness.binlog import Binlog, at, parse, position
from harness.breadth import sample

DATABASE = "binlog_types"


@dataclasses.dataclass(frozen=True)
class Combination:
    """How the server writes its binary log. The server is a release: `mysql`, `mariadb` or `mariadb-11.8`."""

    server: str
    image: str
    metadata: str
    compression: bool

    def __str__(self):
        return f"{self.server}-image_{self.image}-metadata_{self.metadata}-{'compressed' if self.compression else 'plain'}"


@dataclasses.dataclass
class Change:
    """What a row must be."""

    type: str
    before: dict
    after: dict


def combinations():
    for server in ("mysql", "mariadb", "mariadb-11.8"):
        for metadata in ("FULL", "MINIMAL"):
            for image in ("FULL", "MINIMAL", "NOBLOB"):
                for compression in (False, True):
                    yield Combination(server, image, metadata, compression)
    # What MariaDB does unless told otherwise.
    for server in ("mariadb", "mariadb-11.8"):
        yield Combination(server, "FULL", "NO_LOG", False)
        yield Combination(server, "MINIMAL", "NO_LOG", True)


def features(combination):
    """What a sample has once at least: each two of its values, and each of the tables."""
    tables = {(combination.server, family.name) for family in families(combination.server) if applies(family, combination)}
    return set(itertools.combinations(enumerate(dataclasses.astuple(combination)), 2)) | tables


@functools.cache
def families(server):
    return types.families(server)


def applies(family, combination):
    """The large tables are written with everything in the table map and with little or nothing in it, but not in all ways. MariaDB 11.8
    has the same characters as 10.11."""
    if family.once and combination.server == "mariadb-11.8":
        return False
    if family.once and (combination.image != "FULL" or combination.compression):
        return False
    return combination.metadata == "FULL" or not family.table_map


def numbered(family, combination):
    """Columns whose members the catalogue shows with a `?`, which may stand for another character: numbers are shown for them.
    In sjis that is the wave dash."""
    if combination.metadata == "FULL" or family.name != "text_sjis":
        return set()
    return {column.name for column in family.columns if column.type.startswith(("ENUM", "SET"))}


def cases():
    for combination in sample(combinations(), features):
        for family in families(combination.server):
            if applies(family, combination):
                yield pytest.param(combination, family, id=f"{combination}-{family.name}")


class Run:
    """The changes of all tables written in one way, and what one run of `binlog` made of them."""

    def __init__(self, server, combination, folder):
        self.combination, self.folder, self.server = combination, folder, server
        self.wanted, self.rows, self.problem = {}, {}, None
        self.tables = [family for family in families(combination.server) if applies(family, combination)]
        self.start = self.configure()
        for family in self.tables:
            self.wanted[family.name] = self.write(family)
        self.end = position(server)
        self.read()

    def configure(self):
        combination = self.combination
        self.server.sql(f"SET GLOBAL binlog_row_metadata = {combination.metadata}")
        if self.server.flavor == "mariadb":
            self.server.sql(f"SET GLOBAL log_bin_compress = {combination.compression}", "SET GLOBAL log_bin_compress_min_len = 10")
        return position(self.server)

    def connect(self):
        session = ["SET SESSION sql_mode = 'ALLOW_INVALID_DATES'", "SET SESSION time_zone = '+00:00'",
                   f"SET SESSION binlog_row_image = {self.combination.image}"]
        if self.combination.server == "mysql":
            session.append(f"SET SESSION binlog_transaction_compression = {self.combination.compression}")
        return self.server.root(database=DATABASE), session

    def write(self, family):
        """Inserts, two kinds of updates, deletes; returns the changes there must be."""
        connection, session = self.connect()
        with connection as cursor:
            for statement in session:
                cursor.execute(statement)
            values = family.value_rows()
            rows = ["({}, 0, {})".format(id_, ", ".join(row)) for id_, row in enumerate(values, 1)]
            # A few statements, so that there are events of many rows and of one.
            for start in (0, len(rows) - 1):
                part = rows[start:len(rows) - 1] if start == 0 else rows[start:]
                if part:
                    cursor.execute(f"INSERT INTO `{family.name}` VALUES {', '.join(part)}")
            inserted = family.read(cursor)
            for id_ in range(1, len(values) + 1):
                next_ = values[id_ % len(values)]
                changes = ", ".join(f"`{column.name}` = {value}" for column, value in zip(family.columns, next_))
                cursor.execute(f"UPDATE `{family.name}` SET touched = touched + 1, {changes} WHERE id = {id_}")
            updated = family.read(cursor)
            cursor.execute(f"UPDATE `{family.name}` SET touched = 7 ORDER BY id")
            touched = family.read(cursor)
            cursor.execute(f"DELETE FROM `{family.name}` ORDER BY id")
        return self.images(family, inserted, updated, touched)

    def images(self, family, inserted, updated, touched):
        """What is in an image depends on binlog_row_image: the first column is the key, the UPDATEs name the others."""
        every, blobs = family.names(), family.blobs()
        without_blobs = [name for name in every if name not in blobs]
        before = {"FULL": every, "MINIMAL": ["id"], "NOBLOB": without_blobs}[self.combination.image]
        after_all = {"FULL": every, "MINIMAL": every[1:], "NOBLOB": every}[self.combination.image]
        after_one = {"FULL": every, "MINIMAL": ["touched"], "NOBLOB": without_blobs}[self.combination.image]

        def pick(row, names):
            return {name: row[name] for name in names}

        changes = [Change("insert", None, row) for row in inserted.values()]
        changes += [Change("update", pick(inserted[id_], before), pick(updated[id_], after_all)) for id_ in inserted]
        changes += [Change("update", pick(updated[id_], before), pick(touched[id_], after_one)) for id_ in inserted]
        return changes + [Change("delete", pick(touched[id_], before), None) for id_ in touched]

    def read(self):
        rows, problem = self.decode("all", "--include", f"{DATABASE}.*")
        if problem is None:
            for row in rows:
                self.rows.setdefault(row["table"], []).append(row)
            return
        if problem.startswith("still running"):
            self.problem = problem
            return
        # One table's trouble is not to hide the others.
        for family in self.tables:
            self.rows[family.name], alone = self.decode(family.name, "--include", f"{DATABASE}.{family.name}")
            if alone:
                self.rows[family.name] = alone
        if not any(isinstance(rows, str) for rows in self.rows.values()):
            self.problem = problem

    def decode(self, name, *options):
        binlog = Binlog(self.folder / name, "--from", at(self.start), "--until", at(self.end), *options, server=self.server)
        try:
            code = binlog.wait()
        except subprocess.TimeoutExpired:
            return [], f"still running after {PATIENCE} s:\n{binlog.log[-3000:]}"
        finally:
            binlog.kill()
        if code != 0 or "panicked" in binlog.log:
            return [], f"exit code {code}:\n{binlog.log[-3000:]}"
        return [parse(line) for line in binlog.ndjson.read_text("utf-8").split("\n")[:-1]], None


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    return {}


@pytest.fixture
def run(combination, runs, request, tmp_path_factory):
    """Each combination is written and read when the first of its tests wants it."""
    server = request.getfixturevalue(f"binlog_{RELEASES[combination.server]}")
    if combination.server not in runs:
        server.fresh_databases(DATABASE)
        server.sql(f"ALTER DATABASE {DATABASE} CHARACTER SET utf8mb4")
        with server.root(database=DATABASE) as cursor:
            cursor.execute("SET SESSION sql_mode = ''")
            for family in families(combination.server):
                cursor.execute(family.ddl())
        runs[combination.server] = True
    if combination not in runs:
        runs[combination] = Run(server, combination, tmp_path_factory.mktemp(str(combination)))
    return runs[combination]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("combination, family", list(cases()))
def test_types(run, combination, family):
    assert run.problem is None, run.problem
    rows = run.rows.get(family.name, [])
    assert not isinstance(rows, str), rows
    wanted = run.wanted[family.name]
    problems = []
    for number, (expected, actual) in enumerate(zip(wanted, rows)):
        if actual["type"] != expected.type:
            problems.append(f"row {number}: wanted {expected.type}, is {actual['type']}")
            break
        for image in ("before", "after"):
            wanted_image, actual_image = getattr(expected, image), actual[image]
            for name in numbered(family, combination) & (actual_image or {}).keys():
                empty = wanted_image[name] in (None, "")
                if actual_image[name] != wanted_image[name] if empty else not isinstance(actual_image[name], int):
                    problems.append(f"row {number}, {expected.type}, {image}: {name} is {actual_image[name]!r}")
                actual_image = {**actual_image, name: wanted_image[name]}
            difference = family.difference(wanted_image, actual_image)
            if difference:
                problems.append(f"row {number}, {expected.type}, {image}: {difference}")
        id_ = (expected.before or expected.after)["id"]
        if actual["primaryKey"] != {"id": id_}:
            problems.append(f"row {number}: primary key {actual['primaryKey']}, wanted id {id_}")
    if len(rows) != len(wanted):
        problems.append(f"{len(rows)} rows, wanted {len(wanted)}")
    assert not problems, f"{len(problems)} problems:\n" + "\n".join(problems[:12])
