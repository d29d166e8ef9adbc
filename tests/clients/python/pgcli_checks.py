"""pgcli: its start, its completion's queries, its commands."""

import os
import subprocess
import sys
from pathlib import Path

import pgcli
from checks import DATABASE, HOST, PORT, URL, USER, equal, has, main, must
from pgcli.pgexecute import PGExecute

PROGRAM = str(Path(sys.executable).parent / "pgcli")


def executor():
    return PGExecute(DATABASE, USER, "", HOST, PORT)


def run(script):
    environment = {**os.environ, "PAGER": "cat", "HOME": os.getcwd()}
    done = subprocess.run([PROGRAM, f"postgresql://{URL}", "--less-chatty", "--warn", "off", "--row-limit", "0"], input=script, text=True, capture_output=True, timeout=25, env=environment)
    return done.stdout + done.stderr


must("list of databases")(lambda: equal(DATABASE in executor().databases(), True))
must("schemas and search path")(lambda: equal(("public" in executor().schemata(), "public" in executor().search_path()), (True, True)))
must("tables and views")(lambda: equal((("public", "profiles") in list(executor().tables()), ("public", "identity_conflicts") in list(executor().views())), (True, True)))
must("columns")(lambda: equal("birth_date" in [it[2] for it in executor().table_columns() if it[1] == "profiles"], True))
must("functions")(lambda: equal("profile_of" in [it.func_name for it in executor().functions()], True))
must("types and foreign keys")(lambda: equal((len(list(executor().datatypes())) >= 0, list(executor().foreignkeys())), (True, [])))
must("a statement")(lambda: has(run("SELECT count(*) AS people FROM profiles;\n"), "people", "1000"))
must("\\d")(lambda: has(run("\\d profiles\n"), "profile_id", "bigint"))
must("\\dt and \\l")(lambda: has(run("\\dt\n\\l\n"), "profiles", DATABASE))

if __name__ == "__main__":
    main(pgcli.__version__)
