"""Parquet files under test: read back with pyarrow, and their values as the JSON that the same rows have."""

import base64
import datetime
import decimal
import json

import pyarrow
import pyarrow.parquet

from .binlog import FloatText

META = {"__op", "__timestamp_ms", "__gtid", "__file", "__offset", "__row_index", "__before", "__absent", "__invalid"}


def files(folder):
    """In the order of their first rows; no file may be unfinished."""
    assert not list(folder.rglob(".*.part")), sorted(folder.rglob("*"))
    return sorted(folder.rglob("*.parquet"))


def rows(folder):
    return [row for path in files(folder) for row in pyarrow.parquet.ParquetFile(path).read().to_pylist()]


def from_json(text):
    return None if text is None else json.loads(text, parse_float=FloatText)


def day(value):
    return f"{value.year:04}-{value.month:02}-{value.day:02}"


def clock(microseconds, digits):
    sign, rest = ("-" if microseconds < 0 else ""), abs(microseconds)
    seconds, fraction = divmod(rest, 1_000_000)
    text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + (f".{fraction:06}"[:digits + 1] if digits else "")


def like(value, model):
    """The value of a column as JSON has it; `model` is the JSON value, for what the column does not say (digits of a fraction)."""
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        text = f"{day(value)} {value.hour:02}:{value.minute:02}:{value.second:02}.{value.microsecond:06}"
        return text[:len(model)] if isinstance(model, str) else text
    if isinstance(value, datetime.date):
        return day(value)
    if isinstance(value, int) and isinstance(model, str):
        return clock(value, len(model.partition(".")[2]))
    return value


def typed(path):
    """The rows of a file of one table: our columns, and the table's by name."""
    table = pyarrow.parquet.ParquetFile(path).read()
    for row in table.to_pylist():
        ours = {name: row[name] for name in META}
        yield ours, {name: value for name, value in row.items() if name not in META}, table.schema
