"""What a run leaves out below a parent whose cursor moves comes with the next that loads it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.e2e.test_tables import dying
from tests.support.web import serving

import penstock
from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.engine import reset_state

SINCE = {"cursor_path": "at", "initial_value": 0, "start_param": "since"}


class Api:
    """Parents, which grow, with two kinds of children, and what is below these."""

    def __init__(self) -> None:
        self.there = [1, 2, 3]
        self.asked: Counter[str] = Counter()
        self.wrong = ""

    def __call__(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        _, name, *of = path.split("/")
        self.asked["/".join([name, *of])] += 1
        if path == self.wrong:
            return 403, {}
        since = int(query.get("since") or 0)
        if name == "parents":
            found = [{"id": n, "at": n} for n in self.there if n >= since]
        elif name == "others":
            found = [{"id": "x"}, {"id": "y"}]
        elif name == "counted":  # of each parent another one whenever there is a new parent
            found = [{"id": f"{of[0]}-{n}", "at": n} for n in self.there if n >= since]
        else:
            found = [{"id": f"{name}{'-'.join(of)}"}]
        return 200, found


def document(url: str, way: str) -> dict[str, Any]:
    def one(name: str, path: str, **more: Any) -> dict[str, Any]:
        endpoint = {"path": path, "data_selector": "$", "paginator": "single_page", **more}
        return {"name": name, "primary_key": "id", "write_disposition": way, "endpoint": endpoint}

    return {
        "client": {"base_url": url, "retry": {"max_retries": 0}},
        "resources": [
            one("parents", "parents", incremental=SINCE),
            one("kids", "kids/{resources.parents.id}"),
            one("counted", "counted/{resources.parents.id}", incremental=SINCE),
            one("deep", "deep/{resources.kids.id}"),
            one("others", "others"),
            one("pairs", "pairs/{resources.parents.id}/{resources.others.id}"),
        ],
    }


class Place:
    """A file that is loaded again and again; `select` names what a run loads."""

    def __init__(self, folder: Path, url: str, way: str) -> None:
        self.file = folder / "a.duckdb"
        self.document = document(url, way)

    def load(self, *select: str, **options: Any) -> Any:
        given = {"select": list(select)} if select else {}
        return penstock.run(self.document, self.file, db_schema="kept", **given, **options)

    def rows(self, table: str) -> Counter[str]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            found = connection.execute(f"SELECT id FROM kept.{table}").fetchall()
        return Counter(str(n) for (n,) in found)

    def waiting(self) -> list[tuple[str, str]]:
        """What is kept for streams that were left out."""
        query = "SELECT stream, name FROM kept._penstock_state WHERE stream LIKE '% for %'"
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return sorted(connection.execute(query).fetchall())

    def check(self, api: Api) -> None:
        """Everything is there once."""
        wanted = {
            "parents": [str(n) for n in api.there],
            "kids": [f"kids{n}" for n in api.there],
            "deep": [f"deepkids{n}" for n in api.there],
            "pairs": [f"pairs{n}-{m}" for n in api.there for m in "xy"],
        }
        for table, ids in wanted.items():
            assert self.rows(table) == Counter(ids), table


WAYS = ("append", "merge")


@pytest.fixture(params=WAYS)
def place(request: Any, tmp_path: Path):
    """An API, and what loads it."""
    api = Api()
    with serving(api) as web:
        yield api, Place(tmp_path, web.url, request.param)


SELECTS = [("parents",), ("parents", "kids"), ("parents", "others", "pairs")]


@pytest.mark.parametrize("select", SELECTS, ids="+".join)
@pytest.mark.parametrize("first", [True, False], ids=["at first", "later"])
def test_what_was_left_out_comes_with_the_next_run(place: Any, select: Any, *, first: bool):
    """Of all depths, once; what was not left out is not asked for again."""
    api, held = place
    if not first:
        held.load()
        api.there += [4]
    held.load(*select)
    api.there += [5]
    held.load(*select)
    api.there += [6]
    api.asked.clear()
    held.load()
    assert api.asked["kids/1"] == (first and 1)
    api.there += [7]
    held.load()
    held.check(api)
    if "pairs" not in select:
        assert held.rows("counted") >= Counter([f"{n}-{n}" for n in api.there])
    api.asked.clear()
    held.load()
    assert (api.asked["parents"], held.waiting()) == (1, [])


def test_what_is_below_one_that_was_behind_comes_after_that_is_built_anew(place: Any):
    """It was given nothing of the parents, although these, and what is between, have moved on."""
    api, held = place
    held.load("parents")
    api.there += [4]
    held.load("parents", "kids", full_refresh=True)
    held.load()
    held.check(api)


@pytest.mark.parametrize(("point", "nth"), [("commit:after", n) for n in range(1, 6)])
def test_a_run_that_died_meanwhile_is_made_good(place: Any, point: str, nth: int):
    """Whichever commits it came to, of the parents or of what they are read once more for."""
    api, held = place
    for select in (["parents"], []):
        api.there += [api.there[-1] + 1]
        try:
            held.load(*select, fault=dying(point, nth))
        except KeyboardInterrupt:
            pass
        else:
            assert nth > 1
    api.there += [8]
    held.load()
    held.check(api)


def test_one_that_fails_holds_back_itself(place: Any):
    """A child that was left out and fails then is asked for again, the others are not."""
    api, held = place
    held.load("parents")
    api.wrong = "/kids/2"
    assert held.load().status == "partial"
    api.wrong, _ = "", api.asked.clear()
    assert held.load().status == "done"
    held.check(api)
    assert (api.asked["kids/1"], api.asked["kids/2"]) == (0, 1)


def test_a_parent_that_is_reset_is_listed_to_all_again(place: Any):
    """What waited for its children is reset with it."""
    api, held = place
    held.load("parents")
    compiled = compile_document(Document.from_object(held.document, "held"))
    reset_state(compiled.need(), str(held.file), "kept", ("parents",), takeover=False)
    assert held.waiting() == []
    held.load()
    assert held.rows("kids") == Counter(f"kids{n}" for n in api.there)


def test_what_is_built_anew_needs_nothing_that_was_kept(place: Any):
    """A full refresh reads everything, and what waited for the children is forgotten."""
    api, held = place
    held.load()
    api.there += [4]
    held.load("parents")
    assert ("parents for kids", "cursor") in held.waiting()
    api.there += [5]
    held.load(full_refresh=True)
    held.check(api)
    assert held.waiting() == []
    api.there += [6]
    held.load("parents", full_refresh=True)
    held.load()
    held.check(api)


def test_what_is_left_out_between_others_is_said(place: Any):
    """What was read of it for those below cannot come again for it alone."""
    api, held = place
    held.load()
    api.there += [4]
    result = held.load("parents", "deep")
    told = {w.code: w.message for r in result.receipts for w in r.warnings}
    assert told["left-between"] == (
        "'kids' is not loaded, but read for what is below it: what it has of these records of "
        "'parents' does not come with a later run, unless with --full-refresh"
    )
    held.load(full_refresh=True)
    held.check(api)


def test_windows_and_cursors_by_partition_are_kept_as_well(tmp_path: Path):
    """Of a parent that is read by windows, and of one that has a cursor for each of its own."""
    days = [1, 2]
    asked: list[str] = []

    def api(path: str, query: dict[str, str]) -> tuple[int, Any]:
        _, name, *of = path.split("/")
        asked.append(path)
        since, until = query.get("since", ""), query.get("until", "9")
        if name == "days":
            found = [f"2024-01-{n:02d}T06:00:00Z" for n in days]
            return 200, [{"id": at[8:10], "at": at} for at in found if since <= at < until]
        if name == "notes":
            return 200, [{"id": f"{of[0]}-{n}", "at": n} for n in days if n >= int(since or 0)]
        return 200, [{"id": f"on {of[0]}"}]

    with serving(api) as web:
        window = {
            "cursor_path": "at", "start_param": "since", "end_param": "until",
            "initial_value": "2024-01-01T00:00:00Z", "step": {"days": 365},
        }  # fmt: skip
        held = Place(tmp_path, web.url, "append")
        one = held.document["resources"][1]["endpoint"]
        made = [
            ("days", {"incremental": window}, "days"),
            ("notes", {"incremental": SINCE}, "notes/{resources.days.id}"),
            ("on", {}, "on/{resources.notes.id}"),
        ]
        held.document["resources"] = [
            {"name": name, "endpoint": {**one, "path": path, **more}} for name, more, path in made
        ]
        held.load("days")
        days.append(3)
        held.load("days", "notes")
        days.append(4)
        held.load()
        days.append(5)
        held.load()
    notes = [f"{day:02d}-{n}" for day in days for n in days]
    assert held.rows("days") == Counter(f"{n:02d}" for n in days)
    assert set(held.rows("notes")) <= set(notes)
    assert held.rows("on") >= Counter(f"on {note}" for note in held.rows("notes"))
    assert set((held.rows("notes") + held.rows("on")).values()) == {1}
