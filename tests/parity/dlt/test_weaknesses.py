"""What dlt does that no configuration asks for, and a single answer cannot show."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.parity.dlt.data import answer, config, resource
from tests.parity.dlt.harness import Oracle
from tests.parity.dlt.server import Ask, Reply, Stage

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.engine import Options, execute

PAGE = Path(__file__).parents[3] / "docs" / "parity.md"
ENDPOINT = {"data_selector": "data", "paginator": "single_page"}
TOLD = ("a crash while rows are appended", "`parallelized` on a resource without a parent",
        "a field that begins with `next` beside the records")  # fmt: skip


class Together:
    """Counts the requests that are under way at once; each waits a moment for company."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._more = threading.Condition()

    def __call__(self, ask: Ask) -> Reply:
        with self._more:
            self._now += 1
            self.most = max(self.most, self._now)
            self._more.notify_all()
            self._more.wait_for(lambda: self.most > 1, timeout=0.3)
            self._now -= 1
        return answer([{"id": ask.path}])


def _load(made: dict[str, Any], file: Path, **options: Any) -> Any:
    source = compile_document(Document.from_object(made, "parity")).need()
    return execute(source, {}, str(file), Options(**options), lambda _event: None)


def _ids(file: Path, table: str) -> list[Any]:
    import duckdb  # noqa: PLC0415 (only to look)

    with duckdb.connect(str(file), read_only=True) as con:
        return con.execute(f"SELECT id FROM parity.{table} ORDER BY id").fetchall()


def test_each_weakness_is_told():
    """What is asserted here stands in the page that tells of differences."""
    told = set(re.findall(r"^\| (.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE))
    assert set(TOLD) <= told


def test_a_crash_doubles_no_row(oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path):
    """Killed between the rows and the note of them, dlt loads them again; Penstock does not."""

    def api(_ask: Ask) -> Reply:
        return answer([{"id": n} for n in range(5)])

    def made(base: str) -> dict[str, Any]:
        return config(base, resource("things", ENDPOINT, write_disposition="append"))

    def fault(point: str) -> None:
        if point == "commit:after":
            raise KeyboardInterrupt

    for stage in stages:
        stage.play(api, 1)
    died = oracle.run("dies", made(stages[0].base), tmp_path, dies=True)
    assert "KeyboardInterrupt" in died["error"]
    assert not oracle.run("dies", made(stages[0].base), tmp_path)["error"]
    assert _ids(tmp_path / "dlt.duckdb", "things") == [(n,) for n in range(5) for _ in "12"]

    file, plain = tmp_path / "penstock.duckdb", made(stages[1].base)
    cursor = {**ENDPOINT, "incremental": {"cursor_path": "id", "initial_value": 0}}
    plain["resources"] = [resource("things", cursor, write_disposition="append")]
    with pytest.raises(KeyboardInterrupt):
        _load(plain, file, fault=fault)
    assert _load(plain, file).status == "done"
    assert _ids(file, "things") == [(n,) for n in range(5)]


def test_resources_are_read_at_once(oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path):
    """Dlt reads top resources one by one, whatever they say; Penstock reads all at once."""

    def made(base: str) -> dict[str, Any]:
        names = [resource(n, ENDPOINT, parallelized=True) for n in ("a", "b", "c")]
        return config(base, *names)

    theirs, ours = Together(), Together()
    stages[0].play(theirs, 1)
    stages[1].play(ours, 1)
    settings = {"EXTRACT__WORKERS": "5"}
    assert not oracle.run("at_once", made(stages[0].base), tmp_path, settings=settings)["error"]
    assert _load(made(stages[1].base), tmp_path / "penstock.duckdb").status == "done"
    assert theirs.most == 1
    assert ours.most > 1


def test_a_field_is_no_cursor(oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path):
    """Dlt takes a field beside the records for the way on, and asks the same without end."""
    last = 5

    def api(ask: Ask) -> dict[str, Any]:
        heard = len(stages[0].heard if ask.base == stages[0].base else stages[1].heard)
        plan = {"next_billing_date": "2024-03-01"} if heard < last else {}
        return {"items": [{"id": 1}, {"id": 2}], "plan": plan}

    def made(base: str) -> dict[str, Any]:
        return config(base, resource("things", {}, write_disposition="append"))

    for stage in stages:
        stage.play(api, 1)
    assert not oracle.run("field", made(stages[0].base), tmp_path)["error"]
    assert len(stages[0].heard) == last + 1
    assert len(_ids(tmp_path / "dlt.duckdb", "things")) == 2 * (last + 1)
    file = tmp_path / "penstock.duckdb"
    assert _load(made(stages[1].base), file).status == "done"
    assert len(stages[1].heard) == 1
    assert _ids(file, "things") == [(1,), (2,)]
