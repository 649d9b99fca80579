"""A Postgres destination that is killed, cut off, or never told how a commit ended."""

from __future__ import annotations

import random
import signal
import socket
import threading
import time
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from tests.crash.commits import (
    MODES,
    REPEATED,
    ROUNDS,
    Forge,
    check_after_kill,
    check_after_rerun,
    expected,
    run,
    trials,
)
from tests.destinations.orders import as_seen, seen
from tests.destinations.places import PostgresPlace

from penstock.destinations.postgres import KIND


@pytest.fixture(scope="module")
def forge():
    made = Forge()
    yield made
    made.close()


@pytest.fixture
def place(tmp_path):
    made = PostgresPlace(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(("mode", "point", "count"), trials(KIND))
def test_killed_at_a_fault_point(forge, place, mode, point, count):
    """Killed at a named point, the work is whole up to a checkpoint and can be completed."""
    assert forge(place.url, mode, point=point, count=count) == -signal.SIGKILL
    done = check_after_kill(place, mode)
    if point in REPEATED:
        assert done == (count if point == "commit:after" else count - 1)
    check_after_rerun(place, mode)


@pytest.mark.parametrize("mode", MODES)
def test_killed_at_random_times(forge, tmp_path, mode):
    """Killed at any time, the work is whole up to a checkpoint and can be completed."""
    started = time.monotonic()
    whole = PostgresPlace(tmp_path)
    assert forge(whole.url, mode) == 0
    whole.close()
    seconds = time.monotonic() - started
    chance = random.Random(mode)
    ends = []
    for _ in range(5):
        place = PostgresPlace(tmp_path)
        ends.append(forge(place.url, mode, delay=chance.uniform(0.02, seconds)))
        if ends[-1] != -signal.SIGKILL:  # the first run was slower than they are now
            seconds *= 0.5
        check_after_kill(place, mode)
        check_after_rerun(place, mode)
        place.close()
    assert -signal.SIGKILL in ends


def end_backends(url):
    """End every server process that serves a run."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'penstock%' AND datname = current_database()"
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("point", [p for p in KIND.faults if p.startswith(("commit:", "swap:"))])
def test_server_ends_the_connection(place, mode, point):
    """A run whose server process is ended connects again and loses and doubles nothing."""
    times = []

    def fault(name):
        if name == point:
            times.append(name)
            if len(times) in {1, 4}:
                end_backends(place.url)

    run(place.url, mode, "first", fault)
    assert seen(place) == as_seen(expected(mode, ROUNDS))
    ledger = place.rows("_penstock_loads")
    assert sorted(r["sequence"] for r in ledger) == list(range(1, ROUNDS + 1))


class Proxy:
    """Stands between a run and its server, and cuts the answer to every third COMMIT.

    The server has then committed, and the run does not know.
    """

    def __init__(self, url, *, before):
        parts = urlsplit(url)
        self._socket = parse_qs(parts.query).get("host", [""])[0]
        self._server = (parts.hostname, parts.port or 5432)
        self._before = before
        self._commits = 0
        self.cut = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        user = parts.username or "postgres"
        secret = f":{parts.password}" if parts.password else ""
        self.url = f"postgresql://{user}{secret}@127.0.0.1:{port}{parts.path}?sslmode=disable"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        self._pumps = []

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            pump = threading.Thread(target=self._pump, args=(client, self._connect()))
            pump.start()
            self._pumps.append(pump)

    def _connect(self):
        if not self._socket:
            return socket.create_connection(self._server)
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(f"{self._socket}/.s.PGSQL.{self._server[1]}")
        return upstream

    def _pump(self, client, server):
        back = threading.Thread(target=_copy, args=(server, client))
        back.start()
        try:
            while data := client.recv(65536):
                if data[:1] == b"Q" and b"COMMIT\0" in data:
                    self._commits += 1
                    if self._commits % 3 == 0:
                        self.cut += 1
                        self._cut(data, client, server)
                        break
                server.sendall(data)
        except OSError:
            pass
        finally:
            for one in (client, server):
                _shut(one)
            back.join(10)
            client.close()
            server.close()

    def _cut(self, data, client, server):
        """Let the run lose its connection, before or after the server is told to commit."""
        _shut(client)
        if not self._before:
            server.sendall(data)
            time.sleep(0.02)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._thread, *self._pumps):
            thread.join(10)


def _shut(one):
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        return
    finally:
        _shut(target)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("before", [True, False], ids=["request lost", "answer lost"])
def test_commit_without_an_answer(place, mode, before):
    """A commit of which nobody told how it ended is looked up: kept once, or done again."""
    proxy = Proxy(place.url, before=before)
    try:
        run(proxy.url, mode, "first", lambda _: None)
    finally:
        proxy.close()
    assert proxy.cut >= 2
    assert seen(place) == as_seen(expected(mode, ROUNDS))
    ledger = place.rows("_penstock_loads")
    assert sorted(r["sequence"] for r in ledger) == list(range(1, ROUNDS + 1))


class Rival:
    """Another user of the database, who gets into the way of a transaction."""

    def __init__(self, url):
        self._connection = psycopg.connect(url)
        # Whoever waits shorter for a deadlock to pass is the one that it is told.
        self._connection.execute("SET deadlock_timeout = '1min'")
        self._watching = psycopg.connect(url, autocommit=True)
        self._thread = None

    def close(self):
        self._thread.join()
        self._connection.close()
        self._watching.close()

    def embrace(self):
        """Hold what the run needs next, and ask for what it holds."""
        self._connection.execute("LOCK TABLE shop._penstock_state IN SHARE MODE")
        self._begin(self._take_fence)
        self._wait_for("application_name NOT LIKE 'penstock%'")

    def overtake(self):
        """Change what the run is about to change, when it waits for that."""
        self._take_fence()
        self._begin(lambda: self._wait_for("application_name LIKE 'penstock%'"))

    def _take_fence(self):
        self._connection.execute("UPDATE shop._penstock_fence SET turn = turn")

    def _begin(self, action):
        def act():
            action()
            self._connection.commit()

        self._thread = threading.Thread(target=act)
        self._thread.start()

    def _wait_for(self, whose):
        query = f"SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {whose}"
        for _ in range(3_000):
            if self._watching.execute(query).fetchone():
                return
            time.sleep(0.01)
        raise AssertionError("nobody waits")


@pytest.mark.parametrize("mode", ["append", "replace"])
@pytest.mark.parametrize(
    ("point", "way"), [("commit:rows", "embrace"), ("commit:begin", "overtake")]
)
def test_what_the_server_gives_up_is_committed_once(place, mode, point, way):
    """A deadlock and a failed serialization end the transaction: all of it is done again, once."""
    name = urlsplit(place.url).path.removeprefix("/")
    with psycopg.connect(place.url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '10ms'")
        admin.execute(
            f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
        )
    begun, passed, rivals = [], [], []

    def fault(at):
        begun.extend([at] if at == "commit:begin" else [])
        passed.extend([at] if at == point else [])
        if at == point and len(passed) in {1, 4}:
            rivals.append(Rival(place.url))
            getattr(rivals[-1], way)()

    run(place.url, mode, "first", fault)
    for rival in rivals:
        rival.close()
    assert len(rivals) == 2
    assert len(begun) == ROUNDS + 2, "each was given up and tried again"
    assert seen(place) == as_seen(expected(mode, ROUNDS))
    ledger = place.rows("_penstock_loads")
    assert sorted(r["sequence"] for r in ledger) == list(range(1, ROUNDS + 1))
