"""Words of the dialect that the rules speak of, in lower case."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """Return the words of *text*."""
    return frozenset(text.split())


RESERVED = words(
    """alter and as between by case cast constraint create cross cube current_catalog current_date current_path
    current_role current_schema current_time current_timestamp current_user deallocate delete describe
    distinct drop else end escape except execute exists extract false for from full group grouping having in
    inner insert intersect into is join json_array json_exists json_object json_query json_table json_value
    left like listagg localtime localtimestamp natural normalize not null on or order outer prepare recursive
    right rollup select skip table then trim true uescape union unnest using values when where with"""
)
"""Never a name unless quoted. Source: ``nonReserved`` of Trino's ``SqlBase.g4``, all others."""

ENDS_AN_OPERAND = words(
    """null true false end current_catalog current_date current_path current_role current_schema current_time
    current_timestamp current_user localtime localtimestamp"""
)
"""Reserved words after which a sign is an operator between two operands."""

INTERVAL_UNITS = words("year quarter month week day hour minute second millisecond")

QUERY_STARTS = frozenset(("select", "with", "values", "table"))


def is_operand(token: str) -> bool:
    """True if *token* may end an operand: a sign behind it is an operator, and AS behind it names it."""
    if token in (")", "]", "?"):
        return True
    first = token[:1]
    return first == '"' or ((first == "_" or first.isalnum()) and (token not in RESERVED or token in ENDS_AN_OPERAND))
