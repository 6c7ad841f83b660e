"""Rows of an INSERT as messages: their values joined again are what the server has in the table."""

import random
import re

import pytest

from harness import breadth
from harness.wire import BASIC, Raw

COLUMNS = "id INT PRIMARY KEY, i BIGINT, d DECIMAL(20,3), f DOUBLE, t VARCHAR(200), b VARBINARY(100), day DATE, at DATETIME(6), o BOOL"
CHARSETS = {"utf8mb4": "utf-8", "latin1": "cp1252", "gbk": "gbk", "cp932": "cp932", "big5": "big5"}
LETTERS = {"utf8mb4": "aé中😀Ω", "latin1": "aéÿß", "gbk": "a中乗誠", "cp932": "aソ表能ｱ", "big5": "a中功許"}
MODES = ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES"]


class Writer:
    """Spells rows in SQL, in as many ways as the servers read."""

    def __init__(self, seed, flavor):
        self.random, self.flavor = random.Random(f"split {seed}"), flavor
        self.charset = self.random.choice(list(CHARSETS))
        self.mode = self.random.choice(MODES)
        self.id = 0

    def blank(self):
        return self.random.choice(["", "", " ", "\n", " /* , ( ' */ ", " -- ) '\n", "\t# ,\n"])

    def string(self):
        text = "".join(self.random.choice(LETTERS[self.charset] + "xyz'\"\\\n`,()?%_;") for _ in range(self.random.randint(0, 12)))
        quote = self.random.choice("'" if "ANSI" in self.mode else "'\"")
        escapes = "BACKSLASH" not in self.mode

        def spell(char):
            if char == quote:
                return quote * 2 if not escapes or self.random.random() < 0.5 else "\\" + quote
            if char == "\\" and escapes:
                return "\\\\"
            if char == "\n" and escapes and self.random.random() < 0.5:
                return "\\n"
            return char

        def quoted(part):
            return quote + "".join(map(spell, part)) + quote

        front = self.random.choice(["", "", f"_{self.charset}", f"_{self.charset} "])
        if not front and self.random.random() < 0.3:
            at = self.random.randint(0, len(text))
            return quoted(text[:at]) + self.random.choice([" ", "\n", " /* ' */ "]) + quoted(text[at:])
        return front + quoted(text)

    def binary(self):
        raw = self.random.randbytes(self.random.randint(1, 9))
        return self.random.choice([f"x'{raw.hex()}'", f"0x{raw.hex()}", f"X'{raw.hex().upper()}'",
                                   "b'" + "".join(f"{byte:08b}" for byte in raw) + "'", "_binary'abc'"])

    def value(self, kind):
        if kind != "id" and self.random.random() < 0.1:
            return self.random.choice(["NULL", "null", "NuLl"])
        number = self.random.randint(-10**self.random.randint(1, 17), 10**15)
        if kind == "id":
            self.id += 1
            return str(self.id)
        if kind == "i":
            return self.random.choice([str(number), f"- {abs(number)}", f"+{abs(number)}", f"00{abs(number)}"])
        if kind == "d":
            return self.random.choice([f"{number // 100}.125", "-.500", "00.250", "7.000"])
        if kind == "f":
            return self.random.choice(["1e3", "-2.5E-7", "1.5e10", ".5e0", "0e0"])
        if kind == "t":
            return self.string()
        if kind == "b":
            return self.binary()
        if kind == "day":
            return self.random.choice(["'2026-01-31'", "DATE'1999-12-31'", "date '2000-02-29'"])
        if kind == "at":
            return self.random.choice(["'2026-01-31 12:00:00.000001'", "TIMESTAMP'2026-01-31 12:00:00.250000'"])
        return self.random.choice(["TRUE", "false", "1", "0"])

    def row(self):
        values = [self.value(column.split()[0]) for column in COLUMNS.split(", ")]
        word = "ROW" if self.rows_named else ""
        return word + "(" + ",".join(self.blank() + value + self.blank() for value in values) + ")"

    def statement(self, table):
        self.rows_named = self.flavor == "mysql" and self.random.random() < 0.3
        verb = self.random.choice(["INSERT", "insert", "INSERT IGNORE", "REPLACE", "INSERT HIGH_PRIORITY", "/* v */ INSERT"])
        into = self.random.choice([" INTO", " INTO", ""])
        names = ", ".join(column.split()[0] for column in COLUMNS.split(", "))
        columns = self.random.choice(["", f" ({names})"])
        word = "VALUES" if self.rows_named else self.random.choice(["VALUES", "VALUE", "values"])
        rows = ("," + self.blank()).join(self.row() for _ in range(self.random.randint(2, 5)))
        tail = "" if "REPLACE" in verb else self.random.choice(["", "", " ON DUPLICATE KEY UPDATE t = 'z'", " -- end"])
        if self.flavor == "mysql" and tail.startswith(" ON") and not self.rows_named and self.random.random() < 0.5:
            tail = " AS new" + tail
        if self.flavor == "mariadb" and self.random.random() < 0.3:
            tail += "\nRETURNING id" if tail != " -- end" else ""
        return f"{verb}{into} {table}{columns} {word}{self.blank() or ' '}{rows}{tail}"


def shown(value, kind):
    """As the contract writes a column's value."""
    if value is None:
        return None
    if kind in ("b",):
        return f"<bytes:{len(value)}>"
    if kind == "f":
        return re.sub(r"\.0$", "", f"{value:.15g}" if 1e-15 <= abs(value) < 1e15 and "e" not in repr(value) else repr(value))
    if kind == "at":
        return f"{value:%Y-%m-%d %H:%M:%S.%f}"
    return str(value)


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("seed", breadth.seeds(4))
def test_joined_again_they_are_the_table(server, proxies, seed):
    writer = Writer(seed, server.flavor)
    proxy = proxies(server, "--split-values", "--buffer-until-commit=false", "--redact-keys=")
    server.sql("DROP TABLE IF EXISTS test.split_rows", f"CREATE TABLE test.split_rows ({COLUMNS}) CHARACTER SET utf8mb4")
    server.connect().close()
    statements = []
    with Raw(proxy.host, proxy.port) as session:
        session.login("app", "app-secret", capabilities=BASIC)
        session.query(f"SET NAMES {writer.charset}, sql_mode = '{writer.mode}'")
        for _ in range(25):
            sql = writer.statement("split_rows")
            statements.append(sql)
            try:
                session.query(sql.encode(CHARSETS[writer.charset]))
            except Exception as error:
                raise AssertionError(f"{error} in {sql!r}") from error
        session.query("DO 1")
    proxy.stop()
    kinds = [column.split()[0] for column in COLUMNS.split(", ")]
    rows = server.sql("SELECT * FROM test.split_rows ORDER BY id")
    messages = proxy.messages.all()
    batches = [message for message in messages if message["queryParams"] is not None]
    assert [message["executionCount"] for message in messages] == list(range(1, len(messages) + 1))
    assert len(batches) == writer.id and messages[-1]["sql"] == "DO 1"
    context = f"{server.release} seed {seed}: {writer.charset} {writer.mode}"
    for message, row in zip(batches, rows, strict=True):
        values = [shown(value, kind) for value, kind in zip(row, kinds)]
        where = kinds.index("f")
        mine = list(message["queryParams"])
        if values[where] is not None:
            mine[where], values[where] = float(mine[where]), float(values[where])
        assert mine == values, f"{context}: {message['sql']}"
        assert message["sql"].count("?") == len(kinds), message["sql"]
    # Only the last of each tells how it went.
    ends = [message for message in batches if message["durationNs"] is not None]
    assert len(ends) == len(statements) and all(message["updateCount"] is not None for message in ends)
    earlier = [message for message in batches if message["durationNs"] is None]
    assert all(message["updateCount"] is None and message["serverInfo"] is None for message in earlier)


@pytest.mark.parametrize("prepared", [False, True])
def test_drivers_batches(server, proxies, prepared):
    """PyMySQL's executemany, and a prepared statement of several rows."""
    proxy = proxies(server, "--split-values", "--buffer-until-commit=false")
    server.sql("DROP TABLE IF EXISTS test.batch", "CREATE TABLE test.batch (name VARCHAR(32), v INT)")
    rows = [("b", 2), ("c'\\", 3), ("d", None)]
    if prepared:
        connector = pytest.importorskip("mysql.connector")
        db = connector.connect(host=proxy.host, port=proxy.port, user="app", password="app-secret", database="test", ssl_disabled=True,
                               autocommit=True, use_pure=True)
        db.cursor(prepared=True).execute("INSERT INTO batch (name, v) VALUES (?, ?), (?, ?), (?, ?)", [value for row in rows for value in row])
    else:
        db = proxy.connect()
        db.cursor().executemany("INSERT INTO batch (name, v) VALUES (%s, %s)", rows)
    db.close()
    proxy.stop()
    batch = proxy.messages.sql("INSERT INTO batch (name, v) VALUES (?, ?)")
    assert [message["queryParams"] for message in batch] == [["b", "2"], ["c'\\", "3"], ["d", None]]
    assert [message["updateCount"] for message in batch] == [None, None, 3]
    assert [message["serverInfo"] for message in batch][:2] == [None, None] and batch[2]["serverInfo"].startswith("Records: 3")


def test_one_that_fails(server, proxies):
    proxy = proxies(server, "--split-values", "--redact-keys=")
    server.sql("DROP TABLE IF EXISTS test.batch", "CREATE TABLE test.batch (v INT PRIMARY KEY)")
    with proxy.connect() as db, db.cursor() as cursor:
        for sql in ("INSERT INTO batch VALUES (1), (1)", "INSERT INTO batch VALUES (1), (2, 3)", "INSERT INTO batch VALUES (1), (2"):
            with pytest.raises(Exception):
                cursor.execute(sql)
    proxy.stop()
    failed = proxy.messages.all(lambda message: message["sql"].startswith("INSERT"))
    codes = [message["errorMessage"][:11] for message in failed]
    assert codes == ["ERROR 1062 "] * 2 + ["ERROR 1136 "] * 2 + ["ERROR 1064 "]
    assert [message["sql"] for message in failed] == [
        "INSERT INTO batch VALUES (?)"] * 3 + ["INSERT INTO batch VALUES (?, ?)", "INSERT INTO batch VALUES (1), (2"]


def test_rows_hide_what_the_statement_hides(server, proxies):
    """By column, in an expression, and where a string names something secret itself; in values, texts and errors."""
    proxy = proxies(server, "--split-values", "--redact-keys=password,token")
    server.sql("DROP TABLE IF EXISTS test.hidden_rows", "CREATE TABLE test.hidden_rows (id INT PRIMARY KEY, password VARCHAR(99), doc JSON)")
    rows = """(1, 'planted-1', '{}'), (2, UPPER('planted-2'), '{"x": 1}'), (3, _latin1'planted-3', '{"token": "planted-4"}'),
              (4, NULL, JSON_OBJECT('token', 'planted-5'))"""
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute(f"INSERT INTO hidden_rows (id, password, doc) VALUES {rows}")
        cursor.execute("DELETE FROM hidden_rows")
        cursor.execute(f"INSERT INTO hidden_rows VALUES {rows}")
        for sql in ("INSERT INTO hidden_rows (id, password) VALUES (1, 'planted-6'), (1, 'planted-7')",
                    "INSERT INTO hidden_rows (id, password) VALUES (7, 'planted-8'), ('planted-9', 'planted-10')",
                    "INSERT INTO hidden_rows (id, doc) VALUES (8, '{\"token\": \"planted-11\"'), (9, 'planted-12')"):
            with pytest.raises(Exception):
                cursor.execute(sql)
    proxy.stop()
    shown = proxy.messages.all(lambda message: message["sql"].startswith("INSERT"))
    assert len(shown) == 4 + 4 + 2 + 2 + 2
    assert [message["queryParams"] for message in shown[:4]] == [["1", "***", "{}"], ["2", '{"x": 1}'], ["3", "***", "***"], ["4", None]]
    # A document alone is no secret, nor is a number that stands where no column is named secret.
    allowed = {"planted-9", "planted-12"}
    text = "\n".join(proxy.messages.lines())
    leaked = {word for word in re.findall(r"planted-\d+", text, re.IGNORECASE)} - allowed
    assert not leaked, [line for line in proxy.messages.lines() if any(word in line for word in leaked)]
