"""The rows of the schema, as one INSERT for each table; both servers get the same text."""

from datetime import datetime, timedelta, timezone

PROFILE_COUNT = 1000
PURCHASE_COUNT = 200

# Names that a careless client or server would spoil, by number of row.
NAMES = {1: "Zoë", 2: "O'Brien", 3: 'quo"te, comma', 4: "two\nlines", 5: None, 6: "日本語", 7: "back\\slash", 8: ""}


def quoted(value):
    if value is None:
        return "NULL"
    return "'" + str(value).replace("'", "''") + "'" if not isinstance(value, (int, float)) else str(value)


def profile(n):
    """Row n of `crm`, from 1."""
    start = datetime(2026, 1, 1, 10, tzinfo=timezone.utc)
    city = {0: "Leeds", 1: "Hull", 2: None}[n % 3]
    tags = [None, "{a,b}", "{}", '{"x y",NULL}'][n % 4]
    opted_in = None if n % 10 == 0 else str(n % 2 == 0).lower()
    return [
        f"C{n:04}", f"p{n}@example.com", NAMES.get(n, f"Name {n}"), city, tags, n, n * 10_000_000_000, n % 100, n * 1.5, n * 0.5,
        f"{n * 1.25:.2f}", opted_in, (datetime(2000, 1, 1) + timedelta(days=n)).date(),
        (start + timedelta(seconds=n)).strftime("%Y-%m-%d %H:%M:%S"), (start + timedelta(minutes=n)).strftime("%Y-%m-%d %H:%M:%S+00"),
    ]


def purchase(n):
    """Row n of `purchases`, from 1: of people 1 to 100, two each."""
    at = datetime(2026, 3, 1, tzinfo=timezone.utc) + timedelta(hours=n)
    person = (n - 1) % 100 + 1
    return [f"O{n:04}", f"p{person}@example.com", f"{n * 0.99:.2f}", f"product {n % 5}", at.strftime("%Y-%m-%d %H:%M:%S+00")]


def insert(table, row, count):
    rows = (",".join(quoted(value) for value in row(n)) for n in range(1, count + 1))
    return f"INSERT INTO {table} VALUES " + ",\n".join(f"({row})" for row in rows) + ";\n"


def statements():
    return insert("crm", profile, PROFILE_COUNT) + insert("purchases", purchase, PURCHASE_COUNT)
