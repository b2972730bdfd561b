"""Texts of up to a megabyte that somebody could submit to make a normaliser slow, or fall over."""

from __future__ import annotations

MEGABYTE = 1_000_000


def statements_in_strings(depth: int) -> str:
    """Return EXECUTE IMMEDIATE in itself, each with an escape of its own, so that no level doubles the quotes."""
    escapes = [chr(0x4E00 + level) for level in range(depth)]
    quotes = ["'", *(f"{escape}0027" for escape in escapes[:-1])]
    begin = "".join(f"EXECUTE IMMEDIATE U&{quote}" for quote in quotes)
    ends = [f"{quote} UESCAPE {quote}{escape}{quote}" for quote, escape in zip(quotes, escapes, strict=True)]
    return begin + "SELECT 1" + "".join(reversed(ends))


HOSTILE = {
    "brackets": "(" * MEGABYTE,
    "100,000 nested brackets, closed": "SELECT " + "(" * 100_000 + ")" * 100_000,
    "subqueries": "SELECT a FROM (" * 70_000,
    "subqueries in IN": "(SELECT * FROM t WHERE x IN " * 9_000 + "(1)" + ")" * 9_000,
    "string not closed": "'" + "a" * MEGABYTE,
    "comments not closed": "/*" * 500_000,
    "comment not closed": "SELECT 1 /*" + "a" * MEGABYTE,
    "quotes": "'" * MEGABYTE,
    "double quotes": '"' * (MEGABYTE - 1),
    "backquotes": "`" * (MEGABYTE - 1),
    "dollars": "$" * MEGABYTE,
    "differences": "-1" * 500_000,
    "signs": "+ - " * 250_000 + "1",
    "list not closed": "x IN (" + "1," * 500_000,
    "lists in lists": "IN (1," * 170_000,
    "list of dates": "x IN (\n" + ",".join(["DATE '2020-01-01'"] * 50_000) + ")",
    "rows with calls": "VALUES " + ",".join(["(1, now())"] * 90_000),
    "rows of names": "VALUES " + ",".join(f"(1, a{number})" for number in range(70_000)),
    "VALUES in VALUES": "VALUES (" * 120_000,
    "VALUES in IN": "IN (VALUES (1), (2), " * 50_000,
    "ARRAY in ARRAY": "ARRAY[" * 40_000 + "1" + "]" * 40_000,
    "white space": " " * MEGABYTE,
    "one name": "a" * MEGABYTE,
    "names": "a." * 500_000,
    "fractions": ".5" * 500_000,
    "digits and letters": "1e" * 500_000,
    "hexadecimal": "0x" * 500_000,
    "semicolons": ";" * MEGABYTE,
    "aliases": "a AS " * 200_000,
    "OUTER": "OUTER " * 160_000 + "JOIN",
    "names of WITH": "WITH " + ",".join(f"c{n} AS (SELECT * FROM c{n - 1})" for n in range(9_000)) + " SELECT 1",
    "WITH in WITH": "WITH a AS (" * 90_000,
    "EXECUTE IMMEDIATE": "EXECUTE IMMEDIATE '" * 50_000,
    "EXECUTE IMMEDIATE in itself": statements_in_strings(5_000),
    "EXPLAIN ANALYZE": "EXPLAIN ANALYZE " * 60_000,
    "EXPLAIN and comments": "EXPLAIN/**/" * 90_000,
    "comments": "/**/" * 250_000,
    "line comments": "--\n" * 300_000,
    "NUL": "\x00" * MEGABYTE,
    "surrogates": "\ud800" * MEGABYTE,
    "letters that are two in lower case": "İ" * MEGABYTE,
    "brackets around numbers": "(1" * 500_000,
    "separators": "\x1f" * MEGABYTE,
    "UESCAPE": "'' UESCAPE " * 90_000,
    "prefixes": "u&''x''" * 140_000,
    "CAST": "CAST(a AS " * 90_000,
}
