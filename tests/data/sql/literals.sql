=== same: strings
SELECT 'a'
--->
SELECT 'b c'
=== same: a doubled quote is inside the string
SELECT 'it''s', x
--->
SELECT 'it', x
=== same: an empty string
SELECT ''
--->
SELECT 'x'
=== same: comment marks inside strings
SELECT '-- a' , b
--->
SELECT '/* c' , b
=== same: strings over lines
SELECT 'a
b'
--->
SELECT 'a'
=== same: numbers in every spelling
SELECT 1, 1, 1, 1, 1, 1
--->
SELECT 1.5, .5, 5., 1e10, 1.5E-3, 1_000_000
=== same: hexadecimal, octal and binary integers
SELECT 0xFF, 0o17, 0b1010
--->
SELECT 1, 2, 3
=== different: a hexadecimal integer has no exponent: this is a sum
SELECT 0xE+1
--->
SELECT 0xE
=== same: binary strings
SELECT X'00 FF'
--->
SELECT 'a'
=== same: Unicode strings with and without an escape
SELECT U&'\2603' UESCAPE '!'
--->
SELECT U&'x'
=== same: a string and a number: both are literals
SELECT * FROM t WHERE a = 1
--->
SELECT * FROM t WHERE a = '1'
=== same: parameters stand for literals
SELECT * FROM t WHERE a = ?
--->
SELECT * FROM t WHERE a = 5
=== same: typed literals
SELECT DATE '2020-01-01', TIMESTAMP '2020-01-01 00:00:00'
--->
SELECT DATE '1999-12-31', TIMESTAMP '1999-12-31 23:59:59 UTC'
=== same: a type in another case
SELECT date'2020-01-01'
--->
SELECT DATE '2021-01-01'
=== different: the type of a literal is part of the query
SELECT DATE '2020-01-01'
--->
SELECT TIMESTAMP '2020-01-01'
=== same: intervals
SELECT INTERVAL '1' DAY
--->
SELECT INTERVAL '30' DAY
=== same: the sign of an interval
SELECT INTERVAL - '1' DAY
--->
SELECT INTERVAL '30' DAY
=== different: the unit of an interval
SELECT INTERVAL '1' DAY
--->
SELECT INTERVAL '1' HOUR
=== same: LIMIT and OFFSET
SELECT * FROM t OFFSET 5 LIMIT 10
--->
SELECT * FROM t OFFSET 50 LIMIT 100
=== different: LIMIT ALL is no number
SELECT * FROM t LIMIT ALL
--->
SELECT * FROM t LIMIT 5
=== same: ordinals are numbers
SELECT a, b FROM t ORDER BY 1
--->
SELECT a, b FROM t ORDER BY 2
=== same: parameters of types
SELECT CAST(a AS varchar(5))
--->
SELECT CAST(a AS varchar(50))
=== different: NULL outside lists: IS NULL, coalesce(x, NULL)
SELECT * FROM t WHERE f(a, NULL)
--->
SELECT * FROM t WHERE f(a, 1)
=== different: TRUE and FALSE: tools ask WHERE false for the columns alone
SELECT * FROM t WHERE true
--->
SELECT * FROM t WHERE false
=== same: bodies of inline functions are strings
WITH FUNCTION f() RETURNS int LANGUAGE PYTHON AS $$ it's $$ SELECT f()
--->
WITH FUNCTION f() RETURNS int LANGUAGE PYTHON AS $$ other $$ SELECT f()
=== same: a string that is not closed
SELECT 'abc
--->
SELECT 'd
=== different: a dot before a digit is not always a number
SELECT t.x FROM t
--->
SELECT .5 FROM t
