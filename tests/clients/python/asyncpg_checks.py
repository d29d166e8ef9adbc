"""asyncpg: binary protocol throughout, prepared statements, cursors, introspection of types, COPY, pools."""

import asyncio
import io
import json
import time
from datetime import date, datetime, timezone
from decimal import Decimal
from uuid import UUID

import asyncpg
from checks import DATABASE, HOST, PORT, USER, equal, has, main, must, should
from values import ERRORS, VALUES


async def connect(**more):
    return await asyncpg.connect(host=HOST, port=PORT, user=USER, database=DATABASE, ssl=False, **more)


def check(level, name):
    """Runs a coroutine function over a connection."""
    def add(function):
        async def run():
            connection = await connect()
            await function(connection)
            await connection.close()
        level(name)(lambda: asyncio.run(run()))
        return function
    return add


async def raises(kind, awaitable, state=None):
    try:
        got = await awaitable
    except kind as error:
        if state:
            equal(error.sqlstate, state)
        return error
    raise AssertionError(f"no {kind.__name__}, but {got!r}")


for name, sql, oid, value in VALUES:
    async def gives(connection, sql=sql, oid=oid, value=value):
        statement = await connection.prepare(f"SELECT {sql}")
        got = await statement.fetchval()
        equal(json.loads(got) if oid in (114, 3802) else got, value)
        equal(statement.get_attributes()[0].type.oid, oid)
    check(must, "value: " + name)(gives)

for name, value, cast in [
    ("int", 5, "int"), ("int8", 2**40, "int8"), ("text", "it's Zoë", "text"), ("null", None, "int"), ("bool", True, "bool"), ("float8", 1.5, "float8"),
    ("numeric", Decimal("1.50"), "numeric"), ("date", date(2026, 1, 31), "date"), ("timestamp", datetime(2026, 1, 31, 10), "timestamp"),
    ("timestamptz", datetime(2026, 1, 31, 10, tzinfo=timezone.utc), "timestamptz"), ("text[]", ["a", None, "b,c"], "text[]"), ("int[]", [1, 2], "int[]"),
    ("uuid", UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "uuid"), ("bytea", b"\0\xff", "bytea"),
]:
    async def returns(connection, value=value, cast=cast):
        equal(await connection.fetchval(f"SELECT $1::{cast}", value), value)
    check(must, "parameter: " + name)(returns)

for name, sql, parameters, expected in [
    ("type of = is the column's", "SELECT count(*) FROM profiles WHERE customer_no = $1", ["C0001"], 1),
    ("type of < is the column's", "SELECT count(*) FROM profiles WHERE visits < $1", [11], 10),
    ("type of a date comparison", "SELECT count(*) FROM profiles WHERE birth_date < $1", [date(2000, 1, 11)], 9),
    ("type of a numeric comparison", "SELECT count(*) FROM profiles WHERE spend <= $1", [Decimal("12.50")], 10),
    ("type of a time comparison", "SELECT count(*) FROM profiles WHERE first_seen_at < $1", [datetime(2026, 1, 1, 10, 11, tzinfo=timezone.utc)], 10),
    ("LIMIT takes int8", "SELECT count(*) FROM (SELECT 1 FROM profiles LIMIT $1 OFFSET $2) x", [5, 998], 2),
    ("= ANY takes an array", "SELECT count(*) FROM profiles WHERE customer_no = ANY($1)", [["C0001", "C0002"]], 2),
    ("$1 + 1 is int4", "SELECT $1 + 1", [1], 2),
    ("LIKE takes text", "SELECT count(*) FROM profiles WHERE email LIKE $1", ["p1%"], 112),
    ("IN takes the column's type", "SELECT count(*) FROM profiles WHERE visits IN ($1, $2)", [1, 2], 2),
    ("BETWEEN takes the column's type", "SELECT count(*) FROM profiles WHERE visits BETWEEN $1 AND $2", [1, 5], 5),
    ("coalesce", "SELECT coalesce($1, 'x')", [None], "x"),
    ("CASE", "SELECT CASE WHEN visits > $1 THEN 'a' ELSE 'b' END FROM profiles WHERE customer_no = 'C0005'", [4], "a"),
    ("the same parameter twice", "SELECT $1::int + $1::int", [4], 8),
    ("unnest of arrays", "SELECT sum(v) FROM unnest($1::int[]) AS t(v)", [[1, 2, 3]], 6),
    ("unused null filter", "SELECT count(*) FROM profiles WHERE $1::text IS NULL OR city = $1", [None], 1000),
]:
    async def asks(connection, sql=sql, parameters=parameters, expected=expected):
        equal(await connection.fetchval(sql, *parameters), expected)
    check(must, "parameter: " + name)(asks)

for name, sql, state, _ in ERRORS:
    async def fails(connection, sql=sql, state=state):
        await raises(asyncpg.PostgresError, connection.fetch(sql), state)
    check(must, "error: " + name)(fails)


@check(must, "server version")
async def _(connection):
    equal(connection.get_server_version().major, 15)


@check(must, "settings")
async def _(connection):
    settings = connection.get_settings()
    equal((settings.client_encoding, settings.DateStyle, settings.standard_conforming_strings), ("UTF8", "ISO, MDY", "on"))


@check(must, "server_settings at start")
async def _(_connection):
    connection = await connect(server_settings={"application_name": "mine", "statement_timeout": "3000"})
    equal(await connection.fetchval("SHOW application_name"), "mine")
    equal(await connection.fetchval("SHOW statement_timeout"), "3s")


@check(must, "fetchrow")
async def _(connection):
    row = await connection.fetchrow("SELECT customer_no, tags, spend FROM profiles WHERE visits = 1")
    equal(dict(row), {"customer_no": "C0001", "tags": ["a", "b"], "spend": Decimal("1.25")})


@check(must, "describes parameters and columns")
async def _(connection):
    statement = await connection.prepare("SELECT profile_id, city FROM profiles WHERE customer_no = $1 LIMIT $2")
    equal([it.name for it in statement.get_parameters()], ["text", "int8"])
    equal([(it.name, it.type.name) for it in statement.get_attributes()], [("profile_id", "int8"), ("city", "text")])


@check(must, "explain")
async def _(connection):
    statement = await connection.prepare("SELECT count(*) FROM profiles")
    plan = await statement.explain()
    equal("Node Type" in plan[0]["Plan"], True)


@check(must, "cursor with prefetch")
async def _(connection):
    async with connection.transaction():
        got = [row["visits"] async for row in connection.cursor("SELECT visits FROM profiles ORDER BY visits", prefetch=70)]
    equal(got, list(range(1, 1001)))


@check(must, "cursor forward")
async def _(connection):
    async with connection.transaction():
        cursor = await connection.cursor("SELECT visits FROM profiles WHERE visits > $1 ORDER BY visits", 10)
        await cursor.forward(5)
        equal([row[0] for row in await cursor.fetch(2)], [16, 17])


@check(must, "transactions roll back and nest")
async def _(connection):
    async with connection.transaction():
        try:
            async with connection.transaction():
                await connection.execute("SELECT 1/0")
        except asyncpg.DivisionByZeroError:
            pass
        equal(await connection.fetchval("SELECT 3"), 3)


@check(must, "transaction options")
async def _(connection):
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        equal(await connection.fetchval("SHOW transaction_isolation"), "repeatable read")


@check(must, "status texts")
async def _(connection):
    equal(await connection.execute("SELECT * FROM profiles LIMIT 3"), "SELECT 3")
    equal(await connection.execute("SET application_name = 'x'"), "SET")


@check(must, "a script of several statements")
async def _(connection):
    await connection.execute("SELECT 1; SELECT 2;")


@check(must, "timeout cancels")
async def _(connection):
    began = time.monotonic()
    try:
        await connection.fetchval("SELECT pg_sleep(20)", timeout=0.5)
        raise AssertionError("no timeout")
    except asyncio.TimeoutError:
        pass
    assert time.monotonic() - began < 5
    equal(await connection.fetchval("SELECT 1"), 1)


@check(must, "statement_timeout")
async def _(connection):
    await connection.execute("SET statement_timeout = 300")
    await raises(asyncpg.QueryCanceledError, connection.fetchval("SELECT pg_sleep(20)"), "57014")


@check(must, "reset of a connection")
async def _(connection):
    await connection.execute("SET application_name = 'x'")
    await connection.reset()
    equal(await connection.fetchval("SHOW application_name"), "")


@check(must, "pool")
async def _(_connection):
    async with asyncpg.create_pool(host=HOST, port=PORT, user=USER, database=DATABASE, min_size=1, max_size=4) as pool:
        async def ask(n):
            async with pool.acquire() as connection:
                return await connection.fetchval("SELECT $1::int", n)
        equal(await asyncio.gather(*[ask(n) for n in range(12)]), list(range(12)))


@check(must, "introspection of an array type")
async def _(connection):
    await connection.reload_schema_state()
    equal(await connection.fetchval("SELECT ARRAY['a'::name]"), ["a"])


@check(must, "set_type_codec finds its type")
async def _(connection):
    await connection.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    equal(await connection.fetchval("SELECT '{\"a\": 1}'::json"), {"a": 1})


@check(must, "introspection of an unknown type's query")
async def _(connection):
    equal(await connection.fetchval("SELECT '1'::oid::regclass IS NULL"), False)


@check(must, "COPY out of a query")
async def _(connection):
    text = io.BytesIO()
    equal(await connection.copy_from_query("SELECT customer_no, city FROM profiles WHERE visits <= $1 ORDER BY 1", 2, output=text), "COPY 2")
    equal(text.getvalue(), b"C0001\tHull\nC0002\t\\N\n")


@check(must, "COPY out of a table as csv")
async def _(connection):
    text = io.BytesIO()
    await connection.copy_from_table("purchases", columns=["order_id", "amount"], output=text, format="csv", header=True)
    has(text.getvalue().decode(), "^order_id,amount$", r"^O0001,0\.99$")


@check(should, "COPY in of records (binary), rolled back")
async def _(connection):
    transaction = connection.transaction()
    await transaction.start()
    got = await connection.copy_records_to_table("purchases", records=[("O9300", "p1@example.com", Decimal("1.00"))], columns=["order_id", "email", "amount"])
    equal(got, "COPY 1")
    await transaction.rollback()


@check(should, "notifications")
async def _(connection):
    heard = asyncio.Queue()
    await connection.add_listener("asyncpg_channel", lambda *it: heard.put_nowait(it[3]))
    other = await connect()
    await other.execute("NOTIFY asyncpg_channel, 'payload'")
    equal(await asyncio.wait_for(heard.get(), 3), "payload")


@check(should, "log listener hears notices")
async def _(connection):
    heard = []
    connection.add_log_listener(lambda _, message: heard.append(message.message))
    await connection.execute("DROP VIEW IF EXISTS nothing_here")
    await asyncio.sleep(0.2)
    has(heard[0], "does not exist, skipping")


@check(should, "executemany writes")
async def _(connection):
    await connection.executemany("INSERT INTO crm (customer_no, email) VALUES ($1, $2)", [("X-a1", "x-a1@example.com"), ("X-a2", "x-a2@example.com")])
    equal(await connection.execute("DELETE FROM crm WHERE customer_no IN ('X-a1', 'X-a2')"), "DELETE 2")


if __name__ == "__main__":
    main(asyncpg.__version__)
