"""Random statements, played without permission to write: the server's tables, variables, accounts, files and binary log must be as before.

Whether a statement writes, the server decides that executes it; `mysql/sql/safety.rs` only has its text."""

import random
import re
import shutil

import pytest

from harness.breadth import seeds
from harness.fake import OK, packets
from harness.replay import Replay, recorded
from harness.statements import DB, SCHEMA, Statements

SESSIONS = 250
# What changes by itself, or tells of the sessions.
OF_TIME = ("general_log", "gtid", "timestamp", "last_", "rand_seed", "insert_id", "pseudo", "innodb_buffer_pool_load", "error_count", "warning_count", "external_user", "binlog_")


class Recorded:
    """A server for the proxy that answers OK to everything: sessions are recorded as their client sent them, and executed nowhere."""

    def __init__(self, fake):
        self.fake, self.flavor, self.ca, self.address = fake, "mysql", None, fake.address
        self.host, _, port = fake.address.rpartition(":")
        self.port = int(port)

    def play(self, proxy, texts):
        with self.fake.session(f"{proxy.host}:{proxy.port}", False, "idle") as (client, server):
            for text in texts:
                query = packets(0, b"\x03" + text.encode())
                client.sendall(query)
                self.fake.expect(server, len(query))
                server.sendall(packets(1, OK))
                self.fake.expect(client, len(packets(1, OK)))


def rows(cursor, text):
    cursor.execute(text)
    return [tuple(map(str, row)) for row in cursor.fetchall()]


def accounts_and_definitions(cursor, is_mariadb):
    """What `--allow-writes` alone leaves as it is, and what also does without it."""
    server = {f"@@{name}": value for name, value in rows(cursor, "SHOW GLOBAL VARIABLES") if not name.startswith(OF_TIME)}
    for table in ["mysql.user", "mysql.db", "mysql.tables_priv", "mysql.proxies_priv", "mysql.func", "mysql.plugin", "mysql.time_zone_name", "information_schema.USER_PRIVILEGES",
                  *(["mysql.roles_mapping"] if is_mariadb else ["mysql.default_roles", "mysql.global_grants", "mysql.component", "performance_schema.setup_consumers",
                                                               "performance_schema.persisted_variables", "information_schema.RESOURCE_GROUPS"])]:
        server[table] = sorted(rows(cursor, f"SELECT * FROM {table}"))
    return server


def data(cursor):
    own = "('mysql', 'sys', 'information_schema', 'performance_schema')"
    found = {"databases": rows(cursor, "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA ORDER BY 1"), "prepared": rows(cursor, "XA RECOVER")}
    tables = rows(cursor, f"SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN {own} ORDER BY 1, 2")
    found["tables"] = tables
    for schema, name, _ in tables:
        # Other tests leave tables of any size, of which no statement here knows.
        what = "*" if schema.startswith(DB) else "COUNT(*)"
        found[f"{schema}.{name}"] = [sorted(rows(cursor, f"SELECT {what} FROM `{schema}`.`{name}`")), rows(cursor, f"SHOW CREATE TABLE `{schema}`.`{name}`")]
    for kind, column in [("ROUTINES", "ROUTINE"), ("TRIGGERS", "TRIGGER"), ("EVENTS", "EVENT")]:
        found[kind] = rows(cursor, f"SELECT {column}_SCHEMA, {column}_NAME FROM information_schema.{kind} WHERE {column}_SCHEMA NOT IN {own} ORDER BY 1, 2")
    return found


def binary_log(cursor, server, since=None):
    """Where it ends; or what came since, but for temporary tables, which are the sessions' own."""
    if since is None:
        return rows(cursor, "SHOW BINARY LOG STATUS" if server.flavor == "mysql" else "SHOW MASTER STATUS")[0][:2]
    events = [row[5] for row in rows(cursor, f"SHOW BINLOG EVENTS IN '{since[0]}' FROM {since[1]}")]
    return [text for text in events if not re.search(r"TEMPORARY|GTID|^BEGIN|^use `safety`; (ROLLBACK|COMMIT)$|^ROLLBACK|^COMMIT", text, re.I)]


@pytest.fixture
def prepared(request, server, tmp_path):
    server.fresh_databases(DB)
    server.sql(f"DROP DATABASE IF EXISTS {DB}_more", "DROP USER IF EXISTS safety_user", "DROP USER IF EXISTS safety_new", "DROP ROLE IF EXISTS safety_role", *SCHEMA)
    if server.flavor == "mariadb":
        server.sql(f"CREATE SEQUENCE {DB}.s")
    files = tmp_path / "files"
    files.mkdir()
    files.chmod(0o777)
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    # Its own, which sessions have that set none: it reads their texts otherwise than the recorded server did.
    before = server.sql("SELECT @@GLOBAL.sql_mode")[0][0]
    mode = random.Random(f"mode {request.node.callspec.params['seed']} {server.flavor}").choice(["", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI,NO_BACKSLASH_ESCAPES", before])
    server.sql(f"SET GLOBAL sql_mode = '{mode}'")
    yield server, files
    server.sql(f"SET GLOBAL sql_mode = '{before}'")
    server.fresh_databases(DB)
    shutil.rmtree(files)


def record(proxies, fake, sessions, folder):
    source = Recorded(fake)
    with recorded(proxies, source, folder) as proxy:
        for texts in sessions:
            source.play(proxy, [f"USE {DB}", *texts])


def played(server):
    return [entry.argument for entry in server.general_log_off("app") if entry.command in ("Query", "Execute", "Prepare")]


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("seed", seeds(1))
def test_what_is_called_reading_changes_nothing(proxies, fake, prepared, tmp_path, seed):
    server, files = prepared
    statements = Statements(seed, server.flavor, files)
    sessions = [statements.session() for _ in range(SESSIONS)]
    record(proxies, fake, sessions, tmp_path / "recording")
    server.general_log_on()
    with server.root() as cursor:
        log, before = binary_log(cursor, server), [accounts_and_definitions(cursor, server.flavor == "mariadb"), data(cursor)]
    replay = Replay(tmp_path / "recording", server, tmp_path, "--speed=max", "--start-anyway").wait()
    texts = played(server)
    with server.root() as cursor:
        written = binary_log(cursor, server, log)
        after = [accounts_and_definitions(cursor, server.flavor == "mariadb"), data(cursor)]
    different = [(key, was[key], now.get(key)) for was, now in zip(before, after) for key in was if was[key] != now.get(key)]
    assert not different and not written and not list(files.iterdir()), "\n".join([str(different)[:2000], *written, *map(str, files.iterdir()), "played:", *texts])
    # It is no proof if nothing was played, nor if nothing was refused.
    refused = sum(count for reason, count in replay.skipped.items() if "refused without" in reason)
    assert refused > SESSIONS / 4 and len(texts) - SESSIONS > SESSIONS / 4, (refused, len(texts), replay.skipped)
