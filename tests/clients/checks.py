"""What a Python client's checks are written with: `must` and `should` name a check, `equal` and `has` state what is right.

Each check runs in a process of its own, so that one that hangs or crashes costs only itself. The runner reads the lines
that begin with `@`: first the plan, so that checks which never ran count as failed, then one line for each check.
"""

import json
import os
import re
import sys
import time

CHECK_SECONDS = 30
HOST = os.environ.get("PGHOST", "127.0.0.1")
PORT = int(os.environ.get("PGPORT", "5442"))
USER = os.environ.get("PGUSER", "selfsame")
DATABASE = os.environ.get("PGDATABASE", "demo")
URL = f"{USER}@{HOST}:{PORT}/{DATABASE}"

PLANNED = []


def _planned(name, level, seconds):
    def add(function):
        if any(name == it[0] for it in PLANNED):
            raise ValueError(f"two checks are called {name!r}")
        PLANNED.append((name, level, function, seconds))
        return function

    return add


def must(name, seconds=CHECK_SECONDS):
    """A check of what an analytics server owes its clients."""
    return _planned(name, "must", seconds)


def should(name, seconds=CHECK_SECONDS):
    """A check of the write side, or of a rarer corner."""
    return _planned(name, "should", seconds)


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"got {actual!r}, not {expected!r}")


def has(text, *patterns):
    """That each pattern is found in the text."""
    for pattern in patterns:
        if not re.search(pattern, text, re.MULTILINE):
            raise AssertionError(f"no match of {pattern!r} in {text!r}")


def raises(kind, function, sqlstate=None):
    """The exception that a call must raise, of that class and SQLSTATE."""
    try:
        result = function()
    except kind as error:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if sqlstate is not None:
            equal(state, sqlstate)
        return error
    raise AssertionError(f"no {kind.__name__}, but {result!r}")


def _say(kind, **what):
    sys.stdout.write("@" + json.dumps({"kind": kind, **what}) + "\n")
    sys.stdout.flush()


def _run(function):
    try:
        function()
    except BaseException as error:  # a check may fail in any way, an exit included
        return f"{type(error).__name__}: {error}"[:2000] or "failed"
    return ""


def _run_apart(function, seconds):
    """Runs it in a child; the failure, or an empty text."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.write(writer, _run(function).encode()[:60000] + b"\0")
        os._exit(0)
    os.close(writer)
    os.set_blocking(reader, False)
    said, end = b"", time.monotonic() + seconds
    while not said.endswith(b"\0"):
        try:
            more = os.read(reader, 65536)
            if more == b"":
                said += b"its process died\0"
            said += more
        except BlockingIOError:
            if time.monotonic() > end:
                os.kill(child, 9)
                said = f"no answer within {seconds} s".encode() + b"\0"
            time.sleep(0.005)
    os.close(reader)
    os.waitpid(child, 0)
    return said[:-1].decode(errors="replace")


def main(version, apart=True):
    """Runs all planned checks whose name has one of the words on the command line, if there are any."""
    words = sys.argv[1:]
    chosen = [it for it in PLANNED if not words or any(word in it[0] for word in words)]
    _say("plan", version=version, checks=[[name, level] for name, level, _, _ in chosen])
    for name, _, function, seconds in chosen:
        problem = _run_apart(function, seconds) if apart else _run(function)
        _say("check", name=name, problem=problem)
