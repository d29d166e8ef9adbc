"""The clients: what each needs to be installed, and how its checks are started."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("CLIENTS_CACHE") or Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")) / "clients")
JDBC = "/usr/share/java/postgresql.jar"


@dataclass
class Client:
    name: str
    command: list
    light: bool = False
    apt: list = field(default_factory=list)
    venv: str = ""  # the requirements file that its Python environment has
    build: str = ""  # a function of this module that makes its program
    seconds: int = 300

    def environment(self):
        path = f"{CACHE / self.venv / 'bin'}:" if self.venv else ""
        return {"PATH": path + os.environ["PATH"], "PYTHONPATH": str(HERE), "CACHE": str(CACHE), "PYTHONWARNINGS": "ignore"}


def python(name, venv="light", **more):
    return Client(name, [str(CACHE / venv / "bin/python"), str(HERE / f"python/{name.replace('-', '_')}_checks.py")], venv=venv, **more)


def rust(name, build, **more):
    return Client(name, [str(CACHE / "rust/debug" / f"{name}-checks")], build=build, **more)


ALL = [
    python("psql", light=True, apt=["postgresql-client"]),
    python("psycopg2", light=True),
    python("psycopg3", light=True),
    python("asyncpg", light=True),
    python("sqlalchemy", light=True),
    rust("tokio-postgres", "tokio_postgres", light=True),
    Client("pgjdbc", ["java", "-cp", f"{CACHE / 'java'}:{JDBC}", "Checks"], light=True,
           apt=["libpostgresql-jdbc-java", "default-jdk-headless"], build="java"),
    python("robustness", light=True),
    python("replay", light=True),
    rust("sqlx", "sqlx"),
    python("pg8000", venv="all"),
    python("pandas", venv="all"),
    python("polars", venv="all"),
    python("ibis", venv="all"),
    python("pgcli", venv="all"),
    python("psqlodbc", venv="all", apt=["odbc-postgresql", "unixodbc"]),
    python("pgtools", venv="all", apt=["postgresql-contrib"]),
    python("pgbouncer", venv="all", apt=["pgbouncer"]),
    python("postgres-fdw", venv="all", apt=["postgresql"]),
    Client("node-postgres", ["node", str(HERE / "node/pg.js")], apt=["nodejs", "npm"], build="npm"),
    Client("postgres.js", ["node", str(HERE / "node/postgres.js")], apt=["nodejs", "npm"], build="npm"),
    Client("node-tools", ["node", str(HERE / "node/tools.js")], apt=["nodejs", "npm"], build="npm"),
    Client("go-libpq", [str(CACHE / "go/checks")], apt=["golang-go", "golang-github-lib-pq-dev"], build="go"),
    Client("perl-dbd-pg", ["perl", str(HERE / "scripts/checks.pl")], apt=["libdbd-pg-perl", "libjson-pp-perl"]),
    Client("php", ["php", str(HERE / "scripts/checks.php")], apt=["php-cli", "php-pgsql"]),
    Client("ruby-pg", ["ruby", str(HERE / "scripts/checks.rb")], apt=["ruby", "ruby-pg"]),
    python("dbt", venv="dbt", seconds=900),
    python("superset", venv="superset", seconds=900),
]


class NotInstalled(Exception):
    """Says what is missing."""


def _run(command, **more):
    done = subprocess.run([str(it) for it in command], text=True, capture_output=True, **more)
    if done.returncode != 0:
        raise NotInstalled(f"{' '.join(map(str, command))[:200]}: {(done.stderr or done.stdout)[-1500:]}")
    return done.stdout


def apt(packages):
    """Installs what is missing of Debian's packages."""
    def is_there(name):
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", name], text=True, capture_output=True)
        return "install ok installed" in done.stdout or (name in ("nodejs", "npm") and shutil.which(name.replace("nodejs", "node")))

    missing = [name for name in packages if not is_there(name)]
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _run(["apt-get", "update", "-qq"], env=environment)
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=environment)


def venv(name):
    """A Python environment with what requirements/NAME.txt pins."""
    folder, wanted = CACHE / name, HERE / f"requirements/{name}.txt"
    stamp = folder / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return
    try:
        _run([sys.executable, "-m", "venv", "--clear", folder])
    except NotInstalled:
        apt(["python3-venv"])
        _run([sys.executable, "-m", "venv", "--clear", folder])
    _run([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted])
    stamp.write_text(wanted.read_text())


def tokio_postgres(*more):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(CACHE / "rust")}
    _run(["cargo", "build", "--quiet", "--manifest-path", HERE / "rust/Cargo.toml", *more], env=environment)


def sqlx():
    tokio_postgres("--features", "sqlx")


def java():
    _run(["javac", "-cp", JDBC, "-d", CACHE / "java", *sorted((HERE / "java").glob("*.java"))])


def npm():
    CACHE.joinpath("node").mkdir(parents=True, exist_ok=True)
    for name in ["package.json", "package-lock.json"]:
        shutil.copy(HERE / "node" / name, CACHE / "node" / name)
    _run(["npm", "ci", "--silent", "--no-fund", "--no-audit"], cwd=CACHE / "node")


def go():
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "GOCACHE": str(CACHE / "go-cache")}
    _run(["go", "build", "-o", CACHE / "go/checks", HERE / "go/checks.go"], env=environment)


def install(clients, say):
    """Installs for all of these; the reason for each client that could not be."""
    problems = {}

    def attempt(what, step, needed_by):
        say(f"installing {what}")
        try:
            step()
        except (NotInstalled, FileNotFoundError) as error:
            problems.update({client.name: f"not installed: {error}" for client in needed_by})

    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        apt(sorted({name for client in clients for name in client.apt}))
    except NotInstalled:
        for client in clients:
            attempt(f"{client.name}'s packages", lambda client=client: apt(client.apt), [client])
    for name in dict.fromkeys(client.venv for client in clients if client.venv):
        attempt(f"Python packages of {name}", lambda name=name: venv(name), [it for it in clients if it.venv == name])
    for name in dict.fromkeys(client.build for client in clients if client.build):
        attempt(f"programs of {name}", globals()[name], [it for it in clients if it.build == name])
    return problems
