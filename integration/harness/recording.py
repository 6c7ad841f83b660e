"""Recordings as other programs read them: with pyarrow alone."""

import pathlib

import pyarrow.ipc


class Recording:
    """The rows of a recording's files, which may be torn at their end."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.files = sorted(path for path in self.folder.iterdir() if path.suffix == ".arrows")
        assert self.files, list(self.folder.iterdir())

    def rows(self):
        found = []
        for path in self.files:
            with pyarrow.ipc.open_stream(path) as stream:
                while True:
                    try:
                        batch = stream.read_next_batch()
                    except StopIteration:
                        break
                    found += batch.to_pylist()
        return found

    def sessions(self):
        """Each session's rows, by its id."""
        sessions = {}
        for row in self.rows():
            sessions.setdefault(row["session"], []).append(row)
        return sessions

    def session(self, of=lambda row: True):
        """The rows of the only session that has one for which this holds."""
        found = [rows for rows in self.sessions().values() if any(of(row) for row in rows)]
        assert len(found) == 1, f"{len(found)} of {len(self.sessions())} sessions"
        return found[0]

    def bytes(self):
        return b"".join(path.read_bytes() for path in self.files)


def commands(rows):
    """Each command's row, with all results: `answers` are the rows that hold them."""
    found = []
    for row in rows:
        if row["event"] == "command":
            found.append({**row, "answers": [row]})
        elif row["event"] == "result":
            found[-1]["answers"].append(row)
    return found
