"""Random transactions through the proxy, which holds their messages until they end, judged by the server: what is published without a mark is what
the tables show, each statement once and in its session's order; what is marked as of unknown outcome could not be known.

Every statement that changes a row has a number of its own. A few seeds a server by default; `INTERCEPTOR_SEEDS=N` runs N, `INTERCEPTOR_SEED=K`
that one alone."""

import collections
import random
import re
import struct
import threading

import pymysql
import pytest
from harness import within
from harness.breadth import seeds
from pymysql.constants import CLIENT

USER = "holder"
OUTCOME_UNKNOWN = 1 << 19
STEPS = 150
NAMES = ["s", "S", "a b", "a`b", "é", "e", "ß", "漢", "savepoint", "1", 'q"q', "-- x", "/*c*/", "to", "Ж", "ж", "x;y"]
RESET_CONNECTION, CHANGE_USER, PREPARE, EXECUTE = 0x1F, 0x11, 0x16, 0x17
PROCEDURES = {
    "nothing": "INSERT INTO k VALUES (n)", "rows": "INSERT INTO k VALUES (n); SELECT n",
    "commit": "INSERT INTO k VALUES (n); COMMIT", "rollback": "INSERT INTO k VALUES (n); ROLLBACK",
    "commit_on": "COMMIT; START TRANSACTION; INSERT INTO k VALUES (n)", "rollback_on": "ROLLBACK; START TRANSACTION; INSERT INTO k VALUES (n)",
    "fail": "COMMIT; SIGNAL SQLSTATE '45000'", "fail_on": "ROLLBACK; START TRANSACTION; SIGNAL SQLSTATE '45000'",
    "ddl": "DROP TABLE IF EXISTS nothing"}
COMMITTING = ["CREATE TABLE {own} (a INT)", "DROP TABLE {own}", "CREATE TABLE IF NOT EXISTS {own} (a INT)", "DROP TABLE IF EXISTS {own}",
              "ALTER TABLE {own} ADD b INT", "TRUNCATE {own}", "CREATE OR REPLACE VIEW {own}_v AS SELECT 1", "DROP VIEW {own}_v", "CREATE TABLE {own} SELECT 1 AS a",
              "RENAME TABLE {own} TO {own}_2", "CREATE TABLE {own} (a INT, a INT)", "CREATE TABLE {own} (a NOPE)", "CREATE TABLE {own} (a INT) CHARSET nope",
              "CREATE TABEL {own}", "CREATE INDEX i ON {own} (a)", "DROP INDEX i ON {own}", "CREATE DATABASE {database}", "DROP PROCEDURE nope",
              "CREATE USER {own}@localhost", "DROP USER IF EXISTS {own}@localhost", "GRANT SELECT ON {database}.* TO nobody_at_all", "FLUSH STATUS",
              "ANALYZE TABLE k", "CHECK TABLE k", "OPTIMIZE TABLE nothing_there", "CHECKSUM TABLE k", "LOCK TABLES {own} WRITE", "UNLOCK TABLES", "LOCK INSTANCE FOR BACKUP",
              "LOAD INDEX INTO CACHE m", "SET PASSWORD FOR nobody@nowhere = 'x'", "CREATE SEQUENCE {own}_s", "DROP SEQUENCE {own}_s", "SET ROLE NONE",
              "/*!50000 CREATE TABLE {own} (a INT) */", "SET STATEMENT max_statement_time = 10 FOR DROP TABLE IF EXISTS {own}"]


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


class Session:
    """A client's session, and what is expected of its transaction."""

    def __init__(self, play, number):
        self.play, self.number, self.own = play, number, f"own_{play.seed}_{number}"
        self.db = play.proxy.connect(user=USER, password="", database=play.database, autocommit=None, charset="utf8mb4", client_flag=CLIENT.MULTI_STATEMENTS)
        self.names, self.xa = [], None
        # Of these it is not sure how they end; of the others it is.
        self.markers, self.is_doubtful = [], False

    # Statements

    def attempt(self, text, action):
        """Runs something; what fails is part of the play."""
        self.play.log.append(f"{self.number}: {text}")
        try:
            action()
            return True
        except (pymysql.MySQLError, OSError) as error:
            self.play.log.append(f"    {error}")
            if not self.db.open or getattr(error, "args", [0])[0] in (0, 2006, 2013, 1927, 4031):
                self.gone()
            return False

    def run(self, sql):
        return self.attempt(sql, lambda: self.all_results(sql))

    def all_results(self, sql):
        with self.db.cursor() as cursor:
            cursor.execute(sql)
            while cursor.nextset():
                pass

    def binary(self, sql, *numbers):
        """A statement in the protocol of prepared ones, with integers."""
        self.attempt(f"{sql} {numbers}", lambda: self.execute(sql, numbers))

    def execute(self, sql, numbers):
        self.db._execute_command(PREPARE, sql)
        head = self.db._read_packet().get_all_data()
        statement, columns, params = struct.unpack_from("<IHH", head, 1)
        for count in (params, columns):
            for _ in range(count + 1 if count else 0):
                self.db._read_packet()
        body = struct.pack("<IBI", statement, 0, 1)
        if numbers:
            body += b"\0" + b"\1" + b"\x08\0" * len(numbers) + b"".join(struct.pack("<q", number) for number in numbers)
        self.db._execute_command(EXECUTE, body)
        self.db._read_ok_packet()

    def gone(self):
        """The connection is over."""
        self.db._force_close()
        if self in self.play.sessions:
            self.play.sessions.remove(self)

    # What is expected

    def mark(self):
        number = self.play.number()
        self.markers.append(number)
        if self.is_doubtful:
            self.play.doubtful.add(number)
        return number

    def doubt(self):
        """What the transaction has had, and what it will have."""
        self.is_doubtful = True
        self.play.doubtful.update(self.markers)

    def ended(self):
        self.markers, self.is_doubtful, self.names = [], False, []

    # Steps

    def change(self):
        chance, number = self.play.chance, self.mark()
        return chance.choice([f"INSERT INTO k VALUES ({number}) /*m{number}*/", f"REPLACE INTO k VALUES ({number}) /*m{number}*/",
                              f"INSERT INTO k SELECT {number} /*m{number}*/", f"/*m{number}*/ insert k set n = {number}",
                              f"UPDATE notes SET text = CONCAT(text, '/{number}/') /*m{number}*/ WHERE id = {self.number}",
                              f"INSERT INTO held_temporary VALUES (1); INSERT INTO k VALUES ({number}) /*m{number}*/"])

    def insert(self):
        chance = self.play.chance
        kind = chance.randrange(8)
        if kind == 0:
            return self.binary("INSERT INTO k VALUES (?)", self.mark())
        if kind == 1:
            number = self.mark()
            self.run(f"SET @n = {number}")
            self.run("PREPARE i FROM 'INSERT INTO k VALUES (?)'")
            return self.run(f"EXECUTE i /*m{number}*/ USING @n")
        return self.run(self.change())

    def fail(self):
        self.run(self.play.chance.choice(["INSERT INTO k VALUES (1)", "SELEC", "INSERT INTO nothing VALUES (1)", "INSERT INTO k VALUES (1), (1)",
                                          "UPDATE k SET n = 1", "ROLLBACK TO nothing", "RELEASE SAVEPOINT nothing", "XA END 'nothing'", "XA COMMIT 'nothing'", "COMMIT NOTHING"]))

    def begin(self):
        if self.spelled(["BEGIN", "START TRANSACTION", "BEGIN WORK", "START TRANSACTION WITH CONSISTENT SNAPSHOT", "begin -- x"]):
            self.ended()

    def end(self):
        chain = self.play.chance.choice(["", "", "", " AND CHAIN", " AND NO CHAIN", " WORK"])
        if self.spelled([f"COMMIT{chain}"] if self.play.chance.random() < 0.6 else [f"ROLLBACK{chain}"]):
            self.ended()

    def spelled(self, texts):
        """One of the texts, in one of the ways in which a statement can come."""
        chance, text = self.play.chance, self.play.chance.choice(texts)
        kind = chance.randrange(10)
        if kind == 0:
            return self.attempt(f"{text} (prepared)", lambda: self.execute(text, ()))
        if kind == 1:
            return self.run(f"PREPARE c FROM '{text}'") and self.run(chance.choice(["EXECUTE c", "EXECUTE `C`"]))
        if kind == 2 and "--" not in text:
            return self.run(f"/*!50000 {text} */")
        if kind == 3 and self.play.is_mariadb:
            return self.run(f"EXECUTE IMMEDIATE '{text}'")
        if kind == 4 and self.play.is_mariadb:
            return self.run(f"SET STATEMENT max_statement_time = 10 FOR {text}")
        if kind == 5:
            self.doubt()
            self.run(f"SET @text = '{text}'")
            self.run("PREPARE c FROM @text")
            return self.run("EXECUTE c")
        return self.run(text)

    def savepoint(self):
        chance = self.play.chance
        name = chance.choice(self.names) if self.names and chance.random() < 0.6 else chance.choice(NAMES)
        kind = chance.randrange(5)
        if kind < 2:
            self.names.append(name)
            return self.run(f"SAVEPOINT {quoted(name)}")
        return self.run(chance.choice(["ROLLBACK TO ", "ROLLBACK WORK TO SAVEPOINT ", "rollback to savepoint "]) + quoted(name) if kind < 4 else
                        f"RELEASE SAVEPOINT {quoted(name)}")

    def define(self):
        text = self.play.chance.choice(COMMITTING).format(own=self.own, database=self.play.database)
        self.run(text)
        if text.startswith("LOCK TABLES"):
            self.run("UNLOCK TABLES")

    def temporary(self):
        # MySQL warns at ROLLBACK that the table stays.
        self.doubt()
        self.run("CREATE TEMPORARY TABLE IF NOT EXISTS held_temporary (a INT)")

    def plain_table(self):
        self.doubt()
        number = self.play.number()
        self.play.plain.add(number)
        self.run(f"INSERT INTO m VALUES ({number}) /*m{number}*/")

    def settings(self):
        self.run(self.play.chance.choice(["SET autocommit = 0", "SET autocommit = 1", "SET @@session.autocommit = ON", "SET autocommit = DEFAULT, @a = 1",
                                          "SET completion_type = 1", "SET completion_type = DEFAULT", "SET completion_type = NO_CHAIN", "SET autocommit = nothing",
                                          "SET SESSION TRANSACTION READ WRITE", "SET @a = (SELECT MAX(n) FROM k)"]))

    def several(self):
        """Several statements in one text."""
        chance, texts = self.play.chance, []
        for _ in range(chance.randrange(2, 5)):
            texts.append(chance.choice([self.change, self.change, lambda: "SELECT 1", lambda: "COMMIT", lambda: "ROLLBACK", lambda: "BEGIN",
                                        lambda: "SAVEPOINT s", lambda: "ROLLBACK TO s", lambda: "SELECT n FROM k LIMIT 2", lambda: "SELEC"])())
        self.run("; ".join(texts))

    def call(self):
        chance = self.play.chance
        name, number = chance.choice(["nothing", *PROCEDURES]), self.play.number()
        if name not in ("nothing", "rows"):
            # Its own rows may be taken back by itself.
            self.play.unjudged.add(number)
        else:
            self.markers.append(number)
        self.doubt()
        self.run(f"CALL p_{name}({number}) /*m{number}*/")
        self.doubt()

    def block(self):
        if self.play.is_mariadb:
            number = self.mark()
            self.run(f"BEGIN NOT ATOMIC INSERT INTO k VALUES ({number}) /*m{number}*/; END")

    def reset(self):
        kind = self.play.chance.random()
        if kind < 0.5:
            done = self.attempt("COM_RESET_CONNECTION", lambda: (self.db._execute_command(RESET_CONNECTION, b""), self.db._read_ok_packet()))
        else:
            done = self.attempt("COM_CHANGE_USER", self.change_user)
        if done:
            self.ended()

    def change_user(self):
        plugin = b"mysql_native_password" if self.play.is_mariadb else b"caching_sha2_password"
        self.db._execute_command(CHANGE_USER, USER.encode() + b"\0\0" + self.play.database.encode() + b"\0\x2d\0" + plugin + b"\0")
        while self.db._read_packet().get_all_data()[:1] == b"\xfe":
            self.db.write_packet(b"")

    def leave(self):
        """The connection ends: politely, suddenly, with a statement under way, by the server."""
        chance = self.play.chance
        kind = chance.randrange(7)
        if kind == 0:
            self.attempt("COM_QUIT", self.db.close)
        elif kind == 1:
            self.attempt("close", self.db._force_close)
        elif kind == 2:
            self.doubt()
            text = chance.choice(["COMMIT", "ROLLBACK", "BEGIN", "SET autocommit = 1", f"CREATE TABLE IF NOT EXISTS {self.own} (a INT)", "COMMIT AND CHAIN"])
            self.attempt(f"{text} and close", lambda: (self.db._execute_command(3, text), self.db._force_close()))
        elif kind == 3:
            text = self.change()
            self.play.lost.add(self.markers[-1])
            self.attempt(f"{text} and close", lambda: (self.db._execute_command(3, text), self.db._force_close()))
        elif kind == 4:
            self.attempt("killed", lambda: self.play.judge.execute(f"KILL {self.db.thread_id()}"))
            self.attempt("close", self.db._force_close)
        elif kind == 5:
            self.run(chance.choice(["COMMIT RELEASE", "ROLLBACK RELEASE"]))
        else:
            text = self.change() + "; COMMIT; " + self.change()
            self.doubt()
            self.play.lost.update(self.markers[-2:])
            self.attempt(f"{text} and close", lambda: (self.db._execute_command(3, text), self.db._force_close()))
        self.gone()

    def wait_in_vain(self):
        """A lock wait timeout: one statement is taken back."""
        with self.play.other() as other, other.cursor() as cursor:
            if not self.attempt("the other one locks", lambda: cursor.execute("UPDATE locks SET n = n + 1 WHERE id = 1")):
                return
            self.run("UPDATE locks SET n = n + 1 WHERE id = 1")
            other.rollback()

    def deadlock(self):
        """The other one has changed more rows: this one is rolled back."""
        with self.play.other() as other, other.cursor() as cursor:
            if not self.attempt("the other one locks", lambda: cursor.execute("UPDATE locks SET n = n + 1 WHERE id = 1 OR id > 10")):
                return
            self.run("UPDATE locks SET n = n + 1 WHERE id = 2")
            waiting = threading.Thread(target=self.blocked, args=(cursor,))
            waiting.start()
            within(lambda: self.play.waits(other.thread_id()) or not waiting.is_alive(), "the other one waits, or need not")
            self.run("UPDATE locks SET n = n + 1 WHERE id = 1")
            waiting.join()
            other.rollback()

    @staticmethod
    def blocked(cursor):
        try:
            cursor.execute("UPDATE locks SET n = n + 1 WHERE id = 2")
        except pymysql.MySQLError:
            pass

    def killed_query(self):
        number = self.mark()
        thread = self.db.thread_id()
        killer = threading.Timer(0.1, lambda: self.play.kill_query(thread))
        killer.start()
        self.run(f"INSERT INTO k SELECT {number} /*m{number}*/ FROM (SELECT SLEEP(1)) AS s WHERE 1")
        killer.join()

    def xa_transaction(self):
        chance, play = self.play.chance, self.play
        if self.run("ROLLBACK"):
            self.ended()
        self.run("SET autocommit = 1")
        name = f"x{play.seed}_{play.number()}"
        xid = chance.choice([f"'{name}'", f"'{name}', ''", f"X'{name.encode().hex()}', '', 1", f"0x{name.encode().hex()}"])
        if not self.run(f"XA {chance.choice(['START', 'BEGIN'])} {xid}"):
            return
        self.ended()
        for _ in range(chance.randrange(4)):
            chance.choices([self.insert, self.savepoint, self.fail, self.define], [6, 2, 1, 1])[0]()
        kind = chance.randrange(10)
        if kind == 0 or self not in play.sessions:
            return self.leave() if self in play.sessions else None
        self.run(f"XA END {xid}")
        if kind < 3:
            self.run(f"XA COMMIT {xid} ONE PHASE")
            return self.ended()
        if kind == 3:
            self.run(f"XA ROLLBACK {xid}")
            return self.ended()
        play.two_phase.update(self.markers)
        if not self.run(f"XA PREPARE {xid}"):
            self.run(f"XA ROLLBACK {xid}")
            return self.ended()
        markers = self.markers
        self.ended()
        if kind == 4:
            # Left as it is: the proxy's end comes before its own, unless somebody decides.
            play.doubtful.update(markers)
            return self.leave()
        verdict = f"XA {chance.choice(['COMMIT', 'COMMIT', 'ROLLBACK'])} '{name}'"
        if kind < 7:
            return self.run(verdict)
        self.attempt("close", self.db.close)
        self.gone()
        play.wait_for_end(self)
        return play.session().run(verdict)

    def step(self):
        steps = {self.insert: 20, self.begin: 7, self.end: 9, self.savepoint: 8, self.fail: 3, self.define: 5, self.settings: 3, self.several: 3, self.call: 1.5,
                 self.reset: 1, self.leave: 2, self.wait_in_vain: 0.3, self.deadlock: 1, self.killed_query: 0.3, self.xa_transaction: 2.5, self.temporary: 0.5,
                 self.plain_table: 0.7, self.block: 1}
        self.play.chance.choices(list(steps), list(steps.values()))[0]()


class Play:
    """Sessions of one seed, and what they are expected to leave."""

    def __init__(self, server, proxy, seed):
        self.server, self.proxy, self.seed, self.chance = server, proxy, seed, random.Random(seed)
        self.database, self.is_mariadb = f"held_{seed}", server.flavor == "mariadb"
        self.log, self.sessions, self.last_number, self.connections = [], [], 1000, 0
        # Numbers of statements: of those that may be marked, that change tables without transactions, that are no evidence, that were cut off, of XA.
        self.doubtful, self.plain, self.unjudged, self.lost, self.two_phase = set(), set(), set(), set(), set()
        root = pymysql.connect(unix_socket=server.socket, user="root", autocommit=True)
        self.judge = root.cursor()

    def number(self):
        self.last_number += 1
        return self.last_number

    def prepare(self):
        self.roll_back_prepared()
        self.server.fresh_databases(self.database)
        self.judge.execute(f"USE {self.database}")
        for statement in ["CREATE TABLE k (n INT PRIMARY KEY)", "INSERT INTO k VALUES (1)", "CREATE TABLE m (n INT, KEY (n)) ENGINE=MyISAM",
                          "CREATE TABLE notes (id INT PRIMARY KEY, text LONGTEXT)", "CREATE TABLE locks (id INT PRIMARY KEY, n INT)",
                          "INSERT INTO locks VALUES " + ", ".join(f"({number}, 0)" for number in range(1, 200)),
                          *(f"CREATE PROCEDURE p_{name}(n INT) BEGIN {body}; END" for name, body in PROCEDURES.items())]:
            self.judge.execute(statement)

    def session(self):
        self.connections += 1
        self.judge.execute(f"INSERT INTO {self.database}.notes VALUES ({self.connections}, '')")
        session = Session(self, self.connections)
        self.sessions.append(session)
        return session

    def run(self):
        self.prepare()
        for _ in range(STEPS):
            while len(self.sessions) < 2:
                self.session()
            self.chance.choice(self.sessions).step()
        for session in self.sessions.copy():
            session.leave()
        within(lambda: not self.server.connections(USER), "all sessions are over")
        return self

    def other(self):
        """A session that is not played."""
        return self.server.connect(user=USER, password="", database=self.database, autocommit=False)

    def waits(self, thread):
        self.judge.execute(f"SELECT trx_state FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = {thread}")
        return self.judge.fetchall() in ((("LOCK WAIT",),), [("LOCK WAIT",)])

    def kill_query(self, thread):
        with self.server.root() as cursor:
            try:
                cursor.execute(f"KILL QUERY {thread}")
            except pymysql.MySQLError:
                pass

    def wait_for_end(self, session):
        thread = session.db.server_thread_id[0]
        within(lambda: thread not in [row[0] for row in self.server.connections(USER)], "the session is over")

    def roll_back_prepared(self):
        self.judge.execute("XA RECOVER")
        for _, length, _, name in self.judge.fetchall():
            name = name if isinstance(name, bytes) else name.encode()
            try:
                self.judge.execute(f"XA ROLLBACK X'{name[:length].hex()}'")
            except pymysql.MySQLError:
                pass  # MariaDB says so where it had rolled back by itself.

    def committed(self):
        """What the tables show."""
        self.judge.execute(f"SELECT n FROM {self.database}.k WHERE n > 1")
        numbers = {row[0] for row in self.judge.fetchall()}
        self.judge.execute(f"SELECT n FROM {self.database}.m")
        numbers |= {row[0] for row in self.judge.fetchall()}
        self.judge.execute(f"SELECT GROUP_CONCAT(text SEPARATOR '') FROM {self.database}.notes")
        return numbers | {int(number) for number in re.findall(r"/(\d+)/", self.judge.fetchall()[0][0] or "")}


def marker(message):
    """The number of the statement that a message tells of."""
    if message["queryParams"]:
        return int(message["queryParams"][0])
    found = re.search(r"/\*m(\d+)\*/", message["sql"] or "")
    return int(found.group(1)) if found else None


def explain(play, numbers, what):
    lines = [line for number in sorted(numbers) for line in play.log if str(number) in line]
    where = f"{play.server.release}, seed {play.seed}"
    return f"{where}: {what}: {sorted(numbers)}\n" + "\n".join(lines[:20]) + "\n\nall of it:\n" + "\n".join(play.log)


def judged(play, messages):
    published, order = collections.Counter(), collections.defaultdict(list)
    certain, marked = set(), set()
    for message in messages:
        number = marker(message)
        if number is None or message["errorMessage"]:
            continue
        published[number] += 1
        (marked if message["iFlags"] & OUTCOME_UNKNOWN else certain).add(number)
        if number not in play.two_phase:
            order[message["connectionId"]].append(number)
    twice = {number for number, times in published.items() if times > 1}
    assert not twice, explain(play, twice, "published twice")
    for numbers in order.values():
        assert numbers == sorted(numbers), explain(play, numbers, "not in their order")
    committed = play.committed()
    wrong = certain - committed - play.unjudged
    assert not wrong, explain(play, wrong, "published, but not in the tables")
    missing = committed - certain - marked - play.unjudged - play.lost - play.plain
    assert not missing, explain(play, missing, "in the tables, but not published")
    needless = marked - play.doubtful - play.unjudged - play.plain - play.lost
    assert not needless, explain(play, needless, "marked, though it could be known")
    return certain, marked


@pytest.fixture
def impatient(server):
    """A server on which nobody waits long for a lock."""
    server.sql(f"CREATE USER IF NOT EXISTS '{USER}'@'%'", f"GRANT ALL ON *.* TO '{USER}'@'%'", "SET GLOBAL innodb_lock_wait_timeout = 1, lock_wait_timeout = 1")
    yield server
    server.sql("SET GLOBAL innodb_lock_wait_timeout = DEFAULT, lock_wait_timeout = DEFAULT")


@pytest.mark.newer_mariadb
@pytest.mark.parametrize("seed", seeds(3))
def test_random_transactions(impatient, proxies, seed):
    server = impatient
    proxy = proxies(server, "--buffer-until-commit=true", "--redact-keys=")
    play = Play(server, proxy, seed)
    play.run()
    proxy.stop()
    play.roll_back_prepared()
    certain, marked = judged(play, proxy.messages.all())
    assert len(certain) > STEPS / 20
