"""pg8000: a driver in Python alone, extended protocol throughout."""

from datetime import date, datetime, timezone
from decimal import Decimal

import pg8000
import pg8000.dbapi
import pg8000.native
from checks import DATABASE, HOST, PORT, USER, equal, main, must, raises, should
from values import ERRORS, VALUES


def native():
    return pg8000.native.Connection(USER, host=HOST, port=PORT, database=DATABASE)


def one(sql, **parameters):
    connection = native()
    try:
        return connection.run(sql, **parameters)[0][0]
    finally:
        connection.close()


must("connect")(lambda: equal(one("SELECT 1"), 1))
for name, sql, oid, value in VALUES:
    if name not in ("interval",):
        must("value: " + name)(lambda sql=sql, value=value: equal(one(f"SELECT {sql}"), value))
for name, value, cast in [("int", 5, "int"), ("text", "it's", "text"), ("null", None, "int"), ("bool", True, "bool"), ("numeric", Decimal("1.50"), "numeric"),
                          ("date", date(2026, 1, 31), "date"), ("timestamptz", datetime(2026, 1, 31, tzinfo=timezone.utc), "timestamptz"), ("list", ["a", "b"], "text[]")]:
    must("parameter: " + name)(lambda value=value, cast=cast: equal(one(f"SELECT CAST(:v AS {cast})", v=value), value))
for name, sql, state, _ in ERRORS:
    def fails(sql=sql, state=state):
        error = raises(pg8000.native.DatabaseError, lambda: one(sql))
        equal(error.args[0]["C"], state)
    must("error: " + name)(fails)


@must("prepared statement")
def _():
    connection = native()
    statement = connection.prepare("SELECT visits FROM profiles WHERE customer_no = :n")
    equal([statement.run(n=f"C{n:04}")[0][0] for n in (1, 2)], [1, 2])
    statement.close()


@must("columns of a result")
def _():
    connection = native()
    connection.run("SELECT profile_id, spend FROM profiles LIMIT 1")
    equal([(it["name"], it["type_oid"]) for it in connection.columns], [("profile_id", 20), ("spend", 1700)])


@must("DB-API cursor and transaction")
def _():
    connection = pg8000.dbapi.connect(USER, host=HOST, port=PORT, database=DATABASE)
    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM profiles WHERE city = %s", ("Leeds",))
    equal(cursor.fetchone(), [333])
    raises(pg8000.dbapi.DatabaseError, lambda: cursor.execute("SELECT 1/0"))
    connection.rollback()
    cursor.execute("SELECT 1")
    connection.commit()


@should("COPY out")
def _():
    import io
    text = io.BytesIO()
    native().run("COPY (SELECT customer_no FROM profiles WHERE visits < 3 ORDER BY 1) TO STDOUT", stream=text)
    equal(text.getvalue(), b"C0001\nC0002\n")


if __name__ == "__main__":
    main(pg8000.__version__)
