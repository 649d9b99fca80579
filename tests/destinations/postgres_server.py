"""A real Postgres for the tests: the one of PENSTOCK_TEST_POSTGRES, else one started here."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
import warnings
from functools import cache
from urllib.parse import urlsplit, urlunsplit

import pytest

_numbers = itertools.count(1)


@cache
def server_url() -> str:
    """The URL of a database on the server, for somebody who may make others."""
    url = os.environ.get("PENSTOCK_TEST_POSTGRES")
    return url or _started()


def _started() -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains of the environment it is in
            import pgserver  # noqa: PLC0415 (it is only needed where no server is named)

            directory = tempfile.mkdtemp(prefix="penstock-postgres-")
            server = pgserver.get_server(directory)
    except Exception as error:  # noqa: BLE001 (whatever it was, there is no server)
        missing = f"no Postgres: PENSTOCK_TEST_POSTGRES is not set, and pgserver failed: {error}"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(missing)
        pytest.skip(missing)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(server.cleanup)
    with _admin(server.get_uri()) as admin:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            admin.execute(f"ALTER SYSTEM SET {setting} = off")
        admin.execute("SELECT pg_reload_conf()")
    return server.get_uri()


def _admin(url: str):
    import psycopg  # noqa: PLC0415 (only the tests of this kind need the driver)

    return psycopg.connect(url, autocommit=True)


def fresh_database(like: str | None = None) -> str:
    """Make an empty database, or a copy of one that nobody is connected to, and name it."""
    parts = urlsplit(server_url())
    name = f"penstock_{os.getpid()}_{next(_numbers)}"
    template = urlsplit(like).path[1:] if like else "template0"
    with _admin(server_url()) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return urlunsplit(parts._replace(path=f"/{name}"))


def drop_database(url: str) -> None:
    """Drop a database that `fresh_database` made, whoever is connected."""
    with _admin(server_url()) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {urlsplit(url).path[1:]} WITH (FORCE)")
