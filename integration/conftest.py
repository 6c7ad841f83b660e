"""Servers that live as long as the session, and a proxy per test."""

import os
import subprocess

import pytest

from harness.binlog import Binlog
from harness.fake import Fake
from harness.proxy import Proxy
from harness.servers import Kafka, SqlServer

RELEASES = {"mysql": "mysql", "mariadb": "mariadb", "mariadb-11.8": "mariadb_11_8"}
SIZES = ["--max-allowed-packet=256M", "--local-infile=ON", "--log-output=TABLE"]
# Servers whose binary log is read: what differs from the defaults is what row-based replication usually has on.
BINLOG = {"mysql": ["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--binlog-row-metadata=FULL"],
          "mariadb": ["--log-bin=binlog", "--server-id=7", "--binlog-format=ROW", "--binlog-row-metadata=FULL"]}
# A broker and its controller are one process: one that got no processor for three seconds (kafka.sh) would declare itself dead.
STEADY = "broker.session.timeout.ms=30000"


def pytest_generate_tests(metafunc):
    """Each of both servers in turn, and MariaDB 11.8 where the test is marked so: most tests are about our program more than about
    the server, and time is short."""
    releases = list(RELEASES) if metafunc.definition.get_closest_marker("newer_mariadb") else ["mysql", "mariadb"]
    for name, scope in (("server", None), ("writer", None), ("pair", "module")):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, releases, indirect=True, scope=scope)


def _server(release, factory, *options):
    # A session fixture that is missing must be missing for every test, by name.
    server = SqlServer(release, factory.mktemp(release), *SIZES, *options)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mysql(tmp_path_factory):
    yield from _server("mysql", tmp_path_factory)


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory):
    yield from _server("mariadb", tmp_path_factory)


@pytest.fixture(scope="session")
def mariadb_11_8(tmp_path_factory):
    yield from _server("mariadb-11.8", tmp_path_factory)


@pytest.fixture(scope="session")
def binlog_mysql(tmp_path_factory):
    yield from _server("mysql", tmp_path_factory, *BINLOG["mysql"])


@pytest.fixture(scope="session")
def binlog_mariadb(tmp_path_factory):
    yield from _server("mariadb", tmp_path_factory, *BINLOG["mariadb"])


@pytest.fixture(scope="session")
def binlog_mariadb_11_8(tmp_path_factory):
    yield from _server("mariadb-11.8", tmp_path_factory, *BINLOG["mariadb"])


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    broker = Kafka(tmp_path_factory.mktemp("kafka"), STEADY)
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def fake(tmp_path_factory):
    return Fake(tmp_path_factory.mktemp("fake"))


@pytest.fixture
def server(request):
    """Each server in turn (pytest_generate_tests)."""
    return request.getfixturevalue(RELEASES[request.param])


@pytest.fixture
def writer(request):
    """Each server with a binary log in turn, which is written the plain way whatever the test before has set."""
    server = request.getfixturevalue(f"binlog_{RELEASES[request.param]}")
    server.sql("SET GLOBAL binlog_row_metadata = FULL")
    if server.flavor == "mariadb":
        server.sql("SET GLOBAL log_bin_compress = OFF")
    return server


@pytest.fixture
def db(writer, request):
    """Each of them with an empty database, the module's `DB`."""
    writer.fresh_databases(request.module.DB)
    return writer


@pytest.fixture
def session(db, request):
    """A cursor in that database, of a session as root."""
    with db.root(database=request.module.DB) as cursor:
        yield cursor


@pytest.fixture
def binlogs(tmp_path):
    """Starts `binlog` for a test and kills what is left of it at the end."""
    started = []

    def start(*options, **more):
        started.append(Binlog(tmp_path / f"binlog{len(started)}", *options, **more))
        return started[-1]

    yield start
    for binlog in started:
        binlog.kill()
    for binlog in started:
        assert "panicked" not in binlog.log, binlog.log


@pytest.fixture
def proxies(tmp_path):
    """Starts proxies for a test and kills what is left of them at its end."""
    started = []

    def start(upstream, *options, **more):
        proxy = Proxy(upstream, tmp_path / f"proxy{len(started)}", *options, **more)
        started.append(proxy)
        return proxy

    yield start
    for proxy in started:
        proxy.kill()
    for proxy in started:
        assert "panicked" not in proxy.log, proxy.log


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1024k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
