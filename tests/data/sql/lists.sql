=== same: the length of IN
SELECT * FROM t WHERE a IN (1)
--->
SELECT * FROM t WHERE a IN (1, 2, 3)
=== same: IN over lines, with comments
SELECT * FROM t WHERE a IN (
  1, -- one
  2)
--->
SELECT * FROM t WHERE a IN (1)
=== same: NULL, TRUE and FALSE are constants in lists
SELECT * FROM t WHERE a IN (1, NULL, true)
--->
SELECT * FROM t WHERE a IN (2)
=== same: a list of typed literals
SELECT * FROM t WHERE a IN (DATE '2020-01-01', DATE '2020-01-02')
--->
SELECT * FROM t WHERE a IN (date '2021-01-01')
=== same: NULL among typed literals
SELECT * FROM t WHERE a IN (DATE '2020-01-01', NULL)
--->
SELECT * FROM t WHERE a IN (DATE '2021-01-01')
=== different: the type in a list
SELECT * FROM t WHERE a IN (DATE '2020-01-01')
--->
SELECT * FROM t WHERE a IN (TIMESTAMP '2020-01-01')
=== different: a list is not =
SELECT * FROM t WHERE a IN (1)
--->
SELECT * FROM t WHERE a = 1
=== different: names in a list
SELECT * FROM t WHERE a IN (b)
--->
SELECT * FROM t WHERE a IN (b, c)
=== same: constants beside a name
SELECT * FROM t WHERE a IN (b, 1)
--->
SELECT * FROM t WHERE a IN (b, 1, 2)
=== different: calls are not constants
SELECT * FROM t WHERE a IN (f(1))
--->
SELECT * FROM t WHERE a IN (f(1), f(2))
=== same: tuples of constants
SELECT * FROM t WHERE (a, b) IN ((1, 2))
--->
SELECT * FROM t WHERE (a, b) IN ((1, 2), (3, 4))
=== different: the columns of a query in IN are no list
SELECT * FROM t WHERE a IN (SELECT 1, 2)
--->
SELECT * FROM t WHERE a IN (SELECT 1)
=== same: the length of ARRAY
SELECT ARRAY[1]
--->
SELECT ARRAY[1, 2, 3]
=== same: arrays of arrays
SELECT ARRAY[ARRAY[1], ARRAY[2, 3]]
--->
SELECT ARRAY[ARRAY[1]]
=== different: the empty array
SELECT ARRAY[]
--->
SELECT ARRAY[1]
=== different: a subscript of a column called array
SELECT "array"[1] FROM t
--->
SELECT ARRAY[1] FROM t
=== different: the number of arguments
SELECT concat('a', 'b')
--->
SELECT concat('a', 'b', 'c')
=== different: the width of ROW
SELECT ROW(1, 2)
--->
SELECT ROW(1, 2, 3)
=== same: rows of VALUES
INSERT INTO t VALUES (1, 'a')
--->
INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL)
=== same: rows of VALUES over lines
INSERT INTO t VALUES
(1, 'a'),
(2, 'b')
--->
INSERT INTO t VALUES (1, 'a')
=== same: rows without brackets
VALUES 1, 2, 3
--->
VALUES 1
=== same: rows with a call
INSERT INTO t VALUES (1, now()), (2, now())
--->
INSERT INTO t VALUES (1, now())
=== different: other calls in rows
INSERT INTO t VALUES (1, now())
--->
INSERT INTO t VALUES (1, uuid())
=== same: VALUES in FROM
SELECT * FROM (VALUES (1), (2)) AS t (a)
--->
SELECT * FROM (VALUES (1)) AS t (a)
=== different: what follows VALUES counts
VALUES (1), (2) LIMIT 1
--->
VALUES (1), (2)
=== different: rows of names
SELECT * FROM t, LATERAL (VALUES (a), (b))
--->
SELECT * FROM t, LATERAL (VALUES (a))
=== different: a row in brackets may be an operand
VALUES (1) + 2
--->
VALUES (1)
=== same: intervals
SELECT * FROM t WHERE a IN (INTERVAL '1' DAY, INTERVAL - '2' DAY)
--->
SELECT * FROM t WHERE a IN (INTERVAL '3' DAY)
=== same: intervals of two units
SELECT ARRAY[INTERVAL '1-2' YEAR TO MONTH, INTERVAL '1-3' YEAR TO MONTH]
--->
SELECT ARRAY[INTERVAL '1-2' YEAR TO MONTH]
=== different: an interval without a unit is none
SELECT * FROM t WHERE a IN (INTERVAL '1', INTERVAL '2')
--->
SELECT * FROM t WHERE a IN (INTERVAL '1' DAY)
=== same: types of two words
SELECT ARRAY[DOUBLE PRECISION '1', DOUBLE PRECISION '2']
--->
SELECT ARRAY[DOUBLE PRECISION '1']
=== same: strings with an escape
SELECT * FROM t WHERE a IN (U&'!2603' UESCAPE '!', 'b')
--->
SELECT * FROM t WHERE a IN ('b')
=== same: rows with typed literals
INSERT INTO t VALUES (1, DATE '2020-01-01'), (2, NULL)
--->
INSERT INTO t VALUES (3, DATE '2020-01-02')
=== same: a list of dates for an array
SELECT ARRAY[TIMESTAMP '2020-01-01', timestamp '2020-01-02']
--->
SELECT ARRAY[TIMESTAMP '2020-01-01']
=== same: IN at the end of a comment
SELECT a, -- and what it is in
(1, 2), [3, 4] FROM t
--->
SELECT a, (5, 6), -- array
[7, 8] FROM t
=== same: IN on another line than its list
SELECT a FROM t WHERE b IN
(1, 2)
--->
SELECT a FROM t WHERE b IN (3)
=== different: what is no row is not one of many
VALUES (1), (a, 2) b, (c, 3)
--->
VALUES (1), (a, 2) b, (a, 3), (c, 3)
=== same: rows without a comma between them stay two
VALUES (1),,(4) (6)
--->
VALUES (2),,(5)(7)
=== same: brackets that were not opened
VALUES) AS x, NULL
--->
VALUES) x, null
=== same: rows of constants are told once, wherever they stand among others
VALUES (now(), 1), (NULL, 1), (now(), 2), (TIMESTAMP '2026-01-01 00:00:00', 3)
--->
VALUES (now(), 1), (TIMESTAMP '2026-01-01 00:00:00', 3)
=== same: VALUES in VALUES, without brackets
VALUES 1, 2, VALUES 3
--->
VALUES 1, VALUES 2, 3
=== same: an end where a row should be
VALUES 1,,3 INTERSECT,3
--->
VALUES ?, INTERSECT, ?
=== same: AS before ASC
SELECT a FROM t ORDER BY a AS ASC
--->
SELECT a FROM t ORDER BY a as asc
=== different: a row that has a name is told apart from those before it
VALUES (1), (a), (2) t
--->
VALUES (1), (a) t
=== same: rows among other constants, the last with a name behind it
VALUES 1, (2), 3, (4), (5) t
--->
VALUES 1, (2) t
=== different: a sign and a comparison are no arrow
SELECT a FROM t WHERE - >= a
--->
SELECT a FROM t WHERE ->= a
=== same: the character of UESCAPE belongs to a literal with a type, too
VALUES (1, TIMESTAMP 'a' UESCAPE '!'), (2, TIMESTAMP 'b')
--->
VALUES (1, TIMESTAMP 'a')
=== same: also with a sign, which no engine takes
VALUES (1, TIMESTAMP 'a' UESCAPE -1), (2, TIMESTAMP 'b')
--->
VALUES (1, TIMESTAMP 'a')
