"""What no well-meant client does: garbage, oversized messages, deep nesting, many sessions, clients that vanish."""

import os
import socket
import struct
import threading
import time

import psycopg
from checks import DATABASE, HOST, PORT, USER, equal, has, main, must, raises

WHERE = f"host={HOST} port={PORT} user={USER} dbname={DATABASE}"


def connect(**more):
    return psycopg.connect(WHERE, autocommit=True, **more)


def one(sql, parameters=None):
    with connect() as connection:
        return connection.execute(sql, parameters).fetchone()[0]


def answers_or_refuses(sql, expected, *states):
    """The right value, or an error of one of these codes; and the server goes on."""
    try:
        equal(one(sql), expected)
    except psycopg.Error as error:
        if error.sqlstate not in states:
            raise
    equal(one("SELECT 1"), 1)


# Nesting: what tools generate must work; what nobody does may be refused, but the server must live.
def nested(name, sql, expected):
    must("works: " + name)(lambda: equal(one(sql), expected))


def survives(name, sql, expected):
    must("survives: " + name)(lambda: answers_or_refuses(sql, expected, "54001", "54000", "53200", "42601", "54011"))


nested("300 UNION ALL", "SELECT sum(v) FROM (" + " UNION ALL ".join(f"SELECT {n} AS v" for n in range(300)) + ") x", sum(range(300)))
nested("40 nested CASEs", "SELECT " + "".join(f"CASE WHEN {n} = 1000 THEN {n} ELSE " for n in range(40)) + "7" + " END" * 40, 7)
nested("30 nested subqueries", "SELECT count(*) FROM " + "(SELECT * FROM " * 30 + "profiles" + ") x" * 30, 1000)
nested("a list of 5,000 in IN", "SELECT count(*) FROM profiles WHERE visits IN (" + ",".join(map(str, range(5000))) + ")", 1000)
nested("1,000 ORs", "SELECT count(*) FROM profiles WHERE " + " OR ".join(f"visits = {n}" for n in range(1, 1001)), 1000)
nested("1,000 terms", "SELECT " + " + ".join(["1"] * 1000), 1000)
nested("1,000 columns", "SELECT 1 FROM (SELECT " + ", ".join(f"{n} AS c{n}" for n in range(1000)) + ") x", 1)
nested("20 joins", "SELECT count(*) FROM (SELECT * FROM profiles WHERE visits = 1) p0 " + " ".join(
    f"JOIN (SELECT visits FROM profiles WHERE visits = 1) p{n} ON p{n}.visits = p0.visits" for n in range(1, 20)), 1)
nested("50 common table expressions", "WITH c0 AS (SELECT 1 AS v)" + "".join(f", c{n} AS (SELECT v + 1 AS v FROM c{n - 1})" for n in range(1, 50)) + " SELECT v FROM c49", 50)
nested("100 brackets", "SELECT " + "(" * 100 + "1" + ")" * 100, 1)
nested("100 function calls", "SELECT " + "abs(" * 100 + "-1" + ")" * 100, 1)
nested("50 NOTs", "SELECT " + "NOT " * 50 + "true", True)
nested("a string of 1 MB", "SELECT length('" + "x" * 1_000_000 + "')", 1_000_000)
nested("a comment of 1 MB", "SELECT 1 /* " + "x" * 1_000_000 + " */", 1)
survives("a sum of 20,000 terms", "SELECT " + " + ".join(["1"] * 20000), 20000)
survives("20,000 ORs", "SELECT count(*) FROM profiles WHERE " + " OR ".join(f"visits = {n}" for n in range(20000)), 1000)
survives("10,000 brackets", "SELECT " + "(" * 10000 + "1" + ")" * 10000, 1)
survives("10,000 NOTs", "SELECT " + "NOT " * 10000 + "true", True)
survives("10,000 minus signs", "SELECT " + "- " * 10000 + "1", 1)
survives("2,000 nested CASEs", "SELECT " + "CASE WHEN false THEN 1 ELSE " * 2000 + "7" + " END" * 2000, 7)
survives("1,000 nested subqueries", "SELECT count(*) FROM " + "(SELECT * FROM " * 1000 + "profiles" + ") x" * 1000, 1000)
survives("1,000 scalar subqueries", "SELECT " + "(SELECT " * 1000 + "1" + ")" * 1000, 1)
survives("5,000 function calls", "SELECT " + "abs(" * 5000 + "-1" + ")" * 5000, 1)
survives("5,000 UNION ALL", "SELECT count(*) FROM (" + " UNION ALL ".join(["SELECT 1 AS v"] * 5000) + ") x", 5000)
survives("3,000 nested arrays", "SELECT array_ndims(" + "ARRAY[" * 3000 + "1" + "]" * 3000 + ")", 3000)
survives("500 common table expressions", "WITH c0 AS (SELECT 1 AS v)" + "".join(f", c{n} AS (SELECT v + 1 AS v FROM c{n - 1})" for n in range(1, 500)) + " SELECT v FROM c499", 500)
survives("500 joins", "SELECT count(*) FROM (SELECT 1 AS v) p0 " + " ".join(f"JOIN (SELECT 1 AS v) p{n} USING (v)" for n in range(1, 500)), 1)
survives("5,000 columns", "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(5000)), 0)
survives("1,000 casts", "SELECT 1" + "::int" * 1000, 1)
survives("3,000 concatenations", "SELECT length(" + " || ".join(["'x'"] * 3000) + ")", 3000)
survives("1,000 levels of JSON", "SELECT 1 FROM (SELECT '" + "[" * 1000 + "]" * 1000 + "'::json) x", 1)
survives("200 nested EXISTS", "SELECT " + "EXISTS (SELECT 1 WHERE " * 200 + "true" + ")" * 200, True)
survives("300 nested WITHs", "SELECT count(*) FROM " + "(WITH a AS (SELECT 1) SELECT * FROM " * 300 + "profiles" + ") x" * 300, 1000)


@must("3,000 parameters")
def _():
    equal(one("SELECT count(*) FROM profiles WHERE visits IN (" + ",".join(["%s"] * 3000) + ")", list(range(3000))), 1000)


@must("a statement of 1 MB of values")
def _():
    equal(one("SELECT count(*) FROM (VALUES " + ",".join(f"({n}, 'some text of row {n}')" for n in range(25000)) + ") t"), 25000)


@must("a row of 10 MB")
def _():
    equal(len(one("SELECT repeat('x', 10000000)")), 10_000_000)


@must("a million rows are streamed")
def _():
    with connect() as connection, connection.cursor() as cursor:
        equal(sum(1 for _ in cursor.stream("SELECT a.visits FROM profiles a, profiles b")), 1_000_000)


# Bytes.
def raw():
    return socket.create_connection((HOST, PORT), timeout=10)


def startup(version=196608, **parameters):
    body = b"".join(f"{key}\0{value}\0".encode() for key, value in parameters.items()) + b"\0"
    return struct.pack("!II", len(body) + 8, version) + body


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def read_until(connection, kinds):
    """Messages up to one of these kinds, or up to the end."""
    seen, buffer = [], b""
    while True:
        while len(buffer) >= 5 and len(buffer) >= 1 + struct.unpack("!I", buffer[1:5])[0]:
            length = 1 + struct.unpack("!I", buffer[1:5])[0]
            seen.append((buffer[:1], buffer[5:length]))
            buffer = buffer[length:]
            if seen[-1][0] in kinds:
                return seen
        more = connection.recv(65536)
        if not more:
            return seen
        buffer += more


def session():
    connection = raw()
    connection.sendall(startup(user=USER, database=DATABASE))
    read_until(connection, {b"Z"})
    return connection


def still_serves():
    equal(one("SELECT 1"), 1)


def garbage(name, *parts, is_started=False):
    @must("bytes: " + name)
    def _():
        connection = session() if is_started else raw()
        connection.settimeout(5)
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except OSError:
            pass
        still_serves()


garbage("an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
garbage("zeros", b"\0" * 1000)
garbage("random bytes", os.urandom(10000))
garbage("an empty connection")
garbage("a start-up that claims 2 GB", struct.pack("!II", 0x7FFFFFFF, 196608))
garbage("a start-up of negative length", struct.pack("!iI", -5, 196608))
garbage("a start-up without an end", startup(user=USER)[:-4])
garbage("a start-up without a user", startup())
garbage("protocol 2", startup(0x00020000, user=USER))
garbage("a TLS request, then nothing", struct.pack("!II", 8, 80877103))
garbage("a GSS request, then nothing", struct.pack("!II", 8, 80877104))
garbage("an unknown message", message(b"~", b"abc"), is_started=True)
garbage("a message that claims 2 GB", b"Q" + struct.pack("!I", 0x7FFFFFFF), is_started=True)
garbage("a message of negative length", b"Q" + struct.pack("!i", -1), is_started=True)
garbage("a message of length 0", b"Q" + struct.pack("!I", 0), is_started=True)
garbage("a query that is not UTF-8", message(b"Q", b"SELECT '\xff\xfe'\0"), is_started=True)
garbage("a query without an end", message(b"Q", b"SELECT 1"), is_started=True)
garbage("a Bind of nothing", message(b"B", b"\0nothing\0" + b"\0" * 6) + message(b"S"), is_started=True)
garbage("a Bind that is cut", message(b"B", b"\0\0\0\x05"), is_started=True)
garbage("a Parse with too many types", message(b"P", b"\0SELECT 1\0\x7f\xff"), is_started=True)
garbage("an Execute of nothing", message(b"E", b"nothing\0\0\0\0\0") + message(b"S"), is_started=True)
garbage("a Describe of nonsense", message(b"D", b"Xnothing\0") + message(b"S"), is_started=True)
garbage("copy data out of the blue", message(b"d", b"abc") + message(b"c"), is_started=True)
garbage("a function call", message(b"F", struct.pack("!IHHH", 1, 0, 0, 0)), is_started=True)
garbage("a password out of the blue", message(b"p", b"secret\0"), is_started=True)
garbage("a cancel of nobody", struct.pack("!IIII", 16, 80877102, 12345, 67890))
garbage("a flood of Syncs", message(b"S") * 5000, is_started=True)
garbage("half a message", b"Q" + struct.pack("!I", 100) + b"SELECT", is_started=True)


@must("a TLS request is answered")
def _():
    connection = raw()
    connection.sendall(struct.pack("!II", 8, 80877103))
    equal(connection.recv(1) in (b"N", b"S"), True)


@must("protocol 3.2 is negotiated")
def _():
    connection = raw()
    connection.sendall(startup(196610, user=USER, database=DATABASE, **{"_pq_.unknown": "1"}))
    equal([kind for kind, _ in read_until(connection, {b"Z", b"E"})][0], b"v")


@must("several statements in one Parse")
def _():
    connection = session()
    connection.sendall(message(b"P", b"\0SELECT 1; SELECT 2\0\0\0") + message(b"S"))
    has(str(read_until(connection, {b"Z"})[0][1]), "C42601")


@must("parameters that are not UTF-8 or have a NUL")
def _():
    for value in [b"\xff\xfe", b"a\0b"]:
        connection = session()
        bind = b"\0\0" + struct.pack("!HHi", 0, 1, len(value)) + value + struct.pack("!H", 0)
        connection.sendall(message(b"P", b"\0SELECT $1::text\0\0\0") + message(b"B", bind) + message(b"E", b"\0\0\0\0\0") + message(b"S"))
        has(str([body for kind, body in read_until(connection, {b"Z"}) if kind == b"E"]), "C22021")


@must("an empty query")
def _():
    connection = session()
    connection.sendall(message(b"Q", b"\0"))
    equal([kind for kind, _ in read_until(connection, {b"Z"})], [b"I", b"Z"])


@must("messages after an error are skipped up to Sync")
def _():
    connection = session()
    connection.sendall(message(b"P", b"\0SELEC\0\0\0") + message(b"B", b"\0\0" + b"\0" * 6) + message(b"E", b"\0\0\0\0\0") + message(b"S"))
    equal([kind for kind, _ in read_until(connection, {b"Z"})], [b"E", b"Z"])


@must("portals are suspended and go on")
def _():
    connection = session()
    connection.sendall(message(b"P", b"\0SELECT generate_series(1, 5)\0\0\0") + message(b"B", b"\0\0" + b"\0" * 6)
                       + message(b"E", b"\0" + struct.pack("!I", 2)) + message(b"E", b"\0" + struct.pack("!I", 10)) + message(b"S"))
    equal([kind for kind, _ in read_until(connection, {b"Z"})], [b"1", b"2", b"D", b"D", b"s", b"D", b"D", b"D", b"C", b"Z"])


@must("a client that vanishes in the middle of a result")
def _():
    for _ in range(5):
        connection = session()
        connection.sendall(message(b"Q", b"SELECT a.* FROM profiles a, profiles b\0"))
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    still_serves()


@must("a client that does not read holds up nobody")
def _():
    connection = session()
    connection.sendall(message(b"Q", b"SELECT a.* FROM profiles a, profiles b\0"))
    began = time.monotonic()
    still_serves()
    assert time.monotonic() - began < 5


@must("a client that sends its start-up byte by byte")
def _():
    connection = raw()
    for byte in startup(user=USER, database=DATABASE):
        connection.sendall(bytes([byte]))
    equal(read_until(connection, {b"Z"})[-1][0], b"Z")


@must("fifty sessions at once")
def _():
    connections = [connect() for _ in range(50)]
    equal([it.execute("SELECT %s::int", (n,)).fetchone()[0] for n, it in enumerate(connections)], list(range(50)))


@must("a hundred silent connections")
def _():
    silent = [raw() for _ in range(100)]
    still_serves()
    for connection in silent:
        connection.close()


@must("too many sessions are refused with 53300")
def _():
    kept = []
    try:
        for _ in range(300):
            kept.append(connect())
        raise AssertionError("300 sessions were let in")
    except psycopg.OperationalError as error:
        has(str(error), "too many|remaining connection slots")
    finally:
        for connection in kept:
            connection.close()
    time.sleep(0.5)
    still_serves()


@must("heavy queries do not keep others from logging in")
def _():
    def heavy():
        try:
            with connect(options="-c statement_timeout=6s") as connection:
                connection.execute("SELECT count(*) FROM profiles a, profiles b, profiles c WHERE a.visits + b.visits + c.visits = 7")
        except psycopg.Error:
            pass
    threads = [threading.Thread(target=heavy) for _ in range(4)]
    [it.start() for it in threads]
    time.sleep(1)
    began = time.monotonic()
    still_serves()
    took = time.monotonic() - began
    [it.join() for it in threads]
    assert took < 5, f"log-in took {took:.1f} s"


@must("a cancelled query stops burning")
def _():
    with connect() as connection:
        threading.Timer(0.5, connection.cancel_safe).start()
        raises(psycopg.errors.QueryCanceled, lambda: connection.execute("SELECT count(*) FROM profiles a, profiles b, profiles c WHERE a.visits + b.visits + c.visits = 7"))
    still_serves()


@must("idle_in_transaction_session_timeout")
def _():
    with psycopg.connect(WHERE, options="-c idle_in_transaction_session_timeout=300") as connection:
        connection.execute("SELECT 1")
        time.sleep(1.5)
        error = raises(psycopg.Error, lambda: connection.execute("SELECT 1"))
        has(str(error.sqlstate) + str(error), "25P03|closed|terminat")


@must("idle_session_timeout")
def _():
    with connect(options="-c idle_session_timeout=300") as connection:
        time.sleep(1.5)
        raises(psycopg.Error, lambda: connection.execute("SELECT 1"))


@must("pg_terminate_backend")
def _():
    with connect() as victim, connect() as other:
        equal(other.execute("SELECT pg_terminate_backend(%s)", (victim.info.backend_pid,)).fetchone(), (True,))
        time.sleep(0.3)
        raises(psycopg.Error, lambda: victim.execute("SELECT 1"))


@must("pg_cancel_backend")
def _():
    with connect() as victim, connect() as other:
        threading.Timer(0.5, lambda: other.execute("SELECT pg_cancel_backend(%s)", (victim.info.backend_pid,))).start()
        raises(psycopg.errors.QueryCanceled, lambda: victim.execute("SELECT pg_sleep(20)"), "57014")


if __name__ == "__main__":
    main(f"psycopg {psycopg.__version__}")
