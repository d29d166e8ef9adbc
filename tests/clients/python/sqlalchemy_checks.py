"""SQLAlchemy: reflection through three drivers, its query language, pools, transactions, errors."""

from datetime import date, datetime, timezone
from decimal import Decimal

import sqlalchemy as sa
from checks import DATABASE, URL, equal, main, must, raises, should
from sqlalchemy import orm


def engine(driver="psycopg2", **more):
    return sa.create_engine(f"postgresql+{driver}://{URL}", **more)


def inspector(driver="psycopg2"):
    return sa.inspect(engine(driver))


def scalar(sql, driver="psycopg2", **parameters):
    with engine(driver).connect() as connection:
        return connection.execute(sa.text(sql), parameters).scalar()


for driver in ["psycopg2", "psycopg"]:
    must(f"{driver}: connect")(lambda driver=driver: equal(scalar("SELECT 1", driver), 1))
    must(f"{driver}: parameters")(lambda driver=driver: equal(scalar("SELECT count(*) FROM profiles WHERE customer_no = :n", driver, n="C0001"), 1))
    must(f"{driver}: default schema")(lambda driver=driver: equal(inspector(driver).default_schema_name, "public"))
    must(f"{driver}: schemas")(lambda driver=driver: equal({"public", "information_schema"} <= set(inspector(driver).get_schema_names()), True))
    must(f"{driver}: tables")(lambda driver=driver: equal({"profiles", "crm", "purchases", "identities"} <= set(inspector(driver).get_table_names()), True))
    must(f"{driver}: tables of a schema")(lambda driver=driver: equal("profiles" in inspector(driver).get_table_names("public"), True))
    must(f"{driver}: views")(lambda driver=driver: equal("identity_conflicts" in inspector(driver).get_view_names(), True))
    must(f"{driver}: columns")(lambda driver=driver: _columns(driver))
    must(f"{driver}: primary key")(lambda driver=driver: equal(inspector(driver).get_pk_constraint("profiles")["constrained_columns"], ["profile_id"]))
    must(f"{driver}: no foreign keys")(lambda driver=driver: equal(inspector(driver).get_foreign_keys("profiles"), []))
    must(f"{driver}: indexes")(lambda driver=driver: equal(inspector(driver).get_indexes("profiles"), []))
    must(f"{driver}: reflect everything")(lambda driver=driver: _reflect(driver))

must("unique and check constraints")(lambda: equal((inspector().get_unique_constraints("profiles"), inspector().get_check_constraints("profiles")), ([], [])))
must("table comment")(lambda: equal(bool(inspector().get_table_comment("profiles")["text"]), True))
must("column comments")(lambda: equal(bool(inspector().get_columns("profiles")[0]["comment"]), True))
must("view definition")(lambda: equal("SELECT" in inspector().get_view_definition("identity_conflicts").upper(), True))
must("has_table")(lambda: equal((inspector().has_table("profiles"), inspector().has_table("nothing_here"), inspector().has_table("identity_conflicts")), (True, False, True)))
must("has_schema and has_index")(lambda: equal((inspector().has_schema("public"), inspector().has_schema("nowhere"), inspector().has_index("profiles", "nothing")), (True, False, False)))
must("sequences and enums")(lambda: equal((inspector().get_sequence_names(), inspector().get_enums()), ([], [])))
must("materialized views")(lambda: equal(inspector().get_materialized_view_names(), []))
must("missing table")(lambda: raises(sa.exc.NoSuchTableError, lambda: inspector().get_columns("nothing_here")))
must("several tables at once")(lambda: equal({("public", "profiles"), ("public", "crm")} <= set(inspector().get_multi_columns(schema="public")), True))
must("keys of all tables at once")(lambda: equal(inspector().get_multi_pk_constraint(schema="public")[("public", "profiles")]["constrained_columns"], ["profile_id"]))
must("table options and object kinds")(lambda: equal(inspector().get_table_oid("profiles") > 0, True))
must("pool_pre_ping")(lambda: equal(_ping(), 1))
must("server version")(lambda: equal(_version(), 15))
must("isolation levels")(lambda: equal(_isolation()[1:], ["AUTOCOMMIT", "REPEATABLE READ"]))
must("streamed results")(lambda: equal(_stream(), list(range(1, 1001))))
must("executes with several parameters at once")(lambda: equal(scalar("SELECT sum(v) FROM (VALUES (:a), (:b)) AS t(v)", a=1, b=2), 3))


def _columns(driver):
    columns = {it["name"]: it for it in inspector(driver).get_columns("profiles")}
    equal({name: str(columns[name]["type"]) for name in ["profile_id", "email", "tags", "visits", "small", "score", "ratio", "spend", "opted_in", "birth_date", "local_at", "last_seen_at"]}, {
        "profile_id": "BIGINT", "email": "TEXT", "tags": "TEXT[]" if "[]" in str(columns["tags"]["type"]) else "ARRAY", "visits": "INTEGER", "small": "SMALLINT",
        "score": "DOUBLE PRECISION", "ratio": "REAL", "spend": "NUMERIC(12, 2)", "opted_in": "BOOLEAN", "birth_date": "DATE", "local_at": "TIMESTAMP", "last_seen_at": "TIMESTAMP"})
    equal([columns[it]["nullable"] for it in ["profile_id", "email"]], [False, True])
    equal([columns[it]["type"].timezone for it in ["local_at", "last_seen_at"]], [False, True])


def _reflect(driver):
    metadata = sa.MetaData()
    metadata.reflect(engine(driver), views=True)
    profiles = metadata.tables["profiles"]
    equal([it.name for it in profiles.primary_key], ["profile_id"])
    equal("identity_conflicts" in metadata.tables, True)


def _ping():
    it = engine(pool_pre_ping=True, pool_size=2)
    for _ in range(3):
        with it.connect() as connection:
            got = connection.execute(sa.select(1)).scalar()
    return got


def _version():
    it = engine()
    it.connect().close()
    return it.dialect.server_version_info[0]


def _isolation():
    with engine().connect() as connection:
        levels = [connection.get_isolation_level()]
    for level in ["AUTOCOMMIT", "REPEATABLE READ"]:
        with engine(isolation_level=level).connect() as connection:
            connection.execute(sa.select(1))
            levels.append(connection.get_isolation_level() if level != "AUTOCOMMIT" else "AUTOCOMMIT")
    return levels


def _stream():
    with engine().connect().execution_options(stream_results=True, max_row_buffer=100) as connection:
        return [row[0] for row in connection.execute(sa.text("SELECT visits FROM profiles ORDER BY visits"))]


def tables():
    it = engine()
    metadata = sa.MetaData()
    return it, sa.Table("profiles", metadata, autoload_with=it), sa.Table("purchases", metadata, autoload_with=it)


def query(name, build, expected):
    def asks():
        it, profiles, purchases = tables()
        with it.connect() as connection:
            equal([tuple(row) for row in connection.execute(build(profiles, purchases))], expected)
    must("query: " + name)(asks)


query("select and where", lambda p, e: sa.select(p.c.customer_no, p.c.spend).where(p.c.visits == 1), [("C0001", Decimal("1.25"))])
query("in a list", lambda p, e: sa.select(sa.func.count()).where(p.c.customer_no.in_(["C0001", "C0002"])), [(2,)])
query("empty list", lambda p, e: sa.select(sa.func.count()).select_from(p).where(p.c.customer_no.in_([])), [(0,)])
query("group and having", lambda p, e: sa.select(p.c.city, sa.func.count().label("n")).group_by(p.c.city).having(sa.func.count() > 333), [("Hull", 334)])
query("join", lambda p, e: sa.select(sa.func.count()).select_from(p.join(e, p.c.email == e.c.email)), [(200,)])
query("subquery", lambda p, e: sa.select(sa.func.count()).select_from(sa.select(p).where(p.c.visits < 11).subquery()), [(10,)])
query("scalar subquery", lambda p, e: sa.select(p.c.customer_no, sa.select(sa.func.count()).where(e.c.email == p.c.email).scalar_subquery()).where(p.c.visits == 1), [("C0001", 2)])
query("exists", lambda p, e: sa.select(sa.func.count()).select_from(p).where(sa.exists().where(e.c.email == p.c.email)), [(100,)])
query("window", lambda p, e: sa.select(sa.func.row_number().over(order_by=p.c.visits.desc())).where(p.c.visits < 3), [(1,), (2,)])
query("union", lambda p, e: sa.union_all(sa.select(sa.literal(1)), sa.select(sa.literal(2))).order_by(sa.literal_column("1")), [(1,), (2,)])
query("case", lambda p, e: sa.select(sa.case((p.c.visits > 1, "many"), else_="one")).where(p.c.visits == 1), [("one",)])
query("cast and extract", lambda p, e: sa.select(sa.cast(p.c.visits, sa.Text), sa.extract("year", p.c.birth_date)).where(p.c.visits == 1), [("1", 2000)])
query("dates", lambda p, e: sa.select(p.c.birth_date, p.c.first_seen_at).where(p.c.visits == 1), [(date(2000, 1, 2), datetime(2026, 1, 1, 10, 1, tzinfo=timezone.utc))])
query("arrays", lambda p, e: sa.select(p.c.tags).where(p.c.visits == 1), [(["a", "b"],)])
query("array contains", lambda p, e: sa.select(sa.func.count()).where(sa.literal("a") == sa.any_(p.c.tags)), [(250,)])
query("limit and offset", lambda p, e: sa.select(p.c.visits).order_by(p.c.visits).limit(2).offset(5), [(6,), (7,)])
query("distinct on", lambda p, e: sa.select(p.c.city, p.c.visits).distinct(p.c.city).where(p.c.city.is_not(None)).order_by(p.c.city, p.c.visits), [("Hull", 1), ("Leeds", 3)])
query("date_trunc", lambda p, e: sa.select(sa.func.date_trunc("month", e.c.ts).label("m"), sa.func.count()).group_by("m"), [(datetime(2026, 3, 1, tzinfo=timezone.utc), 200)])
query("ilike", lambda p, e: sa.select(sa.func.count()).where(p.c.email.ilike("P1@%")), [(1,)])
query("common table expression", lambda p, e: sa.select(sa.func.count()).select_from(sa.select(p.c.city).where(p.c.visits < 5).cte("a")), [(4,)])
query("lateral", lambda p, e: sa.select(p.c.customer_no, sa.select(sa.func.max(e.c.amount).label("most")).where(e.c.email == p.c.email).lateral("x").c.most).where(p.c.visits == 1), [("C0001", Decimal("99.99"))])
query("filter of an aggregate", lambda p, e: sa.select(sa.func.count().filter(p.c.city == "Leeds")), [(333,)])
query("string_agg", lambda p, e: sa.select(sa.func.string_agg(p.c.city, ",")).where(p.c.visits.in_([1, 3])), [("Hull,Leeds",)])


@must("orm session")
def _():
    it, profiles, _ = tables()
    base = orm.declarative_base(metadata=profiles.metadata)
    person = type("Person", (base,), {"__table__": profiles})
    with orm.Session(it) as session:
        equal(session.get(person, 0).customer_no, "C0001")
        equal(session.scalar(sa.select(sa.func.count()).select_from(person)), 1000)


@must("automap")
def _():
    from sqlalchemy.ext.automap import automap_base
    base = automap_base()
    base.prepare(autoload_with=engine())
    equal("profiles" in base.classes, True)


@must("errors have their classes")
def _():
    raises(sa.exc.ProgrammingError, lambda: scalar("SELECT * FROM nothing_here"))
    raises(sa.exc.DataError, lambda: scalar("SELECT 'x'::int"))
    raises(sa.exc.ProgrammingError, lambda: scalar("SELEC 1"))
    raises(sa.exc.DataError, lambda: scalar("SELECT 1/0"))


@must("savepoints")
def _():
    with engine().begin() as connection:
        nested = connection.begin_nested()
        raises(sa.exc.DataError, lambda: connection.execute(sa.text("SELECT 1/0")))
        nested.rollback()
        equal(connection.execute(sa.text("SELECT 1")).scalar(), 1)


@must("asyncpg engine reflects and queries")
def _():
    import asyncio

    from sqlalchemy.ext.asyncio import create_async_engine

    async def run():
        it = create_async_engine(f"postgresql+asyncpg://{URL}?ssl=disable")
        async with it.connect() as connection:
            names = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
            count = (await connection.execute(sa.text("SELECT count(*) FROM profiles WHERE city = :c"), {"c": "Leeds"})).scalar()
        await it.dispose()
        return "profiles" in names, count
    equal(asyncio.run(run()), (True, 333))


should("create and drop a view")(lambda: _view())
should("create a table, fill it, drop it")(lambda: _table())


def _view():
    with engine(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("CREATE OR REPLACE VIEW alchemy_view AS SELECT city FROM profiles"))
        equal("alchemy_view" in sa.inspect(connection).get_view_names(), True)
        connection.execute(sa.text("DROP VIEW alchemy_view"))


def _table():
    metadata = sa.MetaData()
    table = sa.Table("alchemy_scratch", metadata, sa.Column("id", sa.Integer), sa.Column("name", sa.String(20)))
    it = engine()
    metadata.create_all(it)
    with it.begin() as connection:
        connection.execute(table.insert(), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    with it.connect() as connection:
        equal(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar(), 2)
    metadata.drop_all(it)


if __name__ == "__main__":
    main(sa.__version__)
