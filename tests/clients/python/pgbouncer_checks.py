"""PgBouncer between psycopg and the server, in its three modes of pooling."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time

import psycopg
from checks import DATABASE, HOST, PORT, USER, equal, main, must

MODES = ["session", "transaction", "statement"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Pooler:
    """A PgBouncer of its own for one check."""

    def __init__(self, mode):
        self.mode, self.port, self.folder = mode, free_port(), tempfile.mkdtemp()

    def __enter__(self):
        settings = f"""[databases]
{DATABASE} = host={HOST} port={PORT} dbname={DATABASE} user={USER}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
pool_mode = {self.mode}
default_pool_size = 2
ignore_startup_parameters = extra_float_digits,options
server_reset_query = DISCARD ALL
"""
        path = os.path.join(self.folder, "pgbouncer.ini")
        with open(path, "w") as file:
            file.write(settings)
        command = ["pgbouncer", "-q", path]
        if getpass.getuser() == "root":
            shutil.chown(self.folder, "postgres")
            command = ["pgbouncer", "-q", "-u", "postgres", path]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, **more):
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user={USER} dbname={DATABASE}", autocommit=True, prepare_threshold=None, **more)


for mode in MODES:
    def asks(mode=mode):
        with Pooler(mode) as pooler, pooler.connect() as connection:
            equal(connection.execute("SELECT count(*) FROM profiles WHERE city = %s", ("Leeds",)).fetchone(), (333,))
    must(f"{mode}: a query")(asks)

    def shares(mode=mode):
        with Pooler(mode) as pooler:
            for n in range(10):
                with pooler.connect() as connection:
                    equal(connection.execute("SELECT %s::int", (n,)).fetchone(), (n,))
    must(f"{mode}: many clients in turn")(shares)


@must("transaction: two servers for six clients")
def _():
    with Pooler("transaction") as pooler:
        connections = [pooler.connect() for _ in range(6)]
        equal([it.execute("SELECT %s::int", (n,)).fetchone()[0] for n, it in enumerate(connections)], list(range(6)))


@must("session: settings are reset")
def _():
    with Pooler("session") as pooler:
        with pooler.connect() as connection:
            connection.execute("SET statement_timeout = '7s'")
        for _ in range(3):
            with pooler.connect() as connection:
                equal(connection.execute("SHOW statement_timeout").fetchone(), ("0",))


@must("a cancel goes through")
def _():
    import threading
    with Pooler("session") as pooler, pooler.connect() as connection:
        threading.Timer(0.7, connection.cancel).start()
        try:
            connection.execute("SELECT pg_sleep(20)")
            raise AssertionError("not cancelled")
        except psycopg.errors.QueryCanceled:
            pass


if __name__ == "__main__":
    main(subprocess.run(["pgbouncer", "--version"], text=True, capture_output=True).stdout.split()[1])
