"""`--publish`: a copy that other processes read while a run writes to the file itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.destinations.postgres_server import drop_database, fresh_database
from tests.support.web import serving

import penstock
from penstock.destinations import open_destination
from penstock.destinations.base import Owner
from penstock.engine import publishing
from penstock.errors import DestinationError

COUNT = (
    "import duckdb, json, sys\n"
    "with duckdb.connect(sys.argv[1], read_only=True) as c:\n"
    "    print(json.dumps(c.execute('SELECT count(*) FROM kept.items').fetchone()))\n"
)


def counted(path: Path) -> int:
    """The rows that another process finds in a file."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(path)], capture_output=True, text=True, check=True
    )
    return int(json.loads(done.stdout)[0])


def document(url: str) -> dict[str, Any]:
    """A configuration of one stream."""
    items = {"name": "items", "endpoint": {"path": "items", "paginator": "single_page"}}
    return {"client": {"base_url": url}, "resources": [items]}


def test_the_end_of_a_run_is_published(tmp_path):
    """After a run the copy holds what the file holds, and is replaced by the next run's."""
    path, copy = tmp_path / "t.duckdb", tmp_path / "copy.duckdb"
    with serving(lambda _p, _q: (200, [{"id": 1}, {"id": 2}])) as web:
        for rows in (2, 4):
            penstock.run(document(web.url), path, db_schema="kept", publish=str(copy))
            assert counted(copy) == counted(path) == rows
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy.duckdb", "t.duckdb"]


def test_a_copy_can_be_read_while_the_run_writes(tmp_path, monkeypatch):
    """Each checkpoint is shown when it is time; the file itself stays locked all the while."""
    monkeypatch.setattr(publishing, "LEAST_PAUSE", 0.0)
    monkeypatch.setattr(publishing, "SHARE", 0)
    path, copy = tmp_path / "t.duckdb", tmp_path / "copy.duckdb"
    seen: list[int] = []

    def look(point: str) -> None:
        if point == "commit:begin" and copy.exists() and path.exists():
            with pytest.raises(subprocess.CalledProcessError):
                counted(path)
            seen.append(_rows(copy))

    with serving(lambda _p, _q: (200, [{"id": 1}, {"id": 2}])) as web:
        for _ in range(2):
            penstock.run(document(web.url), path, db_schema="kept", publish=str(copy), fault=look)
    assert seen == [0, 2]
    assert counted(copy) == 4


def _rows(path: Path) -> int:
    try:
        return counted(path)
    except subprocess.CalledProcessError as error:
        assert "does not exist" in error.stderr  # noqa: PT017 (no table before the first rows)
        return 0


def test_a_reader_keeps_the_copy_it_opened(tmp_path):
    """A copy is replaced by another file, so whoever reads the old one is not disturbed."""
    path, copy = tmp_path / "t.duckdb", tmp_path / "copy.duckdb"
    with serving(lambda _p, _q: (200, [{"id": 1}])) as web:
        penstock.run(document(web.url), path, db_schema="kept", publish=str(copy))
        with copy.open("rb") as reader:
            before = reader.read()
            penstock.run(document(web.url), path, db_schema="kept", publish=str(copy))
            reader.seek(0)
            assert reader.read() == before
    assert counted(copy) == 2


@pytest.mark.parametrize("point", ["create:rename", "create:renamed"])
def test_a_copy_is_whole_or_not_there(tmp_path, point):
    """Whatever stops a copy, what was published before is still there, whole."""
    path, copy = tmp_path / "t.duckdb", tmp_path / "copy.duckdb"
    owner = Owner(run_id="r", pid=1, host="h")
    with serving(lambda _p, _q: (200, [{"id": 1}])) as web:
        penstock.run(document(web.url), path, db_schema="kept", publish=str(copy))
        penstock.run(document(web.url), path, db_schema="kept")

    def stop(at: str) -> None:
        if at == point:
            raise DestinationError("stopped here")

    session = open_destination(str(path), fault=stop).open(owner=owner, db_schema="kept")
    try:
        with pytest.raises(DestinationError, match="stopped here"):
            session.publish(copy)
        # the lock is still held: nothing of this process closed a handle on the file
        with pytest.raises(subprocess.CalledProcessError):
            counted(path)
    finally:
        session.close()
    assert counted(copy) == (1 if point == "create:rename" else 2)
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_what_cannot_be_published_is_said_before_anything_is_loaded(tmp_path):
    """A path that cannot be written to, the file itself, and a copy that somebody writes to."""
    path = tmp_path / "t.duckdb"
    with serving(lambda _p, _q: (200, [{"id": 1}])) as web:
        with pytest.raises(DestinationError, match="there is no directory") as caught:
            penstock.run(document(web.url), path, publish=str(tmp_path / "no" / "c.duckdb"))
        assert (caught.value.code, web.asked) == ("publish", [])
        with pytest.raises(DestinationError, match="it is the destination itself"):
            penstock.run(document(web.url), path, publish=str(path))
        (tmp_path / "c.duckdb.wal").touch()
        with pytest.raises(DestinationError, match=r"somebody writes to it.*c\.duckdb\.wal"):
            penstock.run(document(web.url), path, publish=str(tmp_path / "c.duckdb"))


def test_another_destination_is_not_published():
    """Where others can read at any time there is nothing to publish."""
    url = fresh_database()
    try:
        with serving(lambda _p, _q: (200, [{"id": 1}])) as web:
            with pytest.raises(DestinationError, match="only a DuckDB file") as caught:
                penstock.run(document(web.url), url, publish="c.duckdb")
            assert (caught.value.code, web.asked) == ("publish", [])
    finally:
        drop_database(url)


def test_copies_are_made_when_it_is_time():
    """The pause is fifteen seconds, or twenty times what the last copy took."""
    now, made = [0.0], []

    class Session:
        def publish(self, target: Path) -> None:
            made.append(now[0])
            now[0] += 2.0

    copies = publishing.Publishing(Session(), "/", clock=lambda: now[0])  # type: ignore[arg-type]  # all that it is asked for
    for moment in (1.0, 14.0, 15.0, 30.0, 56.0, 57.0):
        now[0] = moment
        copies.committed()
    assert made == [15.0, 57.0]
    copies.end()
    assert made == [15.0, 57.0, 59.0]
