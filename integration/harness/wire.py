"""Just enough of the MySQL protocol to say things that no driver would."""

import hashlib
import socket
import struct

from . import PATIENCE

LONG_PASSWORD, FOUND_ROWS, CONNECT_WITH_DB, PROTOCOL_41, SSL, TRANSACTIONS = 1, 2, 8, 0x200, 0x800, 0x2000
SECURE_CONNECTION, MULTI_STATEMENTS, MULTI_RESULTS, PS_MULTI_RESULTS = 0x8000, 0x10000, 0x20000, 0x40000
PLUGIN_AUTH, SESSION_TRACK, DEPRECATE_EOF, QUERY_ATTRIBUTES = 0x80000, 0x800000, 0x1000000, 0x8000000
LOCAL_FILES = 0x80
MORE_RESULTS, CURSOR_EXISTS, PS_OUT_PARAMS = 0x8, 0x40, 0x1000
BASIC = (LONG_PASSWORD | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | MULTI_STATEMENTS | MULTI_RESULTS | PS_MULTI_RESULTS
         | PLUGIN_AUTH | CONNECT_WITH_DB)


def lenenc(data, at=0):
    """A length-encoded integer and where it ends."""
    first = data[at]
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[at + 1:at + 1 + size], "little"), at + 1 + size


class ServerError(Exception):
    def __init__(self, payload, has_state=True):
        self.code = struct.unpack_from("<H", payload, 1)[0]
        rest = payload[3:]
        self.state = rest[1:6].decode() if rest[:1] == b"#" else None
        self.text = (rest[6:] if self.state else rest).decode("utf-8", "replace")
        super().__init__(self.code, self.state, self.text)


class Raw:
    """A connection that speaks packets; `login` is for accounts on a plain leg whose password is cached or empty."""

    def __init__(self, host, port, timeout=PATIENCE):
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.sequence, self.capabilities = b"", 0, 0

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def read_exactly(self, count):
        parts, have = [self.buffer], len(self.buffer)
        while have < count:
            part = self.sock.recv(1 << 20)
            if not part:
                self.buffer = b"".join(parts)
                raise EOFError(f"connection closed after {have} of {count} bytes")
            parts.append(part)
            have += len(part)
        data = b"".join(parts)
        self.buffer = data[count:]
        return data[:count]

    def packet(self):
        """A whole payload, joined from its parts; checks the sequence ids."""
        parts = []
        while True:
            header = self.read_exactly(4)
            assert header[3] == self.sequence, f"sequence id {header[3]}, expected {self.sequence}"
            self.sequence = (self.sequence + 1) % 256
            length = int.from_bytes(header[:3], "little")
            parts.append(self.read_exactly(length))
            if length < 0xFFFFFF:
                return b"".join(parts)

    @staticmethod
    def frame(payload, sequence=0):
        parts = []
        while True:
            part, payload = payload[:0xFFFFFF], payload[0xFFFFFF:]
            parts.append(len(part).to_bytes(3, "little") + bytes([sequence]) + part)
            sequence = (sequence + 1) % 256
            if len(part) < 0xFFFFFF:
                return b"".join(parts), sequence

    def send(self, payload, fresh=True):
        data, self.sequence = self.frame(payload, 0 if fresh else self.sequence)
        self.sock.sendall(data)

    def greeting(self):
        payload = self.packet()
        if payload[0] == 0xFF:
            raise ServerError(payload)
        end = payload.index(0, 1)
        self.version = payload[1:end].decode()
        self.connection_id = struct.unpack_from("<I", payload, end + 1)[0]
        scramble = payload[end + 5:end + 13]
        low, high = struct.unpack_from("<H", payload, end + 14)[0], struct.unpack_from("<H", payload, end + 19)[0]
        self.server_capabilities = low | high << 16
        self.scramble = scramble + payload[end + 32:end + 44]
        self.plugin = payload[end + 45:].partition(b"\0")[0]
        return self

    def login(self, user, password, database="test", capabilities=BASIC, extended=0):
        """`extended`: MariaDB's capabilities, for which LONG_PASSWORD must be left out."""
        self.greeting()
        self.capabilities = capabilities & self.server_capabilities
        payload = struct.pack("<IIB19xI", self.capabilities, 1 << 30, 45, extended) + user.encode() + b"\0"
        token = self.scrambled(self.plugin, password.encode(), self.scramble)
        payload += bytes([len(token)]) + token
        if self.capabilities & CONNECT_WITH_DB:
            payload += database.encode() + b"\0"
        payload += self.plugin + b"\0"
        self.send(payload, fresh=False)
        while True:
            reply = self.packet()
            if reply[0] == 0xFE:
                plugin, _, data = reply[1:].partition(b"\0")
                self.send(self.scrambled(plugin, password.encode(), data.rstrip(b"\0")), fresh=False)
            elif reply[0] == 0xFF:
                raise ServerError(reply)
            elif reply[0] == 0x01:
                assert reply[1] == 3, "full authentication is wanted: log in once with a driver first"
            else:
                return self

    @staticmethod
    def scrambled(plugin, password, scramble):
        if not password:
            return b""
        if plugin == b"mysql_native_password":
            once = hashlib.sha1(password).digest()
            mix = hashlib.sha1(scramble + hashlib.sha1(once).digest()).digest()
        else:
            once = hashlib.sha256(password).digest()
            mix = hashlib.sha256(hashlib.sha256(once).digest() + scramble).digest()
        return bytes(a ^ b for a, b in zip(once, mix))

    def command(self, code, payload=b""):
        self.send(bytes([code]) + payload)

    def query(self, text, attributes=b"\x00\x01"):
        if isinstance(text, str):
            text = text.encode()
        self.command(3, (attributes if self.capabilities & QUERY_ATTRIBUTES else b"") + text)
        return self.results()

    def is_end(self, payload):
        if payload[0] != 0xFE:
            return False
        return len(payload) < 0xFFFFFF if self.capabilities & DEPRECATE_EOF else len(payload) < 9

    def results(self, cursor=False):
        """All results of the command: lists of row payloads, or a number of affected rows. With `cursor` the rows may wait to be fetched."""
        found = []
        while True:
            first, announced = self.packet(), 0
            if first[0] == 0xFF:
                raise ServerError(first)
            if first[0] == 0x00:
                affected, at = lenenc(first, 1)
                _, at = lenenc(first, at)
                found.append(affected)
                status = struct.unpack_from("<H", first, at)[0]
            else:
                columns, _ = lenenc(first)
                for _ in range(columns):
                    self.packet()
                if not self.capabilities & DEPRECATE_EOF:
                    eof = self.packet()
                    if eof[0] == 0xFF:
                        raise ServerError(eof)
                    if cursor and eof[0] == 0x00 and len(eof) == 7:
                        return found + [[]]  # MySQL, where there is nothing to fetch
                    assert self.is_end(eof)
                    announced, = struct.unpack_from("<H", eof, 3)
                    if cursor and announced & CURSOR_EXISTS and not announced & MORE_RESULTS:
                        return found + [[]]
                rows = []
                while True:
                    row = self.packet()
                    if row[0] == 0xFF:
                        raise ServerError(row)
                    if self.is_end(row):
                        break
                    rows.append(row)
                found.append(rows)
                if self.capabilities & DEPRECATE_EOF:
                    _, at = lenenc(row, 1)
                    _, at = lenenc(row, at)
                    status = struct.unpack_from("<H", row, at)[0]
                else:
                    status = struct.unpack_from("<H", row, 3)[0]
            if announced & PS_OUT_PARAMS:
                status |= announced  # MySQL says only there that an OK follows
            if not status & MORE_RESULTS:
                return found
