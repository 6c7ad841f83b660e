"""The judgement of a load while something failed: what clients were answered, the server's own log, and what was delivered."""

import collections
import dataclasses
import json
import os
import pathlib

from .kafka import headers


@dataclasses.dataclass
class Verdict:
    """What became of the statements of a load."""

    answered: int
    logged: int
    delivered: int
    # Answered, and not delivered.
    missing: int
    # Delivered more than once.
    twice: int
    # Not answered, and delivered or not.
    in_flight: int
    # Connections whose messages are not in the server's order.
    disordered: int
    rate: float

    def row(self, what):
        return (f"| {what} | {self.answered:,} | {self.rate:,.0f} | {self.logged:,} | {self.delivered:,} | {self.missing:,} | {self.twice:,} "
                f"| {self.in_flight} | {self.disordered} |")


def of_kafka(*topics):
    """The statements of each connection, in the order of their topic; of several topics, one after the other."""
    found = collections.defaultdict(list)
    for record in (record for records in topics for record in sorted(records, key=lambda r: (r.partition(), r.offset()))):
        message = json.loads(record.value())
        if (message["sql"] or "").startswith("SELECT 'load', "):
            found[message["connectionId"]].append((message["sql"], headers(record)["seq"]))
    return found


def of_messages(messages):
    """The same of messages in a file."""
    found = collections.defaultdict(list)
    for number, message in enumerate(messages):
        if (message["sql"] or "").startswith("SELECT 'load', "):
            found[message["connectionId"]].append((message["sql"], number))
    return found


def judge(load, entries, delivered):
    """Holds what was delivered against the clients' memory and the server's log (`entries`)."""
    logged = collections.defaultdict(list)
    for entry in entries:
        if entry.command == "Query" and entry.argument.startswith("SELECT 'load', "):
            logged[entry.thread].append(entry.argument)
    disordered = missing = twice = 0
    for connection in {*logged, *delivered}:
        came = list(dict.fromkeys(sql for sql, _ in delivered.get(connection, [])))
        twice += len(delivered.get(connection, [])) - len(came)
        assert set(came) <= set(logged[connection]), "a message of a statement that the server never got"
        kept = set(came)
        disordered += came != [sql for sql in logged[connection] if sql in kept]
        missing += len(set(load.answered.get(connection, [])) - kept)
    count = lambda of: sum(map(len, of.values()))
    return Verdict(load.count(), count(logged), count(delivered), missing, twice, len(load.in_flight), disordered, load.count() / load.seconds)


def note(what, verdict):
    """Prints the row of the table in docs/faults.md, and keeps it where INTERCEPTOR_FIGURES says."""
    row = verdict.row(what)
    print(row)
    if path := os.environ.get("INTERCEPTOR_FIGURES"):
        with pathlib.Path(path).open("a") as out:
            print(row, file=out)
