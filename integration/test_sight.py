"""Sessions that get out of sight: each says so once, is counted by its reason, and is told from what never was a session."""

import socket
import struct
import threading

import pytest

from harness import PATIENCE, wire, within
from harness.wire import Raw

LOST = 1 << 20


def losses(proxy):
    return proxy.messages.all(lambda m: m["iFlags"] & LOST)


def told(message, proxy, reason):
    assert message["sql"] is None and message["queryParams"] is None
    assert message["errorMessage"].startswith("observation lost: ") and reason in message["errorMessage"], message
    assert len(message["errorMessage"].encode()) <= 512
    assert message["serverHost"] == proxy.upstream and message["connectionId"] > 0 and message["iFlags"] & 9 == 9


def packet(sequence, payload):
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


class Nonsense:
    """A server that accepts every login, answers the first query, and the second with something that is not an answer."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with self.listener.accept()[0] as peer:
            capabilities = wire.BASIC
            peer.sendall(packet(0, b"\x0a9.9.9\0" + struct.pack("<I", 77) + b"12345678\0" + struct.pack(
                "<HBHH", capabilities & 0xFFFF, 45, 2, capabilities >> 16) + b"\x15" + bytes(10) + b"abcdefghijkl\0mysql_native_password\0"))
            ok = b"\0\0\0\x02\0\0\0"
            peer.recv(4096)
            peer.sendall(packet(2, ok))
            for answer in (ok, b"\xfd\x01", ok):
                if peer.recv(4096):
                    peer.sendall(packet(1, answer))
            peer.recv(4096)


def test_an_answer_that_is_none(proxies):
    server = Nonsense()
    proxy = proxies(server.address)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login("somebody", "secret")
        raw.query("DO 1")
        raw.command(3, b"DO 2")
        assert raw.packet() == b"\xfd\x01"
        raw.command(3, b"DO 3")
        raw.packet()
    proxy.stop()
    first, second, loss = proxy.messages.all()
    assert (first["sql"], first["errorMessage"], second["sql"]) == ("DO 1", None, "DO 2")
    told(loss, proxy, "server stream")
    assert (loss["user"], loss["dbName"], loss["connectionId"], loss["executionCount"]) == ("somebody", "test", 77, 2)
    assert "session goes on unobserved" in proxy.log
    assert [proxy.counter(name) for name in ("observer_lost_sessions", "lost_protocol", "lost_backlog", "statements", "not_sessions")] == [
        1, 1, 0, 2, 0]


def test_a_replication_stream(server, proxies):
    # Either server may have no binary log; what is asked for is then refused, and the session continues.
    server.connect().close()
    logs = server.sql("SELECT @@log_bin")[0][0]
    proxy = proxies(server)
    with Raw(proxy.host, proxy.port) as raw:
        raw.login("app", "app-secret")
        raw.query("SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE'")
        raw.command(0x12, struct.pack("<IHI", 4, 1, 4711))
        if logs:
            raw.packet()
        else:
            with pytest.raises(wire.ServerError):
                raw.results()
    proxy.stop()
    assert proxy.counter("observer_lost_sessions") == 0 and proxy.counter("replication_sessions") == logs
    assert len(losses(proxy)) == logs
    for loss in losses(proxy):
        told(loss, proxy, "replication")


def test_what_never_was_a_session(mysql, proxies):
    proxy = proxies(mysql, "--handshake-timeout", 2)
    hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(500)
    for said, first in ((hello, False), (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", False), (b"SSH-2.0-OpenSSH_9.2\r\n", True),
                        (b"\0\0\0\x01", False), (b"\x03\0\0\x01abc", True)):
        with socket.create_connection((proxy.host, proxy.port), PATIENCE) as sock:
            if not first:
                sock.recv(4096)
            sock.sendall(said)
            sock.shutdown(socket.SHUT_WR)
            try:
                while sock.recv(4096):
                    pass
            except ConnectionError:
                pass
    # A probe that says nothing.
    socket.create_connection((proxy.host, proxy.port), PATIENCE).close()
    within(lambda: not mysql.connections("unauthenticated user"), "all of them gone")
    proxy.stop()
    assert proxy.messages.all() == []
    assert (proxy.counter("not_sessions"), proxy.counter("observer_lost_sessions")) == (5, 0)
