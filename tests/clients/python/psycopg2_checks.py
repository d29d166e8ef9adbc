"""psycopg2: text protocol, client-side parameters, named cursors, COPY, notices, cancel."""

import io
import threading
import time

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
from checks import DATABASE, HOST, PORT, USER, equal, has, main, must, raises, should
from values import ERRORS, VALUES


def connect(**more):
    return psycopg2.connect(host=HOST, port=PORT, user=USER, dbname=DATABASE, **more)


def all_of(sql, parameters=None, **more):
    with connect(**more) as connection, connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def one(sql, parameters=None):
    return all_of(sql, parameters)[0][0]


must("connect")(lambda: equal(one("SELECT 1"), 1))
must("server_version")(lambda: equal(connect().server_version // 10000, 15))
must("parameter status")(lambda: equal([connect().get_parameter_status(it) for it in
     ["client_encoding", "DateStyle", "integer_datetimes", "standard_conforming_strings", "TimeZone", "server_encoding"]],
    ["UTF8", "ISO, MDY", "on", "on", "UTC", "UTF8"]))
must("application_name")(lambda: equal(all_of("SHOW application_name", application_name="mine")[0][0], "mine"))
must("options")(lambda: equal(all_of("SHOW statement_timeout", options="-c statement_timeout=3s")[0][0], "3s"))
must("backend pid")(lambda: equal(one("SELECT pg_backend_pid()") > 0, True))

for name, sql, oid, value in VALUES:
    def gives(sql=sql, oid=oid, value=value):
        psycopg2.extras.register_uuid()
        with connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {sql}")
            got = cursor.fetchone()[0]
            equal(bytes(got) if isinstance(got, memoryview) else got, value)
            equal(cursor.description[0].type_code, oid)
    must("value: " + name)(gives)

for name, value, cast in [("text", "it's Zoë", "text"), ("int", 5, "int"), ("null", None, "text"), ("list", ["a", "b'"], "text[]"), ("bytes", b"\0\1", "bytea"), ("bool", True, "bool")]:
    def returns(value=value, cast=cast):
        got = one(f"SELECT %s::{cast}", (value,))
        equal(bytes(got) if isinstance(got, memoryview) else got, value)
    must("parameter: " + name)(returns)

must("parameters in IN and ANY")(lambda: equal(all_of(
    "SELECT count(*) FROM profiles WHERE customer_no IN %s UNION ALL SELECT count(*) FROM profiles WHERE customer_no = ANY(%s)",
    (("C0001", "C0002"), ["C0003"])), [(2,), (1,)]))
must("named parameters")(lambda: equal(one("SELECT %(a)s + %(b)s", {"a": 1, "b": 2}), 3))
must("description of columns")(lambda: _description())
must("dictionaries as rows")(lambda: equal(_dictionary(), {"customer_no": "C0001", "visits": 1}))
must("rowcount")(lambda: equal(_rowcount(), 1000))
must("fetchmany")(lambda: equal(_fetchmany(), [10, 10]))
must("names and newlines survive")(lambda: equal([it[0] for it in all_of("SELECT first_name FROM profiles WHERE visits <= 8 ORDER BY visits")],
     ["Zoë", "O'Brien", 'quo"te, comma', "two\nlines", None, "日本語", "back\\slash", ""]))


def _description():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT profile_id, spend, tags, birth_date FROM profiles")
        equal([it.name for it in cursor.description], ["profile_id", "spend", "tags", "birth_date"])
        equal([it.type_code for it in cursor.description], [20, 1700, 1009, 1082])
        equal((cursor.description[1].precision, cursor.description[1].scale), (12, 2))


def _dictionary():
    with connect() as connection, connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute("SELECT customer_no, visits FROM profiles WHERE customer_no = 'C0001'")
        return dict(cursor.fetchone())


def _rowcount():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM profiles")
        return cursor.rowcount


def _fetchmany():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT visits FROM profiles ORDER BY visits")
        return [len(cursor.fetchmany(10)), len(cursor.fetchmany(10))]


@must("server-side cursor")
def _():
    with connect() as connection, connection.cursor("c") as cursor:
        cursor.itersize = 100
        cursor.execute("SELECT visits FROM profiles WHERE visits <= %s ORDER BY visits", (500,))
        equal([row[0] for row in cursor], list(range(1, 501)))


@must("server-side cursor with hold")
def _():
    connection = connect()
    cursor = connection.cursor("held", withhold=True)
    cursor.execute("SELECT visits FROM profiles ORDER BY visits")
    connection.commit()
    equal(cursor.fetchmany(2), [(1,), (2,)])
    cursor.close()


@must("scrolling cursor")
def _():
    with connect() as connection, connection.cursor("s", scrollable=True) as cursor:
        cursor.execute("SELECT visits FROM profiles ORDER BY visits")
        cursor.scroll(9, mode="absolute")
        equal(cursor.fetchone(), (10,))
        cursor.scroll(-2)
        equal(cursor.fetchone(), (9,))


for name, sql, state, kind in ERRORS:
    must("error: " + name)(lambda sql=sql, state=state, kind=kind: raises(getattr(psycopg2.errors, kind), lambda: one(sql), state))


@must("error has a position and a message")
def _():
    error = raises(psycopg2.Error, lambda: one("SELECT nothing FROM profiles"))
    equal(error.diag.statement_position, "8")
    equal(error.diag.severity, "ERROR")
    equal(error.diag.message_primary, 'column "nothing" does not exist')


@must("failed transaction")
def _():
    connection = connect()
    cursor = connection.cursor()
    raises(psycopg2.Error, lambda: cursor.execute("SELECT 1/0"))
    equal(connection.info.transaction_status, psycopg2.extensions.TRANSACTION_STATUS_INERROR)
    raises(psycopg2.errors.InFailedSqlTransaction, lambda: cursor.execute("SELECT 1"))
    connection.rollback()
    cursor.execute("SELECT 1")
    equal(cursor.fetchone(), (1,))


@must("autocommit")
def _():
    connection = connect()
    connection.autocommit = True
    cursor = connection.cursor()
    raises(psycopg2.Error, lambda: cursor.execute("SELECT 1/0"))
    cursor.execute("SELECT 1")
    equal(connection.info.transaction_status, psycopg2.extensions.TRANSACTION_STATUS_IDLE)


@must("isolation level and read-only")
def _():
    connection = connect()
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    cursor = connection.cursor()
    cursor.execute("SHOW transaction_isolation")
    equal(cursor.fetchone()[0], "repeatable read")
    cursor.execute("SHOW transaction_read_only")
    equal(cursor.fetchone()[0], "on")


@must("savepoints")
def _():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SAVEPOINT a")
        raises(psycopg2.Error, lambda: cursor.execute("SELECT 1/0"))
        cursor.execute("ROLLBACK TO SAVEPOINT a")
        cursor.execute("SELECT 2")
        equal(cursor.fetchone(), (2,))
        cursor.execute("RELEASE SAVEPOINT a")


@must("cancel from another thread")
def _():
    connection = connect()
    threading.Timer(0.7, connection.cancel).start()
    began = time.monotonic()
    raises(psycopg2.errors.QueryCanceled, lambda: connection.cursor().execute("SELECT pg_sleep(20)"), "57014")
    assert time.monotonic() - began < 5


@must("cancel of a heavy join")
def _():
    connection = connect()
    threading.Timer(0.7, connection.cancel).start()
    began = time.monotonic()
    raises(psycopg2.errors.QueryCanceled, lambda: connection.cursor().execute(
        "SELECT count(*) FROM profiles a, profiles b, profiles c WHERE a.visits + b.visits + c.visits = 7"), "57014")
    assert time.monotonic() - began < 5


must("statement_timeout")(lambda: raises(psycopg2.errors.QueryCanceled, lambda: all_of("SELECT pg_sleep(20)", options="-c statement_timeout=300")))


@must("copy_expert out")
def _():
    text = io.StringIO()
    with connect() as connection, connection.cursor() as cursor:
        cursor.copy_expert("COPY (SELECT customer_no, first_name FROM profiles WHERE visits <= 5 ORDER BY visits) TO STDOUT WITH CSV HEADER", text)
    equal(text.getvalue(), 'customer_no,first_name\nC0001,Zoë\nC0002,O\'Brien\nC0003,"quo""te, comma"\nC0004,"two\nlines"\nC0005,\n')


@must("copy_to")
def _():
    text = io.StringIO()
    with connect() as connection, connection.cursor() as cursor:
        cursor.copy_to(text, "purchases", columns=("order_id", "amount"))
    equal(len(text.getvalue().splitlines()), 200)
    has(text.getvalue(), r"^O0001\t0\.99$")


@should("copy_from inside a transaction that is rolled back")
def _():
    connection = connect()
    connection.cursor().copy_from(io.StringIO("O9100\tp1@example.com\t5.00\tx\t2026-06-01 00:00:00+00\n"), "purchases")
    connection.rollback()
    equal(one("SELECT count(*) FROM purchases WHERE order_id = 'O9100'"), 0)


@should("notices")
def _():
    connection = connect()
    connection.cursor().execute("DROP VIEW IF EXISTS nothing_here")
    has(connection.notices[-1], "does not exist, skipping")


@should("notifications")
def _():
    connection = connect()
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("LISTEN psycopg2_channel")
    other = connect()
    other.autocommit = True
    other.cursor().execute("NOTIFY psycopg2_channel, 'payload'")
    time.sleep(0.5)
    connection.poll()
    equal([(it.channel, it.payload) for it in connection.notifies], [("psycopg2_channel", "payload")])


@must("connection pool")
def _():
    pool = psycopg2.pool.SimpleConnectionPool(1, 3, host=HOST, port=PORT, user=USER, dbname=DATABASE)
    for _ in range(6):
        connection = pool.getconn()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        pool.putconn(connection)
    pool.closeall()


@must("reset of a connection")
def _():
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("SET statement_timeout = '9s'")
    connection.reset()
    cursor = connection.cursor()
    cursor.execute("SHOW statement_timeout")
    equal(cursor.fetchone()[0], "0")


@must("execute_values and execute_batch read")
def _():
    with connect() as connection, connection.cursor() as cursor:
        rows = psycopg2.extras.execute_values(cursor, "SELECT v.a FROM (VALUES %s) AS v(a) ORDER BY 1", [(1,), (2,)], fetch=True)
        equal(rows, [(1,), (2,)])


@must("asynchronous connection")
def _():
    connection = connect(async_=True)
    psycopg2.extras.wait_select(connection)
    cursor = connection.cursor()
    cursor.execute("SELECT 5")
    psycopg2.extras.wait_select(connection)
    equal(cursor.fetchone(), (5,))


@must("sql composition")
def _():
    from psycopg2 import sql
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(sql.Identifier("city"), sql.Identifier("public", "profiles"), sql.Identifier("customer_no")), ("C0001",))
        equal(cursor.fetchone(), ("Hull",))


should("insert and delete of a row")(lambda: _write())


def _write():
    connection = connect()
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("INSERT INTO crm (customer_no, email) VALUES (%s, %s)", ("X-psycopg2", "x-psycopg2@example.com"))
    equal(cursor.rowcount, 1)
    cursor.execute("DELETE FROM crm WHERE customer_no = 'X-psycopg2'")
    equal(cursor.rowcount, 1)


if __name__ == "__main__":
    main(psycopg2.__version__.split()[0])
