"""Just enough of the MySQL protocol to log in, run a statement in text and read its rows.

Plain connections and users without a password only (the reply to the challenge is then empty).
"""

from __future__ import annotations

import socket
import struct

CLIENT_LONG_PASSWORD = 1
CLIENT_PROTOCOL_41 = 1 << 9
CLIENT_SECURE_CONNECTION = 1 << 15
CLIENT_PLUGIN_AUTH = 1 << 19
UTF8MB4_GENERAL_CI = 45


class MysqlError(Exception):
    pass


class Connection:
    """`address` is a Unix socket's path or a (host, port)."""

    def __init__(self, address: str | tuple[str, int], user: str, timeout: float = 30.0):
        if isinstance(address, str):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout)
            self._socket.connect(address)
        else:
            self._socket = socket.create_connection(address, timeout)
        self._sequence = 0
        try:
            self._login(user)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _read_exactly(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            part = self._socket.recv(length - len(parts))
            if not part:
                raise MysqlError("the connection was closed")
            parts += part
        return bytes(parts)

    def _read(self) -> bytes:
        header = self._read_exactly(4)
        self._sequence = header[3] + 1
        return self._read_exactly(int.from_bytes(header[:3], "little"))

    def _write(self, payload: bytes) -> None:
        self._socket.sendall(len(payload).to_bytes(3, "little") + bytes([self._sequence & 255]) + payload)
        self._sequence += 1

    def _login(self, user: str) -> None:
        greeting = self._read()
        _raise_if_error(greeting)
        self.server_version = greeting[1 : greeting.index(0, 1)].decode()
        flags = CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH
        self._write(
            struct.pack("<IIB23x", flags, 1 << 24, UTF8MB4_GENERAL_CI)
            + user.encode() + b"\0"
            + b"\0"  # length of the reply to the challenge: no password
            + b"caching_sha2_password\0"
        )
        while (packet := self._read())[0] != 0x00:
            _raise_if_error(packet)
            if packet[0] == 0xFE:  # AuthSwitchRequest: an empty password has an empty answer whatever the plug-in
                self._write(b"")

    def query(self, sql: str) -> list[list[str | None]]:
        self._sequence = 0
        self._write(b"\x03" + sql.encode())
        first = self._read()
        _raise_if_error(first)
        if first[0] == 0x00:
            return []
        columns, _ = _length_encoded(first, 0)
        for _ in range(columns + 1):  # the column definitions and an EOF
            self._read()
        rows = []
        while True:
            packet = self._read()
            _raise_if_error(packet)
            if packet[0] == 0xFE and len(packet) < 9:
                return rows
            row, at = [], 0
            for _ in range(columns):
                if packet[at] == 0xFB:
                    row.append(None)
                    at += 1
                    continue
                length, at = _length_encoded(packet, at)
                row.append(packet[at : at + length].decode())
                at += length
            rows.append(row)

    def close(self) -> None:
        try:
            self._sequence = 0
            self._write(b"\x01")  # COM_QUIT
        except OSError:
            pass
        self._socket.close()


def _length_encoded(packet: bytes, at: int) -> tuple[int, int]:
    first = packet[at]
    if first < 0xFB:
        return first, at + 1
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(packet[at + 1 : at + 1 + width], "little"), at + 1 + width


def _raise_if_error(packet: bytes) -> None:
    if packet[0] == 0xFF:
        # 0xFF, two bytes of code, '#' and five of SQL state, text
        raise MysqlError(f"ERROR {int.from_bytes(packet[1:3], 'little')}: {packet[9:].decode(errors='replace')}")


def statements_executed(connection: Connection) -> int:
    """Statements that the server has executed for its clients, failed ones included.

    The sum of the `Com_` counters, each of which counts one kind of statement, whether it came as text or as
    an execute of a prepared one. `Com_stmt_*` count the protocol's commands a second time, `Com_admin_commands`
    pings and their like, and `Com_show_status` this very query.
    """
    return sum(
        int(value)
        for name, value in connection.query("SHOW GLOBAL STATUS LIKE 'Com\\_%'")
        if not name.startswith("Com_stmt_") and name not in ("Com_admin_commands", "Com_show_status")
    )
