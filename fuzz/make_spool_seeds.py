#!/usr/bin/env python3
"""Writes the seeds of the target `spool` in tests/data/fuzz: segments put together by hand. What it writes is in git; no other file there is
touched, so seeds of bugs that were found stay."""

import json
import pathlib
import struct
import zlib

SEEDS = pathlib.Path(__file__).resolve().parents[1] / "tests/data/fuzz/spool"
KEY = 0x1122334455667788
# src/fuzzing/spool.rs: the file as it is, or records with a length in front.
RAW, RECORDS = b"\0", b"\1"


def preamble(version=1, first=1):
    return json.dumps({"spool": version, "first": first, "run": "web-1@2026-01-31T12:00:00.000Z"}, separators=(",", ":")).encode()


def batch(first, *texts):
    """src/deliver/spool/record.rs and src/deliver/block.rs."""
    heads = b"".join(struct.pack("<QQBB16sQ", 7, number, number % 22, number % 2, b"d" * 16, len(text)) for number, text in enumerate(texts, 1))
    return struct.pack("<QI", first, len(texts)) + heads + b"".join(text + b"\n" for text in texts)


def segment(*records):
    """src/segment."""
    header = b"MYSQLSEG" + struct.pack("<IQ", 1, KEY)
    data = header + struct.pack("<I", zlib.crc32(header))
    for record in records:
        checksum = zlib.crc32(struct.pack("<QQI", KEY, len(data), len(record)) + record)
        data += struct.pack("<II", len(record), checksum) + record
    return data


def main():
    whole = [preamble(), batch(1, b'{"sql":"SELECT 1"}', b"{}"), batch(3, b""), batch(4, b"{}" * 50, b"x", b"y")]
    seeds = {"whole": RAW + segment(*whole), "torn": RAW + segment(*whole)[:-20], "later": RAW + segment(preamble(version=2)),
             "empty": RAW + segment(preamble()), "unfinished": RAW + b"MYSQLSEG\1",
             "records": RECORDS + b"".join(struct.pack("<H", len(record)) + record for record in whole)}
    SEEDS.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (SEEDS / name).write_bytes(data)


if __name__ == "__main__":
    main()
