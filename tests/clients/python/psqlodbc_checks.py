"""psqlODBC through unixODBC: what Excel, Tableau and Power BI reach PostgreSQL with."""

import glob
from datetime import date, datetime
from decimal import Decimal

import pyodbc
from checks import DATABASE, HOST, PORT, USER, equal, has, main, must, raises, should

DRIVER = (glob.glob("/usr/lib/*/odbc/psqlodbcw.so") or ["psqlodbcw.so"])[0]


def connect(more="", **options):
    text = f"DRIVER={DRIVER};SERVER={HOST};PORT={PORT};DATABASE={DATABASE};UID={USER};PWD=x;SSLMODE=disable;{more}"
    return pyodbc.connect(text, timeout=10, **options)


def all_of(sql, *parameters, more=""):
    return [tuple(row) for row in connect(more).execute(sql, *parameters).fetchall()]


must("connect")(lambda: equal(all_of("SELECT 1"), [(1,)]))
must("server name and version")(lambda: has(connect().getinfo(pyodbc.SQL_DBMS_NAME) + connect().getinfo(pyodbc.SQL_DBMS_VER), "^PostgreSQL15"))
for name, sql, value in [
    ("int", "1", 1), ("bigint", "9000000000", 9000000000), ("smallint", "7::smallint", 7), ("float", "0.1::float8", 0.1), ("numeric", "12.50::numeric(12,2)", Decimal("12.50")),
    ("text", "'Zoë'::text", "Zoë"), ("date", "date '2026-01-31'", date(2026, 1, 31)), ("timestamp", "timestamp '2026-01-31 10:11:12'", datetime(2026, 1, 31, 10, 11, 12)), ("null", "NULL::int", None),
]:
    must("value: " + name)(lambda sql=sql, value=value: equal(all_of(f"SELECT {sql}"), [(value,)]))
must("parameters")(lambda: equal(all_of("SELECT count(*) FROM profiles WHERE customer_no = ? AND visits < ?", "C0001", 10), [(1,)]))
must("date and numeric parameters")(lambda: equal(all_of("SELECT count(*) FROM profiles WHERE birth_date < ? AND spend <= ?", date(2000, 1, 11), Decimal("10.00")), [(8,)]))
must("SQLTables")(lambda: equal({("public", "profiles", "TABLE"), ("public", "identity_conflicts", "VIEW")} <= {(it.table_schem, it.table_name, it.table_type) for it in connect().cursor().tables(schema="public")}, True))
must("SQLTables of schemas and catalogs")(lambda: equal(DATABASE in [it[0] for it in connect().cursor().tables(catalog="%", schema="", table="")], True))
must("SQLColumns")(lambda: _columns())
must("SQLPrimaryKeys")(lambda: equal([it.column_name for it in connect().cursor().primaryKeys("profiles", schema="public")], ["profile_id"]))
must("SQLStatistics")(lambda: equal("profiles_pkey" in [it.index_name for it in connect().cursor().statistics("profiles", schema="public")], True))
must("SQLForeignKeys")(lambda: equal(len(connect().cursor().foreignKeys("profiles", schema="public").fetchall()), 0))
must("SQLProcedures")(lambda: equal("profile_of" in [it.procedure_name for it in connect().cursor().procedures(schema="public")], True))
must("SQLSpecialColumns")(lambda: connect().cursor().rowIdColumns("profiles", schema="public").fetchall())
must("SQLGetTypeInfo")(lambda: equal("int4" in [it[0] for it in connect().cursor().getTypeInfo().fetchall()], True))
must("UseDeclareFetch streams with cursors")(lambda: equal(len(all_of("SELECT * FROM profiles", more="UseDeclareFetch=1;Fetch=100;")), 1000))
must("error has its SQLSTATE")(lambda: has(str(raises(pyodbc.Error, lambda: all_of("SELECT * FROM nothing_here"))), "42P01|42S02"))
must("error inside a transaction")(lambda: _transaction())
must("timeout of a statement")(lambda: _timeout())
must("query without a server-side prepare")(lambda: equal(all_of("SELECT city FROM profiles WHERE visits = ?", 1, more="UseServerSidePrepare=0;"), [("Hull",)]))
must("names that begin in upper case")(lambda: equal(connect().execute('SELECT city AS "City" FROM profiles').description[0][0], "City"))
should("insert and delete")(lambda: _write())


def _columns():
    columns = {it.column_name: it for it in connect().cursor().columns("profiles", schema="public")}
    equal([(columns[it].type_name, columns[it].nullable) for it in ["profile_id", "email", "spend", "birth_date"]], [("int8", 0), ("text", 1), ("numeric", 1), ("date", 1)])
    equal((columns["spend"].column_size, columns["spend"].decimal_digits), (12, 2))


def _transaction():
    connection = connect(autocommit=False)
    raises(pyodbc.Error, lambda: connection.execute("SELECT 1/0"))
    connection.rollback()
    equal(connection.execute("SELECT 1").fetchone()[0], 1)


def _timeout():
    connection = connect("ConnSettings={SET statement_timeout=500};")
    has(str(raises(pyodbc.Error, lambda: connection.execute("SELECT pg_sleep(20)").fetchall())), "57014|HYT00|statement timeout")


def _write():
    connection = connect(autocommit=True)
    equal(connection.execute("INSERT INTO crm (customer_no, email) VALUES (?, ?)", "X-odbc", "x-odbc@example.com").rowcount, 1)
    equal(connection.execute("DELETE FROM crm WHERE customer_no = 'X-odbc'").rowcount, 1)


if __name__ == "__main__":
    main(connect().getinfo(pyodbc.SQL_DRIVER_VER))
