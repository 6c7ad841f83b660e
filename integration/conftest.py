"""Servers that live as long as the session, and a proxy per test."""


import pytest

from harness import file_system
from harness.binlog import Binlog
from harness.door import Door
from harness.fake import Fake
from harness.proxy import Proxy
from harness.servers import Kafka, SqlServer
from harness.tls import certificate

RELEASES = {"mysql": "mysql", "mariadb": "mariadb", "mariadb-11.8": "mariadb_11_8"}
SIZES = ["--max-allowed-packet=256M", "--local-infile=ON", "--log-output=TABLE"]
# Servers whose binary log is read: what differs from the defaults is what row-based replication usually has on.
BINLOG = {"mysql": ["--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--binlog-row-metadata=FULL"],
          "mariadb": ["--log-bin=binlog", "--server-id=7", "--binlog-format=ROW", "--binlog-row-metadata=FULL"]}
# A broker and its controller are one process: one that got no processor for three seconds (kafka.sh) would declare itself dead.
STEADY = "broker.session.timeout.ms=30000"
ADMIN = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "admin", "sasl.password": "admin-secret"}
JAAS = "org.apache.kafka.common.security"


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


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A broker that speaks nothing but TLS, wants a password, and makes no topics by itself."""
    files = certificate(tmp_path_factory.mktemp("certificates") / "files")
    (files / "server.pem").write_bytes((files / "key.pem").read_bytes() + (files / "cert.pem").read_bytes())
    broker = Kafka(
        tmp_path_factory.mktemp("strict"), STEADY, "auto.create.topics.enable=false",
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_SSL", "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
        "sasl.mechanism.inter.broker.protocol=PLAIN",
        f'listener.name.plaintext.plain.sasl.jaas.config={JAAS}.plain.PlainLoginModule required username="admin" password="admin-secret" '
        'user_admin="admin-secret" user_app="app-secret";',
        f"listener.name.plaintext.scram-sha-256.sasl.jaas.config={JAAS}.scram.ScramLoginModule required;",
        "ssl.keystore.type=PEM", f"ssl.keystore.location={files}/server.pem",
        "ssl.truststore.type=PEM", f"ssl.truststore.location={files}/ca.pem",
    )
    broker.client = {**ADMIN, "ssl.ca.location": str(files / "ca.pem")}
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
def servers(request, mysql, mariadb):
    """MySQL and MariaDB, each as the module's `prepare` makes it."""
    for server in (mysql, mariadb):
        request.module.prepare(server)
    return mysql, mariadb


@pytest.fixture
def door(mariadb):
    """A way to MariaDB that a test can close, and slow down."""
    door = Door(mariadb.address)
    yield door
    door.flow()
    door.shut()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    yield from file_system(tmp_path / "small", 1024)
