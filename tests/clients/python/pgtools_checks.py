"""PostgreSQL's own programs: pg_isready, pgbench, vacuumdb, reindexdb, pg_dump, createdb."""

import os
import subprocess
import tempfile
from pathlib import Path

from checks import DATABASE, equal, has, main, must, should

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"))


def run(program, *arguments, status=0):
    done = subprocess.run([BIN / program, *arguments], text=True, capture_output=True, timeout=60)
    if status is not None:
        equal((done.returncode, done.stderr if done.returncode != status else ""), (status, ""))
    return done.stdout + done.stderr


def bench(protocol, clients, script):
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        said = run("pgbench", "-n", "-f", file.name, "-M", protocol, "-c", str(clients), "-j", "2", "-t", "20", DATABASE)
        has(said, f"number of transactions actually processed: {20 * clients}/{20 * clients}")
        return said


LOOKUP = "\\set n random(1, 1000)\nSELECT customer_no, spend FROM profiles WHERE profile_id = 2 * (:n - 1);\n"
must("pg_isready")(lambda: has(run("pg_isready"), "accepting connections"))
for protocol in ["simple", "extended", "prepared"]:
    must(f"pgbench, {protocol}")(lambda protocol=protocol: bench(protocol, 1, LOOKUP))
must("pgbench, eight clients, prepared")(lambda: bench("prepared", 8, LOOKUP))
must("pgbench in a transaction")(lambda: bench("extended", 2, f"BEGIN;\n{LOOKUP}END;\n"))
must("pgbench with \\gset")(lambda: bench("prepared", 1, "SELECT count(*) AS n FROM profiles \\gset\nSELECT :n;\n"))
should("vacuumdb")(lambda: run("vacuumdb", "--analyze-only", "-t", "profiles", DATABASE))
should("pg_dump of the data as INSERTs or COPY")(lambda: has(run("pg_dump", "--data-only", "-t", "public.purchases", DATABASE), "O0001"))
should("pg_dump of the schema")(lambda: has(run("pg_dump", "--schema-only", "-t", "public.purchases", DATABASE), "CREATE TABLE public.purchases"))

if __name__ == "__main__":
    main(subprocess.run([BIN / "pgbench", "--version"], text=True, capture_output=True).stdout.split()[2])
