"""Cases of several resources that load one table, each with a cursor or without one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

from tests.parity.dlt import steps
from tests.parity.dlt.data import Parts, Record, answer, config, resource
from tests.parity.dlt.harness import Case, Outcome
from tests.parity.dlt.server import Ask

WAYS = ("append", "merge", "replace")
TWICE = "two records of one key in one load"
UNLIKE = "several resources of one table that say different dispositions"
FIRST = {"a": 1, "b": 11, "c": 21}  # the first record of each


def _listed(ask: Ask) -> Any:
    """What a path lists: of the second run two are new, and one was changed."""
    parts = ask.path.strip("/").split("/")
    if parts[0] == "details":
        return {"id": int(parts[1]), "detail": ask.round, "lines": [{"n": 1}]}
    if parts[0] in {"none", "odd"}:
        return answer([{"id": 99}] if parts[0] == "odd" else [])
    first = FIRST[parts[0]]
    found: list[Record] = [
        {"id": n, "at": n, "when": f"2024-01-{n:02d}T00:00:00Z", "of": parts[0], "tags": ["x"]}
        for n in range(first, first + 1 + 2 * ask.round)
    ]
    if ask.round > 1:
        found[0] |= {"at": first + 7, "when": f"2024-01-{first + 7:02d}T00:00:00Z", "new": True}
    since = ask.param("since")
    return answer([one for one in found if str(one["when"]) >= since])


def _of(name: str, since: Parts | None = None, **more: Any) -> Parts:
    endpoint: Parts = {"path": name, "data_selector": "data", "paginator": "single_page"}
    if since is not None:
        endpoint["incremental"] = since
    return resource(name, endpoint, **{"table_name": "t", "primary_key": "id", **more})


def _case(name: str, *resources: Parts, **more: Any) -> Case:
    return Case(
        name=f"one table: {name}",
        config=lambda base: config(base, *resources),
        api=_listed,
        **{"runs": 3, **more},
    )


BY = {"cursor_path": "at", "initial_value": 0}
LATE = {"cursor_path": "at", "initial_value": 12}
ASKED = {
    "cursor_path": "when", "start_param": "since", "initial_value": "2024-01-02T00:00:00Z",
}  # fmt: skip


def _cursors() -> Iterator[Case]:
    """Each keeps its own, whatever the others do."""
    kinds = {
        "both with a cursor": (BY, BY),
        "the first with a cursor": (BY, None),
        "the second with a cursor": (None, BY),
        "cursors of other fields": (BY, ASKED),
        "cursors that begin elsewhere": (BY, LATE),
        "cursors that end otherwise": ({**BY, "row_order": "asc"}, {**BY, "end_value": 13}),
        "another key at the boundary": ({**BY, "primary_key": ["id", "at"]}, BY),
    }
    for way in WAYS:
        for name, (one, other) in kinds.items():
            how = {"write_disposition": way}
            yield _case(f"{name}, {way}", _of("a", one, **how), _of("b", other, **how))
        three = [_of(n, BY, write_disposition=way) for n in FIRST]
        yield _case(f"three with cursors, {way}", *three)


def _details(way: str, **more: Any) -> Parts:
    endpoint: Parts = {"path": "details/{resources.a.id}"}
    return resource("details", endpoint, table_name="t", write_disposition=way, **more)


def _below() -> Iterator[Case]:
    """A parent with a cursor and its children: both in the table, or one of them."""
    for way in WAYS:
        key = {"primary_key": "id"} if way == "merge" else {}
        own = _of("a", BY, write_disposition=way)
        twice: Parts = {"differs": (TWICE,), "check": _details_stay} if key else {}
        yield _case(
            f"a parent with a cursor and its details, {way}", own, _details(way, **key), **twice
        )
        yield _case(
            f"details of a parent that has its own table, {way}",
            {**own, "table_name": "own"}, _of("b", BY, write_disposition=way), _details(way, **key),
        )  # fmt: skip


def _details_stay(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """Of two records of one key the details stay, which come later; in dlt whatever was first."""
    assert {"a"} & set(theirs[0].rows("t", "of"))
    assert [one.rows("t", "id", "detail", "of") for one in ours[:2]] == [
        [(n, 1, None) for n in (1, 2, 3)],
        [(1, 2, None), (2, 1, None), (3, 1, None), (4, 2, None), (5, 2, None)],
    ]
    assert not any(outcome.error for outcome in ours)


def _unlike() -> Iterator[Case]:
    """What is said of the table is what the first of them says."""
    for one, other in permutations(WAYS, 2):
        first, second = _of("a", write_disposition=one), _of("b", write_disposition=other)
        yield _case(f"{one}, and {other}", first, second)
    yield _case("one without a key", _of("a", BY, write_disposition="merge"),
                _of("b", BY, write_disposition="merge", primary_key=None))  # fmt: skip
    for one, other in (("append", "merge"), ("merge", "append")):
        yield _case(f"{one}, and {other}, with cursors", _of("a", BY, write_disposition=one),
                    _of("b", BY, write_disposition=other))  # fmt: skip
    for one, other, check in (("replace", "append", _whole), ("append", "replace", _once)):
        first, second = _of("a", BY, write_disposition=one), _of("b", BY, write_disposition=other)
        yield _case(f"{one}, and {other}, with cursors", first, second,
                    differs=(UNLIKE,), check=check)  # fmt: skip


def _whole(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """What is replaced is replaced by all there is; dlt keeps the cursor of the second."""
    assert [r for r in theirs[1].rows("t", "id") if r > 10] == [11, 14, 15]
    assert ours[1].rows("t", "id") == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]
    assert not any(outcome.error for outcome in ours)


def _once(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """What is appended is appended once; dlt forgets the cursor of the second."""
    assert theirs[1].rows("t", "id").count(12) == 2
    assert ours[1].rows("t", "id").count(12) == 1
    assert [r for r in ours[1].rows("t", "id") if r < 11] == [
        r for r in theirs[1].rows("t", "id") if r < 11
    ]
    assert not any(outcome.error for outcome in ours)


def _hints() -> Iterator[Case]:
    """Further hints, and declared columns: what the first says counts, nothing of the others."""
    yield _case("the depth of the first", _of("a", max_table_nesting=0), _of("b"))
    yield _case("the depth of the second", _of("a"), _of("b", max_table_nesting=0))
    typed = {"at": {"data_type": "text"}}
    yield _case("columns of the first", _of("a", columns=typed), _of("b"))
    other = {"at": {"data_type": "decimal"}, "tags": {"data_type": "json"}}
    yield _case("columns of the second", _of("a"), _of("b", columns=other))
    yield _case("columns of both", _of("a", columns=typed), _of("b", columns=other))
    said = {"detail": {"data_type": "text"}}
    listed, details = _of("a", columns=typed), _details("append", columns=said)
    yield _case("columns of a parent and its details", listed, details)
    none = _of("none", columns={"of": {"data_type": "text"}})
    yield _case("columns of the second, and a first without records", none, _of("b", columns=other))
    stepped = _of("odd", processing_steps=[{"filter": steps.is_even}])
    row = (
        "several resources of one table, and steps or the cursor of the first leave nothing of its "
        "first page"
    )
    yield _case("columns of the second, and a first that leaves all out", stepped,
                _of("b", columns=other), differs=(row,), check=_said_by_the_first)  # fmt: skip


def _said_by_the_first(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """In dlt the second says what the columns are, as nothing of the first comes that far."""
    kinds = [{c: one[0].columns("t").get(c) for c in ("at", "tags")} for one in (theirs, ours)]
    assert kinds == [{"at": "DECIMAL(38,9)", "tags": "JSON"}, {"at": "BIGINT", "tags": None}]
    assert [one.rows("t", "id") for one in ours] == [one.rows("t", "id") for one in theirs]
    assert not any(outcome.error for outcome in ours)


def _first() -> Iterator[Case]:
    """Whose rows come first says what the table is: of a parent they come behind those of others.

    Each of these is a list of names, what they are below, and whether they are in the table.
    """
    found: dict[str, list[tuple[str, str | None, bool]]] = {
        "the first is the parent of another table": [
            ("a", None, True), ("details", "a", False), ("b", None, True)],
        "a child before another": [("details", "a", True), ("a", None, False), ("b", None, True)],
        "the last child": [
            ("x", "a", False), ("y", "a", True), ("z", "a", True), ("a", None, False)],
        "below each other": [
            ("w", "y", True), ("x", "y", True), ("y", "a", True), ("z", "a", True),
            ("a", None, True)],
        "two parents": [
            ("a", None, True), ("b", None, True), ("x", "a", False), ("y", "b", False)],
    }  # fmt: skip
    for name, held in found.items():
        listed = []
        for nth, (own, parent, inside) in enumerate(held, 1):
            endpoint: Parts = {"path": own, "data_selector": "data", "paginator": "single_page"}
            if parent is not None:
                endpoint = {"path": f"details/{{resources.{parent}.id}}"}
            said = {"id": {"data_type": "decimal", "precision": 20, "scale": nth}}
            more: Parts = {"table_name": "t", "columns": said} if inside else {}
            listed.append(resource(own, endpoint, **more))
        yield _case(name, *listed, runs=1)


CASES = [*_first(), *_cursors(), *_below(), *_unlike(), *_hints()]
