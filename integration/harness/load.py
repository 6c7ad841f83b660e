"""Clients that execute numbered statements, in processes of their own: fast enough for thousands of statements a second, and no one waits for
another's interpreter lock."""

import array
import collections
import contextlib
import multiprocessing
import os
import selectors
import time

import pymysql

from . import PATIENCE

USER, PASSWORD = "faults", "faults-secret"
PROCESSES = 2
REFUSED = 1021


class Load:
    """Each client executes `SELECT 'load', CLIENT, NUMBER`, one after the other, at least `pause` seconds from one to the next, until it is told to stop. A
    client whose connection breaks connects again, to where `proxy` is then; what it was not answered is in flight. One whose statement the
    proxy refuses (error 1021) goes on with the next."""

    def __init__(self, proxy, clients, pause=0):
        spawn = multiprocessing.get_context("spawn")
        self._port, self._stopping = spawn.Value("i", proxy.port), spawn.Event()
        self.proxy = proxy
        self._workers = []
        for first in range(min(PROCESSES, clients)):
            results, sender = spawn.Pipe(duplex=False)
            count = spawn.Value("q", 0, lock=False)
            numbers = list(range(first, clients, PROCESSES))
            process = spawn.Process(target=_work, daemon=True, args=(numbers, pause, self._port, self._stopping, count, sender, os.getpid()))
            process.start()
            self._workers.append((process, results, count))
        # From the stop on, by connection: the statements that were answered, in order, and the one that was not.
        self.answered, self.in_flight, self.refused = {}, {}, 0
        self.began = time.monotonic()
        self.seconds = None

    @property
    def proxy(self):
        return self._proxy

    @proxy.setter
    def proxy(self, proxy):
        self._proxy = proxy
        self._port.value = proxy.port

    def count(self):
        return sum(count.value for _, _, count in self._workers)

    def until(self, more):
        """Until so many more were answered."""
        end, deadline, last = self.count() + more, time.monotonic() + PATIENCE, -1
        while (count := self.count()) < end:
            if count > last:
                last, deadline = count, time.monotonic() + PATIENCE
            assert time.monotonic() < deadline, f"{count} of {end} statements were answered"
            time.sleep(0.02)

    def stop(self):
        self._stopping.set()
        self.seconds = time.monotonic() - self.began
        for process, results, _ in self._workers:
            assert results.poll(PATIENCE + 30), "a client waits"
            answered, in_flight, refused = results.recv()
            for connection, (client, numbers) in answered.items():
                self.answered[connection] = [_text(client, number) for number in numbers]
            self.in_flight |= in_flight
            self.refused += refused
            process.join(PATIENCE)
        return self


def _text(client, number):
    return f"SELECT 'load', {client}, {number}"


class _Client:
    """One session at a time."""

    def __init__(self, number, pause, selector):
        self.number, self.pause, self.selector = number, pause, selector
        self.connection = self.socket = None
        self.last, self.due, self.busy, self.buffer = 0, time.monotonic(), False, bytearray()
        self.answered, self.in_flight, self.refused = {}, {}, 0

    def connect(self, port):
        # Who connects to a port of this machine that nobody listens at may meet himself, and hears nothing.
        try:
            self.connection = pymysql.connect(host="127.0.0.1", port=port, user=USER, password=PASSWORD, database="test", autocommit=True, ssl_disabled=True,
                                              connect_timeout=5, read_timeout=10)
        except (pymysql.MySQLError, OSError):
            self.due = time.monotonic() + 0.05
            return
        # From here on the bytes are ours: a cursor costs more than the statement.
        self.socket = self.connection._sock
        self.socket.setblocking(False)
        self.selector.register(self.socket, selectors.EVENT_READ, self)
        self.id = self.connection.thread_id()
        self.numbers = self.answered.setdefault(self.id, (self.number, array.array("L")))[1]

    def close(self):
        if self.socket is not None:
            self.selector.unregister(self.socket)
            with contextlib.suppress(pymysql.MySQLError, OSError):
                self.connection._force_close() if self.busy else self._quit()
            self.socket, self.busy = None, False
            self.buffer.clear()

    def _quit(self):
        self.socket.setblocking(True)
        self.connection.close()

    def send(self, now):
        self.last += 1
        statement = self.in_flight[self.id] = _text(self.number, self.last)
        body = b"\x03" + statement.encode()
        self.busy, self.due = True, max(now, self.due + self.pause)
        try:
            self.socket.sendall(len(body).to_bytes(3, "little") + b"\0" + body)
        except OSError:
            self.close()

    def receive(self):
        """How many more statements were answered."""
        try:
            part = self.socket.recv(65536)
        except BlockingIOError:
            return 0
        except OSError:
            part = b""
        self.buffer += part
        if not part:
            self.close()
        elif self.buffer[4:5] == b"\xff":
            code = int.from_bytes(self.buffer[5:7], "little")
            if code == REFUSED:
                del self.in_flight[self.id]
                self.refused += 1
                self.busy, self.due = False, time.monotonic() + 0.02
                self.buffer.clear()
            else:
                self.close()
        # Count, three columns, EOF, one row, EOF.
        elif self.buffer[-9:-4] == b"\x05\0\0\x07\xfe":
            del self.in_flight[self.id]
            self.numbers.append(self.last)
            self.busy = False
            self.buffer.clear()
            return 1
        return 0


def _work(numbers, pause, port, stopping, count, sender, parent):
    selector = selectors.DefaultSelector()
    clients = [_Client(number, pause, selector) for number in numbers]
    end = None
    while os.getppid() == parent:
        now = time.monotonic()
        if end is None and stopping.is_set():
            end = now + PATIENCE
        if end is not None and (now > end or not any(client.busy for client in clients)):
            break
        soonest = now + 0.1
        for client in clients:
            if client.busy or end is not None:
                continue
            if client.due <= now:
                client.connect(port.value) if client.socket is None else client.send(now)
            if not client.busy:
                soonest = min(soonest, client.due)
        for key, _ in selector.select(max(0, soonest - time.monotonic())):
            count.value += key.data.receive()
    answered, in_flight = collections.OrderedDict(), {}
    for client in clients:
        client.close()
        answered |= client.answered
        in_flight |= client.in_flight
    sender.send((answered, in_flight, sum(client.refused for client in clients)))
