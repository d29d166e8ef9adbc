"""postgres_fdw: a real PostgreSQL that has the server's tables as foreign tables."""

import os
import sys
from decimal import Decimal

import psycopg
from checks import DATABASE, HOST, PORT, USER, equal, has, main, must, should

sys.path.insert(0, os.environ["PYTHONPATH"])
from runner.targets import PostgreSQL  # noqa: E402

LOCAL = PostgreSQL()


def local():
    return psycopg.connect(f"host=127.0.0.1 port={LOCAL.port} user={USER} dbname=postgres", autocommit=True)


def set_up():
    with local() as connection:
        connection.execute("CREATE EXTENSION postgres_fdw")
        connection.execute(f"CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{HOST}', port '{PORT}', dbname '{DATABASE}', fetch_size '100')")
        connection.execute(f"CREATE USER MAPPING FOR {USER} SERVER far OPTIONS (user '{USER}', password_required 'false')")
        connection.execute("CREATE FOREIGN TABLE profiles (profile_id bigint, customer_no text, first_name text, city text, tags text[], visits int, spend numeric(12,2), birth_date date, last_seen_at timestamptz) SERVER far")
        connection.execute("CREATE FOREIGN TABLE purchases (order_id text, email text, amount numeric(12,2), ts timestamptz) SERVER far")


def one(sql, *before):
    with local() as connection:
        for statement in before:
            connection.execute(statement)
        return connection.execute(sql).fetchone()[0]


def plan(sql):
    with local() as connection:
        return "\n".join(row[0] for row in connection.execute("EXPLAIN VERBOSE " + sql))


must("count")(lambda: equal(one("SELECT count(*) FROM profiles"), 1000))
must("rows come in fetches")(lambda: equal(one("SELECT sum(visits) FROM (SELECT visits FROM profiles OFFSET 0) x"), 500500))
must("a filter is sent")(lambda: (has(plan("SELECT city FROM profiles WHERE customer_no = 'C0001'"), "Remote SQL: .*WHERE"), equal(one("SELECT city FROM profiles WHERE customer_no = 'C0001'"), "Hull")))
must("an order and a limit are sent")(lambda: equal(one("SELECT customer_no FROM profiles ORDER BY visits DESC LIMIT 1"), "C1000"))
must("an aggregate is sent")(lambda: equal(one("SELECT sum(spend) FROM profiles WHERE city = 'Leeds'"), Decimal("208541.25")))
must("types")(lambda: equal(one("SELECT (tags, birth_date, last_seen_at AT TIME ZONE 'UTC')::text FROM profiles WHERE visits = 501"), '("{a,b}",2001-05-16,"2026-01-01 18:21:00")'))
must("a join of two foreign tables")(lambda: equal(one("SELECT count(*) FROM purchases a JOIN purchases b USING (email)"), 400))
must("a join with a local table")(lambda: equal(one("SELECT count(*) FROM profiles p JOIN (VALUES ('C0001'), ('C0002')) v(n) ON v.n = p.customer_no"), 2))
must("a parameter of a prepared statement")(lambda: _prepared())
must("IMPORT FOREIGN SCHEMA")(lambda: _import())
must("IMPORT FOREIGN SCHEMA LIMIT TO")(lambda: _import("LIMIT TO (purchases)"))
must("ANALYZE of a foreign table")(lambda: one("SELECT 1", "ANALYZE purchases"))
must("errors come through")(lambda: _error())
should("use_remote_estimate")(lambda: equal(one("SELECT count(*) FROM profiles WHERE visits < 5", "ALTER FOREIGN TABLE profiles OPTIONS (ADD use_remote_estimate 'true')"), 4))
should("insert through the foreign table")(lambda: _write())


def _prepared():
    with local() as connection:
        equal([connection.execute("SELECT visits FROM profiles WHERE customer_no = %s", (f"C{n:04}",), prepare=True).fetchone()[0] for n in range(1, 8)], list(range(1, 8)))


def _import(limit=""):
    with local() as connection:
        name = "far_limited" if limit else "far_all"
        connection.execute(f"CREATE SCHEMA {name}")
        connection.execute(f"IMPORT FOREIGN SCHEMA public {limit} FROM SERVER far INTO {name}")
        equal(connection.execute(f"SELECT count(*) FROM {name}.purchases").fetchone()[0], 200)


def _error():
    try:
        one("SELECT * FROM missing", "CREATE FOREIGN TABLE IF NOT EXISTS missing (a int) SERVER far")
        raise AssertionError("no error")
    except psycopg.Error as error:
        equal(error.sqlstate, "42P01")


def _write():
    with local() as connection:
        connection.execute("CREATE FOREIGN TABLE crm (customer_no text, email text) SERVER far")
        connection.execute("INSERT INTO crm VALUES ('X-fdw', 'x-fdw@example.com')")


if __name__ == "__main__":
    LOCAL.start()
    try:
        set_up()
        main(LOCAL.psql("\\t\n\\pset format unaligned\nSHOW server_version", database="postgres").stdout.split()[0])
    finally:
        LOCAL.stop()
        LOCAL.remove()
