"""Records the bytes of one plain connection in both directions, as fixtures for tests/captured.rs.

usage: python -m harness.capture UPSTREAM_HOST UPSTREAM_PORT FILE -- COMMAND...   ({port} in COMMAND is where to connect)

A file is a sequence of records: one byte `C` (from the client) or `S`, the length as 4 bytes little-endian, the bytes.
Only the first connection is recorded, so give the command a client that makes one, and no TLS.
"""

import selectors
import socket
import struct
import subprocess
import sys


def record(host, port, path, command):
    listener = socket.create_server(("127.0.0.1", 0))
    listen_port = listener.getsockname()[1]
    child = subprocess.Popen([part.replace("{port}", str(listen_port)) for part in command])
    client, _ = listener.accept()
    server = socket.create_connection((host, int(port)))
    selector = selectors.DefaultSelector()
    selector.register(client, selectors.EVENT_READ, (b"C", server))
    selector.register(server, selectors.EVENT_READ, (b"S", client))
    with open(path, "wb") as out:
        open_ends = 2
        while open_ends:
            for key, _ in selector.select():
                who, other = key.data
                data = key.fileobj.recv(65536)
                if not data:
                    selector.unregister(key.fileobj)
                    open_ends -= 1
                    try:
                        other.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                    continue
                other.sendall(data)
                out.write(who + struct.pack("<I", len(data)) + data)
    return child.wait()


if __name__ == "__main__":
    split = sys.argv.index("--")
    sys.exit(record(*sys.argv[1:split], sys.argv[split + 1 :]))
