"""A run that is not over and is run again appends no stream twice that was read in full before."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.e2e.test_tables import dying
from tests.support.web import serving

import penstock
from penstock.engine import rounds
from penstock.engine.rounds import READ, resting

HOUR = 3600.0


class Api:
    """People, who have pets, and things; whatever is `wrong` is refused."""

    def __init__(self) -> None:
        self.wrong = ""
        self.asked: Counter[str] = Counter()

    def __call__(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        del query
        self.asked[path] += 1
        if self.wrong and path.startswith(self.wrong):
            return 403, {}
        of = path.split("/")[2:]
        return 200, [{"id": "-".join([*of, str(n)])} for n in range(3)]


def document(url: str, **more: Any) -> dict[str, Any]:
    def one(name: str, path: str) -> dict[str, Any]:
        endpoint = {"path": path, "data_selector": "$", "paginator": "single_page"}
        return {"name": name, "endpoint": endpoint, **more.get(name, {})}

    return {
        "client": {"base_url": url, "retry": {"max_retries": 0}},
        "resources": [
            one("people", "people"),
            one("pets", "pets/{resources.people.id}"),
            one("things", "things"),
        ],
    }


class Place:
    """What is loaded again and again into one file."""

    def __init__(self, folder: Path, source: Any) -> None:
        self.file = folder / "a.duckdb"
        self.source = source

    def load(self, **options: Any) -> dict[str, str]:
        result = penstock.run(self.source, self.file, db_schema="kept", **options)
        return {receipt.stream: receipt.status for receipt in result.receipts}

    def times(self, *tables: str) -> tuple[set[int], ...]:
        """How often the rows of tables are there."""
        with duckdb.connect(str(self.file), read_only=True) as connection:
            found = [connection.execute(f"SELECT id FROM kept.{t}").fetchall() for t in tables]
        return tuple(set(Counter(ids).values()) for ids in found)

    def read(self) -> list[str]:
        """The streams that are kept as read by a run that was not over."""
        query = f"SELECT stream FROM kept._penstock_state WHERE name = '{READ}' ORDER BY stream"
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return [name for (name,) in connection.execute(query).fetchall()]


@pytest.fixture
def place(tmp_path: Path):
    """An API, and what loads it."""
    api = Api()
    with serving(api) as web:
        yield api, Place(tmp_path, document(web.url))


def test_what_was_complete_beside_a_failure_is_not_appended_again(place: Any):
    """However often the run fails again; once it is over, the next one reads everything anew."""
    api, held = place
    api.wrong = "/things"
    assert held.load() == {"people": "done", "pets": "done", "things": "failed"}
    assert (held.times("people", "pets"), held.read()) == (({1}, {1}), ["people", "pets"])
    api.asked.clear()
    assert held.load() == {"people": "done", "pets": "done", "things": "failed"}
    assert api.asked == {"/things": 1}
    api.wrong = ""
    assert set(held.load().values()) == {"done"}
    assert (held.times("people", "pets", "things"), held.read()) == (({1}, {1}, {1}), [])
    held.load()
    assert held.times("people", "pets", "things") == ({2}, {2}, {2})


def test_a_parent_that_was_complete_is_read_for_its_children_alone(place: Any):
    """Those of its children that failed are asked for, and no others."""
    api, held = place
    api.wrong = "/pets/1"
    assert held.load() == {"people": "done", "pets": "partial", "things": "done"}
    api.wrong = ""
    api.asked.clear()
    assert set(held.load().values()) == {"done"}
    assert api.asked == {"/people": 1, "/pets/1": 1}
    assert held.times("people", "pets", "things") == ({1}, {1}, {1})


def test_what_was_complete_of_a_range_with_an_end_is_not_appended_again(place: Any):
    """It leaves no value to go on from, so that each of its slices is marked until all are read."""
    api, held = place
    within = {"cursor_path": "id", "initial_value": "0", "end_value": "9"}
    pets = held.source["resources"][1]
    pets["endpoint"] = {**pets["endpoint"], "incremental": within}
    api.wrong = "/pets/1"
    assert held.load(select=("people", "pets"))["pets"] == "partial"
    api.wrong = ""
    api.asked.clear()
    assert set(held.load(select=("people", "pets")).values()) == {"done"}
    assert api.asked == {"/people": 1, "/pets/1": 1}
    assert held.times("pets") == ({1},)
    held.load(select=("people", "pets"))
    assert held.times("pets") == ({2},)


@pytest.mark.parametrize(("point", "nth"), [*(("commit:after", n) for n in range(1, 6)), ("", 0)])
def test_a_run_that_died_is_gone_on_with(place: Any, point: str, nth: int):
    """Whichever commits it came to, its last one before the receipts included."""
    _api, held = place
    try:
        held.load(fault=dying(point, nth))
    except KeyboardInterrupt:
        held.load()
    else:
        assert nth in {0, 4, 5}, "it comes to a commit for each stream at least"
    assert held.times("people", "pets", "things") == ({1}, {1}, {1})
    assert held.read() == []


def test_what_is_passed_over_says_so(place: Any):
    """And is read anew where that is asked for."""
    api, held = place
    api.wrong = "/things"
    held.load()
    result = penstock.run(held.source, held.file, db_schema="kept")
    note = next(r for r in result.receipts if r.stream == "people").warnings[0]
    assert note.code == "read-before"
    assert "are not appended once more" in note.message
    api.wrong = ""
    held.load(full_refresh=True)
    assert held.times("people", "pets", "things") == ({1}, {1}, {1})


@pytest.mark.parametrize("way", ["merge", "replace"])
def test_what_can_be_written_again_is_read_again(tmp_path: Path, way: str):
    """A merge or a replacement brings what is new, whatever became of other streams."""
    api = Api()
    more = {"write_disposition": way, "primary_key": "id"}
    with serving(api) as web:
        held = Place(tmp_path, document(web.url, people=more))
        api.wrong = "/things"
        held.load()
        api.asked.clear()
        held.load()
    assert (api.asked["/people"], held.times("people")) == (1, ({1},))


SCRIPT = """
import os
import dlt

names = []

@dlt.resource
def first():
    for number in range(3):
        names.append(number)
        yield {"id": number}

@dlt.resource
def second():
    if os.path.exists("WRONG"):
        raise ValueError("not yet")
    for number in names:
        yield {"id": number}

@dlt.resource
def third():
    yield {"id": 1}

dlt.pipeline("p", destination=dlt.destinations.duckdb("FILE"), dataset_name="kept").run(
    [first(), second(), third()]
)
"""


def test_functions_that_share_something_are_called_together(tmp_path: Path):
    """What one of them reads may be what another has left there."""
    wrong = tmp_path / "wrong"
    wrong.touch()
    script = tmp_path / "s.py"
    text = SCRIPT.replace("WRONG", str(wrong)).replace("FILE", str(tmp_path / "a.duckdb"))
    script.write_text(text)
    held = Place(tmp_path, script)
    assert held.load() == {"first": "done", "second": "failed", "third": "done"}
    wrong.unlink()
    assert set(held.load().values()) == {"done"}
    assert held.times("second", "third") == ({1}, {1})


def test_a_stream_is_passed_over_for_half_a_day(place: Any):
    """Otherwise one that always fails would keep the others from being read for good."""
    _api, held = place
    source = penstock.load(held.source).plan
    stored = {"people": {READ: "1000000"}, "pets": {}, "things": {READ: "1000000"}}
    passed = resting(source, stored, stored, 1_000_000 + rounds.SECONDS - 1)
    assert passed == {"people", "things"}
    assert resting(source, stored, stored, 1_000_000 + rounds.SECONDS) == set()
    assert resting(source, ["things"], stored, 1_000_000 - HOUR) == {"things"}


def test_that_a_stream_was_read_is_said_in_no_commit_of_its_own(tmp_path: Path):
    """It goes with the rows of its only slice, however many they are."""
    points: list[str] = []
    rows = [{"id": number, "text": "x" * 300} for number in range(40_000)]
    with serving(lambda _path, _query: (200, rows)) as web:
        source = document(web.url)
        source["resources"] = source["resources"][2:]
        assert Place(tmp_path, source).load(fault=points.append) == {"things": "done"}
    assert points.count("commit:after") == 1
