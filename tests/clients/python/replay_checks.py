"""Tools that cannot be installed here: statements in the form in which they ask, and what must come back.

The files in `replay/` have one tool each. A check begins with `--- must NAME` or `--- should NAME`; lines `--- KEY: VALUE` say
what is right: `has` is a row (values parted by bars, `*` stands for anything), `rows` their number (`1`, `1+`, `0`),
`columns` the names, `parameters` the values of `$1`, `$2`, ... Each statement runs in the simple and in the extended protocol;
one with parameters only in the latter.
"""

import fnmatch
from pathlib import Path

import psycopg
from checks import DATABASE, HOST, PORT, USER, equal, main, must, should

WHERE = f"host={HOST} port={PORT} user={USER} dbname={DATABASE}"


def shown(value):
    return "" if value is None else str(value)


def is_count(count, wanted):
    return count >= int(wanted[:-1]) if wanted.endswith("+") else count == int(wanted)


def ask(sql, expected, is_prepared):
    with psycopg.connect(WHERE, autocommit=True) as connection:
        parameters = [it.strip() for value in expected.get("parameters", []) for it in value.split(",")]
        cursor = psycopg.RawCursor(connection)
        for statement in sql.split(";;"):
            cursor.execute(statement, parameters or None, prepare=is_prepared)
        rows = ["|".join(map(shown, row)) for row in cursor.fetchall()] if cursor.description else []
        for columns in expected.get("columns", []):
            equal([it.name for it in cursor.description], columns.split(", "))
        for count in expected.get("rows", []):
            assert is_count(len(rows), count), f"{len(rows)} rows, not {count}"
        for wanted in expected.get("has", []):
            wanted = wanted.replace("{database}", DATABASE).replace("{user}", USER).replace("[", "[[]")
            assert fnmatch.filter(rows, wanted), f"no row {wanted!r} in {rows[:12]}"


def add(tool, level, name, expected, sql):
    for is_prepared in [True] if "parameters" in expected else [False, True]:
        title = f"{tool}: {name} ({'extended' if is_prepared else 'simple'})"
        level(title)(lambda is_prepared=is_prepared: ask(sql, expected, is_prepared))


def read(path):
    for part in ("\n" + path.read_text()).split("\n--- must ")[1:]:
        pieces = part.split("\n--- should ")
        for level, piece in zip([must] + [should] * len(pieces), pieces):
            lines = piece.splitlines()
            expected = {}
            for line in lines[1:]:
                if line.startswith("--- "):
                    key, value = line[4:].split(": ", 1)
                    expected.setdefault(key, []).append(value)
            sql = "\n".join(line for line in lines[1:] if not line.startswith("--- ")).strip().removesuffix(";")
            add(path.stem, level, lines[0], expected, sql)


def plan():
    for path in sorted((Path(__file__).parent.parent / "replay").glob("*.sql")):
        read(path)


if __name__ == "__main__":
    plan()
    main(f"psycopg {psycopg.__version__}")
