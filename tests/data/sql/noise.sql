=== same: AS before an alias
SELECT a AS b FROM t AS u
--->
SELECT a b FROM t u
=== same: AS before a quoted alias
SELECT a AS "B c" FROM t
--->
SELECT a "B c" FROM t
=== same: ASC
SELECT a FROM t ORDER BY a ASC, b ASC NULLS LAST
--->
SELECT a FROM t ORDER BY a, b NULLS LAST
=== different: DESC
SELECT a FROM t ORDER BY a DESC
--->
SELECT a FROM t ORDER BY a
=== different: an alias called asc
SELECT a asc FROM t
--->
SELECT a FROM t
=== same: INNER
SELECT * FROM a INNER JOIN b ON x
--->
SELECT * FROM a JOIN b ON x
=== same: OUTER
SELECT * FROM a LEFT OUTER JOIN b ON x FULL OUTER JOIN c ON y
--->
SELECT * FROM a LEFT JOIN b ON x FULL JOIN c ON y
=== different: LEFT
SELECT * FROM a LEFT JOIN b ON x
--->
SELECT * FROM a JOIN b ON x
=== different: an alias
SELECT a AS b FROM t
--->
SELECT a AS c FROM t
=== different: an alias or none
SELECT a AS b FROM t
--->
SELECT a FROM t
=== different: a type in CAST
SELECT CAST(a AS bigint)
--->
SELECT CAST(a AS double)
=== different: a version of a table
SELECT * FROM t FOR VERSION AS OF 1
--->
SELECT * FROM t
=== same: the number of a version
SELECT * FROM t FOR VERSION AS OF 1
--->
SELECT * FROM t FOR VERSION AS OF 2
