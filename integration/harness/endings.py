"""Two ends of a connection that can be ended in every way, and see in which way the other one was."""

import socket
import ssl
import struct

from . import PATIENCE


class End:
    """One end: a socket, later perhaps with TLS around it. TLS works in memory, so that a FIN and a close_notify are two things."""

    def __init__(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(PATIENCE)
        self.sock, self.tls, self.data, self.seen = sock, None, b"", []
        self.notified = False

    # --- sending

    def _flush(self):
        if self.tls and (out := self.outgoing.read()):
            self.sock.sendall(out)

    def sendall(self, data):
        if self.tls:
            self.tls.write(data)
            self._flush()
        else:
            self.sock.sendall(data)

    def start_tls(self, context, server_side):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.incoming.write(self.data)
        self.data = b""
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server_side)
        while True:
            try:
                self.tls.do_handshake()
                return self._flush()
            except ssl.SSLWantReadError:
                self._flush()
                got = self.sock.recv(1 << 16)
                if not got:
                    raise EOFError("closed in the TLS handshake") from None
                self.incoming.write(got)

    # --- reading

    def _take(self, got):
        """What raw bytes are worth: data, and perhaps the news that nothing more comes."""
        if not self.tls:
            self.data += got
            return
        self.incoming.write(got)
        while not self.notified:
            try:
                # b"" is a close_notify that came: ssl makes no error of it here.
                part = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLZeroReturnError:
                part = b""
            if not part:
                self.notified = True
                self.seen.append("close_notify")
                return
            self.data += part

    def recv(self, size=1 << 20):
        """Data, or b"" after an ending (for the protocol's harness)."""
        while not self.data and not self.seen:
            self.look()
        part, self.data = self.data[:size], self.data[size:]
        return part

    def look(self):
        """Reads once and notes an ending."""
        try:
            got = self.sock.recv(1 << 16)
        except ConnectionError:
            self.seen.append("RST")
            return
        if got:
            self._take(got)
        else:
            self.seen.append("FIN")

    def endings(self, keep_data=True):
        """Reads to the connection's end; returns how it ended."""
        while not self.seen or self.seen[-1] == "close_notify":
            self.look()
            if not keep_data:
                self.data = b""
        return self.seen

    # --- ending

    def notify(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()

    def end(self, how):
        """FIN: as the system ends a killed process's connection. close: as a library does, with TLS's goodbye first. notify: that goodbye alone.
        RST: without mercy."""
        if how == "RST":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how in ("close", "notify") and self.tls:
            self.notify()
        if how != "notify":
            self.sock.close()

    def close(self):
        self.sock.close()


def stuff(end, data):
    """Sends as much as there is room for while nothing reads."""
    if end.tls:
        end.tls.write(data)
        data = end.outgoing.read()
    data = memoryview(data)
    end.sock.settimeout(0.3)
    try:
        while len(data):
            data = data[end.sock.send(data):]
    except TimeoutError:
        pass
    finally:
        end.sock.settimeout(PATIENCE)
    assert len(data), "all of it found room"
