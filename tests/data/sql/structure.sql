=== different: names of columns
SELECT a FROM t
--->
SELECT b FROM t
=== different: names of tables
SELECT a FROM t
--->
SELECT a FROM u
=== different: digits in names
SELECT a FROM t1
--->
SELECT a FROM t2
=== different: digits in names, many
SELECT a FROM events_20200101
--->
SELECT a FROM events_20200102
=== different: digits in functions
SELECT sha256(a)
--->
SELECT sha512(a)
=== different: functions whose trees are alike
SELECT log2(x)
--->
SELECT log10(x)
=== different: names that begin with digits
SELECT a FROM 1a
--->
SELECT a FROM 1b
=== different: qualified names
SELECT a FROM s.t
--->
SELECT a FROM t
=== different: order of columns
SELECT a, b FROM t
--->
SELECT b, a FROM t
=== different: order of conditions
SELECT * FROM t WHERE a AND b
--->
SELECT * FROM t WHERE b AND a
=== different: brackets
SELECT * FROM t WHERE (a)
--->
SELECT * FROM t WHERE a
=== different: DISTINCT
SELECT DISTINCT a FROM t
--->
SELECT a FROM t
=== different: UNION and UNION ALL
SELECT 1 UNION SELECT 2
--->
SELECT 1 UNION ALL SELECT 2
=== different: repeated members of a UNION
SELECT 1 UNION SELECT 2
--->
SELECT 1 UNION SELECT 2 UNION SELECT 3
=== different: repeated conditions
SELECT * FROM t WHERE a = 1 OR a = 2
--->
SELECT * FROM t WHERE a = 1
=== different: comparison
SELECT * FROM t WHERE a < 1
--->
SELECT * FROM t WHERE a <= 1
=== different: branches of tables
DELETE FROM t @ dev
--->
DELETE FROM t
=== different: names of branches
DELETE FROM t @ dev
--->
DELETE FROM t @ main
=== different: PIVOT and whatever the grammar may learn
SELECT * FROM t PIVOT (sum(a) FOR b IN (1))
--->
SELECT * FROM t
=== different: NOT
SELECT * FROM t WHERE a IS NOT NULL
--->
SELECT * FROM t WHERE a IS NULL
=== different: a literal where there was none
SELECT a 'x' b
--->
SELECT a b
=== different: EXPLAIN
EXPLAIN SELECT 1
--->
SELECT 1
=== different: EXPLAIN ANALYZE
EXPLAIN ANALYZE SELECT 1
--->
EXPLAIN SELECT 1
=== different: names in quotes that need them
SELECT "a b"
--->
SELECT "a c"
