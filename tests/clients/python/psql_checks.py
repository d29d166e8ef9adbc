"""psql: formats, variables, every backslash command, \\copy, \\watch and its kin, tab completion in a terminal."""

import os
import pty
import select
import signal
import subprocess
import tempfile
import time

from checks import DATABASE, USER, equal, has, main, must, should


def psql(script, *arguments, status=0, **environment):
    """Standard output and error of a script; the exit code must be the one given."""
    command = ["psql", "-X", "-v", "VERBOSITY=verbose", *arguments]
    done = subprocess.run(command, input=script, text=True, capture_output=True, env={**os.environ, **environment}, timeout=25)
    if status is not None and done.returncode != status:
        raise AssertionError(f"exit {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout + done.stderr


def bare(script, *arguments, **more):
    """Rows alone, values parted by bars."""
    return psql(script, "-qAt", *arguments, **more)


def rows(level, name, script, expected):
    level(name)(lambda: equal(bare(script).rstrip("\n"), expected))


def shows(level, name, script, *patterns):
    level(name)(lambda: has(psql(script), *patterns))


# Values.
for name, script, expected in [
    ("select 1", "SELECT 1", "1"),
    ("version is PostgreSQL 15", "SELECT substr(version(), 1, 13)", "PostgreSQL 15"),
    ("server_version_num", "SELECT current_setting('server_version_num')::int / 10000", "15"),
    ("current database", "SELECT current_database(), current_catalog", f"{DATABASE}|{DATABASE}"),
    ("current user", "SELECT current_user, session_user, user", f"{USER}|{USER}|{USER}"),
    ("current schema", "SELECT current_schema(), current_schemas(false)", "public|{public}"),
    ("booleans", "SELECT true, false, NULL::bool", "t|f|"),
    ("integers", "SELECT 1::int2, -2::int4, 9223372036854775807", "1|-2|9223372036854775807"),
    ("floats", "SELECT 1.5::float8, 'NaN'::float8, 'Infinity'::float8, 1::float8, 0.1::float4", "1.5|NaN|Infinity|1|0.1"),
    ("numerics keep their scale", "SELECT 1.50::numeric(12,2), 0.10, 100::numeric", "1.50|0.10|100"),
    ("dates", "SELECT date '2026-01-31', '2026-01-31'::date + 1", "2026-01-31|2026-02-01"),
    ("timestamps", "SELECT timestamp '2026-01-31 10:00:00.5', timestamp '2026-01-31 10:00'", "2026-01-31 10:00:00.5|2026-01-31 10:00:00"),
    ("timestamptz in the session's zone", "SET TIME ZONE 'Europe/Berlin'; SELECT timestamptz '2026-07-01 10:00:00+00'", "2026-07-01 12:00:00+02"),
    ("arrays", "SELECT ARRAY[1,2], ARRAY['a b', NULL, 'c'], '{}'::text[]", '{1,2}|{"a b",NULL,c}|{}'),
    ("unicode", "SELECT 'Zoë 日本', length('日本')", "Zoë 日本|2"),
    ("escape strings", "SELECT E'a\\tb', $$it's$$, U&'\\0041'", "a\tb|it's|A"),
    ("division of integers", "SELECT 7 / 2, 7 % 2, 7 / 2.0", "3|1|3.5000000000000000"),
    ("null handling", "SELECT coalesce(NULL, 2), nullif(1, 1), NULL IS DISTINCT FROM 1", "2||t"),
    ("case", "SELECT CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END", "b"),
    ("count of profiles", "SELECT count(*) FROM profiles", "1000"),
    ("a profile", "SELECT profile_id, customer_no, first_name, spend, opted_in, birth_date FROM profiles WHERE customer_no = 'C0001'",
     "0|C0001|Zoë|1.25|f|2000-01-02"),
    ("ILIKE and regex", "SELECT 'Abc' ILIKE 'aB%', 'abc' ~ '^a.c$', 'ABC' ~* 'b', 'x' !~ 'y'", "t|t|t|t"),
    ("date_trunc", "SELECT date_trunc('month', timestamp '2026-03-17 10:11:12')", "2026-03-01 00:00:00"),
    ("extract", "SELECT extract(year FROM date '2026-03-17'), date_part('dow', date '2026-03-17')", "2026|2"),
    ("to_char", "SELECT to_char(timestamp '2026-03-07 14:05:09', 'YYYY-MM-DD HH24:MI:SS'), to_char(date '2026-03-07', 'Mon DD')",
     "2026-03-07 14:05:09|Mar 07"),
    ("generate_series", "SELECT * FROM generate_series(1, 3)", "1\n2\n3"),
    ("generate_series of dates", "SELECT d::date FROM generate_series(timestamp '2026-01-01', timestamp '2026-01-03', interval '1 day') d",
     "2026-01-01\n2026-01-02\n2026-01-03"),
    ("generate_series in the select list", "SELECT generate_series(1, 2)", "1\n2"),
    ("unnest", "SELECT unnest(ARRAY['a', 'b'])", "a\nb"),
    ("unnest with ordinality", "SELECT * FROM unnest(ARRAY['a', 'b']) WITH ORDINALITY AS t(v, n)", "a|1\nb|2"),
    ("string_agg", "SELECT string_agg(v, ',' ORDER BY v DESC) FROM (VALUES ('a'), ('b')) AS t(v)", "b,a"),
    ("array_agg", "SELECT array_agg(v ORDER BY v) FROM (VALUES (2), (1)) AS t(v)", "{1,2}"),
    ("percentile_cont", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY visits) FROM profiles", "500.5"),
    ("percentile_disc", "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY visits) FROM profiles", "500"),
    ("filter", "SELECT count(*) FILTER (WHERE city = 'Leeds') FROM profiles", "333"),
    ("distinct on", "SELECT DISTINCT ON (city) city, customer_no FROM profiles WHERE city IS NOT NULL ORDER BY city, customer_no",
     "Hull|C0001\nLeeds|C0003"),
    ("grouping sets", "SELECT city, count(*) FROM profiles GROUP BY GROUPING SETS ((city), ()) ORDER BY 2, 1", "Leeds|333\n|333\nHull|334\n|1000"),
    ("rollup", "SELECT city, grouping(city), count(*) FROM profiles GROUP BY ROLLUP (city) ORDER BY 2, 3, 1", "Leeds|0|333\n|0|333\nHull|0|334\n|1|1000"),
    ("window functions", "SELECT v, row_number() OVER (ORDER BY v), lag(v) OVER (ORDER BY v), sum(v) OVER (ORDER BY v) "
     "FROM (VALUES (10), (20)) AS t(v)", "10|1||10\n20|2|10|30"),
    ("common table expression", "WITH a AS (SELECT 1 AS x) SELECT x + 1 FROM a", "2"),
    ("recursive expression", "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 4) SELECT sum(n) FROM t", "10"),
    ("lateral", "SELECT p.customer_no, x.n FROM (SELECT customer_no FROM profiles ORDER BY 1 LIMIT 2) p, "
     "LATERAL (SELECT count(*) AS n FROM purchases e WHERE e.email = 'p1@example.com') x", "C0001|2\nC0002|2"),
    ("lateral over a column", "SELECT p.customer_no, x.product FROM profiles p CROSS JOIN LATERAL (SELECT product FROM purchases e "
     "WHERE e.email = p.email ORDER BY ts LIMIT 1) x WHERE p.customer_no IN ('C0001', 'C0002') ORDER BY 1", "C0001|product 1\nC0002|product 2"),
    ("correlated subquery", "SELECT customer_no, (SELECT count(*) FROM purchases e WHERE e.email = p.email) FROM profiles p "
     "WHERE customer_no IN ('C0001', 'C0500') ORDER BY 1", "C0001|2\nC0500|0"),
    ("exists in the select list", "SELECT EXISTS (SELECT 1 FROM profiles WHERE customer_no = 'C0001'), EXISTS (SELECT 1 FROM profiles WHERE false)", "t|f"),
    ("array of a subquery", "SELECT ARRAY(SELECT customer_no FROM profiles ORDER BY 1 LIMIT 2)", "{C0001,C0002}"),
    ("in a list and a subquery", "SELECT count(*) FROM profiles WHERE customer_no IN ('C0001', 'C0002') "
     "AND email IN (SELECT email FROM purchases)", "2"),
    ("any of an array", "SELECT count(*) FROM profiles WHERE customer_no = ANY (ARRAY['C0001', 'C0002'])", "2"),
    ("order by nulls", "SELECT DISTINCT city FROM profiles ORDER BY city NULLS FIRST", "\nHull\nLeeds"),
    ("nulls are last", "SELECT DISTINCT city FROM profiles ORDER BY city", "Hull\nLeeds"),
    ("limit and offset", "SELECT customer_no FROM profiles ORDER BY customer_no LIMIT 2 OFFSET 10", "C0011\nC0012"),
    ("fetch first", "SELECT customer_no FROM profiles ORDER BY customer_no FETCH FIRST 1 ROW ONLY", "C0001"),
    ("values", "VALUES (1, 'a'), (2, 'b')", "1|a\n2|b"),
    ("union, intersect, except", "(SELECT 1 UNION SELECT 2) EXCEPT SELECT 1 INTERSECT SELECT 1", "2"),
    ("several names alike", "SELECT 1 AS a, 2 AS a, NULL, NULL", "1|2||"),
    ("table of a three-part name", f"SELECT count(*) FROM {DATABASE}.public.profiles", "1000"),
    ("row comparison", "SELECT (1, 2) < (1, 3)", "t"),
    ("row comparison of columns", "SELECT count(*) FROM profiles WHERE (visits, customer_no) > (998, 'C0998')", "2"),
    ("interval arithmetic", "SELECT timestamp '2026-01-31' + interval '1 month', date '2026-03-01' - date '2026-02-01'", "2026-02-28 00:00:00|28"),
    ("intervals", "SELECT interval '1 day 02:03:04', interval '90 minutes', interval '1 year 2 months'", "1 day 02:03:04|01:30:00|1 year 2 mons"),
    ("age", "SELECT age(timestamp '2026-03-01', timestamp '2025-01-15')", "1 year 1 mon 17 days"),
    ("bytea", "SELECT '\\x01ff'::bytea, length('\\x01ff'::bytea), encode('\\x01ff'::bytea, 'hex')", "\\x01ff|2|01ff"),
    ("uuid", "SELECT 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json access", """SELECT '{"a": {"b": [1, 2]}}'::json -> 'a' -> 'b' ->> 1, '{"a": 1}'::jsonb @> '{"a": 1}'""", "2|t"),
    ("jsonb is sorted", """SELECT '{"b": 1, "a": [true, null]}'::jsonb""", '{"a": [true, null], "b": 1}'),
    ("json builders", "SELECT json_build_object('a', 1, 'b', 'x'), to_jsonb(ARRAY[1,2])", '{"a" : 1, "b" : "x"}|[1, 2]'),
    ("json of a row", "SELECT row_to_json(t) FROM (SELECT 1 AS a, 'x' AS b) t", '{"a":1,"b":"x"}'),
    ("times of day", "SELECT time '10:11:12', '10:11'::time", "10:11:12|10:11:00"),
    ("casts by name", "SELECT CAST('5' AS integer) + 1, '7'::bigint, 3.7::int, 't'::boolean, 12::text", "6|7|4|t|12"),
    ("text functions", "SELECT upper('a'), initcap('ab cd'), lpad('7', 3, '0'), split_part('a,b', ',', 2), substring('abc' FROM 2 FOR 1), "
     "position('b' IN 'abc'), trim(both 'x' FROM 'xax'), replace('aba', 'b', 'c'), left('abc', 2), right('abc', 1), reverse('ab'), repeat('a', 2)",
     "A|Ab Cd|007|b|b|2|a|aca|ab|c|ba|aa"),
    ("regular expressions", "SELECT regexp_replace('a1b2', '[0-9]', '#', 'g'), substring('abc123' FROM '[0-9]+'), (regexp_match('a-b', '(.)-(.)'))[2]",
     "a#b#|123|b"),
    ("format and concat", "SELECT format('%s is %I', 'x', 'a b'), concat('a', NULL, 1), concat_ws('-', 'a', NULL, 'b')", 'x is "a b"|a1|a-b'),
    ("quoting", "SELECT quote_ident('a b'), quote_literal('it''s'), quote_nullable(NULL)", "\"a b\"|'it''s'|NULL"),
    ("mathematics", "SELECT round(2.567, 2), ceil(1.2), floor(-1.2), abs(-3), power(2, 3), sqrt(16), mod(7, 3), trunc(1.9), sign(-2), greatest(1, 3), least(1, 3)",
     "2.57|2|-2|3|8|4|1|1|-1|3|1"),
    ("aggregates of numbers", "SELECT sum(visits), avg(visits), min(spend), max(spend), count(DISTINCT city) FROM profiles",
     "500500|500.5000000000000000|1.25|1250.00|2"),
    ("sums of numerics", "SELECT sum(spend), avg(spend)::numeric(12,4) FROM profiles", "625625.00|625.6250"),
    ("statistics", "SELECT round(stddev_samp(visits), 4), round(variance(visits), 2), round(corr(visits, score)::numeric, 2) FROM profiles", "288.8194|83416.67|1.00"),
    ("boolean aggregates", "SELECT bool_and(v), bool_or(v), every(v) FROM (VALUES (true), (false)) AS t(v)", "f|t|f"),
    ("having", "SELECT city FROM profiles GROUP BY city HAVING count(*) > 333", "Hull"),
    ("array functions", "SELECT array_length(ARRAY[1,2], 1), cardinality(ARRAY[1]), array_to_string(ARRAY['a', 'b'], ','), (ARRAY[5,6])[2], "
     "string_to_array('a,b', ','), array_position(ARRAY['a','b'], 'b'), ARRAY[1] || 2, 1 = ANY (ARRAY[1,2]), ARRAY[1,2] @> ARRAY[2]",
     "2|1|a,b|6|{a,b}|2|{1,2}|t|t"),
    ("full join", "SELECT count(*) FROM profiles p FULL JOIN (SELECT 'nobody@example.com' AS email) x ON x.email = p.email", "1001"),
    ("join using", "SELECT count(*) FROM profiles JOIN purchases USING (email)", "200"),
    ("natural order of joins", "SELECT count(*) FROM profiles p LEFT JOIN purchases e ON e.email = p.email AND e.amount > 150 WHERE e.email IS NULL", "951"),
    ("comments", "SELECT /* a /* nested */ one */ 1 -- and a line", "1"),
    ("cast of a table's name", "SELECT 'profiles'::regclass, 'profiles'::regclass::oid = (SELECT oid FROM pg_class WHERE relname = 'profiles')", "profiles|t"),
    ("types by name", "SELECT 'int4'::regtype, 23::regtype, pg_typeof(1), pg_typeof(now())", "integer|integer|integer|timestamp with time zone"),
    ("to_regclass", "SELECT to_regclass('nothing'), to_regclass('public.profiles')", "|profiles"),
    ("time zone conversion", "SELECT timestamptz '2026-07-01 10:00+00' AT TIME ZONE 'Europe/Berlin', timestamp '2026-07-01 12:00' AT TIME ZONE 'UTC'",
     "2026-07-01 12:00:00|2026-07-01 12:00:00+00"),
    ("width_bucket", "SELECT width_bucket(5.5, 0, 10, 5)", "3"),
    ("tablesample-free random order", "SELECT count(*) FROM (SELECT * FROM profiles ORDER BY random() LIMIT 7) x", "7"),
    ("no columns", "SELECT FROM (VALUES (1)) AS t(v)", ""),
    ("select star of a subquery with an alias", "SELECT t.* FROM (SELECT 1 AS a, 2 AS b) AS t(x, y)", "1|2"),
    ("interval from numbers", "SELECT make_interval(days => 2), make_date(2026, 1, 31), make_timestamp(2026, 1, 31, 10, 0, 0)", "2 days|2026-01-31|2026-01-31 10:00:00"),
    ("similar to", "SELECT 'abc' SIMILAR TO '(a|b)%', 'abc' LIKE 'a\\_c'", "t|f"),
    ("is of truth", "SELECT NULL::bool IS TRUE, true IS NOT FALSE, NULL::bool IS UNKNOWN", "f|t|t"),
    ("epoch", "SELECT extract(epoch FROM timestamptz '2026-01-01 00:00:00+00')::bigint, to_timestamp(0)", "1767225600|1970-01-01 00:00:00+00"),
]:
    rows(must, name, script, expected)

rows(should, "overlaps and between symmetric", "SELECT 5 BETWEEN SYMMETRIC 10 AND 1, (date '2026-01-01', date '2026-01-10') OVERLAPS (date '2026-01-05', date '2026-02-01')", "t|t")

# Output.
shows(must, "aligned output", "SELECT 1 AS a, 'x' AS b;", r"^ a \| b $", r"^ 1 \| x$", r"^\(1 row\)$")
shows(must, "expanded output", "\\x\nSELECT 1 AS a, 'x' AS b;", r"^-\[ RECORD 1 \]", r"^a \| 1$")
shows(must, "csv output", "\\pset format csv\nSELECT 1 AS a, 'x,y' AS b;", '^1,"x,y"$')
shows(must, "html output", "\\pset format html\nSELECT 1 AS a;", r"<td align=.right.>1</td>")
shows(must, "numbers to the right, text to the left", "SELECT 1::bigint AS number, 'x' AS text;", r"^      1 \| x$")
shows(must, "timing", "\\timing on\nSELECT 1;", r"^Time: [0-9.]+ ms")
shows(must, "unnamed columns", "SELECT 1, count(*), upper('a'), now() IS NULL, CASE WHEN true THEN 1 END, '1'::int FROM profiles;",
      r"\?column\? \| count \| upper \| \?column\? \| case \| int4")
shows(must, "names of columns", "SELECT sum(visits), profile_of('email', 'p1@example.com'), ARRAY[1], coalesce(1), (SELECT 5 AS z), EXISTS (SELECT 1) FROM profiles;",
      r" sum +\| profile_of \| array \| coalesce \| z \| exists")

# Command tags, notices, errors.
for name, script, patterns in [
    ("tags", "BEGIN; SET application_name = 'x'; SELECT 1; COMMIT;", ["^BEGIN$", "^SET$", "^COMMIT$"]),
    ("rollback tag", "BEGIN; ROLLBACK;", ["^ROLLBACK$"]),
    ("notice of a missing object", "DROP VIEW IF EXISTS nothing_here;", [r"NOTICE:  00000: view \"nothing_here\" does not exist, skipping", "^DROP VIEW$"]),
    ("missing table", "SELECT * FROM nothing_here;", [r"ERROR:  42P01: relation \"nothing_here\" does not exist", r"^LINE 1: SELECT \* FROM nothing_here;", r"^ +\^$"]),
    ("missing column", "SELECT nothing FROM profiles;", [r"ERROR:  42703: column \"nothing\" does not exist", "^LINE 1:"]),
    ("missing schema", "SELECT * FROM nowhere.profiles;", [r"ERROR:  42P01: relation \"nowhere.profiles\" does not exist"]),
    ("missing function", "SELECT nothing(1);", [r"ERROR:  42883: function nothing\(integer\) does not exist"]),
    ("syntax error", "SELEC 1;", [r"ERROR:  42601: syntax error at or near \"SELEC\"", "^LINE 1: SELEC 1;"]),
    ("syntax error at the end", "SELECT (1;", ["ERROR:  42601: syntax error at or near \";\""]),
    ("position in a later line", "SELECT 1,\n  2,\n  nothing\nFROM profiles;", ["^LINE 3:   nothing$"]),
    ("ambiguous column", "SELECT email FROM profiles a, profiles b;", [r"ERROR:  42702: column reference \"email\" is ambiguous"]),
    ("ungrouped column", "SELECT city, visits FROM profiles GROUP BY city;", ["ERROR:  42803: column \"profiles.visits\" must appear in the GROUP BY clause"]),
    ("division by zero", "SELECT 1 / 0;", ["ERROR:  22012: division by zero"]),
    ("division of a column by zero", "SELECT visits / (visits - visits) FROM profiles;", ["ERROR:  22012: division by zero"]),
    ("text that is no number", "SELECT 'x'::int;", [r"ERROR:  22P02: invalid input syntax for type integer: \"x\""]),
    ("text that is no date", "SELECT 'x'::date;", [r"ERROR:  22007: invalid input syntax for type date: \"x\""]),
    ("date out of range", "SELECT '2026-02-30'::date;", [r"ERROR:  22008: date/time field value out of range: \"2026-02-30\""]),
    ("number out of range", "SELECT 2147483647 + 1;", ["ERROR:  22003: integer out of range"]),
    ("number too large for its type", "SELECT 99999999999::int;", ["ERROR:  22003: integer out of range"]),
    ("more than one row", "SELECT (SELECT visits FROM profiles);", ["ERROR:  21000: more than one row returned by a subquery used as an expression"]),
    ("missing setting", "SHOW nothing_at_all;", ["ERROR:  42704: unrecognized configuration parameter \"nothing_at_all\""]),
    ("missing type", "SELECT 1::nothing;", ["ERROR:  42704: type \"nothing\" does not exist"]),
    ("missing cursor", "CLOSE nothing;", ["ERROR:  34000: cursor \"nothing\" does not exist"]),
    ("missing prepared statement", "EXECUTE nothing;", ["ERROR:  26000: prepared statement \"nothing\" does not exist"]),
    ("failed transaction", "BEGIN;\nSELECT 1/0;\nSELECT 1;\nCOMMIT;", ["25P02: current transaction is aborted, commands ignored until end of transaction block", "^ROLLBACK$"]),
    ("warning outside a transaction", "COMMIT;", ["WARNING:  25P01: there is no transaction in progress"]),
]:
    must("error: " + name)(lambda script=script, patterns=patterns: has(psql(script, status=None), *patterns))


@must("error ends a script with status 3")
def _():
    psql("SELECT 1/0;\nSELECT 1;", "-v", "ON_ERROR_STOP=1", status=3)


@must("-c with several statements is one transaction")
def _():
    equal(subprocess.run(["psql", "-XqAt", "-c", "SELECT 1; SELECT 2"], text=True, capture_output=True).stdout, "1\n2\n")


@must("-1 runs a file in one transaction")
def _():
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write("SELECT 1;\nSELECT 2;\n")
        file.flush()
        equal(bare("", "-1", "-f", file.name), "1\n2\n")


# Variables and commands.
for level, name, script, patterns in [
    (must, "variables", "\\set n 5\nSELECT :n + 1 AS six, :'n' AS text;", [r"^ +6 \| 5$"]),
    (must, "quoted names in variables", "\\set c city\nSELECT :\"c\" FROM profiles WHERE customer_no = 'C0001';", ["^ Hull$"]),
    (must, "\\gset", "SELECT 41 + 1 AS answer \\gset\n\\echo :answer", ["^42$"]),
    (must, "\\gx", "SELECT 1 AS a \\gx", [r"^a \| 1$"]),
    (must, "\\g to a pipe", "SELECT 'through' AS a \\g | cat", ["through"]),
    (must, "\\gdesc", "SELECT 1 AS a, 'x'::text AS b, 1.5::numeric(12,2) AS c, now() AS d, ARRAY['x'] AS e \\gdesc",
     [r"a +\| integer", r"b +\| text", r"c +\| numeric\(12,2\)", r"d +\| timestamp with time zone", r"e +\| text\[\]"]),
    (must, "\\gdesc of a table", "SELECT profile_id, spend, tags FROM profiles \\gdesc", [r"profile_id \| bigint", r"spend +\| numeric\(12,2\)", r"tags +\| text\[\]"]),
    (must, "\\gexec", "SELECT 'SELECT ' || n AS q FROM generate_series(7, 8) AS n \\gexec", ["^ +7$", "^ +8$"]),
    (must, "\\crosstabview", "SELECT city, opted_in, count(*) FROM profiles WHERE city IS NOT NULL AND opted_in IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2 \\crosstabview",
     [r"^ city +\| +f +\| +t", "^ Leeds"]),
    (must, "\\bind-free prepared statements", "PREPARE p(int) AS SELECT $1 + 1 AS two;\nEXECUTE p(1);\nDEALLOCATE p;", ["^PREPARE$", "^ +2$", "^DEALLOCATE$"]),
    (must, "\\if", "SELECT count(*) > 5 AS big FROM profiles \\gset\n\\if :big\n\\echo large\n\\endif", ["^large$"]),
    (must, "\\errverbose", "SELECT 1/0;\n\\errverbose", ["22012: division by zero"]),
    (must, "\\conninfo", "\\conninfo", [f'connected to database "{DATABASE}" as user "{USER}"']),
    (must, "\\encoding", "\\encoding", ["UTF8"]),
    (must, "\\echo of server version", "\\echo :SERVER_VERSION_NUM", ["^15[0-9]{4}$"]),
    (must, "\\c", f"\\c {DATABASE}", [f'You are now connected to database "{DATABASE}"']),
    (must, "\\password-free \\set AUTOCOMMIT off", "\\set AUTOCOMMIT off\nSELECT 1;\nROLLBACK;", ["^ROLLBACK$"]),
    (must, "ON_ERROR_ROLLBACK uses savepoints", "\\set ON_ERROR_ROLLBACK on\nBEGIN;\nSELECT 1/0;\nSELECT 'still here' AS a;\nCOMMIT;", ["still here", "^COMMIT$"]),
    (must, "FETCH_COUNT uses a cursor", "\\set FETCH_COUNT 100\nSELECT customer_no FROM profiles ORDER BY 1;", ["^ C0001", "^ C1000", r"^\(1000 rows\)$"]),
    (must, "cursors", "BEGIN;\nDECLARE c CURSOR FOR SELECT visits FROM profiles ORDER BY visits;\nFETCH 2 FROM c;\nMOVE 5 FROM c;\nFETCH NEXT FROM c;\nCLOSE c;\nCOMMIT;",
     ["^DECLARE CURSOR$", "^ +2$", "^MOVE 5$", "^ +8$", "^CLOSE CURSOR$"]),
    (must, "scroll cursors", "BEGIN;\nDECLARE c SCROLL CURSOR FOR SELECT visits FROM profiles ORDER BY visits;\nFETCH ABSOLUTE 10 FROM c;\nFETCH BACKWARD 1 FROM c;\nFETCH LAST FROM c;\nCOMMIT;",
     ["^ +10$", "^ +9$", "^ +1000$"]),
    (must, "cursors with hold", "BEGIN;\nDECLARE c CURSOR WITH HOLD FOR SELECT visits FROM profiles ORDER BY visits;\nCOMMIT;\nFETCH 1 FROM c;\nCLOSE ALL;", ["^ +1$", "^CLOSE CURSOR ALL$"]),
    (must, "savepoints", "BEGIN;\nSAVEPOINT a;\nSELECT 1/0;\nROLLBACK TO SAVEPOINT a;\nSELECT 'after' AS x;\nRELEASE a;\nCOMMIT;", ["^SAVEPOINT$", "after", "^RELEASE$", "^COMMIT$"]),
    (must, "settings", "SET statement_timeout = '5s';\nSHOW statement_timeout;\nRESET statement_timeout;\nSHOW statement_timeout;", ["^ 5s$", "^ 0$"]),
    (must, "local settings", "BEGIN;\nSET LOCAL application_name = 'inner';\nSHOW application_name;\nCOMMIT;\nSHOW application_name;", ["^ inner$", "^ psql$"]),
    (must, "set_config", "SELECT set_config('application_name', 'elsewhere', false);\nSHOW application_name;", ["^ elsewhere$"]),
    (must, "SHOW ALL", "SHOW ALL;", [r"^ *application_name +\|", r"server_version"]),
    (must, "SHOW of common settings", "SHOW transaction_isolation;\nSHOW standard_conforming_strings;\nSHOW search_path;\nSHOW client_encoding;\nSHOW DateStyle;\nSHOW TimeZone;",
     ["^ (read committed|repeatable read)$", "^ on$", "public$", "^ UTF8$", "^ ISO, MDY$"]),
    (must, "DISCARD ALL", "DISCARD ALL;", ["^DISCARD ALL$"]),
    (must, "EXPLAIN", "EXPLAIN SELECT * FROM profiles WHERE customer_no = 'C0001';", ["QUERY PLAN", r"\(\d+ rows?\)"]),
    (must, "EXPLAIN ANALYZE", "EXPLAIN ANALYZE SELECT count(*) FROM profiles;", ["QUERY PLAN"]),
    (must, "EXPLAIN (FORMAT JSON)", "\\pset format unaligned\n\\t\nEXPLAIN (FORMAT JSON) SELECT count(*) FROM profiles;", [r'"Plan": \{', r'"Node Type": "', r'"Total Cost": [0-9.]+', r'"Plan Rows": \d+']),
    (should, "EXPLAIN with costs", "EXPLAIN SELECT * FROM profiles;", [r"cost=\d+\.\d+\.\.\d+\.\d+ rows=\d+ width=\d+"]),
    (must, "COPY to standard output", "COPY (SELECT customer_no, city FROM profiles ORDER BY 1 LIMIT 2) TO STDOUT;", [r"^C0001\tHull$", r"^C0002\t\\N$"]),
    (must, "COPY as csv", "COPY (SELECT customer_no, first_name FROM profiles WHERE visits < 4 ORDER BY 1) TO STDOUT WITH (FORMAT csv, HEADER);",
     ["^customer_no,first_name$", '^C0003,"quo""te, comma"$']),
    (must, "COPY of a table", "COPY crm (customer_no, tags) TO STDOUT;", [r"^C0001\t\{a,b\}$"]),
    (must, "LISTEN is accepted", "LISTEN channel;\nUNLISTEN *;", ["^LISTEN$", "^UNLISTEN$"]),
    (should, "NOTIFY arrives", "LISTEN channel;\nNOTIFY channel, 'hello';\nSELECT 1;", ['Asynchronous notification "channel" with payload "hello" received']),
    (should, "a view is made and dropped", "CREATE OR REPLACE VIEW psql_view AS SELECT city, count(*) AS people FROM profiles GROUP BY city;\nSELECT people FROM psql_view WHERE city = 'Hull';\n"
     "\\d+ psql_view\nDROP VIEW psql_view;", ["^CREATE VIEW$", "^ +334$", "View definition:", "^DROP VIEW$"]),
    (should, "a temporary table", "CREATE TEMP TABLE psql_temp AS SELECT 1 AS a;\nINSERT INTO psql_temp VALUES (2);\nSELECT sum(a) FROM psql_temp;\nDROP TABLE psql_temp;",
     ["^SELECT 1$", "^INSERT 0 1$", "^ +3$", "^DROP TABLE$"]),
    (should, "a table of a query", "CREATE TABLE psql_scratch AS SELECT customer_no FROM profiles WHERE visits < 4;\nSELECT count(*) FROM psql_scratch;\nDROP TABLE psql_scratch;",
     ["^SELECT 3$", "^ +3$", "^DROP TABLE$"]),
    (should, "a role is made and dropped", "CREATE ROLE psql_reader;\nGRANT SELECT ON profiles TO psql_reader;\nREVOKE SELECT ON profiles FROM psql_reader;\nDROP ROLE psql_reader;",
     ["^CREATE ROLE$", "^GRANT$", "^REVOKE$", "^DROP ROLE$"]),
    (should, "ANALYZE and VACUUM are accepted", "ANALYZE;\nVACUUM;", ["^ANALYZE$", "^VACUUM$"]),
    (should, "COMMENT ON", "CREATE VIEW psql_commented AS SELECT 1 AS a;\nCOMMENT ON VIEW psql_commented IS 'words';\n\\dd psql_commented\n\\dv+ psql_commented\nDROP VIEW psql_commented;", ["^COMMENT$", "words"]),
    (should, "DO is refused or runs", "DO $$ BEGIN NULL; END $$;", ["^DO$|0A000|42601"]),
]:
    shows(level, name, script, *patterns)

# Every command that describes: what must be in its output.
DESCRIBE = [
    (must, "\\d", ["List of relations", r"public +\| profiles +\| table"]),
    (must, "\\d profiles", [r'Table "public.profiles"', r"profile_id +\| bigint +\| +\| not null", r"spend +\| numeric\(12,2\)", r"tags +\| text\[\]", r'"profiles_pkey" PRIMARY KEY, btree \(profile_id\)']),
    (must, "\\d+ profiles", [r"birth_date +\| date", "Description", "Access method: heap"]),
    (must, "\\d crm", [r"updated_at +\| timestamp with time zone", r"score +\| double precision", r"ratio +\| real", r"small +\| smallint"]),
    (must, "\\d identity_conflicts", ['View "public.identity_conflicts"', r"left_identity +\| text"]),
    (must, "\\d+ identity_conflicts", ["View definition:", "SELECT"]),
    (must, "\\d profiles_pkey", ['"public.profiles_pkey"', r"profile_id +\| bigint +\| yes", 'primary key, btree, for table "public.profiles"']),
    (must, "\\d nothing_here", ["Did not find any relation named"]),
    (must, "\\d pro*", [r'Table "public.profiles"']),
    (must, "\\d pg_class", [r'Table "pg_catalog.pg_class"', r"relname +\| name"]),
    (must, "\\dt", [r"public +\| profiles +\| table", r"public +\| crm +\| table"]),
    (must, "\\dt+", [r"profiles +\| table .* \| permanent +\| heap"]),
    (must, "\\dt public.*", ["profiles"]),
    (must, "\\dv", [r"identity_conflicts +\| view"]),
    (must, "\\dv+", [r"identity_conflicts +\| view"]),
    (must, "\\dm", ["Did not find any relations|0 rows"]),
    (must, "\\di", [r"profiles_pkey +\| index .* \| profiles"]),
    (must, "\\di+", [r"profiles_pkey +\| index"]),
    (must, "\\ds", ["Did not find any relations|List of relations"]),
    (must, "\\dE", ["Did not find any relations"]),
    (must, "\\dn", [r"public +\|", "selfsame"]),
    (must, "\\dn+", ["public .*[a-z]", "Description"]),
    (must, "\\df profile_of", [r"public +\| profile_of +\| bigint +\| namespace text, value text +\| func"]),
    (must, "\\df+ profile_of", ["profile_of", r"stable"]),
    (must, "\\df", ["List of functions"]),
    (must, "\\da", ["List of aggregate functions"]),
    (must, "\\dS pg_cl*", ["pg_class"]),
    (must, "\\dT", ["List of data types"]),
    (must, "\\dTS int4", [r"pg_catalog +\| integer"]),
    (must, "\\dT+ text", ["List of data types"]),
    (must, "\\du", [r"List of roles", rf"{USER} +\| Superuser"]),
    (must, "\\du+", [USER]),
    (must, "\\dg", [USER]),
    (must, "\\l", [rf"{DATABASE} +\| {USER}", "UTF8"]),
    (must, "\\l+", [rf"{DATABASE} ", "pg_default"]),
    (must, "\\dp profiles", [r"public +\| profiles +\| table"]),
    (must, "\\z", [r"public +\| profiles +\| table"]),
    (must, "\\ddp", ["Default access privileges"]),
    (must, "\\dD", ["List of domains"]),
    (must, "\\db", ["pg_default"]),
    (must, "\\db+", ["pg_default"]),
    (must, "\\dC", ["List of casts"]),
    (must, "\\dc", ["List of conversions"]),
    (must, "\\dd", ["Object descriptions"]),
    (must, "\\dO", ["List of collations"]),
    (must, "\\dOS C", ["List of collations"]),
    (must, "\\dx", ["List of installed extensions"]),
    (must, "\\dX", ["List of extended statistics"]),
    (must, "\\dy", ["List of event triggers"]),
    (must, "\\dL", ["List of languages"]),
    (must, "\\dLS", ["internal"]),
    (must, "\\dF", ["List of text search configurations"]),
    (must, "\\dFd", ["List of text search dictionaries"]),
    (must, "\\dFp", ["List of text search parsers"]),
    (must, "\\dFt", ["List of text search templates"]),
    (must, "\\dl", ["Large objects"]),
    (must, "\\dP", ["List of partitioned relations"]),
    (must, "\\dRp", ["List of publications"]),
    (must, "\\dRs", ["List of subscriptions"]),
    (must, "\\drds", ["List of settings|Did not find any settings"]),
    (must, "\\des", ["List of foreign servers"]),
    (must, "\\deu", ["List of user mappings"]),
    (must, "\\dew", ["List of foreign-data wrappers"]),
    (must, "\\det", ["List of foreign tables"]),
    (must, "\\dA", [r"heap +\| Table", r"btree +\| Index"]),
    (must, "\\dA+", ["heap"]),
    (must, "\\dAc btree", ["List of operator classes"]),
    (must, "\\dAf btree", ["List of operator families"]),
    (must, "\\dAo btree integer_ops", ["List of operators of operator families"]),
    (must, "\\dAp btree integer_ops", ["List of support functions of operator families"]),
    (must, "\\do", ["List of operators"]),
    (must, "\\doS =", ["List of operators"]),
    (must, "\\dconfig", ["List of non-default configuration parameters|List of configuration parameters"]),
    (must, "\\dconfig server_version", [r"server_version +\|"]),
    (must, "\\sv identity_conflicts", ["CREATE OR REPLACE VIEW public.identity_conflicts AS", "SELECT"]),
    (must, "\\sf profile_of", ["CREATE OR REPLACE FUNCTION public.profile_of"]),
    (must, "\\dn public", ["public"]),
    (must, "\\dtvi pro*", ["profiles_pkey", "profiles"]),
    (must, "\\dtS+ pg_class", ["pg_class"]),
]
for level, command, patterns in DESCRIBE:
    level("describe: " + command)(lambda command=command, patterns=patterns: has(psql(command), *patterns, r"\A(?![\s\S]*ERROR:)"))

for level, name, script, patterns in [
    (must, "\\copy to a file", "\\copy (SELECT customer_no FROM profiles ORDER BY 1 LIMIT 3) TO 'copied.csv' WITH (FORMAT csv, HEADER)\n\\! cat copied.csv", ["^COPY 3$", "^customer_no$", "^C0003$"]),
    (must, "\\copy to a pipe", "\\copy (SELECT 7 AS a) TO PROGRAM 'cat'", ["^7$"]),
    (must, "\\copy of a table", "\\copy purchases TO 'purchases.txt'\n\\! wc -l < purchases.txt", ["^COPY 200$", "^200$"]),
    (should, "\\copy from a file", "BEGIN;\n\\copy purchases FROM STDIN WITH (FORMAT csv)\nO9001,p1@example.com,1.50,x,2026-06-01 00:00:00+00\n\\.\nROLLBACK;", ["^COPY 1$", "^ROLLBACK$"]),
]:
    def copies(script=script, patterns=patterns):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            has(psql(script), *patterns)
    level(name)(copies)


@must("\\watch runs again and again")
def _():
    process = subprocess.Popen(["psql", "-XqAt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdin.write("SELECT 'tick' \\watch 0.3\n")
    process.stdin.flush()
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=10)
    if said.count("tick") < 3:
        raise AssertionError(f"{said!r}")


@must("Ctrl-C cancels a statement")
def _():
    process = subprocess.Popen(["psql", "-XqAt", "-v", "VERBOSITY=verbose"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    process.stdin.write("SELECT pg_sleep(20);\nSELECT 'alive';\n")
    process.stdin.flush()
    time.sleep(1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=15)
    has(said, "57014: canceling statement due to user request")
    assert time.monotonic() - began < 5, "it took too long"


@must("statement_timeout ends a statement")
def _():
    has(psql("SET statement_timeout = 300;\nSELECT pg_sleep(20);", status=None), "57014: canceling statement due to statement timeout")


@must("statement_timeout ends a heavy join")
def _():
    has(psql("SET statement_timeout = 500;\nSELECT count(*) FROM profiles a, profiles b, profiles c WHERE a.visits + b.visits + c.visits = 7;", status=None), "57014")


@must("options in the environment set settings")
def _():
    equal(bare("SHOW statement_timeout", PGOPTIONS="-c statement_timeout=7s -c search_path=selfsame").strip(), "7s")


@must("application_name in the environment")
def _():
    equal(bare("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()", PGAPPNAME="checking").strip(), "checking")


@must("time zone in the environment")
def _():
    equal(bare("SELECT timestamptz '2026-01-01 00:00+00'", PGTZ="Asia/Tokyo").strip(), "2026-01-01 09:00:00+09")


@must("a connection string")
def _():
    url = f"postgresql://{USER}@{os.environ['PGHOST']}:{os.environ['PGPORT']}/{DATABASE}?application_name=url&connect_timeout=5"
    equal(bare("SHOW application_name", "-d", url).strip(), "url")


@must("psql -l")
def _():
    has(subprocess.run(["psql", "-X", "-l", "-d", DATABASE], text=True, capture_output=True).stdout, rf"{DATABASE} +\|")


@must("sslmode=prefer falls back")
def _():
    equal(bare("SELECT 1", PGSSLMODE="prefer").strip(), "1")


def typed(*keys, wait=1.5):
    """What a terminal shows when keys are typed into psql."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update({"TERM": "dumb", "PAGER": "cat", "INPUTRC": "/dev/null", "PSQL_HISTORY": "/dev/null"})
        os.execvp("psql", ["psql", "-X"])
    said = b""

    def read(seconds):
        nonlocal said
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    said += os.read(terminal, 65536)
                except OSError:
                    return

    read(wait)
    for key in keys:
        os.write(terminal, key.encode())
        read(wait)
    os.write(terminal, b"\x15\\q\n")
    read(0.5)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said.decode(errors="replace")


for name, keys, patterns in [
    ("a table", ["SELECT * FROM purch\t"], ["FROM purchases"]),
    ("a column", ["SELECT customer_no FROM profiles WHERE birth\t"], ["birth_date"]),
    ("a schema", ["SELECT * FROM selfs\t"], [r"selfsame\."]),
    ("a table after DESCRIBE", ["\\d purch\t"], ["purchases"]),
    ("a setting", ["SET statement_time\t"], ["statement_timeout"]),
    ("a database", [f"\\c {DATABASE[:3]}\t"], [DATABASE]),
    ("a function", ["\\df profile_o\t"], ["profile_of"]),
    ("a role", ["\\du selfs\t"], [USER]),
    ("a type", ["SELECT CAST(1 AS double\t"], ["double"]),
    ("a view", ["\\dv identity_con\t"], ["identity_conflicts"]),
]:
    def completes(keys=keys, patterns=patterns):
        said = typed(*keys)
        has(said, *patterns)
        if "ERROR" in said:
            raise AssertionError(said)
    must("tab completes " + name)(completes)

for name, script, patterns in [
    ("tables", "SELECT pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND "
     "substring(pg_catalog.quote_ident(c.relname),1,3)='pro' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM "
     "pg_catalog.pg_namespace WHERE nspname = 'pg_catalog')\nUNION\nSELECT pg_catalog.quote_ident(n.nspname) || '.' FROM pg_catalog.pg_namespace n WHERE "
     "substring(pg_catalog.quote_ident(n.nspname) || '.',1,3)='pro' AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace WHERE "
     "substring(pg_catalog.quote_ident(nspname) || '.',1,3) = substring('pro',1,pg_catalog.length(pg_catalog.quote_ident(nspname))+1)) > 1 ORDER BY 1 LIMIT 1000;", ["profiles"]),
    ("columns", "SELECT attname FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped "
     "AND (attname) LIKE 'birth%' AND c.relname = 'profiles' AND pg_catalog.pg_table_is_visible(c.oid) LIMIT 1000;", ["birth_date"]),
    ("settings", "SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings WHERE context IN ('user', 'superuser') AND pg_catalog.lower(name) LIKE 'work%' LIMIT 1000;", ["work_mem"]),
    ("time zones", "SELECT name FROM pg_catalog.pg_timezone_names() WHERE pg_catalog.quote_literal(pg_catalog.lower(name)) LIKE pg_catalog.lower('''europe/berl%') LIMIT 1000;", ["Europe/Berlin"]),
    ("roles", "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname LIKE 'selfs%' LIMIT 1000;", ["selfsame"]),
    ("data types", "SELECT pg_catalog.format_type(t.oid, NULL) FROM pg_catalog.pg_type t WHERE (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid)) "
     "AND t.typname !~ '^_' AND (pg_catalog.format_type(t.oid, NULL)) LIKE 'double%' AND pg_catalog.pg_type_is_visible(t.oid) LIMIT 1000;", ["double precision"]),
]:
    shows(must, "completion query: " + name, script, *patterns)

if __name__ == "__main__":
    main(subprocess.run(["psql", "--version"], text=True, capture_output=True).stdout.split(" ")[2])
