"""polars: connectorx (binary COPY and cursors), ADBC, SQLAlchemy."""

import datetime

import adbc_driver_postgresql.dbapi
import connectorx
import polars
import sqlalchemy as sa
from checks import DATABASE, HOST, PORT, USER, URL, equal, main, must, should

URI = f"postgresql://{USER}@{HOST}:{PORT}/{DATABASE}?sslmode=disable"
QUERY = "SELECT visits, customer_no, score, birth_date, opted_in FROM profiles WHERE visits <= 3 ORDER BY visits"
EXPECTED = [(1, "C0001", 1.5, datetime.date(2000, 1, 2), False), (2, "C0002", 3.0, datetime.date(2000, 1, 3), True), (3, "C0003", 4.5, datetime.date(2000, 1, 4), False)]

for protocol in ["binary", "csv", "cursor", "simple"]:
    must(f"connectorx, {protocol}")(lambda protocol=protocol: equal(
        connectorx.read_sql(URI, QUERY, protocol=protocol, return_type="polars").rows(), EXPECTED))
must("connectorx in partitions")(lambda: equal(connectorx.read_sql(URI, "SELECT visits FROM profiles", partition_on="visits", partition_num=4, return_type="polars")["visits"].sum(), 500500))
must("read_database_uri")(lambda: equal(polars.read_database_uri("SELECT count(*) AS n FROM profiles", URI)["n"][0], 1000))
must("read_database_uri through ADBC")(lambda: equal(polars.read_database_uri(QUERY, URI, engine="adbc").rows(), EXPECTED))
must("read_database through SQLAlchemy")(lambda: equal(polars.read_database(QUERY, sa.create_engine(f"postgresql+psycopg2://{URL}")).rows(), EXPECTED))
must("ADBC: table's schema")(lambda: _schema())
should("ADBC: catalog objects")(lambda: _objects())


def connect():
    return adbc_driver_postgresql.dbapi.connect(URI)


def _schema():
    with connect() as connection:
        names = connection.adbc_get_table_schema("profiles").names
        equal(names[:3], ["profile_id", "customer_no", "email"])


def _objects():
    with connect() as connection:
        table = connection.adbc_get_objects(depth="tables", db_schema_filter="public").read_all()
        equal("profiles" in str(table.to_pylist()), True)


if __name__ == "__main__":
    main(f"{polars.__version__}, connectorx {connectorx.__version__}")
