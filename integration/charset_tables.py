#!/usr/bin/env python3
"""What character sets and collations of a running server mean, and the tables of src/mysql/charset made from it.

    charset_tables.py dump SOCKET > FILE        every code of every character set in UTF-8, every collation
    charset_tables.py single-byte FILE          src/mysql/charset/tables.rs from a dump
    charset_tables.py collations FILE...        ranges of collation ids, of several dumps
    charset_tables.py exceptions FILE DECODED   src/mysql/charset/exceptions.rs: where the server's mapping is not
                                                encoding_rs's. DECODED is made by a program of a few lines from the
                                                dump's lines `code CHARSET HEX UTF-8-HEX`, with what encoding_rs decodes
                                                HEX to alone and without replacement, `-` if it does not

Compare the program with a dump: CHARSET_DUMP=FILE cargo test --lib charset -- --ignored
SOCKET is in the file DIR/env of a server of servers/mysql.sh and servers/mariadb.sh; MySQL's client connects to both.
"""

import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parent / "servers" / "mysql.sh"
MULTI_BYTE = ["big5", "gbk", "gb2312", "gb18030", "sjis", "cp932", "ujis", "eucjpms", "euckr"]
# A fixed number of bytes per unit; tested by hand-written values.
UNICODE = ["binary", "utf8mb3", "utf8mb4", "ucs2", "utf16", "utf16le", "utf32"]


def query(socket, sql):
    command = [CLIENT, "cli", "-S", socket, "-u", "root", "-N", "-B", "--quick", "--default-character-set=utf8mb4"]
    result = subprocess.run([*command, "-e", sql], capture_output=True, text=True, check=True)
    return [line.split("\t") for line in result.stdout.splitlines()]


def numbers(name, count):
    """A common table expression of 0 to count - 1; digits, because the depth of recursion is limited by default."""
    ten = " union all ".join(f"select {n} n" for n in range(10))
    digits = len(str(count - 1))
    tables = ", ".join(f"ten t{i}" for i in range(digits))
    value = " + ".join(f"t{i}.n * {10**i}" for i in range(digits))
    return f"with ten as ({ten}), {name} as (select {value} n from {tables} having n < {count})"


def codes(charset):
    """(count, expression of n that is the code's hex digits) for one to four bytes."""
    yield 256, "lpad(hex(n), 2, '0')"
    if charset in MULTI_BYTE:
        yield 32768, "hex(n + 32768)"
    if charset in ("ujis", "eucjpms"):
        yield 32768, "concat('8F', hex(n + 32768))"
    if charset == "gb18030":
        bytes_ = ["0x81 + n div 12600", "0x30 + n div 1260 % 10", "0x81 + n div 10 % 126", "0x30 + n % 10"]
        yield 126 * 10 * 126 * 10, f"concat({', '.join(f'hex({byte})' for byte in bytes_)})"


def dump(socket):
    collations = query(socket, "select id, character_set_name from information_schema.collations where id is not null")
    try:  # MariaDB: ids of collations that several character sets have are only here.
        collations += query(
            socket, "select id, character_set_name from information_schema.collation_character_set_applicability"
        )
    except subprocess.CalledProcessError:
        pass
    for number, charset in sorted({(int(number), charset) for number, charset in collations}):
        print("collation", number, charset)
    charsets = query(socket, "select character_set_name, maxlen from information_schema.character_sets")
    for charset, longest in sorted(charsets):
        print("charset", charset, longest)
        if charset in UNICODE:
            continue
        for count, code in codes(charset):
            text = f"convert(unhex({code}) using {charset})"
            # What is not a character at all is NULL, cut (MySQL) or several question marks (MariaDB).
            sql = f"set sql_mode = ''; {numbers('numbers', count)} select {code} code, "
            sql += f"hex(convert({text} using utf8mb4)), char_length({text}) = 1 and hex({text}) = {code} "
            sql += "from numbers order by code"
            for code_hex, utf8, whole in query(socket, sql):
                unmapped = utf8 in ("", "NULL") or whole != "1" or (utf8 == "3F" and code_hex != "3F")
                print("code", charset, code_hex, "-" if unmapped else utf8)


def read(path, kind):
    with open(path) as lines:
        return [fields[1:] for fields in map(str.split, lines) if fields[0] == kind]


def single_byte(path):
    print("//! Made from a real server: `charset_tables.py single-byte`; MySQL 9.7 and MariaDB 10.11 agree.")
    tables = {}
    for charset, code, utf8 in read(path, "code"):
        if charset not in MULTI_BYTE and charset not in ("ascii", "swe7"):
            char = "\N{REPLACEMENT CHARACTER}" if utf8 == "-" else bytes.fromhex(utf8).decode()
            tables.setdefault(charset, {})[int(code, 16)] = ord(char)
    for charset, table in sorted(tables.items()):
        assert all(table[code] == code for code in range(128)), charset
        print(f"\npub(super) static {charset.upper()}: [u16; 128] = [")
        print("".join(f"0x{table[code]:04X}, " for code in range(128, 256)) + "\n];")


def collations(paths):
    ids = {}
    for path in paths:
        for number, charset in read(path, "collation"):
            assert ids.setdefault(int(number), charset) == charset, number
    ranges = {}
    for number, charset in sorted(ids.items()):
        runs = ranges.setdefault(charset, [])
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    for charset, runs in ranges.items():
        print(charset, " | ".join(f"{first}" if first == last else f"{first}..={last}" for first, last in runs))


def exceptions(path, decoded_path):
    print("//! Made from a real server: `charset_tables.py exceptions`; MySQL 9.7 and MariaDB 10.11 agree.")
    print("//! (First code, last code, character of the first code): the characters follow each other as the codes do.")
    decoded = {(charset, code): utf8 for charset, code, utf8 in read(decoded_path, "code")}
    tables = {charset: [] for charset in MULTI_BYTE}
    for charset, code, utf8 in sorted(read(path, "code"), key=lambda line: (line[0], int(line[1], 16))):
        # U+FFFD is Big5's "no such character" in the server; encoding_rs knows them.
        if charset not in MULTI_BYTE or utf8 in ("-", "EFBFBD") or decoded[charset, code] == utf8:
            continue
        number, char, runs = int(code, 16), ord(bytes.fromhex(utf8).decode()), tables[charset]
        if runs and runs[-1][1] == number - 1 and runs[-1][2] + number - runs[-1][0] == char:
            runs[-1][1] = number
        else:
            runs.append([number, number, char])
    for charset, runs in sorted(tables.items()):
        if runs:
            print(f"\npub(super) static {charset.upper()}: &[(u32, u32, u16)] = &[")
            print("".join(f"(0x{first:X}, 0x{last:X}, 0x{char:04X}), " for first, last, char in runs) + "\n];")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["dump", socket]:
            dump(socket)
        case ["single-byte", path]:
            single_byte(path)
        case ["collations", *paths] if paths:
            collations(paths)
        case ["exceptions", path, decoded_path]:
            exceptions(path, decoded_path)
        case _:
            sys.exit(__doc__)
