"""The same packets as other machines and interfaces would have captured them: other links, IPv6, in fragments, and other blocks of pcapng.

What comes in are packets of `packets.packets`, Ethernet with IPv4; what goes out are files."""

import ipaddress
import random
import struct

from . import packets

ETHERNET, NULL, LOOP, RAW, COOKED, COOKED_2 = 1, 0, 108, 101, 113, 276
IPV4, IPV6, TCP = 0x0800, 0x86DD, 6


def ip_packet(frame):
    """Without Ethernet's header and padding."""
    length, = struct.unpack_from(">H", frame, 16)
    return frame[14:14 + length] if length else frame[14:]


def kind_of(packet):
    return IPV4 if packet[0] >> 4 == 4 else IPV6


def ethernet(packet, *tags):
    return b"\2" * 12 + b"".join(tags) + struct.pack(">H", kind_of(packet)) + packet


def padded(packet):
    """As a short frame is on the wire."""
    return ethernet(packet).ljust(60, b"\xee")


def tagged(packet):
    return ethernet(packet, b"\x81\x00\x20\x05")


def tagged_twice(packet):
    return ethernet(packet, b"\x88\xa8\x00\x07", b"\x81\x00\x00\x05")


def mpls(packet):
    return b"\2" * 12 + b"\x88\x47" + b"\x00\x01\x00\x40" + b"\x00\x02\x01\x40" + packet


def pppoe(packet):
    protocol = 0x21 if kind_of(packet) == IPV4 else 0x57
    return b"\2" * 12 + b"\x81\x00\x00\x05" + struct.pack(">HBBHHH", 0x8864, 0x11, 0, 9, len(packet) + 2, protocol) + packet


def cooked(packet):
    return struct.pack(">HHH8sH", 0, 1, 6, b"\3" * 8, kind_of(packet)) + packet


def cooked_2(packet):
    return struct.pack(">HHIHBB8s", kind_of(packet), 0, 2, 1, 0, 6, b"\3" * 8) + packet


def family(packet, order, six=30):
    return struct.pack(order + "I", 2 if kind_of(packet) == IPV4 else six) + packet


LINKS = {
    "padded": (ETHERNET, padded), "vlan": (ETHERNET, tagged), "qinq": (ETHERNET, tagged_twice), "mpls": (ETHERNET, mpls),
    "pppoe": (ETHERNET, pppoe), "cooked": (COOKED, cooked), "cooked_2": (COOKED_2, cooked_2), "raw": (RAW, lambda packet: packet),
    "null_little": (NULL, lambda packet: family(packet, "<")), "null_big": (NULL, lambda packet: family(packet, ">", 24)),
    "loop": (LOOP, lambda packet: family(packet, ">", 28)),
}


def checksummed(source, destination, segment):
    """The TCP segment with the checksum that the network card would have filled in."""
    segment = segment[:16] + b"\0\0" + segment[18:]
    pseudo = source + destination + (struct.pack(">BBH", 0, TCP, len(segment)) if len(source) == 4 else struct.pack(">IxxxB", len(segment), TCP))
    data = pseudo + segment + b"\0" * (len(segment) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return segment[:16] + struct.pack(">H", ~total & 0xFFFF) + segment[18:]


def parts(packet):
    """Source, destination and the TCP segment of an IPv4 packet."""
    return packet[12:16], packet[16:20], packet[(packet[0] & 15) * 4:]


def of_version_6(packet, headers=((0, b""), (60, b""), (43, b"")), fragment=None):
    """The same segment in IPv6, after empty extension headers; `fragment`: the bytes of a fragment header, and the part that follows it."""
    ends = [ipaddress.IPv6Address("2001:db8::").packed[:12] + end for end in parts(packet)[:2]]
    body = checksummed(*ends, parts(packet)[2])
    kinds, contents = [kind for kind, _ in headers], [b"\1\4\0\0\0\0" if kind != 43 else b"\0" * 6 for kind, _ in headers]
    if fragment is not None:
        identification, begin, end = fragment
        more = end < len(body)
        kinds, contents = [*kinds, 44], [*contents, struct.pack(">HI", begin | more, identification)]
        body = body[begin:end]
    following = [*kinds, TCP][1:]
    front = b"".join(bytes([after, 0]) + content for after, content in zip(following, contents))
    return struct.pack(">IHBB", 6 << 28, len(front) + len(body), [*kinds, TCP][0], 64) + ends[0] + ends[1] + front + body


def in_fragments(packet, identification, size, version):
    """The packet in parts of at most `size` bytes, a multiple of 8."""
    source, destination, segment = parts(packet)
    borders = range(0, len(segment), size)
    if len(borders) < 2:
        return [packet if version == 4 else of_version_6(packet, ())]
    if version == 6:
        return [of_version_6(packet, (), (identification, at, at + size)) for at in borders]
    segment = checksummed(source, destination, segment)
    found = []
    for at in borders:
        body = segment[at:at + size]
        more = 0x2000 if at + size < len(segment) else 0
        found.append(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), identification, more | at // 8, 64, TCP, 0) + source + destination + body)
    return found


def write(path, found, link, rewrap):
    """A pcap file; `rewrap` makes one or more frames of each IP packet."""
    header = struct.pack("<IHHiIII", packets.MICROSECONDS, 2, 4, 0, 0, 262144, link)
    frames = []
    for seconds, fraction, _, data in found:
        made = rewrap(ip_packet(data))
        frames += [(seconds, fraction, len(frame), frame) for frame in (made if isinstance(made, list) else [made])]
    return packets.write(path, header, frames)


class PcapNg:
    """Sections of both byte orders, each with interfaces of its own, and packets in blocks of every kind."""

    def __init__(self, seed):
        self.random, self.blocks, self.interfaces = random.Random(seed), [], []

    def block(self, kind, body):
        body += b"\0" * (-len(body) % 4)
        length = struct.pack(self.order + "I", len(body) + 12)
        self.blocks.append(struct.pack(self.order + "I", kind) + length + body + length)

    def option(self, code, value):
        return struct.pack(self.order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)

    def section(self):
        self.order, self.interfaces = self.random.choice("<>"), []
        self.block(0x0A0D0D0A, struct.pack(self.order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + self.option(4, b"a test") + self.option(0, b""))
        for _ in range(self.random.randint(1, 3)):
            link, rewrap = self.random.choice(list(LINKS.values()))
            exponent = self.random.choice([None, 6, 9, 3, 0x80 | 20])
            offset = self.random.choice([0, 0, 1_000_000_000])
            options = [self.option(2, b"eth0")]
            options += [self.option(9, bytes([exponent]))] if exponent is not None else []
            options += [self.option(14, struct.pack(self.order + "q", offset))] if offset else []
            self.block(1, struct.pack(self.order + "HHI", link, 0, 0) + b"".join(options) + self.option(0, b""))
            units = 10**6 if exponent is None else 2 ** (exponent & 127) if exponent & 128 else 10**exponent
            self.interfaces.append((rewrap, units, offset))

    def packet(self, seconds, microseconds, data):
        number = self.random.randrange(len(self.interfaces))
        kind = self.random.choice([6, 6, 6, 2, 3])
        # A simple packet is of the first interface, and has no time.
        rewrap, units, offset = self.interfaces[0 if kind == 3 else number]
        frame = rewrap(ip_packet(data))
        time = (seconds - offset) * units + microseconds * units // 10**6
        stamp = (time >> 32, time & 0xFFFFFFFF, len(frame), len(frame))
        if kind == 6:
            self.block(6, struct.pack(self.order + "IIIII", number, *stamp) + frame + b"\0" * (-len(frame) % 4) + self.option(1, b"c") + self.option(0, b""))
        elif kind == 2:
            self.block(2, struct.pack(self.order + "HHIIII", number, 0, *stamp) + frame)
        else:
            self.block(3, struct.pack(self.order + "I", len(frame)) + frame)

    def other(self):
        kind, body = self.random.choice([(4, struct.pack(self.order + "HH", 0, 0)), (5, struct.pack(self.order + "III", 0, 0, 0)), (0xBAD, b"\0\0\0\1x"), (0x7777, b"?")])
        self.block(kind, body)

    def write(self, path, found):
        for index, (seconds, microseconds, _, data) in enumerate(found):
            if index == 0 or self.random.random() < 0.02:
                self.section()
            if self.random.random() < 0.1:
                self.other()
            self.packet(seconds, microseconds, data)
        path.write_bytes(b"".join(self.blocks))
        return path
