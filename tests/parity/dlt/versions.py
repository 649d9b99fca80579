"""Cases of `scd2`: versions of rows over three runs, with all that a document may say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.parity.dlt.data import Parts, Record, answer, config, resource
from tests.parity.dlt.harness import Case, Check, Outcome

ENDPOINT = {"path": "things", "data_selector": "data", "paginator": "single_page"}
Runs = tuple[list[Record], ...]

FLAT: Runs = (
    [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 3, "v": "c"}],
    [{"id": 1, "v": "a"}, {"id": 2, "v": "B"}, {"id": 4, "v": "d"}],
    [{"id": 3, "v": "c"}, {"v": "b", "id": 2}, {"id": 1, "v": "a"}],
)
NESTED: Runs = (
    [{"id": 1, "l": [{"x": 1, "d": [1, 2]}], "o": {"p": 1}}, {"id": 2, "l": [2]}],
    [{"id": 1, "l": [{"x": 1, "d": [1, 3]}], "o": {"p": 1}}, {"id": 2, "l": [2]}],
    [{"id": 1, "l": [{"x": 1, "d": []}], "o": {"p": 1}}, {"id": 2, "l": [2, 3]}],
)
SETS: Runs = (
    [{"day": 1, "id": 1}, {"day": 1, "id": 2}, {"day": 2, "id": 3}, {"day": 2, "id": 4}],
    [{"day": 1, "id": 1}, {"day": 1, "id": 5}],
    [{"day": 2, "id": 4, "l": [1]}, {"day": 3, "id": 6}],
)
PAIRS: Runs = (
    [{"a": 1, "b": 1, "id": 1}, {"a": 1, "b": 2, "id": 2}, {"a": 2, "b": 1, "id": 3}],
    [{"a": 1, "b": 1, "id": 9}],
    [{"a": 2, "b": 2, "id": 7}, {"a": 1, "b": 2, "id": 8}],
)
NOTES: Runs = (
    [{"id": 1, "notes": [{"n": 1, "t": "a"}, {"n": 2, "t": "b"}]}],
    [{"id": 1, "notes": [{"n": 1, "t": "a"}, {"n": 2, "t": "B"}]}],
    [{"id": 1, "notes": [{"n": 1, "t": "a"}]}],
)
KEYED = {"primary_key": "n", "write_disposition": "merge"}


def _numbered(runs: Runs) -> Runs:
    return tuple([{**r, "Rev": f"{r['id']}-{r['v']}"} for r in run] for run in runs)


def scd2(**more: Any) -> Parts:
    """The disposition, with more of its keys."""
    return {"disposition": "merge", "strategy": "scd2", **more}


def _case(name: str, runs: Runs, said: Parts | None = None, **more: Any) -> Case:
    of = more.pop("of", {})
    hints = {"write_disposition": scd2(**(said or {})), **more}
    return Case(
        name=f"scd2: {name}",
        config=lambda base: config(base, resource("things", ENDPOINT, **hints)),
        api=lambda ask: answer(runs[ask.round - 1]),
        runs=len(runs),
        **of,
    )


def _agreeing() -> Iterator[Case]:
    names = {"validity_column_names": ["validFrom", "valid to"]}
    for key in ({}, {"primary_key": "id"}):
        of = " by key" if key else ""
        yield _case(f"versions{of}", FLAT, **key)
        yield _case(f"nested{of}", NESTED, **key)
        yield _case(f"names{of}", FLAT, names, **key)
        yield _case(f"for ever{of}", FLAT, {"active_record_timestamp": "9999-12-31"}, **key)
        yield _case(f"a moment{of}", FLAT, {"boundary_timestamp": "2024-08-21T12:15+02:00"}, **key)
        version = {"row_version_column_name": "rev"}
        yield _case(f"a version of its own{of}", _numbered(FLAT), version, **key)
        yield _case(f"sets{of}", SETS, merge_key="day", **key)
        yield _case(f"nothing comes{of}", (FLAT[0], [], FLAT[1]), **key)
        yield _case(f"notes by key{of}", NOTES, nested_hints={"notes": KEYED}, **key)
    every = {**names, "active_record_timestamp": 253370764800, "boundary_timestamp": "2024-08-21"}
    yield _case("all of it", _numbered(FLAT), {**every, "row_version_column_name": "Rev"})
    yield _case("sets of two fields", PAIRS, merge_key=["a", "b"])
    yield _case("a new column", (FLAT[0], [{**r, "w": 1} for r in FLAT[0]], FLAT[0]))
    yield _case("nulls come", (FLAT[0], [{**r, "w": None} for r in FLAT[0]]))
    gone = [{**FLAT[0][0], "gone": True}, FLAT[0][1]]
    columns = {"gone": {"data_type": "bool", "hard_delete": True}}
    yield _case("deleted", (FLAT[0], gone, FLAT[0]), columns=columns)
    yield _case("notes with versions", NOTES, nested_hints={"notes": {**KEYED,
                "write_disposition": scd2()}})  # fmt: skip
    yield _case("null moments", FLAT, {"boundary_timestamp": None, "active_record_timestamp": None})
    refused = {"of": {"refused": "a moment such as"}}
    yield _case("no moment", FLAT[:1], {"boundary_timestamp": "soon"}, **refused)


def _failing(check: Check, row: str) -> Parts:
    return {"differs": (row,), "check": check}


def _valid(outcome: Outcome, *columns: str) -> list[Any]:
    """What versions are valid, by these columns."""
    return sorted(
        tuple(row.get(c) for c in columns)
        for row in outcome.tables["things"]["rows"]
        if row["(until)"] is None
    )


def _once(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[0].rows("things__l", "value") == [1, 1]
    assert ours[0].rows("things__l", "value") == [1]
    assert _valid(ours[0], "id") == [(1,)]
    assert _valid(theirs[0], "id") == [(1,), (1,)]


def _last(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert _valid(theirs[1], "id", "v") == [(1, "b"), (1, "c")]
    assert _valid(ours[1], "id", "v") == [(1, "c")]
    assert ours[1].rows("things", "v", "(until)") == [("b", "moment 2"), ("c", None)]


def _still_there(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert _valid(theirs[1], "id", "at") == [(2, 3), (3, 3)]
    assert _valid(ours[1], "id", "at") == [(1, 1), (2, 3), (3, 3)]
    assert ours[1].rows("things", "id", "at") == [(1, 1), (2, 2), (2, 3), (3, 3)]


def _with_parents(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[1].rows("things__l", "value", "(parent)")[1][1] == "(lost)"
    assert ours[1].rows("things__l", "value") == [1]
    assert ours[1].rows("things", "v") == theirs[1].rows("things", "v") == ["a"]


def _of_its_own(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[2].rows("things", "(until)") == ours[2].rows("things", "(until)")
    assert theirs[2].rows("things__l", "value") == [1, 2]
    assert ours[2].rows("things__l", "value") == [1, 1, 2]


def _for_ever(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[1].rows("things", "id") == [1, 1]
    ends = ours[1].rows("things", "id", "v", "(until)")
    assert ends == [(1, "a", None)]
    assert ours[2].rows("things", "v", "(until)") == [
        ("a", "moment 2"),
        ("b", "9999-12-31 00:00:00+00"),
    ]


def _differing() -> Iterator[Case]:
    twice = [{"id": 1, "l": [1]}, {"id": 1, "l": [1]}]
    row = "two records that are the same, with `scd2`"
    yield _case("the same twice", (twice,), of=_failing(_once, row))
    one_key = ([{"id": 1, "v": "b"}], [{"id": 1, "v": "b"}, {"id": 1, "v": "c"}])
    row = "two records of one key in one load, with `scd2`"
    yield _case("one key twice", one_key, primary_key="id", of=_failing(_last, row))
    rev = ([{"v": "a", "rev": 1, "l": [1]}], [{"v": "b", "rev": 1, "l": [2]}])
    row = "a record of a version that is there, by `row_version_column_name`, with other lists"
    version = {"row_version_column_name": "rev"}
    yield _case("the version stays", rev, version, of=_failing(_with_parents, row))
    back = ([{"id": 1, "l": [1]}], [{"id": 1, "l": [2]}], [{"id": 1, "l": [1]}])
    row = "what is below a version that comes back, with `scd2`"
    yield _case("a version comes back", back, of=_failing(_of_its_own, row))
    yield _moving()
    yield _later()


def _moving() -> Case:
    first, second = [{"id": n, "at": n} for n in (1, 2)], [{"id": n, "at": 3} for n in (2, 3)]
    since = {"cursor_path": "at", "initial_value": 0, "start_param": "since"}
    endpoint = {**ENDPOINT, "incremental": since}
    row = "`scd2` with a cursor, and without a `merge_key`"
    return Case(
        name="scd2: a cursor",
        config=lambda base: config(
            base, resource("things", endpoint, write_disposition=scd2(), primary_key="id")
        ),
        api=lambda ask: answer(first if ask.round == 1 else second),
        **_failing(_still_there, row),
    )


def _later() -> Case:
    """The moment that stands for ever is said from the second run on."""
    runs = {1: [{"id": 1, "v": "a"}], 2: [{"id": 1, "v": "a"}], 3: [{"id": 1, "v": "b"}]}
    made: list[str] = []

    def said(base: str) -> Any:
        made.append(base)
        first = made.count(base) % len(runs) == 1  # the case may be played again
        more = {} if first else {"active_record_timestamp": "9999-12-31"}
        return config(base, resource("things", ENDPOINT, write_disposition=scd2(**more)))

    row = "an `active_record_timestamp` that is said later"
    return Case(
        name="scd2: for ever, later",
        config=said,
        api=lambda ask: answer(runs[ask.round]),
        runs=3,
        **_failing(_for_ever, row),
    )


CASES = [*_agreeing(), *_differing()]
