"""A server that says what a test tells it to, byte for byte."""

import contextlib
import socket
import ssl
import struct
import threading

from . import PATIENCE, wire
from .endings import End, stuff
from .tls import certificate, trusting

OK = b"\0\0\0\2\0\0\0"
EOF = b"\xfe\0\0\2\0"


def packets(first, *payloads):
    """Payloads with their headers, numbered from `first` on."""
    return b"".join(len(payload).to_bytes(3, "little") + bytes([(first + at) % 256]) + payload for at, payload in enumerate(payloads))


def greeting(tls):
    flags = wire.BASIC | wire.LOCAL_FILES | (wire.SSL if tls else 0)
    return packets(0, b"\x0a8.0.99-fake\0" + struct.pack("<I", 7) + b"12345678\0" + struct.pack("<HBHH", flags & 0xFFFF, 45, 2, flags >> 16)
                   + bytes([21]) + bytes(10) + b"123456789012\0" + b"mysql_native_password\0")


def login(tls):
    flags = wire.BASIC | wire.LOCAL_FILES | (wire.SSL if tls else 0)
    return struct.pack("<IIB23x", flags, 1 << 24, 45) + b"app\0\0test\0mysql_native_password\0"


COLUMN = b"\3def\0\0\0\1n\0\x0c\x2d\0\xff\xff\0\0\xfd\0\0\0\0\0"
QUERY = packets(0, b"\3SELECT n FROM t")
RESULT = packets(1, b"\1", COLUMN, EOF, *[b"\xfd\xe8\x03\0" + b"x" * 1000] * 14000)
MUCH = packets(0, *[b"\3SELECT '" + b"x" * 60000 + b"'"] * 240)
# Where a session can be. In `result` the server has said more than fits on the way to a client that reads no more; in `unread` the
# client has said more than fits on the way to a server that does not read.
PHASES = ["greeted", "tls", "idle", "running", "result", "infile", "unread"]


class Fake:
    """A server that says what a test tells it to, and clients that reach it directly or through a proxy."""

    def __init__(self, folder):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.address = "127.0.0.1:{}".format(self.listener.getsockname()[1])
        certificate(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    @contextlib.contextmanager
    def session(self, address, tls, phase):
        """A client and the server's end of its session, in that phase."""
        host, _, port = address.rpartition(":")
        client = End(socket.create_connection((host, int(port)), PATIENCE))
        server = End(self.listener.accept()[0])
        with contextlib.closing(client), contextlib.closing(server):
            hello = greeting(tls)
            server.sendall(hello)
            self.expect(client, len(hello))
            if phase != "greeted":
                self.advance(client, server, tls, phase)
            yield client, server

    @staticmethod
    def expect(end, size):
        """What passes through unchanged is as long as it was."""
        got = b""
        while len(got) < size:
            part = end.recv(size - len(got))
            assert part, end.seen
            got += part
        return got

    def advance(self, client, server, tls, phase):
        def tell(sender, receiver, data):
            sender.sendall(data)
            assert self.expect(receiver, len(data)) == data

        if tls:
            tell(client, server, packets(1, struct.pack("<IIB23x", wire.BASIC | wire.SSL, 1 << 24, 45)))
            handshake = threading.Thread(target=server.start_tls, args=(self.context, True))
            handshake.start()
            context = trusting()
            if phase == "tls":
                # Or tickets may come that it has not read, and closing would be a reset.
                context.maximum_version = ssl.TLSVersion.TLSv1_2
            client.start_tls(context, False)
            handshake.join()
        if phase == "tls":
            return
        tell(client, server, packets(2 if tls else 1, login(tls)))
        tell(server, client, packets(3 if tls else 2, OK))
        if phase in ("running", "result", "infile"):
            tell(client, server, QUERY)
        if phase == "infile":
            tell(server, client, packets(1, b"\xfb/a/file"))
            tell(client, server, packets(2, b"half a file\n"))
        elif phase == "result":
            stuff(server, RESULT)
        elif phase == "unread":
            stuff(client, MUCH)
