=== same: white space
SELECT a
	FROM   t
--->
SELECT a FROM t
=== same: none
SELECT a,b FROM t WHERE a=1
--->
SELECT a , b FROM t WHERE a = 1
=== same: block comments
SELECT /* a 'b' " */ a FROM t
--->
SELECT a FROM t
=== same: line comments
SELECT a -- it's
FROM t
--->
SELECT a FROM t
=== same: a comment instead of white space
SELECT/**/a FROM t
--->
SELECT a FROM t
=== same: comments around
/* user=1 */ SELECT a FROM t -- run 7
--->
SELECT a FROM t
=== same: a comment that ends in a carriage return
SELECT a -- xFROM t
--->
SELECT a FROM t
=== different: a hint is a comment, a division is not
SELECT a / b FROM t
--->
SELECT a b FROM t
=== same: letter case of keywords and names
select A from T where F(x)
--->
SELECT a FROM t WHERE f(X)
=== same: quotes around plain names
SELECT "a" FROM "t"
--->
SELECT a FROM t
=== same: quoted function names
SELECT "sum"("x") FROM t
--->
SELECT sum(x) FROM t
=== different: quotes that are needed
SELECT "a b" FROM t
--->
SELECT a b FROM t
=== different: a column that is called like a reserved word
SELECT "current_date" FROM t
--->
SELECT current_date FROM t
=== same: a closing semicolon
SELECT a FROM t;
--->
SELECT a FROM t
=== same: a closing semicolon before a comment
SELECT a FROM t ; -- done
--->
SELECT a FROM t
=== same: not equal
SELECT * FROM t WHERE a != b
--->
SELECT * FROM t WHERE a <> b
=== same: a comment that is not closed
SELECT a FROM t /* never
--->
SELECT a FROM t
=== same: only comments
-- nothing
--->
/* nothing */
=== same: a comment may begin behind a star, and the star of its begin does not end it
SELECT a */*/ b FROM t
--->
SELECT a * /* c
=== same: capital sigma, wherever it stands
SELECT "ΑΣ", ΣΣ FROM t
--->
SELECT "ασ" , σσ FROM t
