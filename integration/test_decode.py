"""`decode`: captured packets become the same messages that the proxy has made of the same sessions."""

import pytest

from harness.packets import Decoded, Dump
from harness.proxy import FIELDS

# What cannot be the same: when the packets came and how long it took them, how the client's host is called, and how many connections were open.
APART = {"timestamp", "durationNs", "client", "totalPoolCount"}
DB = "decoded"


@pytest.fixture
def dumps(tmp_path):
    """Starts captures for a test and kills what is left of them at its end."""
    started = []

    def start(*ports, options=()):
        started.append(Dump(tmp_path / f"capture{len(started)}.pcap", *ports, options=options))
        return started[-1]

    yield start
    for dump in started:
        dump.kill()


def by_session(messages):
    """Each connection's messages in their order, without what cannot be the same."""
    sessions = {}
    for message in messages:
        assert list(message) == FIELDS
        kept = {name: value for name, value in message.items() if name not in APART}
        sessions.setdefault(message["connectionId"], []).append(kept)
    return sessions


def test_messages_are_the_proxys(server, proxies, dumps, tmp_path):
    server.fresh_databases(DB)
    proxy = proxies(server)
    dump = dumps(server.port)
    with proxy.connect(database=DB, autocommit=False) as db, db.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(40), b DECIMAL(10,2))")
        for n in range(50):
            cursor.execute("INSERT INTO t (a, b) VALUES (%s, %s)", (f"größe {n}", n / 4))
        db.commit()
        cursor.execute("UPDATE t SET a = 'x' WHERE id < 10")
        db.rollback()
        cursor.execute("SELECT * FROM t")
        cursor.fetchall()
        with pytest.raises(Exception):
            cursor.execute("SELECT nothing FROM nowhere")
        cursor.execute("SET time_zone = '+02:00'")
        cursor.execute("SELECT NOW()")
    proxy.stop()
    decoded = Decoded(dump.stop(), tmp_path / "decoded", "--port", str(server.port))
    expected = by_session(proxy.messages.all())
    assert expected and by_session(decoded.messages.all()) == expected
