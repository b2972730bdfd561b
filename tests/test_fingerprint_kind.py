"""The type of a query, from its leading words."""

from __future__ import annotations

import pytest

from exporter.fingerprint.fingerprint import Fingerprinter

TYPES = {
    "SELECT": """
        SELECT 1
        WITH a AS (SELECT 1) SELECT * FROM a
        WITH RECURSIVE a(n) AS (SELECT 1) TABLE a
        WITH FUNCTION f(x int) RETURNS int RETURN x SELECT f(1)
        VALUES 1, 2
        TABLE t
        (SELECT 1)
        ((VALUES 1)) UNION SELECT 2
        (TABLE t) ORDER BY 1
        (WITH a AS (SELECT 1) SELECT * FROM a)
        -- comment
        SELECT nonsense FROM FROM
        select
        EXPLAIN ANALYZE SELECT 1
        EXPLAIN ANALYZE VERBOSE SELECT 1
        explain /* x */ analyze (select 1)
        EXECUTE IMMEDIATE 'SELECT 1'
        EXPLAIN ANALYZE EXECUTE IMMEDIATE 'VALUES 1'
    """,
    "INSERT": """
        INSERT INTO t SELECT 1
        INSERT INTO t (a) VALUES (1)
        CREATE TABLE t AS SELECT 1
        CREATE TABLE IF NOT EXISTS c.s.t (a, b) COMMENT 'x' WITH (format = 'ORC') AS (SELECT 1, 2) WITH NO DATA
        CREATE OR REPLACE TABLE t AS TABLE u
        CREATE TABLE t AS nonsense
        CREATE TABLE t AS
        REFRESH MATERIALIZED VIEW v
        EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1
        EXPLAIN ANALYZE INSERT INTO t SELECT 1
    """,
    "UPDATE": "UPDATE t SET a = 1",
    "DELETE": "DELETE FROM t",
    "MERGE": "MERGE INTO t USING s ON a = b WHEN MATCHED THEN DELETE",
    "DESCRIBE": """
        SHOW TABLES
        SHOW CREATE TABLE t
        SHOW nonsense
        DESCRIBE t
        DESC t
        DESCRIBE INPUT p
        DESCRIBE OUTPUT p
    """,
    "EXPLAIN": """
        EXPLAIN SELECT 1
        EXPLAIN (TYPE DISTRIBUTED, FORMAT JSON) SELECT 1
        EXPLAIN (TYPE VALIDATE) DELETE FROM t
        EXPLAIN VERBOSE INSERT INTO t SELECT 1
        EXPLAIN
        EXPLAIN ANALYZE EXPLAIN SELECT 1
        EXPLAIN EXPLAIN ANALYZE SELECT 1
    """,
    "ANALYZE": """
        ANALYZE t
        ANALYZE t WITH (partitions = ARRAY[ARRAY['a']])
        EXPLAIN ANALYZE ANALYZE t
    """,
    "ALTER_TABLE_EXECUTE": """
        ALTER TABLE t EXECUTE optimize
        ALTER TABLE c.s.t EXECUTE expire_snapshots(retention_threshold => '7d')
        ALTER TABLE IF EXISTS "a b" EXECUTE optimize WHERE x = 1
    """,
    "DATA_DEFINITION": """
        CREATE TABLE t (a bigint)
        CREATE TABLE t (LIKE u)
        CREATE EXTERNAL TABLE t (a int) STORED AS parquet LOCATION 's3://x'
        CREATE VIEW v AS SELECT 1
        CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT 1
        CREATE SCHEMA s
        CREATE ROLE r
        CREATE FUNCTION f() RETURNS int RETURN 1
        CREATE
        ALTER TABLE t RENAME TO u
        ALTER TABLE t ADD COLUMN "execute" int
        ALTER VIEW v RENAME TO w
        DROP TABLE t
        COMMENT ON TABLE t IS 'x'
        TRUNCATE TABLE t
        GRANT SELECT ON t TO u
        REVOKE r FROM u
        DENY SELECT ON t TO u
        CALL system.p(1)
        SET SESSION a = 1
        SET ROLE ALL
        RESET SESSION a
        USE c.s
        PREPARE p FROM SELECT 1
        DEALLOCATE PREPARE p
        START TRANSACTION READ ONLY
        COMMIT
        ROLLBACK WORK
    """,
    "UNKNOWN": """
        ;
        -- SELECT 1
        /* SELECT 1 */
        FROM t SELECT a
        "select" 1
        "show" tables
        selected
        EXECUTE p
        EXECUTE p USING 1
        EXPLAIN ANALYZE EXECUTE p
        EXPLAIN ANALYZE
        EXPLAIN ANALYZE t
        (INSERT INTO t SELECT 1)
        (((
        START
        START x
        REFRESH x
        UNLOAD (SELECT 1) TO 's3://x'
        'SELECT 1'
        1
    """,
}
CASES = [(line.strip(), kind) for kind, lines in TYPES.items() for line in lines.strip().splitlines()]
CASES = [("-- comment\nSELECT 1", "SELECT"), ("", "UNKNOWN"), *(case for case in CASES if case[0] != "-- comment")]


@pytest.mark.parametrize(("text", "kind"), CASES)
def test_the_leading_words_decide_the_type(text: str, kind: str) -> None:
    found = Fingerprinter().of(text)
    assert found.query_type == kind
    assert Fingerprinter().of(found.template).query_type == kind


def test_execute_has_the_type_of_what_it_runs() -> None:
    fingerprinter = Fingerprinter()
    assert fingerprinter.of("EXECUTE p", prepared="DELETE FROM t").query_type == "DELETE"
    assert fingerprinter.of("EXECUTE p", prepared="nonsense").query_type == "UNKNOWN"
