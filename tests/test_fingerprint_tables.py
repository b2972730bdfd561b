"""The tables that a text reads, and those that it writes."""

from __future__ import annotations

import pytest

from exporter.fingerprint.fingerprint import Fingerprinter

CASES: list[tuple[str, str, str]] = [
    # read
    ("SELECT * FROM t", "t", ""),
    ('SELECT * FROM "C"."S"."T x"', "c.s.t x", ""),
    ('SELECT * FROM "a""b"', 'a"b', ""),
    ('SELECT * FROM "t$partitions"', "t$partitions", ""),
    ("SELECT * FROM a, b AS c, s.d e", "a b s.d", ""),
    ("SELECT * FROM a x JOIN b y ON x.i = y.i LEFT JOIN c USING (i), d CROSS JOIN e NATURAL JOIN f", "a b c d e f", ""),
    ("SELECT * FROM (a JOIN b ON true) JOIN ((c)) ON true", "a b c", ""),
    ("SELECT * FROM a WHERE x IN (SELECT y FROM b WHERE EXISTS (SELECT 1 FROM c, d))", "a b c d", ""),
    ("SELECT (SELECT max(x) FROM a), f(b, c) FROM d GROUP BY e, f HAVING g > h ORDER BY i, j LIMIT 5", "a d", ""),
    ("SELECT * FROM (SELECT * FROM a) AS b, c", "a c", ""),
    ("SELECT * FROM a UNION SELECT b, c FROM d EXCEPT TABLE e", "a d e", ""),
    ("TABLE t", "t", ""),
    ("(TABLE a UNION (TABLE b)) INTERSECT TABLE c", "a b c", ""),
    ("SELECT * FROM (TABLE t)", "t", ""),
    ("SELECT * FROM (VALUES 1, 2) t", "", ""),
    ("VALUES (SELECT x FROM t), y", "t", ""),
    ("SELECT * FROM t, UNNEST(t.a, t.b) WITH ORDINALITY AS u(a, b, c), v", "t v", ""),
    ("SELECT * FROM t, LATERAL (SELECT * FROM u WHERE u.a = t.a) x", "t u", ""),
    ("SELECT * FROM t TABLESAMPLE BERNOULLI (10), u", "t u", ""),
    ("SELECT * FROM t FOR VERSION AS OF 5, u FOR TIMESTAMP AS OF TIMESTAMP '2020-01-01' x", "t u", ""),
    ("SELECT * FROM t @ dev", "t", ""),
    (
        "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY a ORDER BY b MEASURES c AS d PATTERN (x y) DEFINE x AS e), u",
        "t u",
        "",
    ),
    ("SELECT * FROM JSON_TABLE(a, 'lax $' COLUMNS (b int PATH 'lax $.b')), t", "t", ""),
    ("SELECT a FROM limit", "limit", ""),
    ("SELECT a FROM t limit, u", "t u", ""),
    ("SELECT a FROM t offset 5", "t", ""),
    ("SELECT a FROM t FETCH FIRST 5 ROWS ONLY", "t", ""),
    ("SELECT a FROM t WINDOW w AS (PARTITION BY b, c), x AS (ORDER BY d)", "t", ""),
    ("SELECT a FROM t window, u", "t u", ""),
    ("SELECT ARRAY[(SELECT a FROM t), 1], x[1] FROM u", "t u", ""),
    # FROM that reads nothing
    ("SELECT extract(day FROM a), trim(both 'x' FROM b), substring(c FROM 1 FOR 2) FROM t", "t", ""),
    ("SELECT a IS DISTINCT FROM b, c IS NOT DISTINCT FROM d FROM t WHERE e IS DISTINCT FROM f", "t", ""),
    ("SELECT a FROM t JOIN u ON t.a IS NOT DISTINCT FROM u.a, v", "t u v", ""),
    # WITH
    ("WITH a AS (SELECT * FROM t) SELECT * FROM a, b", "b t", ""),
    ("WITH a AS (SELECT * FROM a) SELECT * FROM a", "a", ""),
    ("WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT * FROM a", "", ""),
    ("WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a, b", "b", ""),
    ("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a, b", "b", ""),
    ("WITH a AS (SELECT 1) SELECT * FROM s.a, a", "s.a", ""),
    ("WITH a AS (SELECT 1) SELECT * FROM (SELECT * FROM a JOIN (SELECT * FROM A) ON true)", "", ""),
    ("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a", "a", ""),
    ("(WITH a AS (SELECT 1) SELECT * FROM a) UNION SELECT * FROM a", "a", ""),
    ("WITH a AS (WITH b AS (SELECT * FROM c) SELECT * FROM b) SELECT * FROM a, b", "b c", ""),
    ("WITH a AS (SELECT 1) SELECT * FROM (WITH a AS (SELECT * FROM a) SELECT * FROM a)", "", ""),
    ('WITH "A b" AS (SELECT 1), c("x", y) AS (SELECT 2) SELECT * FROM "a B", "C"', "", ""),
    ("WITH a AS (SELECT 1) TABLE a", "", ""),
    ("WITH a AS (VALUES 1), b AS (TABLE t) SELECT * FROM b WHERE x IN (SELECT * FROM a)", "t", ""),
    ("INSERT INTO a WITH a AS (SELECT * FROM t) SELECT * FROM a", "t", "a"),
    ("CREATE TABLE x AS WITH a AS (SELECT * FROM t) SELECT * FROM a", "t", "x"),
    ("CREATE VIEW v AS WITH v AS (SELECT * FROM t) SELECT * FROM v", "t", "v"),
    ("EXPLAIN WITH a AS (SELECT 1) SELECT * FROM a", "", ""),
    ("WITH FUNCTION f(x int) RETURNS int RETURN x + 1 SELECT f(a) FROM t", "t", ""),
    ("WITH FUNCTION f() RETURNS int BEGIN DECLARE x int; SET x = 1; RETURN x; END SELECT f() FROM t, u", "t u", ""),
    # written
    ("INSERT INTO c.s.t (a, b) SELECT a, b FROM u", "u", "c.s.t"),
    ("INSERT INTO t VALUES (1, 2)", "", "t"),
    ("INSERT INTO t TABLE u", "u", "t"),
    ("INSERT INTO TABLE t SELECT * FROM u", "u", "t"),
    ("UPDATE t SET a = (SELECT max(b) FROM u), c = 1 WHERE d IN (SELECT e FROM v)", "u v", "t"),
    ("DELETE FROM t WHERE a IN (SELECT b FROM u)", "u", "t"),
    ("MERGE INTO t AS x USING s.u AS y ON x.a = y.a WHEN MATCHED THEN UPDATE SET b = y.b, c = y.c", "s.u", "t"),
    ("MERGE INTO t USING (SELECT * FROM u, v) y ON t.a = y.a WHEN NOT MATCHED THEN INSERT (a) VALUES (1)", "u v", "t"),
    ("TRUNCATE TABLE s.t", "", "s.t"),
    ("REFRESH MATERIALIZED VIEW s.v", "", "s.v"),
    # read and written
    ("INSERT INTO t SELECT * FROM t, u", "t u", "t"),
    ("INSERT INTO t WITH t AS (SELECT * FROM u) SELECT * FROM t", "u", "t"),
    ("UPDATE t SET a = (SELECT max(a) FROM t)", "t", "t"),
    ('DELETE FROM t WHERE a < (SELECT max(a) FROM "T")', "t", "t"),
    ("DELETE FROM t WHERE a < (SELECT max(a) FROM s.t)", "s.t", "t"),
    ("MERGE INTO t USING t AS y ON t.a = y.a WHEN MATCHED THEN DELETE", "t", "t"),
    ("CREATE OR REPLACE TABLE t AS SELECT * FROM t", "t", "t"),
    ("EXPLAIN ANALYZE CREATE OR REPLACE VIEW v AS SELECT * FROM v", "v", "v"),
    # created, changed, dropped
    ("CREATE TABLE t (a bigint, b row(c int))", "", "t"),
    ("CREATE TABLE IF NOT EXISTS t WITH (format = 'ORC') AS SELECT * FROM u", "u", "t"),
    ("CREATE TABLE t AS (SELECT * FROM u) WITH NO DATA", "u", "t"),
    ("CREATE OR REPLACE TABLE t AS TABLE u", "u", "t"),
    ("CREATE TABLE t (LIKE s.y INCLUDING PROPERTIES, a int, LIKE z)", "s.y z", "t"),
    ("CREATE TABLE t (a varchar(5), LIKE y)", "y", "t"),
    ("CREATE TABLE t LIKE y", "y", "t"),
    ("CREATE EXTERNAL TABLE t (a int) STORED AS orc LOCATION 's3://x'", "", "t"),
    ("CREATE OR REPLACE VIEW v SECURITY INVOKER AS SELECT * FROM t", "t", "v"),
    ("CREATE MATERIALIZED VIEW IF NOT EXISTS s.v GRACE PERIOD INTERVAL '1' DAY AS SELECT * FROM t", "t", "s.v"),
    ("DROP TABLE IF EXISTS c.s.t", "", "c.s.t"),
    ("DROP VIEW v", "", "v"),
    ("DROP MATERIALIZED VIEW IF EXISTS v", "", "v"),
    ("ALTER TABLE t ADD COLUMN a int", "", "t"),
    ("ALTER TABLE IF EXISTS s.t DROP COLUMN a", "", "s.t"),
    ("ALTER TABLE t RENAME TO u", "", "t u"),
    ("ALTER TABLE t RENAME COLUMN a TO b", "", "t"),
    ("ALTER TABLE t SET AUTHORIZATION u", "", "t"),
    ("ALTER TABLE t EXECUTE optimize(file_size_threshold => '1MB') WHERE a = 1", "", "t"),
    ("ALTER VIEW v RENAME TO w", "", "v w"),
    ("ALTER MATERIALIZED VIEW v SET PROPERTIES a = 1", "", "v"),
    ("CREATE BRANCH b IN TABLE t", "", "t"),
    ("CREATE OR REPLACE BRANCH b WITH (a = 1) IN TABLE s.t FROM c", "", "s.t"),
    ("ALTER BRANCH b IN TABLE t FAST FORWARD TO c", "", "t"),
    ("DROP BRANCH b IN TABLE s.t", "", "s.t"),
    ("COMMENT ON TABLE t IS 'x'", "", "t"),
    ("COMMENT ON VIEW s.v IS NULL", "", "s.v"),
    ("COMMENT ON COLUMN c.s.t.a IS 'x'", "", "c.s.t"),
    ("COMMENT ON COLUMN a IS 'x'", "", ""),
    ("GRANT SELECT, INSERT ON t TO USER u WITH GRANT OPTION", "t", ""),
    ("GRANT ALL PRIVILEGES ON TABLE s.t TO ROLE r", "s.t", ""),
    ("GRANT SELECT ON s.t TO u", "s.t", ""),
    ("GRANT SELECT ON schema TO u", "schema", ""),
    ("REVOKE GRANT OPTION FOR SELECT ON TABLE t FROM u", "t", ""),
    ("DENY SELECT ON VIEW v TO u", "v", ""),
    ("GRANT CREATE ON SCHEMA s TO u", "", ""),
    ("GRANT r TO u", "", ""),
    ("REVOKE r FROM USER u", "", ""),
    ("ANALYZE s.t WITH (columns = ARRAY['a'])", "s.t", ""),
    # shown
    ("SHOW COLUMNS FROM s.t LIKE 'a%'", "s.t", ""),
    ("SHOW COLUMNS IN t", "t", ""),
    ("SHOW CREATE TABLE t", "t", ""),
    ("SHOW CREATE VIEW s.v", "s.v", ""),
    ("SHOW CREATE MATERIALIZED VIEW v", "v", ""),
    ("SHOW STATS FOR t", "t", ""),
    ("SHOW STATS FOR (SELECT * FROM t WHERE a = 1)", "t", ""),
    ("SHOW GRANTS ON TABLE t", "t", ""),
    ("SHOW BRANCHES FROM TABLE t", "t", ""),
    ("SHOW COMMENT ON COLUMN t.a", "t", ""),
    ("SHOW CREATE SCHEMA s", "", ""),
    ("SHOW CREATE FUNCTION f", "", ""),
    ("SHOW TABLES FROM c.s", "", ""),
    ("SHOW SCHEMAS FROM c", "", ""),
    ("SHOW FUNCTIONS", "", ""),
    ("DESCRIBE s.t", "s.t", ""),
    ("DESC t", "t", ""),
    ("DESCRIBE input", "input", ""),
    ("DESCRIBE INPUT p", "", ""),
    ("DESCRIBE OUTPUT p", "", ""),
    # what is inside
    ("EXPLAIN SELECT * FROM t", "t", ""),
    ("EXPLAIN (TYPE IO, FORMAT JSON) INSERT INTO t SELECT * FROM u", "t u", ""),
    ("EXPLAIN ANALYZE VERBOSE DELETE FROM t", "", "t"),
    ("EXPLAIN ANALYZE ANALYZE t", "t", ""),
    ("EXPLAIN ANALYZE EXPLAIN DELETE FROM t", "t", ""),
    ("EXPLAIN EXPLAIN ANALYZE DELETE FROM t", "t", ""),
    ("EXPLAIN VERBOSE MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", "t u", ""),
    ("EXPLAIN ALTER TABLE t RENAME TO u", "t u", ""),
    ("EXPLAIN COMMENT ON COLUMN t.a IS 'x'", "t", ""),
    ("EXPLAIN CREATE VIEW v AS TABLE t", "t v", ""),
    ("EXPLAIN TRUNCATE TABLE t", "t", ""),
    ("EXPLAIN ANALYZE INSERT INTO t TABLE u", "u", "t"),
    ("EXPLAIN (SELECT * FROM t)", "t", ""),
    ("PREPARE p FROM SELECT * FROM t WHERE a = ?", "t", ""),
    ("PREPARE p FROM DROP TABLE t", "t", ""),
    ("PREPARE p FROM INSERT INTO t TABLE u", "t u", ""),
    ("EXECUTE IMMEDIATE 'INSERT INTO t SELECT * FROM u'", "u", "t"),
    # neither
    ("SELECT 1", "", ""),
    ("EXECUTE p USING 1", "", ""),
    ("DEALLOCATE PREPARE p", "", ""),
    ("CREATE SCHEMA s", "", ""),
    ("DROP SCHEMA s CASCADE", "", ""),
    ("ALTER SCHEMA a RENAME TO b", "", ""),
    ("CREATE ROLE r", "", ""),
    ("DROP FUNCTION f(int)", "", ""),
    ("CREATE FUNCTION c.s.f(x int) RETURNS int RETURN x", "", ""),
    ("USE c.s", "", ""),
    ("SET SESSION c.a = 1", "", ""),
    ("RESET SESSION a", "", ""),
    ("CALL c.s.p(table => 'a.b', x => 1)", "", ""),
    ("SELECT * FROM TABLE(c.s.f(a => 1, b => 'x'))", "", ""),
    ("SELECT * FROM TABLE(c.system.query(query => 'SELECT * FROM t')) x, u", "u", ""),
    ("SELECT * FROM TABLE(f(input => TABLE(s.t) PARTITION BY a, other => TABLE(SELECT * FROM u)))", "s.t u", ""),
    ("WITH a AS (SELECT 1) SELECT * FROM TABLE(f(input => TABLE(a)))", "", ""),
    ("COMMIT", "", ""),
    ("", "", ""),
    # broken
    ("SELECT * FROM", "", ""),
    ("SELECT * FROM (", "", ""),
    ("SELECT * FROM )) t", "t", ""),
    ("INSERT INTO", "", ""),
    ("WITH a AS (SELECT * FROM t", "t", ""),
    ("WITH a", "", ""),
    ("SELECT * FROM t; DELETE FROM u", "t", "u"),
    ("EXPLAIN DELETE FROM t; DELETE FROM u; EXPLAIN DELETE FROM v", "t v", "u"),
    ("EXPLAIN", "", ""),
    ("CREATE BRANCH", "", ""),
    ("DROP BRANCH b IN s", "", ""),
    ("WITH a AS (SELECT 1) SELECT * FROM a; SELECT * FROM a", "a", ""),
    ("create view revenue:s as select * from t", "t", "revenue:s"),
]


@pytest.mark.parametrize(("text", "read", "written"), CASES)
def test_the_tables_that_a_text_reads_and_writes(text: str, read: str, written: str) -> None:
    found = Fingerprinter().of(text)
    assert (" ".join(found.read), " ".join(found.written)) == (read, written)


@pytest.mark.parametrize("text", [text for text, *_ in CASES])
def test_each_table_is_read_or_written_and_each_list_is_sorted(text: str) -> None:
    found = Fingerprinter().of(text)
    assert set(found.tables) == {*found.read, *found.written}
    for names in (found.tables, found.read, found.written):
        assert list(names) == sorted(set(names))


@pytest.mark.parametrize("text", [text for text, *_ in CASES])
def test_a_template_names_the_same_tables(text: str) -> None:
    found = Fingerprinter().of(text)
    again = Fingerprinter().of(found.template)
    assert (again.read, again.written) == (found.read, found.written)


def test_prepared_text_names_the_tables_of_an_execute() -> None:
    found = Fingerprinter().of("EXECUTE p", prepared="INSERT INTO t SELECT * FROM t, s.u")
    assert (found.tables, found.read, found.written) == (("s.u", "t"), ("s.u", "t"), ("t",))
