"""What the documents say: every link leads somewhere, every flag, variable, key and make target exists, and every command in a block that
is marked `sh run` is run against real servers."""

import os
import re
import shutil
import signal
import subprocess
import tomllib

import pymysql
import pytest
import yaml

from harness import CACHE, PATIENCE, ROOT, documents as texts, run, within
from harness.binlog import dumps, execute, file_path, files
from harness.proxy import binary, environment, once
from harness.tls import certificate

DOCUMENTS = texts.documents()
EXAMPLES = ROOT / "docs/examples"
SUBCOMMANDS = ("proxy", "binlog", "inspect")
# Flags of other programs that the documents speak of.
OTHERS = {
    "docker": {"--build", "--build-arg", "--cap-drop", "--output", "--read-only", "--rm", "--stop-timeout", "--wait"},
    "cargo": {"--all-targets", "--bench", "--check", "--dev", "--lib", "--locked", "--no-deps", "--release", "--profile"},
    "clients": {"--get-server-public-key", "--skip-ssl-verify-server-cert", "--ssl-cipher", "--ssl-mode", "--ssl-ca"},
    "servers": {"--disable-log-bin", "--innodb-buffer-pool-size", "--innodb-flush-log-at-trx-commit", "--max-connections", "--with-tls"},
    "sysbench": {"--db-ps-mode", "--mysql-ssl"},
    "mysqlbinlog": {"--raw"},
    "systemctl": {"--now"},
    "pytest": {"--durations"},
}


def ids(items):
    return [item.name for item in items]


@pytest.fixture(scope="module")
def known():
    """Flags and variables of the program: what `--help` says, and the options that it hides."""
    helps = "".join(once(subcommand, "--help").stdout for subcommand in SUBCOMMANDS)
    table = (ROOT / "docs/options.md").read_text()
    flags = set(re.findall(r"--[a-z][a-z0-9-]*", helps)) | set(re.findall(r"^\| `(--[a-z][a-z0-9-]*)", table, re.M)) | {"--version"}
    return flags, set(re.findall(r"\b(?:INTERCEPTOR|DEBUGQUERYINTERCEPTOR)_\w+|\bSERVICE_NAME\b", helps + table))


def scripts():
    """The text of everything that reads variables or options besides the program."""
    paths = [ROOT / "Makefile", *(path for folder in ("integration", "benches", "docker", "fuzz") for path in (ROOT / folder).rglob("*")
                                  if path.suffix in (".sh", ".py", ".rs", ".yaml"))]
    return "".join(path.read_text() for path in paths if "target" not in path.parts and path.name != "test_documents.py")


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids(DOCUMENTS))
def test_links_lead_somewhere(document):
    wrong = []
    for link in document.links():
        path, _, anchor = link.partition("#")
        target = (document.path.parent / path).resolve() if path else document.path
        if not target.exists():
            wrong.append(f"{link}: no such file")
        elif anchor and anchor not in texts.Document(target).anchors():
            wrong.append(f"{link}: no such heading")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids(DOCUMENTS))
def test_what_is_named_exists(document, known):
    flags, variables = known
    other = set().union(*OTHERS.values())
    ours = scripts()
    sources = "".join(path.read_text() for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.rs"))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    wrong = set()
    for code in document.code():
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]", code):
            if flag not in flags and flag not in other and not re.search(re.escape(flag) + r"\b", ours):
                wrong.add(f"{flag}: no such flag")
        for variable in re.findall(r"\b(?:INTERCEPTOR|DEBUGQUERYINTERCEPTOR)_[A-Z_]*[A-Z]\b(?!_)", code):
            if variable not in variables and variable not in ours and variable not in sources:
                wrong.add(f"{variable}: no such variable")
        for words in re.findall(r"(?:^|[`&;] ?|\n)make ((?:[a-z-]+ ?)+)", code):
            wrong |= {f"make {word}: no such target" for word in words.split()[:1] if word not in targets}
    # Files of the repository that are named rather than linked.
    for path in re.findall(r"`((?:src|integration|docs|tests|benches|fuzz|docker)/[\w./-]+)`", document.prose):
        if not (ROOT / path).exists() and not any(part in path for part in ("TARGET", "results", "artifacts", "corpus")):
            wrong.add(f"{path}: no such file")
    assert not wrong, "\n".join(sorted(wrong))


def test_the_walk_leads_through_rooms_that_are_there():
    """Paths in CONTRIBUTING.md, which may leave out where they begin."""
    walk = texts.Document(ROOT / "CONTRIBUTING.md").prose
    there = [f"/{path.relative_to(ROOT)}" for folder in ("src", "docs", "integration", "tests", "benches", "fuzz") for path in (ROOT / folder).rglob("*")]
    paths = re.findall(r"`([\w-]+(?:/[\w.-]+)*\.rs|[\w-]+(?:/[\w-]+)+)/?`", walk)
    assert len(paths) > 40
    missing = {path for path in paths if not any(name.endswith(f"/{path}") for name in there)} - {"fuzz/artifacts/TARGET", "tests/data/fuzz/TARGET"}
    assert not missing, missing


# ---------------------------------------------------------------- examples

def keys(path):
    return tomllib.loads(path.read_text())


def help_of(subcommand):
    return set(re.findall(r"--([a-z][a-z0-9-]*)", once(subcommand, "--help").stdout))


@pytest.mark.parametrize("unit", sorted(EXAMPLES.glob("*.service")), ids=lambda path: path.name)
def test_systemd_units(unit, tmp_path):
    """systemd accepts the unit, and the program accepts the configuration file that it names."""
    text = unit.read_text()
    subcommand, config = re.search(r"^ExecStart=/usr/local/bin/mysql-interceptor (\w+) --config /etc/(\S+)$", text, re.M).groups()
    assert {key.replace("_", "-") for key in keys(EXAMPLES / config)} <= help_of(subcommand)
    if shutil.which("systemd-analyze") is None:
        pytest.skip("missing: systemd-analyze")
    (tmp_path / unit.name).write_text(text.replace("/usr/local/bin/mysql-interceptor", binary()))
    verified = run(["systemd-analyze", "verify", tmp_path / unit.name])
    assert verified.returncode == 0 and unit.name not in verified.stderr, verified.stderr


def test_kubernetes_manifest(known):
    manifest, = yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())
    pod = manifest["spec"]["template"]["spec"]
    sidecar, = pod["initContainers"]
    variables = {variable["name"]: variable["value"] for variable in sidecar["env"]}
    assert set(variables) <= known[1] and sidecar["restartPolicy"] == "Always"
    assert all(isinstance(value, str) for value in variables.values())
    drain = int(variables["INTERCEPTOR_DRAIN_TIMEOUT"].removesuffix("s"))
    assert pod["terminationGracePeriodSeconds"] >= drain + 5
    # The proxy accepts these settings; the brokers' names are not looked up for that.
    refused = once("proxy", "--listen", "192.0.2.1:1", env={name: value for name, value in variables.items() if "KAFKA" not in name})
    assert refused.returncode == 1 and "192.0.2.1:1" in refused.stderr, refused.stderr


def test_the_probe_sees_the_port(mysql, proxies):
    """The command of the probes, with the port of a running proxy: 0 while it listens, and no connection to the server."""
    manifest, = yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())
    sidecar, = manifest["spec"]["template"]["spec"]["initContainers"]
    probes = [sidecar[probe]["exec"]["command"] for probe in ("startupProbe", "livenessProbe")]
    in_text = re.findall(r'command: (\["grep".*\])', (ROOT / "docs/operations.md").read_text())
    assert probes == [yaml.safe_load(in_text[0])] * 2
    proxy = proxies(mysql)
    probe = [part.replace("0CEB", f"{proxy.port:04X}") for part in probes[0]]
    assert probe != probes[0] and run(probe).returncode == 0
    proxy.stop()
    assert proxy.counter("connections") == 0
    assert run(probe).returncode == 1


# ---------------------------------------------------------------- commands

RUN = [block for document in DOCUMENTS for block in document.blocks() if block.is_run]


class Shell:
    """Runs a command of a document, with what it names replaced by what is there: servers, accounts, folders."""

    def __init__(self, folder, server, broker):
        self.folder, self.server = folder, server
        for name in ("bin", "log", "run", "data", "lake"):
            (folder / name).mkdir()
        (folder / "run/pw").write_text("app-secret\n")
        # Started by its name, as a reader does, and with its process id known.
        (folder / "bin/mysql-interceptor").write_text(
            f'#!/bin/sh\necho $$ $1 >>"{folder}/pids"\nexec "{binary()}" "$@" 2>>"{folder}/stderr"\n')
        (folder / "bin/mysql-interceptor").chmod(0o755)
        made = certificate(folder / "tls")
        for name, source in (("proxy-cert.pem", "cert.pem"), ("proxy-key.pem", "key.pem"), ("ca.pem", "ca.pem")):
            shutil.copy(made / source, folder / name)
        self.changes = [(r"db\.example:3306|db:3306", server.address), (r"@db\b", f"@{server.address}"), (r"kafka[-\d]*:9092", broker),
                        (r"repl:secret@", "app:app-secret@"), (r"repl@", "app@"), (r"127\.0\.0\.1:3307", "127.0.0.1:0"),
                        (r"(?<![\w/])(?:/var/log(?:/mysql-interceptor)?|/tmp)/", f"{folder}/log/"),
                        (r"(?<![\w/])/(run|data|lake)/", rf"{folder}/\1/")]
        self.process = None

    def start(self, command):
        for pattern, text in self.changes:
            command = re.sub(pattern, text, command)
        for name in ("pids", "stderr"):
            (self.folder / name).write_text("")
        self.command = command
        env = environment({"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "INTERCEPTOR_BINARY": binary(), "INTERCEPTOR_CACHE": str(CACHE)})
        if " proxy" in command and "--listen" not in command:
            env["INTERCEPTOR_LISTEN"] = "127.0.0.1:0"
        with open(self.folder / "stdout", "wb") as out:
            self.process = subprocess.Popen(["bash", "-c", f"set -o pipefail; {command}"], env=env, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, cwd=ROOT if command.startswith("make") else self.folder,
                                            start_new_session=True)
        return self

    def text(self, name):
        return re.sub(r"\x1b\[[0-9;]*m", "", (self.folder / name).read_text(errors="replace"))

    def wait(self, condition, what):
        def look():
            assert self.process.poll() is None, f"{self.command} ended:\n{self.text('stdout')[-2000:]}{self.text('stderr')[-2000:]}"
            return condition()
        return within(look, f"{what}: {self.command}")

    def stop(self):
        """SIGTERM to our program alone, which is the first of a pipe: the others end with their input."""
        first = re.search("mysql-interceptor (\\w+)", self.command)[1]
        os.kill(int(re.search(rf"^(\d+) {first}$", self.text("pids"), re.M)[1]), signal.SIGTERM)

    def finish(self, timeout=PATIENCE):
        code = self.process.wait(timeout)
        assert code == 0, f"{self.command}: exit code {code}\n{self.text('stdout')[-2000:]}{self.text('stderr')[-2000:]}"
        for name in ("stdout", "stderr"):
            assert "panicked" not in self.text(name), self.text(name)
        assert not re.search(r"^(error:|\S+ +ERROR )|no effect", self.text("stderr"), re.M), f"{self.command}:\n{self.text('stderr')}"

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="module")
def short_log(binlog_mysql):
    """Nothing of what other tests have left: a stop is not to come in the middle of a large transaction."""
    binlog_mysql.sql("FLUSH BINARY LOGS")
    binlog_mysql.sql(f"PURGE BINARY LOGS TO '{files(binlog_mysql)[-1]}'")


@pytest.fixture
def shell(tmp_path, binlog_mysql, short_log, kafka):
    binlog_mysql.sql("SET GLOBAL binlog_row_metadata = FULL")
    shell = Shell(tmp_path, binlog_mysql, kafka.bootstrap)
    yield shell
    shell.kill()


def proxy_command(shell, command):
    shell.start(command)
    port = shell.wait(lambda: re.search(r"listening on \S*:(\d+)", shell.text("stderr")), "it listens")[1]
    db = pymysql.connect(host="127.0.0.1", port=int(port), user="app", password="app-secret", database="test", ssl_disabled=True)
    with db.cursor() as cursor:
        execute(cursor, "SELECT SLEEP(0.01)", "SELECT 'documents'")
    db.close()
    shell.stop()
    shell.finish()
    delivered = re.findall(r"sink closed .*delivered=(\d+)", shell.text("stderr"))
    assert len(delivered) == max(1, command.count("--sink") + ("ootstrap" in command or "BOOTSTRAP" in command))
    assert all(int(number) >= 2 for number in delivered), shell.text("stderr")


def binlog_command(shell, command):
    server = shell.server
    if "--file" in command:
        old = files(server)
        change(server)
        server.sql("FLUSH BINARY LOGS")
        change(server)
        server.sql("FLUSH BINARY LOGS")
        first, second = files(server)[len(old) - 1:-1]
        shutil.copy(file_path(server, first), shell.folder / "binlog.000001")
        run(["zstd", "-q", "-f", file_path(server, second), "-o", shell.folder / "binlog.000002.zst"]).check_returncode()
    before = dumps(server)
    shell.start(command)
    if "--file" not in command and "--until" not in command:
        shell.wait(lambda: dumps(server) - before, "the server sends its binlog")
        change(server)
        if "ndjson:" in command:
            shell.wait(lambda: any(path.stat().st_size for path in shell.folder.glob("data/*.ndjson")), "a row is in the file")
        elif "--sink" not in command:
            shell.wait(lambda: "shop" in shell.text("stdout"), "a row is shown")
        shell.stop()
    shell.finish()


def change(server):
    server.sql("CREATE DATABASE IF NOT EXISTS shop", "CREATE TABLE IF NOT EXISTS shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, state TEXT)",
               "INSERT INTO shop.orders (state) VALUES ('new')", "UPDATE shop.orders SET state = 'paid' WHERE state = 'new'")


def inspect_command(shell, command, messages):
    if command.startswith("zstdcat"):
        (shell.folder / "sql.ndjson.1").write_text(messages)
        run(["zstd", "-q", "--rm", shell.folder / "sql.ndjson.1"]).check_returncode()
    shell.start(command)
    if "--follow" in command:
        shell.wait(lambda: shell.text("stdout"), "it shows a message")
        shell.stop()
    shell.finish()
    assert shell.text("stdout") or "--debug" in command, command


@pytest.fixture(scope="module")
def messages(binlog_mysql, kafka, tmp_path_factory):
    """A message that is in Kafka's topic too."""
    from harness.proxy import Proxy
    proxy = Proxy(binlog_mysql, tmp_path_factory.mktemp("messages"), "--kafka-bootstrap-servers", kafka.bootstrap)
    with proxy.connect() as db, db.cursor() as cursor:
        cursor.execute("SELECT 'documents'")
    proxy.stop()
    return "".join(f"{line}\n" for line in proxy.messages.lines())


@pytest.mark.parametrize("block", RUN, ids=ids(RUN))
def test_commands(block, shell, messages):
    for command in block.commands():
        programs = [part.split()[0] for part in command.split(" | ")]
        if any("=" not in name and name != "mysql-interceptor" and shutil.which(name) is None for name in programs):
            continue  # such as duckdb: not needed for anything else
        if command.startswith("make"):
            shell.start(command).finish(timeout=10 * PATIENCE)
            assert "UPDATE account" in shell.text("stdout")
        elif re.search(r"mysql-interceptor proxy", command):
            proxy_command(shell, command)
        elif re.search(r"mysql-interceptor binlog", command):
            binlog_command(shell, command)
        elif re.search(r"mysql-interceptor inspect", command):
            inspect_command(shell, command, messages)
        else:
            raise AssertionError(f"this test does not know how to run {command!r}")
