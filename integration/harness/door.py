"""A door in front of a server: open, stalled, or shut. Whoever comes through it can be cut off at any time."""

import contextlib
import socket
import struct
import threading
import time


class Door:
    """Forwards TCP connections to a server while it is open."""

    def __init__(self, address):
        self.to = address
        self.listener = None
        self.pairs = []
        self.lock = threading.Lock()
        self.flows = threading.Event()
        self.flows.set()
        self.accepted = 0
        # Connections are reset once the server has said this much in one of them.
        self.break_after = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.open()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def open(self):
        """Whoever connects is let through."""
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def shut(self):
        """As if the server had died: connections break, and nobody listens."""
        if self.listener is not None:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.cut()

    def cut(self):
        """Connections break; new ones are let through."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def stall(self):
        """Bytes stay where they are."""
        self.flows.clear()

    def flow(self):
        self.flows.set()

    def _accept(self, listener):
        while True:
            client = None
            try:
                client, _ = listener.accept()
                host, _, port = self.to.rpartition(":")
                server = socket.create_connection((host, int(port)))
            except OSError:
                if client is not None:
                    client.close()
                if listener.fileno() == -1:
                    return
                time.sleep(0.01)
                continue
            with self.lock:
                self.accepted += 1
                self.pairs.append((client, server))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink, sink is client), daemon=True).start()

    def _pass_on(self, source, sink, is_answer):
        passed = 0
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                self.flows.wait()
                sink.sendall(data)
                passed += len(data)
                if is_answer and self.break_after is not None and passed >= self.break_after:
                    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    # Who waits for it to say something would keep it open.
                    sink.shutdown(socket.SHUT_RD)
                    sink.close()
                    return source.shutdown(socket.SHUT_RDWR)
        # Also if the other end was reset: whoever is here must notice.
        with contextlib.suppress(OSError, ValueError):
            sink.shutdown(socket.SHUT_WR)
