"""The stage that tells which query is which: SQL to id, template, type and tables, by the lexical rules of RULES.md."""
