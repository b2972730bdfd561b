=== same: a sign before a number
SELECT -1
--->
SELECT 1
=== same: a plus
SELECT +1
--->
SELECT 1
=== same: signs before a number
SELECT - -1
--->
SELECT 1
=== same: with white space
SELECT a FROM t WHERE x = - 5
--->
SELECT a FROM t WHERE x = 5
=== same: after a bracket, a comma, a word
SELECT f(-1, -2) FROM t WHERE x BETWEEN -1 AND -2
--->
SELECT f(1, 2) FROM t WHERE x BETWEEN 1 AND 2
=== different: an operator between operands
SELECT a - 1
--->
SELECT a + 1
=== different: an operator behind a bracket
SELECT f(a) - 1
--->
SELECT f(a) + 1
=== different: an operator behind a subscript
SELECT a[1] - 1
--->
SELECT a[1] + 1
=== different: an operator behind END
SELECT CASE WHEN a THEN b END - 1
--->
SELECT CASE WHEN a THEN b END + 1
=== different: a difference is not an alias
SELECT a - 1
--->
SELECT a
=== same: a sign behind an operator
SELECT a - -1
--->
SELECT a - 1
=== different: the sign of a column
SELECT -a FROM t
--->
SELECT a FROM t
=== different: a column that is called like a clause
SELECT offset - 1 FROM t
--->
SELECT offset + 1 FROM t
=== same: in a list
SELECT * FROM t WHERE a IN (-1, +2)
--->
SELECT * FROM t WHERE a IN (1)
=== same: in a body
CREATE FUNCTION f() RETURNS int RETURN -1
--->
CREATE FUNCTION f() RETURNS int RETURN 1
