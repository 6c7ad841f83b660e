#!/usr/bin/env python3
"""Writes the seeds of the target `capture` in tests/data/fuzz: the beginnings of sessions in tests/captured, as packets on several links.
No other file there is touched, so seeds of bugs that were found stay. The seed of `recording` is what
`decode --record` makes of `cooked` without its first two bytes."""

import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "integration"))
from harness import links, packets  # noqa: E402

SEEDS = ROOT / "tests/data/fuzz/capture"
CLIENT, SERVER = (b"\x0a\0\0\1", 40000), (b"\x0a\0\0\2", 3306)
FIN, SYN, ACK = 1, 2, 16
# How long the pieces are in which the fuzz target gets the capture.
PIECE = struct.pack("<H", 300)


def frame(source, destination, numbers, flags, payload=b""):
    tcp = struct.pack(">HHIIBBHHH", source[1], destination[1], *numbers, 0x50, flags, 0xFFFF, 0, 0) + payload
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + source[0] + destination[0]
    return links.ethernet(ip + links.checksummed(source[0], destination[0], tcp))


def session(name, records):
    """The packets of the first records of a captured session, a millisecond apart."""
    data = (ROOT / f"tests/captured/{name}.bin").read_bytes()
    # Sequence numbers, which wrap soon.
    ends, next_numbers = {b"C": (CLIENT, SERVER), b"S": (SERVER, CLIENT)}, {b"C": 0xFFFFFF00, b"S": 7}
    frames = []

    def send(who, flags, payload=b""):
        other = b"S" if who == b"C" else b"C"
        frames.append(frame(*ends[who], (next_numbers[who], next_numbers[other] if flags & ACK else 0), flags, payload))
        next_numbers[who] = (next_numbers[who] + len(payload) + bool(flags & (SYN | FIN))) & 0xFFFFFFFF

    send(b"C", SYN), send(b"S", SYN | ACK), send(b"C", ACK)
    at = 0
    while at < len(data) and len(frames) < records:
        length, = struct.unpack_from("<I", data, at + 1)
        for begin in range(0, length, 1000):
            send(data[at:at + 1], ACK, data[at + 5 + begin:at + 5 + min(begin + 1000, length)])
        at += 5 + length
    send(b"C", FIN | ACK), send(b"S", FIN | ACK)
    return [(1_700_000_000, 1000 * index, len(frame), frame) for index, frame in enumerate(frames)]


def main():
    SEEDS.mkdir(parents=True, exist_ok=True)
    prepared, cli = session("connector_python_prepared", 24), session("mysql_cli", 20)
    numbers = iter(range(1, 1000))
    cut = lambda version: lambda packet: links.in_fragments(packet, next(numbers), 64, version)
    made = {
        "vlan": lambda path: links.write(path, cli, *links.LINKS["vlan"]),
        "cooked": lambda path: links.write(path, prepared, *links.LINKS["cooked_2"]),
        "version_6": lambda path: links.write(path, prepared, links.RAW, links.of_version_6),
        "fragments": lambda path: links.write(path, cli, links.RAW, cut(4)),
        "fragments_6": lambda path: links.write(path, prepared, links.RAW, cut(6)),
        "big_endian": lambda path: packets.big_endian(path, struct.pack("<IHHiIII", packets.MICROSECONDS, 2, 4, 0, 0, 65535, 1), cli),
        "blocks": lambda path: links.PcapNg(1).write(path, prepared),
        "more_blocks": lambda path: links.PcapNg(2).write(path, cli),
        "late_syn": lambda path: links.write(path, [cli[3], cli[1], cli[0], *cli[4:]], *links.LINKS["loop"]),
    }
    for name, write in made.items():
        path = SEEDS / name
        write(path)
        path.write_bytes(PIECE + path.read_bytes())


if __name__ == "__main__":
    main()
