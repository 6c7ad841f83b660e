"""How connections end: what one side does must reach the other as it would without the proxy. A client's end decides whether its statement
continues, and a server that cannot see it keeps locks for a client that is gone."""

import contextlib
import fcntl
import itertools
import os
import socket
import struct
import termios
import threading

import pytest

from harness import PATIENCE, wire, within
from harness.breadth import LONG
from harness.endings import End
from harness.fake import PHASES, packets
from harness.tls import trusting
from harness.wire import Raw

MODES = {"plain": (["--tls", "terminate"], False), "strip": (["--tls", "strip"], False), "terminate": (["--tls", "terminate"], True),
         "passthrough": (["--tls", "passthrough"], True)}


def ways(tls, phase, side):
    """How that side can end there. One that has something half said cannot say goodbye in TLS any more."""
    if tls and phase not in ("greeted",) and (phase, side) not in (("result", "server"), ("unread", "client")):
        return ["FIN", "close", "notify", "RST"]
    return ["FIN", "RST"]


def ended(ends, side, how):
    """What the other side sees when this one ends."""
    this, other = ends if side == "client" else ends[::-1]
    before = other.data
    if how != "notify":
        this.end(how)
        return other.endings(keep_data=False)
    this.end("notify")
    while not other.seen:
        other.look()
    # And no more than that, for as long as nothing more is sent.
    other.sock.settimeout(0.1)
    with contextlib.suppress(TimeoutError):
        other.look()
    early = list(other.seen)
    other.sock.settimeout(PATIENCE)
    this.end("FIN")
    return [early, other.endings(), before]


@pytest.mark.parametrize("mode", MODES if LONG else ["plain", "terminate"])
def test_endings_are_passed_on_as_they_came(fake, proxies, mode):
    options, tls = MODES[mode]
    proxy = proxies(fake.address, *options)
    wrong = []
    for phase, side in itertools.product(PHASES, ("client", "server")):
        if phase == "tls" and not tls:
            continue
        for how in ways(tls, phase, side):
            seen = []
            for address in (fake.address, proxy.address):
                with fake.session(address, tls, phase) as ends:
                    seen.append(ended(ends, side, how))
            if seen[0] != seen[1]:
                wrong.append(f"{phase}, the {side} ends with {how}: {seen[1]} instead of {seen[0]}")
    assert not wrong, "\n".join(wrong)
    proxy.stop()


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("mode", ["plain", "terminate"])
def test_a_reset_waits_for_what_was_sent_before(fake, proxies, mode, side):
    """What the proxy took is on its way when the reset comes, and may be a COMMIT: it must arrive before."""
    options, tls = MODES[mode]
    proxy = proxies(fake.address, *options)
    with fake.session(proxy.address, tls, "idle") as ends:
        this, other = ends if side == "client" else ends[::-1]
        other.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        data = packets(0, b"\3SELECT '" + b"x" * 700_000 + b"'", b"\3COMMIT")
        this.sendall(data)
        within(lambda: unsent(this.sock) == 0, "the proxy's system has it")
        this.end("RST")
        assert other.endings() == ["RST"]
        assert other.data == data
    proxy.stop()


def unsent(sock):
    """Bytes that the peer's system has not acknowledged."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]


# ---------------------------------------------------------------- real servers

class TlsLogin(Raw):
    """A raw client whose socket can be ended in every way; with TLS if wanted."""

    def __init__(self, address, tls):
        host, _, port = address.rpartition(":")
        super().__init__(host, int(port))
        self.sock, self.tls = End(self.sock), tls

    def greeting(self):
        super().greeting()
        if self.tls:
            self.send(struct.pack("<IIB23x", wire.BASIC | wire.SSL, 1 << 24, 45), fresh=False)
            self.sock.start_tls(trusting(), False)
        return self

    def login(self, *account):
        return super().login(*account, capabilities=wire.BASIC | (wire.SSL if self.tls else 0))


def test_a_server_sees_the_end_of_a_client_whose_statement_runs(server, proxies):
    """It looks for that every few seconds and ends the statement; a client's goodbye in TLS hides its end, with the proxy as without."""
    server.connect().close()
    through = {mode: proxies(server, *options) for mode, (options, _) in MODES.items()}
    running = {}
    for mode, (_, tls) in MODES.items():
        for how, way in itertools.product(("FIN", "close", "RST"), ("direct", "through")):
            number = 1000 + len(running)
            raw = TlsLogin(server.address if way == "direct" else through[mode].address, tls).login("app", "app-secret")
            raw.command(3, b"SELECT SLEEP(%d)" % number)
            running[number] = (mode, how, way, raw)

    def alive():
        rows = server.connections("app")
        return {number for number in running if any(info and f"SLEEP({number})" in str(info) for *_, info in rows)}

    within(lambda: len(alive()) == len(running), "all statements run")
    for _, how, _, raw in running.values():
        raw.sock.end(how)
    def gone(way):
        left = alive()
        return {case[:2] for number, case in running.items() if case[2] == way and number not in left}

    cases = set(itertools.product(MODES, ("FIN", "close", "RST")))
    # All that it sees it sees at about the same time, so that what is left then is what it does not see.
    within(lambda: gone("direct") >= {(mode, how) for mode, how in cases if how != "close" or not MODES[mode][1]},
           "the server noticed the direct clients' ends")
    seen = gone("direct")
    within(lambda: gone("through") >= seen, f"seen through the proxy: {seen}")
    assert gone("through") == gone("direct")
    for thread, _, info in server.connections("app"):
        if info and "SELECT SLEEP(1" in str(info):
            server.sql(f"KILL {thread}")
    for proxy in through.values():
        proxy.stop()


def test_a_client_that_leaves_while_clients_are_held_up_is_gone(server, proxies, tmp_path):
    """With --backpressure=block requests wait, but who has left keeps no locks."""
    server.connect().close()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    proxy = proxies(server, "--backpressure", "block", "--publish-queue-maxsize", 10, "--drain-timeout", 1, sinks=[f"ndjson:{pipe}"])
    leaving = {(tls, how): TlsLogin(proxy.address, tls).login("app", "app-secret")
               for tls, how in [(False, "FIN"), (False, "RST"), (True, "FIN"), (True, "close"), (True, "RST")]}
    busy = TlsLogin(proxy.address, False).login("app", "app-secret")

    def work():
        with contextlib.suppress(EOFError, ConnectionError, AssertionError):
            while True:
                busy.command(3, b"DO '" + b"x" * 5000 + b"'")
                busy.results()

    thread = threading.Thread(target=work)
    thread.start()
    proxy.wait_log("kept waiting")
    for (_, how), raw in leaving.items():
        raw.sock.end(how)
    ids = {raw.connection_id for raw in leaving.values()}
    within(lambda: not ids & {thread for thread, *_ in server.connections("app")}, "the server knows that they are gone")
    proxy.kill()
    thread.join()
    os.close(reader)
