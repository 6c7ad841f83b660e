"""Servers that live as long as the session, and a proxy per test."""

import pytest

from harness.proxy import Proxy
from harness.servers import Kafka, SqlServer

SIZES = ["--max-allowed-packet=256M", "--local-infile=ON", "--log-output=TABLE"]


def _server(flavor, factory):
    # A session fixture that is missing must be so for every test, by name.
    server = SqlServer(flavor, factory.mktemp(flavor), *SIZES)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mysql(tmp_path_factory):
    yield from _server("mysql", tmp_path_factory)


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory):
    yield from _server("mariadb", tmp_path_factory)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    broker = Kafka(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.stop()


@pytest.fixture(params=["mysql", "mariadb"])
def server(request):
    """Each of both servers in turn."""
    return request.getfixturevalue(request.param)


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
