"""Secrets that the rules name are in no output, in whatever statement they stand.

A seed makes sessions of statements with secrets planted in them, which are random letters: in text and prepared statements, in every quoting,
mode and character set, with comments between words, within other statements, and in statements that the server refuses with an error
that quotes them. The statements go through the proxy, and every byte that it wrote is searched. INTERCEPTOR_SEEDS=N tries N seeds."""

import base64
import os
import random
import re
import string
import struct

import pymysql
import pytest
from harness import parquet
from harness.binlog import at, position
from harness.breadth import seeds
from harness.recording import Recording
from harness.wire import BASIC, LONG_PASSWORD, MULTI_STATEMENTS, Raw, ServerError

pytestmark = pytest.mark.newer_mariadb

DB = "redact"
TABLES = [
    "CREATE TABLE u (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60), password VARCHAR(200), api_token VARCHAR(200) UNIQUE, secret_number INT, "
    "doc JSON)",
    "CREATE TABLE staging (a VARCHAR(60), b VARCHAR(200))",
    "CREATE PROCEDURE set_password(p VARCHAR(200)) SELECT 1",
    "CREATE FUNCTION check_token(p VARCHAR(200)) RETURNS INT DETERMINISTIC RETURN 1",
]
# `{s}` is any literal, `{t}` a string alone, `{p}` a password as the server takes it, `{x}` a secret within a string, `{n}` a number of its own.
DATA = [
    "INSERT INTO u (id, password) VALUES (NULL, {s})",
    "INSERT INTO u (name, api_token, password) VALUES ('a', {s}, 'b'), ('c', {s}, {s})",
    "INSERT INTO u SET name = 'x', password = {s}",
    "INSERT INTO u VALUES (NULL, 'n', {s}, NULL, NULL, NULL)",
    "INSERT INTO u (id, name) VALUES ({n}, 'x') ON DUPLICATE KEY UPDATE password = {s}",
    "REPLACE INTO u (api_token) VALUES ({s})",
    "INSERT INTO u (name, password) SELECT a, {s} FROM staging",
    "UPDATE u SET password = {s} WHERE id = {n}",
    "UPDATE u SET name = 'n', api_token = CONCAT('a', {s}, 'b') WHERE id = {n}",
    "UPDATE u AS x JOIN staging AS y ON x.name = y.a SET x.`password` = {s}",
    "DELETE FROM u WHERE api_token = {s}",
    "SELECT * FROM u WHERE password = {s} OR name = 'n'",
    "SELECT * FROM u WHERE {s} = u.password",
    "SELECT * FROM u WHERE api_token IN ('a', {s}, {s})",
    "SELECT * FROM u WHERE api_token BETWEEN {s} AND {s}",
    "SELECT * FROM u WHERE password LIKE {t}",
    "SELECT * FROM u WHERE (name, password) = ('n', {s})",
    "SELECT * FROM u WHERE LOWER(password) <=> LOWER({s})",
    "SELECT CASE password WHEN {s} THEN 1 ELSE 2 END FROM u",
    "SELECT {s} AS new_password, 1",
    "SELECT name FROM u GROUP BY name HAVING MAX(password) > {s}",
    "SELECT name FROM u ORDER BY FIELD(api_token, {s}, 'x')",
    "SELECT * FROM (SELECT {s} AS token) AS d",
    "WITH c (secret) AS (SELECT {s}) SELECT * FROM c",
    "SELECT 1 AS token UNION SELECT {s}",
    "SELECT JSON_OBJECT('password', {t})",
    "UPDATE u SET doc = JSON_SET(COALESCE(doc, '{{}}'), '$.password', {t}) WHERE id = {n}",
    "SET @my_password = {s}",
    "SET @a = 1, @Token := {s}",
    "SELECT @secret := {s}",
    "CALL set_password({s})",
    "SELECT check_token({s})",
    "DO check_token({s})",
]
DEFINITIONS = [
    "CREATE TABLE d{n} (id INT, password VARCHAR(200) DEFAULT {t})",
    "ALTER TABLE u ALTER COLUMN password SET DEFAULT {t}",
    "CREATE VIEW v{n} AS SELECT {t} AS token",
    "CREATE PROCEDURE p{n}() BEGIN SET @password = {t}; SELECT 1; END",
    "CREATE FUNCTION f{n}() RETURNS INT DETERMINISTIC BEGIN DECLARE token VARCHAR(200) DEFAULT {t}; RETURN 1; END",
    "CREATE TRIGGER t{n} BEFORE INSERT ON staging FOR EACH ROW SET @token = {t}",
    "CREATE EVENT e{n} ON SCHEDULE EVERY 1 YEAR DO UPDATE redact.u SET password = {t} WHERE id = 0",
]
ACCOUNTS = [
    "CREATE USER redact{n} IDENTIFIED BY {t}",
    "ALTER USER redact_other IDENTIFIED BY {t}",
    "SET PASSWORD FOR redact_other = {p}",
    "CREATE SERVER s{n} FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', HOST 'h', PASSWORD {t})",
]
OF_MYSQL = [
    "CREATE USER redact{n} IDENTIFIED WITH caching_sha2_password BY {t} COMMENT 'c'",
    "ALTER USER redact_other IDENTIFIED BY {t} RETAIN CURRENT PASSWORD",
    "CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'nowhere', SOURCE_PASSWORD = {t}",
    "INSERT INTO u (name, password) VALUES ROW('a', {s}), ROW('b', {s})",
    "START REPLICA USER = 'x' PASSWORD = {t}",
]
OF_MARIADB = [
    "GRANT SELECT ON redact.* TO redact_other IDENTIFIED BY {t}",
    "ALTER USER redact_other IDENTIFIED VIA mysql_native_password USING PASSWORD({t})",
    "CHANGE MASTER TO MASTER_HOST = 'nowhere', MASTER_PASSWORD = {t}",
    "SET STATEMENT max_statement_time = 60 FOR UPDATE u SET password = {s} WHERE id = {n}",
    "EXECUTE IMMEDIATE 'UPDATE u SET password = ? WHERE id = 0' USING {s}",
    "INSERT INTO u (password) VALUES ({s}) RETURNING id",
    "CREATE OR REPLACE USER redact_other IDENTIFIED BY {t}",
]
WRONG = [
    "UPDATE u SET password = {s} WHEREE id = 1",
    "INSERT INTO u (password) VALUES ({s}",
    "INSERT INTO u (id, secret_number) VALUES (NULL, {t})",
    "INSERT INTO u (name, api_token) VALUES ('a', {s}), ('b', {s})",
    "SELECT {s} AS password FROM nowhere",
    "SELECT * FRM u WHERE password = {s}",
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the password {x} is weak'",
    "SIGNAL SQLSTATE '42000' SET MESSAGE_TEXT = 'the password {x} is weak', MYSQL_ERRNO = 31000",
    "CREATE USER redact_other IDENTIFIED BY {t} NONSENSE",
    "SET PASSWORD FOR nobody_at_all = {p} {t}",
    "SELEC 1 FROM u; UPDATE u SET password = {s}",
    "UPDATE u SET password = {s}, nothing = 1",
]
HARMLESS = [
    ("SELECT * FROM u WHERE name = {t}", True),
    ("INSERT INTO staging (a, b) VALUES ({t}, 'x')", True),
    ("UPDATE staging SET a = {t} WHERE b = '5'", True),
    ("SET @name = {t}", True),
    ("CREATE TABLE h{n} (a VARCHAR(99) DEFAULT {t})", True),
    ("UPDATE u SET password = 'p' WHERE name = {t}", False),
]
MODES = ["", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"]
CHARSETS = {"utf8mb4": ["é".encode()], "latin1": [b"\xe9"], "gbk": [b"\xd5\x5c", b"\x81\x5c"], "sjis": [b"\x83\x5c", b"\x95\x5c"]}


class Generator:
    """Statements with secrets, for a session in some mode and character set."""

    def __init__(self, seed, flavor):
        self.random, self.flavor, self.number = random.Random(seed), flavor, 100
        self.mode = self.random.choice(MODES)
        self.charset = self.random.choice(list(CHARSETS))
        self.secrets = []

    def secret(self):
        self.secrets.append("".join(self.random.choices(string.ascii_letters, k=18)))
        return self.secrets[-1]

    def text(self, secret, plain=False):
        """A string literal."""
        choice, escapes = self.random.random(), "NO_BACKSLASH" not in self.mode
        quotes = "'" if "ANSI" in self.mode or plain else self.random.choice("'\"")
        if plain:
            return f"'{secret}'"
        if choice < 0.15 and escapes:
            secret = secret + "\\" + quotes
        elif choice < 0.3:
            secret = secret + quotes * 2 + "x"
        return f"{quotes}{secret}{quotes}"

    def literal(self):
        secret = self.secret()
        return self.random.choice([
            self.text(secret), self.text(secret), f"N'{secret}'", f"_utf8mb4'{secret}'", f"_latin1 '{secret}'", f"X'{secret.encode().hex()}'",
            f"0x{secret.encode().hex()}", f"_utf8mb4 0x{secret.encode().hex()}", f"'{secret[:9]}' '{secret[9:]}'",
            f"'{secret[:9]}'\n/* and */ '{secret[9:]}'",
        ])

    def filled(self, template, literal=None):
        self.number += 1
        parts = {"{s}": literal or self.literal, "{t}": lambda: self.text(self.secret(), plain=True), "{n}": lambda: str(self.number), "{x}": self.secret,
                 "{p}": lambda: f"PASSWORD({self.text(self.secret(), plain=True)})" if self.flavor == "mariadb" else self.text(self.secret(), True)}
        sql = re.sub(r"\{[stnpx]\}", lambda found: parts[found[0]](), template)
        return sql.replace("{{", "{").replace("}}", "}")

    def spaced(self, sql):
        """With comments where there are blanks outside of strings."""
        if "'" in sql or '"' in sql or self.random.random() < 0.5:
            front, quote, rest = re.match(r"([^'\"]*)(['\"]?)(.*)", sql, re.S).groups()
            return front.replace(" ", self.random.choice([" ", " /* c */ ", "\n\t", " # line\n", " /**/ "])) + quote + rest
        return sql.replace(" ", " /* c */ ")

    def wrapped(self, sql):
        """Within another statement."""
        choice, escapes = self.random.random(), "NO_BACKSLASH" not in self.mode
        if choice < 0.1:
            return f"/*! {sql} */"
        if choice < 0.2:
            inner = sql.replace("\\", "\\\\") if escapes else sql
            return "PREPARE s FROM '" + inner.replace("'", "''") + "'"
        if choice < 0.25 and self.flavor == "mariadb":
            inner = sql.replace("\\", "\\\\") if escapes else sql
            return "EXECUTE IMMEDIATE '" + inner.replace("'", "''") + "'"
        if choice < 0.35:
            return f"SELECT 1; {sql}; SELECT 2"
        if choice < 0.4:
            return f"EXPLAIN {sql}"
        return sql

    def encoded(self, sql):
        data = sql.encode()
        if self.charset != "utf8mb4" and self.random.random() < 0.5:
            # A character whose last byte looks like a backslash, right in front of a secret or elsewhere.
            data += b" /* " + self.random.choice(CHARSETS[self.charset]) + b" */"
        return data

    def statement(self):
        own = OF_MYSQL if self.flavor == "mysql" else OF_MARIADB
        kind = self.random.choices([DATA, DEFINITIONS, ACCOUNTS, own, WRONG], [10, 2, 3, 3, 4])[0]
        sql = self.filled(self.random.choice(kind))
        return self.encoded(self.spaced(sql if kind is WRONG else self.wrapped(sql)))

    def prepared(self):
        """A statement with placeholders, and its values."""
        values = []

        def placeholder():
            values.append(self.secret())
            return "?"

        return self.filled(self.random.choice(DATA), placeholder), values


def needles(secret):
    """What a secret may look like: as it is or in part, in hexadecimal, in base64 at any offset."""
    half = secret[:9].encode(), secret[9:].encode()
    found = {*half, half[0].hex().encode(), half[1].hex().upper().encode()}
    for shift in range(3):
        inner = base64.b64encode(b"\0" * shift + secret.encode())
        found.add(inner[4:20])
    return found


def leaks(secrets, outputs):
    """Where in the outputs a secret is, with what is around it."""
    found = []
    for data in outputs:
        for secret in secrets:
            for needle in needles(secret):
                if (place := data.find(needle)) >= 0:
                    found.append((secret, data[max(0, place - 150):place + 60].decode("utf-8", "replace")))
    return found


def check(secrets, outputs):
    wrong = leaks(secrets, outputs)
    assert not wrong, "\n".join(f"{secret}: {around!r}" for secret, around in wrong[:20])


def written(folder):
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def nameless(process):
    """What is in the files that it has open and that have no name."""
    descriptors, found = f"/proc/{process.pid}/fd", []
    for name in os.listdir(descriptors):
        try:
            if "deleted" in os.readlink(f"{descriptors}/{name}"):
                with open(f"{descriptors}/{name}", "rb") as file:
                    found.append(file.read())
        except OSError:
            pass  # closed since
    return found


def contents(value):
    """Every text and all bytes in a row."""
    if isinstance(value, (list, dict)):
        return [part for one in (value.values() if isinstance(value, dict) else value) for part in contents(one)]
    return [value.encode()] if isinstance(value, str) else [value] if isinstance(value, bytes) else []


def prepare(server):
    server.fresh_databases(DB)
    server.fresh_user("redact", "of the test")
    server.sql("DROP USER IF EXISTS redact_other", "CREATE USER redact_other IDENTIFIED BY 'x'")
    server.sql(f"USE {DB}", *TABLES)
    if server.flavor == "mysql":
        server.sql("STOP REPLICA")
    # What earlier seeds have left.
    for name, in server.sql("SELECT user FROM mysql.user WHERE user REGEXP '^redact[0-9]'"):
        server.sql(f"DROP USER {name}")
    for name, in server.sql("SELECT Server_name FROM mysql.servers"):
        server.sql(f"DROP SERVER {name}")
    server.connect(user="redact", password="of the test").close()


def execute(raw, sql, values):
    """A prepared statement with texts for its parameters."""
    raw.command(0x16, sql.encode())
    first = raw.packet()
    if first[0] == 0xFF:
        raise ServerError(first)
    statement, columns, params = first[1:5], *struct.unpack_from("<HH", first, 5)
    for count in (params, columns):
        for _ in range(count):
            raw.packet()
        if count:
            raw.packet()
    body = b"".join(bytes([len(value)]) + value.encode() for value in values)
    nulls = bytes((len(values) + 7) // 8)
    raw.command(0x17, statement + b"\0\1\0\0\0" + nulls + b"\1" + b"\xfd\0" * len(values) + body)
    raw.results()


def play(generator, raw, count):
    """Runs that many statements, and returns how many the server took and how many it refused."""
    taken, refused = 0, 0

    def attempt(act):
        nonlocal taken, refused
        try:
            act()
            taken += 1
        except ServerError:
            refused += 1

    raw.query(f"SET NAMES {generator.charset}")
    raw.query(f"SET sql_mode = '{generator.mode}'")
    for _ in range(count):
        if generator.random.random() < 0.2:
            sql, values = generator.prepared()
            if values:
                attempt(lambda: execute(raw, sql, values))
        else:
            sql = generator.statement()
            attempt(lambda: raw.query(sql))
    return taken, refused


@pytest.mark.parametrize("seed", seeds(3))
@pytest.mark.parametrize("mode", ["mask", "hash"])
def test_no_output_has_a_secret(server, proxies, tmp_path, mode, seed):
    prepare(server)
    key = tmp_path / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    options = ["--redact-mode=hash", f"--redact-key-file={key}"] if mode == "hash" else []
    recording = ["--record", tmp_path / "recording", "--record-redact=true"]
    proxy = proxies(server, "--log-level=trace", "--buffer-messages=5", *options, *recording,
                    sinks=[f"ndjson:{tmp_path}/proxy0/messages.ndjson", "stdout"])
    secrets, total, found = [], [0, 0], []
    for session in range(4):
        generator = Generator(f"{seed} {session}", server.flavor)
        generator.number = 1000 * (session + 1)
        with Raw(proxy.host, proxy.port) as raw:
            raw.login("redact", "of the test", database=DB, capabilities=BASIC | MULTI_STATEMENTS)
            if session % 2:
                raw.query("SET autocommit = 0")
            total = [old + new for old, new in zip(total, play(generator, raw, 40))]
            found += nameless(proxy.process)
        secrets += generator.secrets
    proxy.stop()
    found += written(tmp_path / "proxy0")
    rows = Recording(tmp_path / "recording").rows()
    assert len(rows) > 160
    found += [value for row in rows for value in contents(row)] + written(tmp_path / "recording")
    assert total[0] > 60 and total[1] > 20, total
    assert len(proxy.messages.all()) > 60
    check(secrets, found)


def test_bulk_executions(mariadb, proxies, tmp_path):
    prepare(mariadb)
    proxy = proxies(mariadb, "--log-level=trace", "--record", tmp_path / "recording", "--record-redact=true")
    secrets = [f"{number}SecretOfABulk{number}" for number in range(1, 4)]
    with Raw(proxy.host, proxy.port) as raw:
        raw.login("redact", "of the test", database=DB, capabilities=BASIC & ~LONG_PASSWORD, extended=4)
        raw.command(0x16, b"INSERT INTO u (name, password) VALUES (?, ?)")
        first = raw.packet()
        for _ in range(3):
            raw.packet()
        row = lambda value: b"\0" + bytes([len(value)]) + value.encode()
        raw.command(0xFA, first[1:5] + b"\x80\0\xfd\0\xfd\0" + b"".join(row("shown") + row(secret) for secret in secrets))
        raw.results()
    messages = proxy.messages.wait(3)
    proxy.stop()
    assert [message["queryParams"] for message in messages if message["queryParams"]] == [["shown", "***"]] * 3
    rows = Recording(tmp_path / "recording").rows()
    bulk = next(row for row in rows if row["command"] == "COM_STMT_BULK_EXECUTE")
    assert [(param["type"], param["value"]) for param in bulk["params"]] == [(253, b"shown"), (253, b"***")] * 3
    check(secrets, written(tmp_path / "proxy0") + [value for row in rows for value in contents(row)])


def test_what_no_rule_names_is_shown(server, proxies):
    """Texts of other columns and variables are there, but for those of a statement that cannot be understood."""
    prepare(server)
    proxy = proxies(server)
    generator = Generator("harmless", server.flavor)
    generator.mode = ""
    expected = []
    with proxy.connect(user="redact", password="of the test", database=DB).cursor() as cursor:
        for template, must in HARMLESS * 5:
            sql = generator.filled(template)
            cursor.execute(sql)
            expected.append((sql, generator.secrets[-1], must))
    proxy.stop()
    shown = [message["sql"] for message in proxy.messages.all()]
    for sql, value, must in expected:
        assert not must or sql in shown, sql
        assert any(value in text for text in shown) or not must, sql


@pytest.mark.parametrize("form", ["native", "debezium", "maxwell", "pretty", "parquet"])
def test_rows(db, session, binlogs, tmp_path, form):
    """The same pseudonym as in statements, and no value; statements that are logged as such have none either."""
    for statement in TABLES:
        session.execute(statement)
    start = at(position(db))
    generator = Generator("rows", db.flavor)
    generator.mode = ""
    for log_format in ("ROW", "STATEMENT", "MIXED"):
        session.execute(f"SET SESSION binlog_format = '{log_format}'")
        for template in DATA[:9] + DEFINITIONS:
            try:
                session.execute(generator.filled(template))
            except pymysql.MySQLError:
                pass
    key = tmp_path / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    folder = tmp_path / "parquet"
    folder.mkdir()
    options = ["--from", start, "--until", at(position(db)), "--redact-keys", "password,secret,token", "--log-level", "trace"]
    if form not in ("pretty", "parquet"):
        options += ["--format", form]
    options += ["--redact-mode", "hash", "--redact-key-file", key] if form != "native" else []
    sinks = {"pretty": ["stdout"], "parquet": [f"parquet:{folder}"]}.get(form)
    binlogs(*options, *(["--pretty"] if form == "pretty" else []), server=db, sinks=sinks).finish()
    found = written(tmp_path)
    if form == "parquet":
        found.append(repr(parquet.rows(folder)).encode())
    assert any(b"***" in data if form == "native" else b"h:" in data for data in found)
    check(generator.secrets, found)
