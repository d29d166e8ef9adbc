"""ibis: lists, schemas and expressions over its PostgreSQL backend."""

import ibis
from checks import DATABASE, HOST, PORT, USER, equal, main, must, should


def connect():
    return ibis.postgres.connect(host=HOST, port=PORT, user=USER, database=DATABASE)


def run(expression):
    return expression(connect().table("profiles"))


must("connect")(lambda: equal(connect().version.startswith("15"), True))
must("list_tables")(lambda: equal({"profiles", "crm"} <= set(connect().list_tables()), True))
must("list_databases and catalogs")(lambda: equal("public" in connect().list_databases() and DATABASE in connect().list_catalogs(), True))
must("schema of a table")(lambda: equal([str(connect().table("profiles").schema()[it]) for it in ["visits", "tags", "spend", "birth_date"]], ["int32", "array<string>", "decimal(12, 2)", "date"]))
must("count")(lambda: equal(run(lambda t: t.count().execute()), 1000))
must("filter and select")(lambda: equal(run(lambda t: t.filter(t.city == "Leeds").visits.sum().execute()), 166833))
must("group and order")(lambda: equal(run(lambda t: t.filter(t.city.notnull()).group_by("city").agg(n=ibis._.count()).order_by("city").execute()).values.tolist(), [["Hull", 334], ["Leeds", 333]]))
must("window and mutate")(lambda: equal(run(lambda t: t.mutate(r=ibis.row_number().over(order_by=t.visits)).order_by("visits").limit(2).r.execute().tolist()), [0, 1]))
should(".sql()")(lambda: equal(connect().sql("SELECT count(*) AS n FROM profiles").execute().n[0], 1000))

if __name__ == "__main__":
    main(ibis.__version__)
