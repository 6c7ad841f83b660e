"""Which words in front of a parenthesis are never a stored function: asked of each server, by making a function of that name and calling it.

A word that is listed and yet runs what is stored would let a statement that writes pass as one that only reads."""

import pathlib
import random
import re

import pymysql
import pytest

from harness.breadth import LONG

SOURCE = pathlib.Path(__file__).parent.parent / "src/mysql/sql/functions.rs"
STORED = 4711
FEW = 150


def words(on):
    """The words that are listed for a server: `on` is its name in the source."""
    text = SOURCE.read_text()
    lists = re.findall(r"\(\s*On::([^\"]*?),\s*\"\\\n(.*?)\",?\s*\)", text[text.index("const LISTS"):], re.S)
    # A constant's name is not that of its neighbour with more letters.
    listed = [word for where, of in lists if "all()" in where or on in re.findall(r"[A-Z][A-Z0-9_]+", where) for word in of.replace("\\", " ").split()]
    assert len(lists) == 12 and len(listed) > 400 and len(set(listed)) == len(listed)
    return sorted(listed)


def calls_stored(cursor, text):
    try:
        cursor.execute(text)
        return STORED in [value for row in cursor.fetchall() for value in row]
    except pymysql.MySQLError:
        return False


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("which, on", [("mysql", "MYSQL"), ("mariadb", "MARIADB"), ("mariadb_11_8", "MARIADB_11")])
def test_words_that_are_the_servers_own(request, which, on, spaced):
    server = request.getfixturevalue(which)
    listed = words(on + "_SPACED" if spaced else on)
    tried = listed if LONG else random.Random(1).sample(listed, FEW)
    server.fresh_databases("safety")
    wrong = []
    with server.root(database="safety") as cursor:
        for word in ["safety_stored", *tried]:
            try:
                cursor.execute(f"CREATE FUNCTION safety.`{word}`() RETURNS INT DETERMINISTIC NO SQL RETURN {STORED}")
            except pymysql.MySQLError:
                # Nor can there be one, then.
                continue
            if calls_stored(cursor, f"SELECT {word}{' ' if spaced else ''}()"):
                wrong.append(word)
    # That the question can be answered with yes is part of the test.
    assert wrong == ["safety_stored"]
