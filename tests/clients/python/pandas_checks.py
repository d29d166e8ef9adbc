"""pandas: read_sql through SQLAlchemy and ADBC, tables and queries, chunks, types."""

import adbc_driver_postgresql.dbapi
import pandas
import sqlalchemy as sa
from checks import DATABASE, HOST, PORT, USER, URL, equal, main, must, should


def engine():
    return sa.create_engine(f"postgresql+psycopg2://{URL}")


must("read_sql of a query")(lambda: equal(pandas.read_sql("SELECT count(*) AS n FROM profiles", engine())["n"][0], 1000))
must("read_sql with parameters")(lambda: equal(len(pandas.read_sql(sa.text("SELECT * FROM profiles WHERE city = :c"), engine(), params={"c": "Leeds"})), 333))
must("read_sql_table")(lambda: equal(pandas.read_sql_table("profiles", engine()).shape, (1000, 21)))
must("read_sql_table of some columns")(lambda: equal(list(pandas.read_sql_table("profiles", engine(), schema="public", columns=["city", "visits"]).columns), ["city", "visits"]))
must("types of columns")(lambda: _types())
must("index column and parsed dates")(lambda: equal(str(pandas.read_sql("SELECT visits, birth_date FROM profiles ORDER BY visits", engine(), index_col="visits", parse_dates=["birth_date"]).loc[1, "birth_date"].date()), "2000-01-02"))
must("chunks")(lambda: equal([len(it) for it in pandas.read_sql("SELECT * FROM profiles", engine(), chunksize=400)], [400, 400, 200]))
must("group in pandas equals group in SQL")(lambda: equal(pandas.read_sql("SELECT city, visits FROM profiles", engine()).groupby("city").visits.sum().to_dict(),
     dict(pandas.read_sql("SELECT city, sum(visits) AS s FROM profiles WHERE city IS NOT NULL GROUP BY city", engine()).values)))
must("read_sql through ADBC")(lambda: _adbc())
should("to_sql")(lambda: _write())


def _types():
    frame = pandas.read_sql("SELECT profile_id, email, visits, score, opted_in, last_seen_at, local_at FROM profiles ORDER BY visits", engine())
    equal([str(frame[name].dtype) for name in ["profile_id", "visits", "score"]], ["int64", "int64", "float64"])
    equal(str(frame.last_seen_at.dtype).startswith("datetime64") and "UTC" in str(frame.last_seen_at.dtype), True)
    equal(str(frame.local_at.dtype).startswith("datetime64"), True)


def _adbc():
    with adbc_driver_postgresql.dbapi.connect(f"postgresql://{USER}@{HOST}:{PORT}/{DATABASE}") as connection:
        frame = pandas.read_sql("SELECT visits, customer_no, score, birth_date FROM profiles WHERE visits <= 3 ORDER BY visits", connection)
        equal(frame.customer_no.tolist(), ["C0001", "C0002", "C0003"])


def _write():
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.to_sql("pandas_scratch", engine(), index=False, if_exists="replace")
    equal(pandas.read_sql("SELECT sum(a) AS s FROM pandas_scratch", engine())["s"][0], 3)
    with engine().begin() as connection:
        connection.execute(sa.text("DROP TABLE pandas_scratch"))


if __name__ == "__main__":
    main(pandas.__version__)
