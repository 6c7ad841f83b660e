"""The throwaway servers that integration/servers/*.sh start and stop."""

import contextlib
import dataclasses
import os
import pathlib
import re
import socket

import pymysql

from . import CACHE, INTEGRATION, missing, run, within

SCRIPTS = INTEGRATION / "servers"
# What `install.sh mariadb-11.8` unpacks.
NEWER_MARIADB = CACHE.resolve() / "mariadb-11.8/bin/mariadbd"


def _env_file(path):
    pairs = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    return {key: value.strip("'\"") for key, value in pairs}


@dataclasses.dataclass
class LogEntry:
    """A line of the server's general log."""

    thread: int
    command: str
    argument: str
    length: int


class SqlServer:
    """A MySQL or MariaDB server: root over its socket without a password, `app`/`app-secret` over TCP.

    Its release is `mysql`, `mariadb` or `mariadb-11.8`; the flavor of both MariaDBs is `mariadb`."""

    def __init__(self, release, folder, *options):
        self.release, self.flavor = release, release.partition("-")[0]
        self.folder, self.options = pathlib.Path(folder), options
        self.script = SCRIPTS / f"{self.flavor}.sh"
        self.env = {**os.environ}
        if release == "mariadb-11.8":
            if not NEWER_MARIADB.exists():
                missing("MariaDB 11.8 (integration/servers/install.sh mariadb-11.8)", optional=True)
            self.env["MARIADBD"] = str(NEWER_MARIADB)
        self.start()

    def start(self):
        tls = ["--with-tls"] if self.flavor == "mariadb" else []
        started = run([self.script, "start", self.folder, *tls, *self.options], env=self.env)
        if started.returncode != 0:
            missing(f"{self.flavor} server: {started.stderr.strip()[-500:]}")
        env = _env_file(self.folder / "env")
        self.host, self.port, self.socket, self.pid = env["HOST"], int(env["PORT"]), env["SOCKET"], int(env["PID"])
        self.version, self.ca = env["VERSION"], env.get("TLS_CA")

    def stop(self):
        run([self.script, "stop", self.folder], env=self.env)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def logs_threads(self):
        """Whether its log says which connection made a row. The MariaDB of the machine may be newer than 10.11."""
        return self.flavor == "mysql" or tuple(map(int, re.findall(r"\d+", self.version)[:2])) >= (11, 5)

    @contextlib.contextmanager
    def root(self, **options):
        db = pymysql.connect(unix_socket=self.socket, user="root", autocommit=True, **{"charset": "utf8mb4", **options})
        try:
            yield db.cursor()
        finally:
            db.close()

    def sql(self, *statements):
        """Runs statements as root, past the proxy, and returns the rows of the last one."""
        with self.root() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def connect(self, **options):
        options = {"user": "app", "password": "app-secret", "database": "test", "autocommit": True, **options}
        return pymysql.connect(host=self.host, port=self.port, ssl_disabled=True, **options)

    def fresh_user(self, name, password):
        """A new account: the first login of it does caching_sha2_password's full authentication."""
        self.sql(f"DROP USER IF EXISTS '{name}'@'%'", f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'",
                 f"GRANT ALL ON *.* TO '{name}'@'%' WITH GRANT OPTION")

    def fresh_databases(self, *names):
        for name in names:
            self.sql(f"DROP DATABASE IF EXISTS `{name}`", f"CREATE DATABASE `{name}`")

    def tool(self, program, *options, **more):
        """Runs a client program of this server's own release as root, and returns what it prints."""
        done = run([self.script, "tool", program, "--no-defaults", f"--socket={self.socket}", "--user=root", *options], env=self.env, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dump(self, database):
        """The database as it is now, as statements."""
        own = ["--set-gtid-purged=OFF"] if self.flavor == "mysql" else []
        return self.tool("mysqldump", *own, "--no-tablespaces", "--single-transaction", "--databases", database)

    def load(self, database, dump):
        """Makes of the database what was dumped of it, perhaps on another server."""
        self.sql(f"DROP DATABASE IF EXISTS `{database}`")
        self.tool(self.flavor, input=dump)

    def general_log_on(self):
        """Logs each command as it arrives (on MySQL before the parser sees it), into a table emptied for this."""
        with self.root() as cursor:
            cursor.execute("SET GLOBAL general_log = OFF")
            cursor.execute("SET GLOBAL log_output = 'TABLE'")
            if self.flavor == "mysql":
                cursor.execute("SET GLOBAL log_raw = ON")
            cursor.execute("TRUNCATE mysql.general_log")
            cursor.execute("SET GLOBAL general_log = ON")

    def general_log_off(self, user):
        """What that user's connections sent, in order; long texts only by their beginning and length."""
        # The last they said may still be on its way.
        within(lambda: not self.connections(user), f"{user}'s connections closed")
        with self.root() as cursor:
            cursor.execute("SET GLOBAL general_log = OFF")
            cursor.execute("SELECT thread_id, command_type, LEFT(argument, 100000), LENGTH(argument) FROM mysql.general_log "
                           f"WHERE user_host LIKE '{user}[{user}]%'")
            text = lambda raw: raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
            return [LogEntry(row[0], text(row[1]), text(row[2]), row[3]) for row in cursor.fetchall()]

    def connections(self, user):
        return self.sql(f"SELECT ID, COMMAND, INFO FROM information_schema.PROCESSLIST WHERE USER = '{user}'")

    @property
    def greeting_version(self):
        """The version as the greeting has it (MariaDB prefixes it)."""
        with self.connect() as db:
            return db.server_version if self.flavor == "mysql" else f"5.5.5-{re.sub('^5.5.5-', '', db.server_version)}"


class Kafka:
    """A one-node broker."""

    def __init__(self, folder, *properties):
        self.folder = pathlib.Path(folder)
        self.script = SCRIPTS / "kafka.sh"
        self.start(*properties)

    def start(self, *properties):
        started = run([self.script, "start", self.folder, *properties])
        if started.returncode != 0:
            missing(f"Kafka: {started.stderr.strip()[-500:]}")
        env = _env_file(self.folder / "env")
        self.bootstrap, self.pid = env["BOOTSTRAP"], int(env["PID"])

    @classmethod
    def beside(cls, folder, controller):
        """One more broker of a cluster whose controller listens on that port."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        os.environ["PORT"] = str(port)
        try:
            return cls(folder, "process.roles=broker", "node.id=2", f"controller.quorum.voters=1@127.0.0.1:{controller}",
                       f"listeners=PLAINTEXT://127.0.0.1:{port}")
        finally:
            del os.environ["PORT"]

    def __getattr__(self, action):
        if action not in ("stop", "pause", "resume"):
            raise AttributeError(action)

        def act():
            done = run([self.script, action, self.folder])
            assert done.returncode == 0, done.stderr
        return act
