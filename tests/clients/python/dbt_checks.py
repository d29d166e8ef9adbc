"""dbt-postgres: debug, run of views, tables, incremental models and seeds, tests, snapshot, docs, over sources that are the server's tables."""

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from checks import DATABASE, HOST, PORT, USER, equal, has, main, must, should

FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nmodels:\n  shop:\n    +materialized: view\nflags:\n  send_anonymous_usage_stats: false\n",
    "profiles.yml": f"shop:\n  target: dev\n  outputs:\n    dev:\n      type: postgres\n      host: {HOST}\n      port: {PORT}\n      user: {USER}\n      password: x\n      dbname: {DATABASE}\n      schema: public\n      threads: 2\n      sslmode: disable\n",
    "models/sources.yml": """sources:
  - name: people
    schema: public
    tables:
      - name: profiles
        columns:
          - name: profile_id
            data_tests: [unique, not_null]
          - name: city
            data_tests: [{accepted_values: {arguments: {values: [Leeds, Hull]}}}]
      - name: purchases
        config:
          loaded_at_field: ts
          freshness: {warn_after: {count: 100000, period: day}}
""",
    "models/dbt_by_city.sql": "SELECT city, count(*) AS people FROM {{ source('people', 'profiles') }} WHERE city IS NOT NULL GROUP BY city\n",
    "models/dbt_large.sql": "SELECT * FROM {{ ref('dbt_by_city') }} WHERE people > 333\n",
    "models/dbt_table.sql": "{{ config(materialized='table') }}\nSELECT customer_no, spend FROM {{ source('people', 'profiles') }} WHERE visits <= 10\n",
    "models/dbt_incremental.sql": "{{ config(materialized='incremental', unique_key='order_id') }}\nSELECT order_id, amount FROM {{ source('people', 'purchases') }}\n{% if is_incremental() %} WHERE order_id > (SELECT max(order_id) FROM {{ this }}) {% endif %}\n",
    "models/schema.yml": "models:\n  - name: dbt_by_city\n    description: people by city\n    columns:\n      - name: city\n        data_tests: [unique, not_null]\n",
    "seeds/dbt_seed.csv": "code,label\n1,one\n2,two\n",
    "tests/dbt_people.sql": "SELECT * FROM {{ source('people', 'profiles') }} WHERE visits < 0\n",
    "snapshots/dbt_snapshot.sql": "{% snapshot dbt_snapshot %}\n{{ config(target_schema='public', unique_key='customer_no', strategy='check', check_cols=['spend']) }}\nSELECT customer_no, spend FROM {{ source('people', 'profiles') }} WHERE visits <= 3\n{% endsnapshot %}\n",
}
PROJECT = Path(tempfile.mkdtemp(prefix="dbt-"))
PROGRAM = Path(sys.executable).parent / "dbt"


def write_project():
    for name, text in FILES.items():
        path = PROJECT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def dbt(*arguments, status=0):
    command = [PROGRAM, "--no-use-colors", *arguments, "--project-dir", PROJECT, "--profiles-dir", PROJECT]
    done = subprocess.run(command, text=True, capture_output=True, timeout=110, cwd=PROJECT, env={**os.environ, "DO_NOT_TRACK": "1"})
    if done.returncode != status:
        raise AssertionError((done.stdout + done.stderr)[-1500:])
    return done.stdout


def rows(sql):
    return json.loads(dbt("--quiet", "show", "--inline", sql, "--output", "json", "--limit", "100"))["show"]


must("debug", 120)(lambda: has(dbt("debug"), "All checks passed"))
must("parse and list", 120)(lambda: has(dbt("ls"), "shop.dbt_by_city"))
must("compile", 120)(lambda: dbt("compile"))
must("show of a model", 120)(lambda: has(dbt("show", "--select", "dbt_by_city"), "Leeds"))
must("tests of sources", 120)(lambda: has(dbt("test", "--select", "source:people", "dbt_people"), "PASS=4"))
must("source freshness", 120)(lambda: dbt("source", "freshness"))
must("run of views", 120)(lambda: has(dbt("run", "--select", "dbt_by_city", "dbt_large"), "PASS=2"))
must("run of views again swaps them", 120)(lambda: has(dbt("run", "--select", "dbt_by_city", "dbt_large"), "PASS=2"))
must("tests of a view", 120)(lambda: has(dbt("test", "--select", "dbt_by_city"), "PASS=2"))
must("rows of a view", 120)(lambda: equal(rows("SELECT people FROM {{ ref('dbt_large') }}"), [{"people": 334}]))
must("docs generate", 120)(lambda: (dbt("docs", "generate"), _catalog()))
must("a statement that fails says so", 120)(lambda: has(dbt("show", "--inline", "SELECT nothing FROM {{ source('people', 'profiles') }}", status=1), "nothing"))
should("run of a table", 120)(lambda: has(dbt("run", "--select", "dbt_table"), "SELECT 10"))
should("run of a table again", 120)(lambda: has(dbt("run", "--select", "dbt_table"), "SELECT 10"))
should("run of an incremental model", 120)(lambda: has(dbt("run", "--select", "dbt_incremental"), "SELECT 200"))
should("run of an incremental model again", 120)(lambda: has(dbt("run", "--select", "dbt_incremental"), "INSERT 0 0|MERGE 0|DELETE 0"))
should("seed", 120)(lambda: has(dbt("seed"), "INSERT 2|CREATE 2|PASS=1"))
should("snapshot", 120)(lambda: has(dbt("snapshot"), "PASS=1"))


def _catalog():
    catalog = json.loads((PROJECT / "target/catalog.json").read_text())
    source = catalog["sources"]["source.shop.people.profiles"]
    equal((source["columns"]["profile_id"]["type"], source["columns"]["spend"]["type"]), ("bigint", "numeric(12,2)") if "(" in source["columns"]["spend"]["type"] else ("bigint", "numeric"))


if __name__ == "__main__":
    write_project()
    main(f"dbt-core {version('dbt-core')}, dbt-postgres {version('dbt-postgres')}")
