"""Apache Superset through its REST API: connection, schemas, datasets, charts, SQL Lab. No server and no browser are needed."""

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from checks import DATABASE, URL, equal, has, main, must, should

HOME = Path(tempfile.mkdtemp(prefix="superset-"))
PROGRAM = Path(sys.executable).parent / "superset"
KEPT = {}


def set_up():
    """A Superset of its own with an administrator."""
    config = HOME / "superset_config.py"
    config.write_text(f"""SECRET_KEY = "checks"
SQLALCHEMY_DATABASE_URI = "sqlite:///{HOME}/superset.db?check_same_thread=false"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
PREVENT_UNSAFE_DB_CONNECTIONS = False
RATELIMIT_ENABLED = False
""")
    os.environ.update({"SUPERSET_CONFIG_PATH": str(config), "SUPERSET_HOME": str(HOME), "FLASK_APP": "superset"})
    admin = ["--username", "admin", "--firstname", "a", "--lastname", "b", "--email", "a@example.com", "--password", "admin"]
    for arguments in [["db", "upgrade"], ["fab", "create-admin", *admin], ["init"]]:
        subprocess.run([PROGRAM, *arguments], check=True, capture_output=True)
    from superset.app import create_app
    KEPT["client"] = create_app().test_client()
    token = KEPT["client"].post("/api/v1/security/login", json={"username": "admin", "password": "admin", "provider": "db"}).json["access_token"]
    KEPT["headers"] = {"Authorization": f"Bearer {token}"}


def call(method, path, body=None, status=200):
    answer = KEPT["client"].open(path, method=method, json=body, headers=KEPT["headers"])
    if answer.status_code != status:
        raise AssertionError(f"{answer.status_code}: {answer.get_data(as_text=True)[:1000]}")
    return answer.json


def connection():
    if "database" not in KEPT:
        body = {"database_name": "people", "sqlalchemy_uri": f"postgresql+psycopg2://{URL}", "expose_in_sqllab": True, "allow_ctas": True, "allow_cvas": True, "allow_dml": True}
        KEPT["database"] = call("POST", "/api/v1/database/", body, 201)["id"]
    return KEPT["database"]


def dataset(table):
    if table not in KEPT:
        KEPT[table] = call("POST", "/api/v1/dataset/", {"database": connection(), "schema": "public", "table_name": table}, 201)["id"]
    return KEPT[table]


def data(table, **query):
    body = {"datasource": {"id": dataset(table), "type": "table"}, "force": True, "result_format": "json", "result_type": "full", "queries": [{"row_limit": 1000, **query}]}
    return call("POST", "/api/v1/chart/data", body)["result"][0]["data"]


def sql(text):
    return call("POST", "/api/v1/sqllab/execute/", {"database_id": connection(), "sql": text, "schema": "public", "runAsync": False, "queryLimit": 1000})["data"]


COUNT = {"expressionType": "SQL", "sqlExpression": "COUNT(*)", "label": "n"}


def metric(aggregate, column):
    return {"expressionType": "SIMPLE", "aggregate": aggregate, "column": {"column_name": column}, "label": "m"}


must("test of the connection")(lambda: call("POST", "/api/v1/database/test_connection", {"sqlalchemy_uri": f"postgresql+psycopg2://{URL}", "database_name": "tried"}))
must("database is made")(lambda: equal(connection() > 0, True))
must("catalogs")(lambda: equal(DATABASE in call("GET", f"/api/v1/database/{connection()}/catalogs/")["result"], True))
must("schemas")(lambda: equal("public" in call("GET", f"/api/v1/database/{connection()}/schemas/")["result"], True))
must("tables and views of a schema")(lambda: equal({("profiles", "table"), ("identity_conflicts", "view")} <= {(it["value"], it["type"]) for it in call("GET", f"/api/v1/database/{connection()}/tables/?q=(schema_name:public)")["result"]}, True))
must("metadata of a table")(lambda: _metadata())
must("SELECT * of a table")(lambda: has(call("GET", f"/api/v1/database/{connection()}/select_star/profiles/public/")["result"], "profile_id"))
must("function names")(lambda: equal(isinstance(call("GET", f"/api/v1/database/{connection()}/function_names/")["function_names"], list), True))
must("dataset with types")(lambda: _dataset())
must("chart: count")(lambda: equal(data("profiles", metrics=[COUNT]), [{"n": 1000}]))
must("chart: group by a column")(lambda: equal(sorted((it["city"] or "", it["n"]) for it in data("profiles", columns=["city"], metrics=[COUNT])), [("", 333), ("Hull", 334), ("Leeds", 333)]))
must("chart: sum, ordered")(lambda: equal([it["city"] for it in data("profiles", columns=["city"], metrics=[metric("SUM", "visits")], filters=[{"col": "city", "op": "IS NOT NULL"}], orderby=[[metric("SUM", "visits"), False]])], ["Hull", "Leeds"]))
must("chart: distinct count and average")(lambda: equal(data("profiles", metrics=[metric("COUNT_DISTINCT", "city")]), [{"m": 2}]))
must("chart: filters")(lambda: equal(data("profiles", metrics=[COUNT], filters=[{"col": "city", "op": "IN", "val": ["Leeds"]}, {"col": "visits", "op": ">=", "val": 500}]), [{"n": 167}]))
must("chart: LIKE and NOT IN")(lambda: equal(data("profiles", metrics=[COUNT], filters=[{"col": "email", "op": "ILIKE", "val": "P1%"}, {"col": "city", "op": "NOT IN", "val": ["Hull"]}])[0]["n"] > 0, True))
must("chart: time series by day")(lambda: equal(len(data("purchases", granularity="ts", is_timeseries=True, extras={"time_grain_sqla": "P1D"}, columns=[], metrics=[COUNT], time_range="2026-03-01 : 2026-04-01")), 9))
must("chart: time series by month and week")(lambda: [data("purchases", granularity="ts", is_timeseries=True, extras={"time_grain_sqla": grain}, metrics=[COUNT], time_range="No filter") for grain in ["P1M", "P1W", "PT1H", "P3M", "P1Y"]])
must("chart: raw rows")(lambda: equal(len(data("profiles", columns=["customer_no", "spend", "birth_date", "tags"], row_limit=50)), 50))
must("chart: second page")(lambda: equal(len(data("profiles", columns=["customer_no"], row_limit=10, row_offset=995)), 5))
must("chart: saved")(lambda: equal(call("POST", "/api/v1/chart/", {"slice_name": "people", "viz_type": "table", "datasource_id": dataset("profiles"), "datasource_type": "table", "params": "{}"}, 201)["id"] > 0, True))
must("values of a filter")(lambda: equal("Leeds" in call("GET", f"/api/v1/datasource/table/{dataset('profiles')}/column/city/values/")["result"], True))
must("SQL Lab: a query")(lambda: equal(sql("SELECT city, count(*) AS n FROM profiles WHERE city IS NOT NULL GROUP BY city ORDER BY city"), [{"city": "Hull", "n": 334}, {"city": "Leeds", "n": 333}]))
must("SQL Lab: a common table expression")(lambda: equal(sql("WITH a AS (SELECT visits FROM profiles) SELECT max(visits) AS m FROM a"), [{"m": 1000}]))
must("SQL Lab: an error")(lambda: has(json.dumps(call("POST", "/api/v1/sqllab/execute/", {"database_id": connection(), "sql": "SELECT nothing FROM profiles", "schema": "public", "runAsync": False}, 500)), "nothing"))
must("SQL Lab: EXPLAIN")(lambda: equal(len(sql("EXPLAIN SELECT * FROM profiles")) > 0, True))
must("virtual dataset")(lambda: equal(call("POST", "/api/v1/dataset/", {"database": connection(), "schema": "public", "table_name": "by_city", "sql": "SELECT city, count(*) AS n FROM profiles GROUP BY city"}, 201)["id"] > 0, True))
must("estimate and validation of a query")(lambda: call("POST", f"/api/v1/database/{connection()}/validate_sql/", {"sql": "SELECT 1", "schema": "public"}))
must("dataset refreshed")(lambda: call("PUT", f"/api/v1/dataset/{dataset('profiles')}/refresh"))
should("SQL Lab: CREATE TABLE AS")(lambda: (sql("CREATE TABLE superset_scratch AS SELECT city FROM profiles"), sql("DROP TABLE superset_scratch")))
should("SQL Lab: CREATE VIEW")(lambda: (sql("CREATE VIEW superset_view AS SELECT city FROM profiles"), sql("DROP VIEW superset_view")))


def _metadata():
    table = call("GET", f"/api/v1/database/{connection()}/table_metadata/?name=profiles&schema=public")
    equal(table["primaryKey"]["column_names"], ["profile_id"])
    equal({it["name"]: it["type"] for it in table["columns"]}["spend"], "NUMERIC")


def _dataset():
    columns = call("GET", f"/api/v1/dataset/{dataset('profiles')}")["result"]["columns"]
    by_name = {it["column_name"]: it for it in columns}
    equal((by_name["last_seen_at"]["is_dttm"], by_name["visits"]["type"], len(columns)), (True, "INTEGER", 21))


if __name__ == "__main__":
    set_up()
    main(version("apache-superset"), apart=False)
