"""The servers that clients are pointed at: Selfsame, and a real PostgreSQL as the reference."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from threading import Thread

from . import rows

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
START_SECONDS = 60
USER = "selfsame"
DATABASE = "demo"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Target:
    """A server over a folder of its own, with the schema in it."""

    def __init__(self):
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="clients-"))
        self.log = self.folder / "server.log"
        self.process = None
        self.deaths = 0
        self.is_wanted = False

    def environment(self):
        return {
            "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": USER, "PGDATABASE": DATABASE, "PGSSLMODE": "disable",
            "CHECK_TARGET": self.name,
        }

    def start(self):
        """Starts it and waits until it answers; from then on it is started again whenever it dies."""
        self.launch()
        self.is_wanted = True
        Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while self.is_wanted:
            if self.process.poll() is not None and self.is_wanted:
                self.deaths += 1
                self.launch()
            time.sleep(0.1)

    def launch(self):
        self.process = subprocess.Popen(self.command(), stdout=self.log.open("ab"), stderr=subprocess.STDOUT, cwd=self.folder)
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{self.name} does not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def answers(self):
        return self.psql("SELECT 1", database="postgres", check=False).returncode == 0

    def psql(self, text, database=DATABASE, check=True):
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database]
        done = subprocess.run(command, input=text, text=True, capture_output=True, env={**os.environ, **self.environment()})
        if check and done.returncode != 0:
            raise SystemExit(f"{self.name} refuses the schema: {done.stderr}")
        return done

    def stop(self):
        self.is_wanted = False
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Selfsame(Target):
    name = "selfsame"

    def __init__(self):
        super().__init__()
        self.binary = os.environ.get("SELFSAME_BINARY") or self.build()

    def build(self):
        # With a test beside it, so that crates have the features that the tests' build has, and nothing is built twice.
        subprocess.run(["cargo", "build", "--quiet", "--bin", "selfsame", "--lib", "--test", "tidy"], cwd=ROOT, check=True)
        return str(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "selfsame")

    def command(self):
        return [self.binary, "serve", "--data", str(self.folder / "data"), "--listen", f"127.0.0.1:{self.port}"]

    def load(self):
        self.psql((HERE / "schema/selfsame.sql").read_text() + rows.statements())

    def version(self):
        return subprocess.run([self.binary, "--version"], text=True, capture_output=True).stdout.strip()


class PostgreSQL(Target):
    name = "postgres"

    def __init__(self):
        super().__init__()
        self.bin = max(Path("/usr/lib/postgresql").glob("*/bin"))
        self.folder.chmod(0o755)
        data = self.folder / "data"
        data.mkdir()
        shutil.chown(data, "postgres", "postgres")
        self.as_postgres([self.bin / "initdb", "-D", data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"])
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '/tmp'\nfsync = off\n")
            settings.write("timezone = 'UTC'\nlog_timezone = 'UTC'\nwal_level = logical\n")

    def as_postgres(self, command):
        done = subprocess.run(["runuser", "-u", "postgres", "--", *map(str, command)], text=True, capture_output=True, cwd="/tmp")
        if done.returncode != 0:
            raise SystemExit(f"{command[0]} failed: {done.stderr}")

    def command(self):
        return ["runuser", "-u", "postgres", "--", str(self.bin / "postgres"), "-D", str(self.folder / "data")]

    def load(self):
        self.psql(f"CREATE DATABASE {DATABASE}", database="postgres")
        for text in ["schema/postgres.sql", None, "schema/postgres-after.sql"]:
            self.psql((HERE / text).read_text() if text else rows.statements())

    def version(self):
        return self.psql("\\pset format unaligned\n\\t\nSELECT split_part(version(), ' ', 2)").stdout.strip()
