"""Captured packets: tcpdump, `decode`, and what is done to captures."""

import json
import random
import signal
import struct
import subprocess
import time

from . import PATIENCE, missing, within
from .proxy import Messages, binary, environment

MICROSECONDS = 0xA1B2C3D4


def tcpdump(path, *ports, options=()):
    """A tcpdump of the loopback device that has begun."""
    expression = " or ".join(f"tcp port {port}" for port in ports)
    command = ["tcpdump", "-i", "lo", "-s", "0", "-B", "65536", "-U", "-n", "--immediate-mode", *options, "-w", str(path), expression]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        missing("tcpdump (integration/servers/install.sh tcpdump)")
    said = b""
    for line in process.stderr:
        said += line
        if b"listening on" in line:
            return process
    process.wait()
    if b"permi" in said:
        missing("the right to capture packets (root or CAP_NET_RAW)")
    raise AssertionError(f"tcpdump ended at once: {said}")


class Dump:
    """A running tcpdump into a file, for one or several ports."""

    def __init__(self, path, *ports, options=()):
        self.path = path
        self.process = tcpdump(path, *ports, options=options)

    def rest(self):
        """Waits until what was sent last is in the file; returns how many packets there are."""
        sizes = [-1]

        def rests():
            sizes.append(self.path.stat().st_size if self.path.exists() else 0)
            time.sleep(0.2)
            return sizes[-1] == sizes[-2]

        within(rests, "the capture comes to rest")
        return len(packets(self.path)[1])

    def stop(self):
        """Everything that was sent until now is in the file."""
        self.rest()
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=PATIENCE)
        assert b"\n0 packets dropped by kernel" in said, said
        return self.path

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Decoded:
    """A `decode` that has ended: its messages and its log."""

    def __init__(self, capture, folder, *options, stdin=None, expect=0, sinks=True):
        folder.mkdir(parents=True, exist_ok=True)
        self.messages = Messages(folder / "decoded.ndjson")
        command = [binary(), "decode", str(capture), *options, "--log-format", "json"]
        if sinks:
            command += ["--sink", f"ndjson:{self.messages.path}"]
        done = subprocess.run(command, env=environment(), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        self.log, self.printed = done.stderr, done.stdout
        assert "panicked" not in self.log, self.log
        assert done.returncode == expect, (done.returncode, self.log)

    def count(self, name):
        """A number of the closing summary."""
        found = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        values = [fields[name] for entry in found for fields in (entry, entry.get("fields", {})) if name in fields]
        assert values, f"no {name} in: {self.log}"
        return values[-1]


def packets(path):
    """The packets of a pcap file in this machine's byte order: (seconds, fraction, original length, bytes)."""
    data = path.read_bytes()
    magic, = struct.unpack_from("<I", data)
    assert magic in (MICROSECONDS, 0xA1B23C4D), hex(magic)
    at, found = 24, []
    while at < len(data):
        seconds, fraction, kept, length = struct.unpack_from("<IIII", data, at)
        found.append((seconds, fraction, length, data[at + 16:at + 16 + kept]))
        at += 16 + kept
    return data[:24], found


def write(path, header, found):
    """A pcap file of these packets."""
    parts = [header]
    for seconds, fraction, length, data in found:
        parts += [struct.pack("<IIII", seconds, fraction, len(data), length), data]
    path.write_bytes(b"".join(parts))
    return path


def big_endian(path, header, found):
    """The same packets with headers in the other byte order."""
    parts = [struct.pack(">IHHiIII", *struct.unpack("<IHHiIII", header))]
    for seconds, fraction, length, data in found:
        parts += [struct.pack(">IIII", seconds, fraction, len(data), length), data]
    path.write_bytes(b"".join(parts))
    return path


def tcp(data):
    """Of an Ethernet frame with IPv4 and TCP: source and destination port, flags, where the payload begins, its length."""
    ip = 14
    header = (data[ip] & 15) * 4
    total, = struct.unpack_from(">H", data, ip + 2)
    at = ip + header
    source, destination = struct.unpack_from(">HH", data, at)
    offset, flags = (data[at + 12] >> 4) * 4, data[at + 13]
    return source, destination, flags, at + offset, total - header - offset


def as_pcapng(path, header, found):
    """The same packets as pcapng with two interfaces of different resolutions, the blocks in turn of either, and some of other kinds."""
    link, = struct.unpack_from("<I", header, 20)
    scale = 1 if struct.unpack_from("<I", header)[0] != MICROSECONDS else 1000

    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        length = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + length + body + length

    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    nanoseconds = struct.pack("<HHI", link, 0, 0) + struct.pack("<HHBxxx", 9, 1, 9) + struct.pack("<HH", 0, 0)
    microseconds = struct.pack("<HHI", link, 0, 0)
    parts = [block(0x0A0D0D0A, section), block(1, nanoseconds), block(1, microseconds), block(0x00000BAD, b"custom__")]
    for index, (seconds, fraction, length, data) in enumerate(found):
        interface = index % 2
        units = seconds * 10**9 + fraction * scale
        units = units if interface == 0 else units // 1000
        parts.append(block(6, struct.pack("<IIIII", interface, units >> 32, units & 0xFFFFFFFF, len(data), length) + data))
    path.write_bytes(b"".join(parts))
    return path


def disturbed(found, seed, swap=0.2, again=0.1):
    """The packets in another order within a few places, some of them twice: what a capture may do."""
    chance = random.Random(seed)
    keyed = []
    for index, packet in enumerate(found):
        keyed.append((index + (chance.uniform(0, 4) if chance.random() < swap else 0), packet))
        if chance.random() < again:
            keyed.append((index + chance.uniform(0, 4), packet))
    return [packet for _, packet in sorted(keyed, key=lambda pair: pair[0])]
