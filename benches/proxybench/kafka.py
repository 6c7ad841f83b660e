"""Just enough of the Kafka protocol to count what a topic holds: Metadata, ListOffsets and DeleteRecords.

Message layouts: https://kafka.apache.org/protocol ; the versions used are ones that brokers from 2.1 to 4.x speak.
A JVM started for each count would take the very CPU that is being measured.
"""

from __future__ import annotations

import socket
import struct

METADATA, LIST_OFFSETS, DELETE_RECORDS = 3, 2, 21
LATEST = -1
HIGH_WATERMARK = -1
RETRIABLE = {3, 5, 6}  # UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER


class KafkaError(Exception):
    pass


class _Reader:
    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    def _take(self, layout: str) -> int:
        (value,) = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return value

    def int8(self) -> int:
        return self._take(">b")

    def int16(self) -> int:
        return self._take(">h")

    def int32(self) -> int:
        return self._take(">i")

    def int64(self) -> int:
        return self._take(">q")

    def string(self) -> str:
        length = self.int16()
        if length < 0:
            return ""
        self._at += length
        return self._data[self._at - length : self._at].decode()


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


class Topic:
    """One topic of a single-broker cluster, which leads every partition."""

    def __init__(self, bootstrap: str, name: str):
        host, _, port = bootstrap.rpartition(":")
        self._address, self.name = (host, int(port)), name

    def _ask(self, api: int, version: int, body: bytes) -> _Reader:
        request = struct.pack(">hhi", api, version, 1) + _string("proxy-bench") + body
        with socket.create_connection(self._address, 10) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            stream = connection.makefile("rb")
            (length,) = struct.unpack(">i", stream.read(4))
            reader = _Reader(stream.read(length))
        reader.int32()  # correlation id
        return reader

    def partitions(self) -> list[int]:
        """The partitions' numbers; creates the topic where the broker creates topics by itself. Empty while it does."""
        reader = self._ask(METADATA, 1, struct.pack(">i", 1) + _string(self.name))
        for _ in range(reader.int32()):  # brokers
            reader.int32(), reader.string(), reader.int32(), reader.string()
        reader.int32()  # controller
        numbers = []
        for _ in range(reader.int32()):
            error, topic = reader.int16(), reader.string()
            reader.int8()  # is internal
            for _ in range(reader.int32()):
                partition_error, number = reader.int16(), reader.int32()
                leader = reader.int32()
                for _ in range(2):  # replicas, in-sync replicas
                    for _ in range(reader.int32()):
                        reader.int32()
                if not partition_error and leader >= 0:
                    numbers.append(number)
            if error and error not in RETRIABLE:
                raise KafkaError(f"topic {topic}: error {error}")
        return numbers

    def end_offset(self) -> int:
        """The sum of the partitions' end offsets: what has ever been written, for topics without transactions."""
        numbers = self.partitions()
        body = struct.pack(">ii", -1, 1) + _string(self.name) + struct.pack(">i", len(numbers))
        body += b"".join(struct.pack(">iq", number, LATEST) for number in numbers)
        reader = self._ask(LIST_OFFSETS, 1, body)
        total = 0
        for _ in range(reader.int32()):
            reader.string()
            for _ in range(reader.int32()):
                number, error = reader.int32(), reader.int16()
                reader.int64()  # timestamp
                offset = reader.int64()
                if error:
                    raise KafkaError(f"partition {number} of {self.name}: error {error}")
                total += offset
        return total

    def truncate(self) -> None:
        """Lets the broker forget all records, so that a long benchmark does not fill the disk."""
        numbers = self.partitions()
        body = struct.pack(">i", 1) + _string(self.name) + struct.pack(">i", len(numbers))
        body += b"".join(struct.pack(">iq", number, HIGH_WATERMARK) for number in numbers)
        self._ask(DELETE_RECORDS, 1, body + struct.pack(">i", 10_000))
