"""The client programs: how each is built and run, and with which modes on which servers."""

import dataclasses
import functools
import hashlib
import os
import shutil
import sys

from . import CACHE, INTEGRATION, missing, run

CLIENTS = INTEGRATION / "clients"
BUILT = CACHE / "clients"


def _need(tool):
    if not shutil.which(tool):
        missing(tool)


def _checked(command, **options):
    done = run(command, timeout=900, **options)
    if done.returncode != 0:
        missing(f"{' '.join(str(part) for part in command[:3])} fails: {(done.stderr or done.stdout).strip()[-800:]}")


def _once(folder, *inputs):
    """An empty folder to fill, or None where an earlier run filled it from the same inputs. Call done() when it is full."""
    stamp, target = folder / ".stamp", hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    if stamp.exists() and stamp.read_text() == target:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return lambda: stamp.write_text(target)


@functools.cache
def _python():
    return [sys.executable, CLIENTS / "python/client.py"], {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}  # a SET is printed as a set


@functools.cache
def _java():
    for tool in ("java", "javac", "mvn"):
        _need(tool)
    jars, classes = BUILT / "java/jars", BUILT / "java/classes"
    if done := _once(jars, CLIENTS / "java/pom.xml"):
        _checked(["mvn", "-q", "-B", "-f", CLIENTS / "java/pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={jars}",
                  "-DincludeScope=runtime"])
        done()
    if done := _once(classes, CLIENTS / "java/Client.java"):
        _checked(["javac", "-encoding", "UTF-8", "-d", classes, CLIENTS / "java/Client.java"])
        done()
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx700m", "-cp", f"{jars}/*:{classes}", "Client"], {}


@functools.cache
def _go():
    _need("go")
    program = BUILT / "go/client"
    if done := _once(program.parent, *(CLIENTS / "go" / name for name in ("client.go", "go.mod", "go.sum"))):
        _checked(["go", "build", "-o", program, "."], cwd=CLIENTS / "go")
        done()
    return [program], {}


@functools.cache
def _node():
    for tool in ("node", "npm"):
        _need(tool)
    folder = BUILT / "node"
    if done := _once(folder, CLIENTS / "node/package.json", CLIENTS / "node/package-lock.json"):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CLIENTS / "node" / name, folder)
        _checked(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder)
        done()
    return ["node", CLIENTS / "node/client.js"], {"NODE_PATH": str(folder / "node_modules")}


@functools.cache
def _rust():
    _need("cargo")
    target = BUILT / "rust"
    _checked(["cargo", "build", "--locked", "--manifest-path", CLIENTS / "rust/Cargo.toml"], env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    return [target / "debug/client-mysql-async"], {}


@functools.cache
def _php():
    if not shutil.which("php"):
        missing("php", optional=True)
    if run(["php", "-r", "exit(extension_loaded('mysqli') ? 0 : 1);"]).returncode:
        missing("PHP's mysqli", optional=True)
    return ["php", "-d", "memory_limit=1G", CLIENTS / "php/client.php"], {}


@functools.cache
def _ruby():
    if not shutil.which("ruby"):
        missing("ruby", optional=True)
    if run(["ruby", "-e", "require 'mysql2'"]).returncode:
        missing("Ruby's mysql2 (integration/servers/install.sh ruby)", optional=True)
    return ["ruby", CLIENTS / "ruby/client.rb"], {}


def _perl(driver):
    if run(["perl", "-e", f"use DBD::{driver}"]).returncode:
        missing(f"Perl's DBD::{driver} (integration/servers/install.sh perl)", optional=True)
    return ["perl", CLIENTS / "perl/client.pl"], {}


@functools.cache
def _perl_mysql():
    return _perl("mysql")


@functools.cache
def _perl_mariadb():
    return _perl("MariaDB")


@dataclasses.dataclass(frozen=True)
class Client:
    """One way in which a driver is used. `tls`: also run over TLS. `warm`: its driver cannot do caching_sha2_password's full
    authentication without TLS, so another client must have logged in first."""

    name: str
    build: object
    mode: str
    tls: bool = False
    servers: tuple = ("mysql", "mariadb")
    warm: bool = False

    def run(self, host, port, user, password, database, tls, expect):
        command, env = self.build()
        options = [f"--mode={self.mode}"] + (["--tls"] if tls else []) + ([f"--expect={expect}"] if expect else [])
        return run([*command, host, port, user, password, database, *options], env={**os.environ, **env}, timeout=300)


class CommandLine(Client):
    """The mysql and mariadb programs, fed with a script of SQL."""

    def run(self, host, port, user, password, database, tls, expect):
        folder = BUILT / "cli"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(CLIENTS / "cli/rows.tsv", folder)
        if expect:
            shutil.copy(CLIENTS / "cli/expect.ndjson", expect)
        options = [f"--host={host}", f"--port={port}", f"--user={user}", f"--password={password}", "--protocol=tcp", "--force", "-v", "-v",
                   "--default-character-set=utf8mb4", "--max-allowed-packet=64M", "--local-infile=1"]
        if self.mode == "mysql":
            options += ["--ssl-mode=REQUIRED"] if tls else ["--ssl-mode=DISABLED", "--get-server-public-key"]
        else:
            options += ["--ssl", "--skip-ssl-verify-server-cert"] if tls else ["--skip-ssl"]
            for plugin in CACHE.glob("mariadb/root/usr/lib/*/libmariadb3/plugin"):
                options.append(f"--plugin-dir={plugin}")
        digits = "".join(f"{n:08d}" for n in range(20 * 1024 * 1024 // 8))
        script = (CLIENTS / "cli/script.sql").read_text().replace("LARGE", digits)
        done = run([INTEGRATION / "servers" / f"{self.mode}.sh", "cli", *options, database], input=script, cwd=folder, timeout=300)
        if "unknown variable" in done.stderr or "cannot open shared object" in done.stderr:
            missing(f"{self.mode} command line client: {done.stderr.strip()[-300:]}")
        done.stdout += done.stderr
        done.returncode = 0  # with --force it tells only that a statement failed
        return done


ALL = [
    CommandLine("mysql-cli", None, "mysql", tls=True),
    CommandLine("mariadb-cli", None, "mariadb", tls=True),
    Client("pymysql", _python, "pymysql", tls=True),
    Client("sqlalchemy", _python, "sqlalchemy", tls=True),
    Client("connector-python", _python, "connector-pure", servers=("mysql",), warm=True),
    Client("connector-python-c", _python, "connector-c", servers=("mysql",), warm=True),
    Client("connector-python-prepared", _python, "connector-prepared", tls=True, servers=("mysql",), warm=True),
    Client("connector-j", _java, "client", tls=True),
    Client("connector-j-prepared", _java, "server", tls=True),
    Client("connector-j-cursor", _java, "cursor"),
    Client("connector-j-rewrite", _java, "rewrite", servers=("mysql",)),
    Client("connector-j-prepared-rewrite", _java, "server-rewrite", servers=("mariadb",)),
    Client("mariadb-j-prepared", _java, "mariadb-server", tls=True, servers=("mariadb",)),
    Client("mariadb-j-bulk", _java, "mariadb-server-bulk", servers=("mariadb",)),
    Client("go", _go, "text"),
    Client("go-prepared", _go, "prepared", tls=True),
    Client("mysql2", _node, "query", tls=True),
    Client("mysql2-execute", _node, "execute", servers=("mysql",)),
    Client("node-mariadb", _node, "mariadb", servers=("mariadb",)),
    Client("node-mariadb-execute", _node, "mariadb-execute", tls=True, servers=("mariadb",)),
    Client("mysql-async", _rust, "text"),
    Client("mysql-async-prepared", _rust, "prepared", tls=True),
    Client("php-mysqli", _php, "text"),
    Client("php-mysqli-prepared", _php, "prepared", tls=True),
    Client("ruby-mysql2", _ruby, "text"),
    Client("ruby-mysql2-prepared", _ruby, "prepared"),
    Client("perl-mysql", _perl_mysql, "mysql"),
    Client("perl-mysql-prepared", _perl_mysql, "mysql-prepared"),
    Client("perl-mariadb", _perl_mariadb, "mariadb"),
    Client("perl-mariadb-prepared", _perl_mariadb, "mariadb-prepared"),
]
