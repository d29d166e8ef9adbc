"""psycopg 3: text and binary results, server-side parameters, prepared statements, pipelines, COPY, pools."""

import asyncio
import threading
import time
from datetime import date, datetime, timezone
from decimal import Decimal
from uuid import UUID

import psycopg
import psycopg.errors
import psycopg_pool
from checks import DATABASE, HOST, PORT, USER, equal, has, main, must, raises, should
from psycopg.rows import dict_row, namedtuple_row
from psycopg.types.json import Jsonb
from values import ERRORS, VALUES

WHERE = f"host={HOST} port={PORT} user={USER} dbname={DATABASE}"


def connect(**more):
    return psycopg.connect(WHERE, autocommit=True, **more)


def all_of(sql, parameters=None, **more):
    with connect() as connection:
        return connection.execute(sql, parameters, **more).fetchall()


def one(sql, parameters=None, **more):
    return all_of(sql, parameters, **more)[0][0]


must("connect")(lambda: equal(one("SELECT 1"), 1))
must("server version")(lambda: equal(connect().info.server_version // 10000, 15))
must("database and user")(lambda: equal((connect().info.dbname, connect().info.user, connect().info.encoding), (DATABASE, USER, "utf-8")))
must("time zone")(lambda: equal(str(connect().info.timezone), "UTC"))

for name, sql, oid, value in VALUES:
    for binary in [False, True]:
        def gives(sql=sql, oid=oid, value=value, binary=binary):
            with connect() as connection:
                cursor = connection.execute(f"SELECT {sql}", binary=binary)
                equal(cursor.fetchone()[0], value)
                equal(cursor.description[0].type_code, oid)
        must(f"{'binary' if binary else 'text'} value: {name}")(gives)

for name, value, cast in [
    ("int", 5, "int"), ("large int", 2**40, "int8"), ("text", "it's Zoë", "text"), ("null", None, "int"), ("bool", True, "bool"), ("float", 1.5, "float8"),
    ("decimal", Decimal("1.50"), "numeric"), ("date", date(2026, 1, 31), "date"), ("datetime", datetime(2026, 1, 31, 10), "timestamp"),
    ("aware datetime", datetime(2026, 1, 31, 10, tzinfo=timezone.utc), "timestamptz"), ("list", ["a", None, "b,c"], "text[]"), ("ints", [1, 2], "int[]"),
    ("uuid", UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "uuid"), ("bytes", b"\0\xff", "bytea"),
]:
    must("text parameter: " + name)(lambda value=value, cast=cast: equal(one(f"SELECT %t::{cast}", (value,)), value))
    must("binary parameter: " + name)(lambda value=value, cast=cast: equal(one(f"SELECT %b::{cast}", (value,), binary=True), value))

must("jsonb parameter")(lambda: equal(one("SELECT %s::jsonb", (Jsonb({"a": 1}),)), {"a": 1}))
must("parameters in a filter")(lambda: equal(one("SELECT count(*) FROM profiles WHERE customer_no = %s AND visits < %s", ("C0001", 10)), 1))
must("any of a list")(lambda: equal(one("SELECT count(*) FROM profiles WHERE customer_no = ANY(%s)", (["C0001", "C0002"],)), 2))
must("limit and offset as parameters")(lambda: equal(all_of("SELECT customer_no FROM profiles ORDER BY customer_no LIMIT %s OFFSET %s", (2, 10)), [("C0011",), ("C0012",)]))
must("date parameter against a column")(lambda: equal(one("SELECT count(*) FROM profiles WHERE birth_date < %s", (date(2000, 1, 11),)), 9))
must("decimal parameter against a column")(lambda: equal(one("SELECT count(*) FROM profiles WHERE spend <= %s", (Decimal("12.50"),)), 10))
must("like with a parameter")(lambda: equal(one("SELECT count(*) FROM profiles WHERE email LIKE %s", ("p1%",)), 112))
must("dictionaries as rows")(lambda: equal(_rows(dict_row), {"customer_no": "C0001", "visits": 1}))
must("named tuples as rows")(lambda: equal(_rows(namedtuple_row).visits, 1))
must("profile with all its types, binary")(lambda: equal(all_of(
    "SELECT profile_id, customer_no, city, tags, visits, big, small, score, ratio, spend, opted_in, birth_date, local_at, last_seen_at FROM profiles WHERE customer_no = 'C0300'", binary=True)[0],
    (598, "C0300", "Leeds", None, 300, 3_000_000_000_000, 0, 450.0, 150.0, Decimal("375.00"), None, date(2000, 10, 27), datetime(2026, 1, 1, 10, 5), datetime(2026, 1, 1, 15, tzinfo=timezone.utc))))


def _rows(factory):
    with connect(row_factory=factory) as connection:
        return connection.execute("SELECT customer_no, visits FROM profiles WHERE customer_no = %s", ("C0001",)).fetchone()


for name, sql, state, kind in ERRORS:
    must("error: " + name)(lambda sql=sql, state=state, kind=kind: raises(getattr(psycopg.errors, kind), lambda: one(sql), state))
    must("error of a prepared statement: " + name)(lambda sql=sql, state=state, kind=kind: raises(getattr(psycopg.errors, kind), lambda: one(sql, prepare=True), state))


@must("prepared statements are used again")
def _():
    with connect() as connection:
        for n in range(8):
            equal(connection.execute("SELECT visits FROM profiles WHERE customer_no = %s", (f"C{n + 1:04}",), prepare=True).fetchone(), (n + 1,))
        equal(connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()[0] >= 1, True)


@must("prepared statements survive DEALLOCATE ALL")
def _():
    with connect() as connection:
        connection.execute("SELECT 1 + %s", (1,), prepare=True)
        connection.execute("DEALLOCATE ALL")
        equal(connection.execute("SELECT 1 + %s", (2,), prepare=True).fetchone(), (3,))


@must("server-side cursor with parameters")
def _():
    with psycopg.connect(WHERE) as connection, connection.cursor("c") as cursor:
        cursor.execute("SELECT visits FROM profiles WHERE visits <= %s ORDER BY visits", (300,))
        equal(cursor.fetchmany(5), [(1,), (2,), (3,), (4,), (5,)])
        equal(len(cursor.fetchall()), 295)


@must("server-side cursor, binary")
def _():
    with psycopg.connect(WHERE) as connection, connection.cursor("c", binary=True) as cursor:
        cursor.execute("SELECT visits, spend FROM profiles ORDER BY visits")
        equal(cursor.fetchone(), (1, Decimal("1.25")))


@must("server-side cursor scrolls")
def _():
    with psycopg.connect(WHERE) as connection, connection.cursor("c", scrollable=True) as cursor:
        cursor.execute("SELECT visits FROM profiles ORDER BY visits")
        cursor.scroll(99, mode="absolute")
        equal(cursor.fetchone(), (100,))


@must("rows are streamed one by one")
def _():
    with connect() as connection, connection.cursor() as cursor:
        equal(sum(row[0] for row in cursor.stream("SELECT visits FROM profiles WHERE visits <= %s", (10,))), 55)


@must("pipeline")
def _():
    with connect() as connection, connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (n,)) for n in range(20)]
        equal([cursor.fetchone()[0] for cursor in cursors], list(range(20)))


@must("pipeline goes on after an error and a sync")
def _():
    with connect() as connection:
        def fails():
            with connection.pipeline():
                connection.execute("SELECT 1/0")
                connection.execute("SELECT 1")
        raises(psycopg.errors.DivisionByZero, fails)
        equal(connection.execute("SELECT 2").fetchone(), (2,))


@must("executemany returns")
def _():
    with connect() as connection, connection.cursor() as cursor:
        cursor.executemany("SELECT %s::int", [(1,), (2,)], returning=True)
        first = cursor.fetchone()
        cursor.nextset()
        equal((first, cursor.fetchone()), ((1,), (2,)))


@must("several statements in one string")
def _():
    with connect() as connection:
        cursor = connection.execute("SELECT 1; SELECT 'two'")
        first = cursor.fetchall()
        cursor.nextset()
        equal((first, cursor.fetchall()), ([(1,)], [("two",)]))


@must("transaction blocks nest")
def _():
    with connect() as connection, connection.transaction():
        def fails():
            with connection.transaction():
                connection.execute("SELECT 1/0")
        raises(psycopg.errors.DivisionByZero, fails)
        equal(connection.execute("SELECT 3").fetchone(), (3,))


@must("one transaction sees one snapshot")
def _():
    with psycopg.connect(WHERE) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        before = connection.execute("SELECT count(*) FROM profiles").fetchone()
        equal(connection.execute("SELECT count(*) FROM profiles").fetchone(), before)


@must("read-only session")
def _():
    with psycopg.connect(WHERE) as connection:
        connection.read_only = True
        equal(connection.execute("SHOW transaction_read_only").fetchone()[0], "on")


@must("failed transaction state")
def _():
    with psycopg.connect(WHERE) as connection:
        raises(psycopg.Error, lambda: connection.execute("SELECT 1/0"))
        equal(connection.info.transaction_status.name, "INERROR")
        raises(psycopg.errors.InFailedSqlTransaction, lambda: connection.execute("SELECT 1"))
        connection.rollback()


@must("cancel_safe")
def _():
    with connect() as connection:
        threading.Timer(0.7, connection.cancel_safe).start()
        began = time.monotonic()
        raises(psycopg.errors.QueryCanceled, lambda: connection.execute("SELECT pg_sleep(20)"), "57014")
        assert time.monotonic() - began < 5
        equal(connection.execute("SELECT 1").fetchone(), (1,))


@must("statement_timeout")
def _():
    with connect(options="-c statement_timeout=300") as connection:
        raises(psycopg.errors.QueryCanceled, lambda: connection.execute("SELECT pg_sleep(20)"), "57014")


@must("COPY out as text rows")
def _():
    with connect() as connection, connection.cursor() as cursor, cursor.copy("COPY (SELECT visits, first_name FROM profiles WHERE visits <= 5 ORDER BY 1) TO STDOUT") as copy:
        copy.set_types(["int4", "text"])
        equal(list(copy.rows()), [(1, "Zoë"), (2, "O'Brien"), (3, 'quo"te, comma'), (4, "two\nlines"), (5, None)])


@must("COPY out as binary rows")
def _():
    with connect() as connection, connection.cursor() as cursor, cursor.copy("COPY (SELECT visits, first_name, spend FROM profiles WHERE visits <= 2 ORDER BY 1) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int4", "text", "numeric"])
        equal(list(copy.rows()), [(1, "Zoë", Decimal("1.25")), (2, "O'Brien", Decimal("2.50"))])


@should("COPY in, rolled back")
def _():
    with psycopg.connect(WHERE) as connection:
        with connection.cursor() as cursor, cursor.copy("COPY purchases (order_id, email, amount) FROM STDIN") as copy:
            copy.write_row(("O9200", "p1@example.com", Decimal("1.00")))
        equal(connection.execute("SELECT count(*) FROM purchases WHERE order_id = 'O9200'").fetchone(), (1,))
        connection.rollback()
    equal(one("SELECT count(*) FROM purchases WHERE order_id = 'O9200'"), 0)


@should("COPY in, binary")
def _():
    with psycopg.connect(WHERE) as connection:
        with connection.cursor() as cursor, cursor.copy("COPY purchases (order_id, email, amount) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["text", "text", "numeric"])
            copy.write_row(("O9201", "p1@example.com", Decimal("1.00")))
        connection.rollback()


@should("notices")
def _():
    said = []
    with connect() as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary))
        connection.execute("DROP VIEW IF EXISTS nothing_here")
    has(said[0], "does not exist, skipping")


@should("notifications")
def _():
    with connect() as connection, connect() as other:
        connection.execute("LISTEN psycopg3_channel")
        other.execute("NOTIFY psycopg3_channel, 'payload'")
        equal([it.payload for it in connection.notifies(timeout=3, stop_after=1)], ["payload"])


@must("connection pool")
def _():
    with psycopg_pool.ConnectionPool(WHERE, min_size=1, max_size=3) as pool:
        for n in range(6):
            with pool.connection() as connection:
                equal(connection.execute("SELECT %s::int", (n,)).fetchone(), (n,))


@must("asynchronous connections")
def _():
    async def run():
        async def ask(n):
            async with await psycopg.AsyncConnection.connect(WHERE) as connection:
                return (await (await connection.execute("SELECT %s::int", (n,))).fetchone())[0]
        return await asyncio.gather(*[ask(n) for n in range(5)])
    equal(asyncio.run(run()), [0, 1, 2, 3, 4])


@must("client cursor")
def _():
    with psycopg.connect(WHERE, cursor_factory=psycopg.ClientCursor) as connection:
        equal(connection.execute("SELECT count(*) FROM profiles WHERE customer_no = %s", ("C0001",)).fetchone(), (1,))


@must("types are found by name")
def _():
    with connect() as connection:
        info = psycopg.types.TypeInfo.fetch(connection, "numeric")
        equal((info.oid, info.array_oid), (1700, 1231))


@must("a missing composite type is no error")
def _():
    from psycopg.types.composite import CompositeInfo
    with connect() as connection:
        equal(CompositeInfo.fetch(connection, "nothing_here"), None)


if __name__ == "__main__":
    main(psycopg.__version__)
