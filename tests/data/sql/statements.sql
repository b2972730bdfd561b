=== same: EXECUTE IMMEDIATE is what it executes
EXECUTE IMMEDIATE 'SELECT * FROM t WHERE a = ''x'''
--->
SELECT * FROM t WHERE a = 'y'
=== same: EXECUTE IMMEDIATE with arguments
EXECUTE IMMEDIATE 'SELECT * FROM t WHERE a = ?' USING 5
--->
SELECT * FROM t WHERE a = ?
=== same: EXECUTE IMMEDIATE behind a comment, in any case
/* jdbc */ execute /**/ immediate 'SELECT 1'
--->
SELECT 1
=== same: EXECUTE IMMEDIATE in itself
EXECUTE IMMEDIATE 'EXECUTE IMMEDIATE ''SELECT ''''a'''' FROM t'''
--->
SELECT 'b' FROM t
=== same: EXECUTE IMMEDIATE of a Unicode string
EXECUTE IMMEDIATE U&'SELECT a\0062 FROM t WHERE c = \+000027\2603\0027 AND d = ''x'''
--->
SELECT ab FROM t WHERE c = 'y' AND d = 'z'
=== same: EXECUTE IMMEDIATE of a Unicode string with an escape of its own
execute immediate u&'SELECT #0061 FROM t WHERE "##" = 1' /* it's */ UESCAPE -- why
'#' USING 1
--->
SELECT a FROM t WHERE "#" = 2
=== different: a plain string has no escapes
EXECUTE IMMEDIATE 'SELECT "a\0062" FROM t'
--->
EXECUTE IMMEDIATE U&'SELECT "a\0062" FROM t'
=== different: another statement in a Unicode string
EXECUTE IMMEDIATE U&'SELECT \0061 FROM t'
--->
EXECUTE IMMEDIATE U&'SELECT \0062 FROM t'
=== different: what is no escape stays
EXECUTE IMMEDIATE U&'SELECT "\+110000" FROM t'
--->
EXECUTE IMMEDIATE U&'SELECT "\+11000" FROM t'
=== same: EXPLAIN of EXECUTE IMMEDIATE
EXPLAIN ANALYZE EXECUTE IMMEDIATE 'SELECT 1'
--->
EXPLAIN ANALYZE SELECT 2
=== same: arguments of EXECUTE
EXECUTE p USING 1, 'a'
--->
EXECUTE p USING 2, 'b'
=== different: names of prepared statements
EXECUTE p1
--->
EXECUTE p2
=== same: arguments of CALL
CALL iceberg.system.expire_snapshots(table => 'a.b', retention => '7d')
--->
CALL iceberg.system.expire_snapshots(table => 'c.d', retention => '8d')
=== different: procedures
CALL s.a()
--->
CALL s.b()
=== same: values of properties
CREATE TABLE t WITH (format = 'ORC') AS SELECT 1
--->
CREATE TABLE t WITH (format = 'PARQUET') AS SELECT 2
=== different: names of properties
SET SESSION a = 1
--->
SET SESSION b = 1
=== same: SHOW … LIKE
SHOW TABLES FROM s LIKE 'a%'
--->
SHOW TABLES FROM s LIKE 'b%'
=== same: paths of JSON
SELECT JSON_VALUE(a, 'lax $.x') FROM t
--->
SELECT JSON_VALUE(a, 'strict $.y') FROM t
=== same: COMMENT
COMMENT ON TABLE t IS 'a'
--->
COMMENT ON TABLE t IS 'b'
=== different: COMMENT IS NULL
COMMENT ON TABLE t IS 'a'
--->
COMMENT ON TABLE t IS NULL
