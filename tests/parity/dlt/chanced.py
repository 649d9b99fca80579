"""Cases that chance found: each differed once, and is kept as it was cut down."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from tests.parity.dlt import steps
from tests.parity.dlt.chance import answers
from tests.parity.dlt.chance.missed import MIXED
from tests.parity.dlt.data import Parts, config, resource
from tests.parity.dlt.harness import Case, Outcome, parts

PLAIN = {"data_selector": "data", "paginator": "single_page"}


def _case(
    name: str, *resources: Parts, runs: int = 1, of: Parts | None = None, **apis: Any
) -> Case:
    """Resources, and what each of their paths answers."""
    return Case(name=f"chance: {name}", runs=runs, api=answers.api(apis),
                config=lambda base: config(base, *resources), **(of or {}))  # fmt: skip


def _child(runs: int = 1, endpoint: Parts | None = None, **more: Any) -> tuple[Parts, Parts]:
    """A parent and its child, which carries a field of it."""
    parent = resource("p", {**PLAIN, "path": "parents"}, write_disposition="replace")
    inside = {**PLAIN, "path": "kids/{resources.p.id}", **(endpoint or {})}
    return parent, resource("c", inside, **{"include_from_parent": ["title"], **more})


def _family(parents: list[list[Parts]], kids: list[list[Parts]]) -> Parts:
    owner = {"field": "id", "where": ["path", 0]}
    return {"parents": {"rounds": parents}, "kids": {"rounds": kids, "owner": owner}}


def _included() -> Iterator[Case]:
    """What children carry of their parents."""
    two = [{"id": 1, "title": None}, {"id": 2, "title": "x"}]
    kids = [{"id": 10, "_of": 1}, {"id": 20, "_of": 2}]
    yield _case("a null of the parent", *_child(), **_family([two], [kids]))
    nested = [{"id": 1, "o": {"a": 1, "b": [1]}, "l": [1, {"n": 2}]}, {"id": 2, "o": {}, "l": []}]
    yield _case("an object and a list of the parent", *_child(include_from_parent=["o", "l"]),
                **_family([nested], [kids]))  # fmt: skip
    own = [{"id": 10, "_p_title": "own", "_of": 2}, {"id": 11, "_of": 2}]
    yield _case("a field of the parent's name", *_child(), **_family([two], [own]))
    yield _case("a step that sees what is carried",
                *_child(processing_steps=[{"map": steps.seen_all}]),
                **_family([two], [kids]))  # fmt: skip
    since = {"incremental": {"cursor_path": "at", "initial_value": 0}}
    renamed = [[{"id": 1, "title": "a"}], [{"id": 1, "title": "b"}]]
    first = [{"id": 9, "at": 4, "_of": 1}, {"id": 10, "at": 5, "_of": 1}]
    yield _case("a parent that changed, and a cursor", *_child(endpoint=since), runs=2,
                **_family(renamed, [first, [*first, {"id": 11, "at": 6, "_of": 1}]]))  # fmt: skip
    twice = [{"id": 1, "title": "a"}, {"id": 1, "title": "b"}]
    yield _case("two parents of one id that differ", *_child(), **_family([twice], [kids]))


def _empty() -> Iterator[Case]:
    """Pages of which a path takes nothing, as their lists are empty."""
    held = [{"id": n} for n in range(1, 5)]
    pages = {"kind": "offset", "size": 2, "start": ["query", "offset"], "limit": ["query", "limit"]}
    counted = {"type": "offset", "limit": 2, "total_path": None}
    for wrap, path in (("each", "data[*].node"), ("groups", "groups[*].subs[*]"),
                       ("by name", "data.*"), ("data", "data[?(@.id > 2)]")):  # fmt: skip
        endpoint = {"path": "things", "data_selector": path, "paginator": counted}
        yield _case(f"an empty page, {path}", resource("things", endpoint), of={"law": True},
                    things={"rounds": [held], "wrap": wrap, "pages": pages})  # fmt: skip
        single = {**endpoint, "paginator": "single_page"}
        yield _case(f"nothing, {path}", resource("things", single),
                    things={"rounds": [[]], "wrap": wrap})  # fmt: skip


def _lists() -> Iterator[Case]:
    """Lists that stand in lists."""
    endpoint = {**PLAIN, "path": "things"}
    grids: dict[str, list[Any]] = {
        "lists": [[1, 2], [3, "x"], []],
        "a number, then lists": [1, [2], "x"],
        "lists, then a number": [[2], 1, [3], 2],
        "objects and lists": [{"a": 1}, [2]],
        "lists of objects": [[{"b": [1, [{"c": [5]}]]}]],
    }
    for kind, grid in grids.items():
        held = [{"id": 1, "grid": grid}, {"id": 2, "grid": [[7]]}]
        for depth in (1, 2, 3, 4, 5):
            things = resource("things", endpoint, max_table_nesting=depth)
            yield _case(f"{kind}, {depth} deep", things, things={"rounds": [held, held]}, runs=2)
    for depth in (None, 0, 1):
        more = {} if depth is None else {"max_table_nesting": depth}
        yield _case(f"records that are lists, {depth} deep", resource("things", endpoint, **more),
                    things={"rounds": [[[1, 2], [3, [4]], []]]})  # fmt: skip


def _no_table(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert not theirs[0].tables
    assert ours[0].tables == {"things": {"columns": {"v": ("DATE", "YES")}, "rows": []}}


def _one_version(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """Dlt keeps the old row, and puts the items of both versions below it."""
    assert theirs[1].rows("things", "id", "n") == [(1, "old")]
    assert theirs[1].rows("things__l", "value") == [5, 8]
    assert ours[1].tables == ours[0].tables


def _edited(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[1].rows("things", "n") == ["old"]
    assert ours[1].rows("things", "n") == ["new"]


def _parted() -> Iterator[Case]:
    """In which the engines part on purpose."""
    endpoint = {**PLAIN, "path": "things"}
    yield _case("declared columns, and nothing comes",
                resource("things", endpoint, columns={"v": {"data_type": "date"}}),
                things={"rounds": [[]]},
                of={"differs": ("declared columns of a resource without a record",),
                    "check": _no_table})  # fmt: skip
    versions = [[{"id": 1, "n": "old", "l": [5]}], [{"id": 1, "n": "new", "l": [7, 8]}]]
    disposition = {"disposition": "merge", "strategy": "insert-only"}
    row = "`insert-only`, and a record that is there already comes with more items of a list"
    yield _case("insert-only, and a list has grown",
                resource("things", endpoint, primary_key="id", write_disposition=disposition),
                things={"rounds": versions}, runs=2,
                of={"differs": (row,), "check": _one_version})  # fmt: skip
    since = {**endpoint, "incremental": {"cursor_path": "at", "initial_value": 0}}
    row = "a record that is merged, and changed without its cursor, where that is the newest"
    edited = [[{"id": 1, "n": "old", "at": 5}], [{"id": 1, "n": "new", "at": 5}]]
    yield _case("an edit at the boundary",
                resource("things", since, primary_key="id", write_disposition="merge"),
                things={"rounds": edited}, runs=2,
                of={"differs": (row,), "check": _edited})  # fmt: skip
    digits = "2024-01-02T03:04:05.1234567Z"
    yield _case("seven digits of a second", resource("things", endpoint),
                things={"rounds": [[{"v": digits}]]},
                of={"differs": ("an instant with more digits than microseconds have",),
                    "check": parts("things", ("v",), ["2024-01-02 03:04:05.123456+00"],
                                   [digits])})  # fmt: skip


def _contracts() -> Iterator[Case]:
    """Values that a column keeps without a loss, where a contract forbids others."""
    of: dict[str, list[Any]] = {
        "a text": ["a", 5, True, 1.5, 0],
        "a number": [1, "12", "x", 2.5, "0"],
        "a fraction": [1.5, "2.5", 3, "x"],
        "an instant": ["2024-01-02T03:04:05Z", "2024-01-02", "x"],
    }
    for (kind, values), mode in product(of.items(), ("discard_row", "discard_value")):
        things = resource(
            "things", {**PLAIN, "path": "things"}, schema_contract={"data_type": mode}
        )
        runs = [[{"id": 0, "v": values[0]}], [{"id": n, "v": v} for n, v in enumerate(values)]]
        yield _case(f"contract, {kind}, {mode}", things, things={"rounds": runs}, runs=2)


def _first_contracts() -> Iterator[Case]:
    """A contract of types holds from the first value on; one of columns, once there is a table."""
    values = [1, "x", 2.5, "12", 3]
    held = [{"id": n, "v": v, **({"new": n} if n else {})} for n, v in enumerate(values)]
    for mode in ("discard_row", "discard_value"):
        contract = {"data_type": mode, "columns": mode}
        things = resource("things", {**PLAIN, "path": "things"}, schema_contract=contract)
        yield _case(f"contract at first, {mode}", things, things={"rounds": [held]})


def _one_field(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """Dlt has the columns of the first item alone: without the values that others bring."""
    assert theirs[0].rows("things__l", "a", "b") == [(1, None)]
    assert ours[0].rows("things__l", "a", "b") == [(1, None), (2, 3)]


def _levels(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[1].rows("things", "id", "o__n") == [(1, 5)]
    assert ours[1].rows("things", "id", "o") == [(n, ("json", f'{{"n": {n + 4}}}')) for n in (1, 2)]


def _nothing(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[1].rows("things", "id") == [1, 2]
    assert ours[1].rows("things", "id") == [1, 2, 4]


def _bound() -> Iterator[Case]:
    """What a contract of columns is held against."""
    endpoint = {**PLAIN, "path": "things"}
    bound = resource("things", endpoint, schema_contract={"columns": "discard_row"})
    for mode in ("discard_row", "discard_value"):
        declared = {"columns": {"n": {"data_type": "bigint"}}, "schema_contract": {"columns": mode}}
        runs = [[], [{"id": 1, "n": 5, "s": "x"}, {"id": 2, "n": 6, "t": [1]}]]
        yield _case(f"declared columns, nothing, then rows, {mode}",
                    resource("things", endpoint, **declared), things={"rounds": runs}, runs=2,
                    of={"differs": ("declared columns of a resource without a record",),
                        "check": _after_nothing})  # fmt: skip
    row = "a contract of columns, in the load that makes a child table"
    yield _case("a contract, and items that are not alike", bound,
                things={"rounds": [[{"l": [{"a": 1}, {"a": 2, "b": 3}]}]]},
                of={"differs": (row,), "check": _one_field})  # fmt: skip
    row = "a row that a contract leaves out, and that has new fields"
    typed = resource("things", endpoint, schema_contract={"data_type": "discard_row"})
    held = [{"id": 1, "v": 1}, {"id": 2, "new": 1.5, "v": "x"}, {"id": 3, "new": "text", "v": 2}]
    yield _case("a row that is left out, and its new fields", typed, things={"rounds": [held]},
                of={"differs": (row,), "check": _no_trace})  # fmt: skip
    row = "`max_table_nesting` beside a contract of columns"
    flat = {**bound, "max_table_nesting": 0}
    runs = [[{"id": 1, "o": {"n": 5}}], [{"id": 2, "o": {"n": 6}}]]
    yield _case("a contract, and levels", flat, things={"rounds": runs}, runs=2,
                of={"differs": (row,), "check": _levels})  # fmt: skip
    row = "a contract of columns that leaves out rows, and nulls"
    runs = [[{"id": 1}], [{"id": 2, "n": None}, {"id": 3, "n": 5}, {"id": 4, "n": None}]]
    yield _case("a contract, and nulls", bound, things={"rounds": runs}, runs=2,
                of={"differs": (row,), "check": _nothing})  # fmt: skip


def _no_trace(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """Dlt has a column of the row that is left out, and so leaves out the one behind it."""
    assert theirs[0].rows("things", "id", "new") == [(1, None)]
    assert ours[0].rows("things", "id", "new") == [(1, None), (3, "text")]
    assert theirs[0].columns("things")["new"] == "DOUBLE"


def _after_nothing(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert not theirs[0].tables
    assert ours[1].rows("things", "id", "n", "s") == [(1, 5, "x"), (2, 6, None)]
    assert ours[1].tables == theirs[1].tables


def _behind(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[1].rows("things", "id") == [1, 2, 3]
    assert ours[1].rows("things", "id") == [1, 2, 3, 4]
    assert [t.rpartition("?")[2] for t in ours[1].targets()] == ["page=1", "page=2"]


def _falling(pages: int) -> list[Parts]:
    return [{"id": n, "at": n} for n in range(4 * pages, 0, -1)]


def _ahead(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """Nothing is asked for in vain before three pages were full, whatever the total is."""
    assert len(theirs[0].targets()) == 4
    assert len(ours[0].targets()) in {4, 5}  # the fifth is asked for while the fourth is looked at
    assert len(theirs[1].targets()) == len(ours[1].targets()) == 1


def _ordered() -> Iterator[Case]:
    """Where an order ends the reading."""
    pages = {"kind": "page", "base": 1, "size": 2, "start": ["query", "page"], "total": "pages"}
    counted = {"type": "page_number", "base_page": 1, "total_path": "pages"}
    falls = {"cursor_path": "at", "initial_value": 0, "row_order": "desc"}
    endpoint = {**PLAIN, "path": "things", "paginator": counted, "incremental": falls}
    later = [{"id": 3, "at": 6}, {"id": 2, "at": 5}, {"id": 4, "at": 5}, {"id": 1, "at": 4},
             {"id": 0, "at": 3}]  # fmt: skip
    row = "`row_order`, and a record at the boundary that an earlier run has loaded"
    yield _case("a new record behind a known one", resource("things", endpoint),
                things={"rounds": [[later[1], later[3]], later], "pages": pages}, runs=2,
                of={"differs": (row,), "check": _behind})  # fmt: skip
    told = {**falls, "initial_value": 6}
    row = "pages asked for ahead where `row_order` may end the reading"
    yield _case("pages that an order leaves", resource("things", {**endpoint, "incremental": told}),
                things={"rounds": [_falling(5), _falling(5)], "pages": {**pages, "size": 4}},
                runs=2, of={"differs": (row,), "check": _ahead})  # fmt: skip
    left = [{"id": 1, "at": 9}, {"id": 2, "at": 1}, {"id": 3}, {"id": 4, "at": 8}]
    told = {**falls, "initial_value": 5, "on_cursor_value_missing": "include"}
    row = "`row_order`, and a `yield_map` before the cursor"
    stepped = resource("things", {**endpoint, "incremental": told},
                       processing_steps=[{"yield_map": steps.doubled}])  # fmt: skip
    yield _case("what stands behind the end of an order", stepped,
                things={"rounds": [left], "pages": pages},
                of={"differs": (row,), "check": _further})  # fmt: skip


def _further(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """Dlt has asked for the next page before it looks at what the first one ends with."""
    assert [len(one[0].targets()) for one in (theirs, ours)] == [2, 1]
    assert ours[0].rows("things", "id") == ["1-1", "1-2"]
    assert {"1-1", "1-2", "3-1"} <= set(theirs[0].rows("things", "id"))


def _sets() -> Iterator[Case]:
    """Rows that go by a `merge_key`, with a cursor: known ones are part of their sets."""
    since = {"cursor_path": "at", "initial_value": 0}
    hints = {"write_disposition": "merge", "merge_key": "day"}
    first = [{"id": 1, "day": 0, "at": 5}, {"id": 2, "day": 1, "at": 6}]
    yield _case("a set at the boundary",
                resource("things", {**PLAIN, "path": "things", "incremental": since}, **hints),
                things={"rounds": [first, [*first, {"id": 3, "day": 1, "at": 6}]]},
                runs=2)  # fmt: skip
    older = [{"id": 1, "day": 1, "at": 5}, {"id": 2, "day": 1, "at": 6}]
    yield _case("a set of which the boundary is a part",
                resource("things", {**PLAIN, "path": "things", "incremental": since}, **hints),
                things={"rounds": [older, [*older, {"id": 3, "day": 2, "at": 7}]]},
                runs=2)  # fmt: skip
    parent = resource("p", {**PLAIN, "path": "parents", "incremental": since}, **hints)
    _, child = _child(write_disposition="append")
    held = [{"id": 1, "day": 1, "at": 5, "title": "a"}]
    yield _case("children of a set at the boundary", parent, child, runs=2,
                **_family([held, held], [[{"id": 10, "_of": 1}]] * 2))  # fmt: skip
    lagged = {**since, "lag": 3}
    edited = [first[0], {**first[1], "at": 5}, {"id": 3, "day": 1, "at": 6}]
    changed = [*first, {"id": 3, "day": 1, "at": 5, "n": "new"}]
    for kind, runs in (("edited", [edited, [{**edited[1], "n": "new"}, edited[2]]]),
                       ("new", [first, changed])):  # fmt: skip
        yield _case(f"a set in the lag, {kind}",
                    resource("things", {**PLAIN, "path": "things", "incremental": lagged}, **hints),
                    things={"rounds": runs}, runs=2)  # fmt: skip


def _asked_for(path: str, *counts: int) -> Any:
    """A check that so many requests of a path were made, by dlt and by Penstock."""

    def check(theirs: list[Outcome], ours: list[Outcome]) -> None:
        made = [[t.count(f"/{path}") for t in one[0].targets()] for one in (theirs, ours)]
        assert [sum(one) for one in made] == list(counts)
        held = [{t: one[0].rows(t, "id") for t in one[0].tables} for one in (theirs, ours)]
        assert held[0] == held[1]
        assert not ours[0].error

    return check


def _once() -> Iterator[Case]:
    """What one engine asks for once, and the other once for each that needs it."""
    held = [{"id": 1, "title": "a"}]
    oauth = {"type": "oauth2_client_credentials", "client_id": "me", "client_secret": "s3cret"}
    two = [resource(name, {**PLAIN, "path": name}) for name in ("things", "others")]
    apis = {"things": {"rounds": [held]}, "others": {"rounds": [held]}, "token": {"kind": "token"}}
    yield Case(name="chance: a token for two", runs=1, api=answers.api(apis),
               config=lambda base: config(
                   base, *two, client={"auth": {**oauth, "access_token_url": f"{base}/token"}}),
               differs=("a token that several resources need",),
               check=_asked_for("token", 2, 1))  # fmt: skip
    parent, child = _child()
    more = resource("more", {**PLAIN, "path": "more"}, table_name="p", write_disposition="replace")
    yield _case("a parent that shares its table", parent, more, child,
                more={"rounds": [[{"id": 2, "title": "b"}]]},
                **_family([held], [[{"id": 10, "_of": 1}]]))  # fmt: skip


def _versions() -> Iterator[Case]:
    """The newest record comes again with another cursor: it is another version of it."""
    since = {"cursor_path": "at", "initial_value": 0}
    runs = [[{"id": 1, "at": 5}, {"id": 2, "at": 7}],
            [{"id": 1, "at": 5}, {"id": 2, "at": 9, "n": "new"}, {"id": 3, "at": 8}]]  # fmt: skip
    told = {"of the table": ({}, "id"), "of the cursor": ({"primary_key": "id"}, None)}
    for kind, (more, key) in told.items():
        said = {"primary_key": key} if key else {}
        things = resource("things", {**PLAIN, "path": "things", "incremental": {**since, **more}},
                          write_disposition="append", **said)  # fmt: skip
        yield _case(f"a newer version of the newest, by a key {kind}", things,
                    things={"rounds": runs}, runs=2)  # fmt: skip


def _leaked(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """Dlt puts the param into the defaults themselves."""
    asked = [{t for t in one[0].targets() if "others" in t} for one in (theirs, ours)]
    assert asked == [{"/others?d=1&since=0"}, {"/others?d=1"}]


def _defaults() -> Iterator[Case]:
    """Params of the defaults, and a resource with more."""
    since = {"cursor_path": "at", "initial_value": 0, "start_param": "since"}
    two = [resource("things", {**PLAIN, "path": "things", "incremental": since}),
           resource("others", {**PLAIN, "path": "others"})]  # fmt: skip
    apis = {name: {"rounds": [[{"id": 1, "at": 1}]]} for name in ("things", "others")}
    yield Case(name="chance: a param of one, and default params", runs=1, api=answers.api(apis),
               config=lambda base: config(
                   base, *two, resource_defaults={"endpoint": {"params": {"d": 1}}}),
               differs=("a `start_param` or `end_param`, beside params that are defaults",),
               check=_leaked)  # fmt: skip
    typed = [resource(name, {**PLAIN, "path": name}, columns={"n": {"data_type": kind}})
             for name, kind in (("things", "text"), ("others", "bigint"))]  # fmt: skip
    apis = {name: {"rounds": [[{"id": 1, "n": "01"}]]} for name in ("things", "others")}
    yield Case(name="chance: a column of the defaults, of two types", runs=1, api=answers.api(apis),
               config=lambda base: config(
                   base, *typed, resource_defaults={"columns": [{"name": "n", "x-own": 1}]}),
               differs=(MIXED,), check=parts("things", ("n",), their=[1], our=["01"]))  # fmt: skip


def _kept(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[1].rows("things", "id") == [1], "dlt behaves otherwise now"
    assert ours[1].rows("things", "id") == []
    assert not ours[1].error


def _gone() -> Iterator[Case]:
    """A replaced table of which nothing comes any more."""
    things = resource("things", {**PLAIN, "path": "things"}, write_disposition="replace")
    row = "a table that is replaced, of a resource with `max_table_nesting`, when nothing comes"
    for kind, more, of in (("", {}, {}), (", with levels", {"max_table_nesting": 1},
                                         {"differs": (row,), "check": _kept})):  # fmt: skip
        yield _case(f"nothing comes for a replaced table{kind}", {**things, **more},
                    things={"rounds": [[{"id": 1}], []]}, runs=2, of=of)  # fmt: skip


def _own_rows() -> Iterator[Case]:
    """Items with a key of their own, below rows whose ids are digests of theirs."""
    hints = {"l": {"primary_key": "k", "write_disposition": "merge"}}
    runs = [[{"id": 1, "l": [{"k": 1, "m": [1]}, {"k": 2}]}], [{"id": 1, "l": [{"k": 2, "n": 5}]}]]
    for strategy in ("upsert", "insert-only"):
        how = {"disposition": "merge", "strategy": strategy}
        things = resource("things", {**PLAIN, "path": "things"}, nested_hints=hints,
                          primary_key="id", write_disposition=how)  # fmt: skip
        yield _case(f"items with a key below rows of {strategy}", things,
                    things={"rounds": runs}, runs=2)  # fmt: skip


def _json_items() -> Iterator[Case]:
    """Lists in a list are tables below its own, also where the scalars of it are JSON."""
    hints = {"l": {"columns": {"value": {"name": "value", "data_type": "json"}}}}
    for depth in (None, 3):
        more = {} if depth is None else {"max_table_nesting": depth}
        things = resource("things", {**PLAIN, "path": "things"}, nested_hints=hints, **more)
        yield _case(f"lists in a list of declared json, {depth} deep", things,
                    things={"rounds": [[{"l": [[1], [2, 3]]}]] * 2}, runs=2)  # fmt: skip


def _lags() -> Iterator[Case]:
    """A lag counts days or seconds, and what it gives is spelled as the newest value is."""
    of: dict[str, tuple[Any, list[str], int]] = {
        "dates": ("2024-01-01", ["2024-01-05", "2024-01-09", "2024-01-07", "2024-01-06"], 2),
        "compact dates": ("20240101", ["20240105", "20240109", "20240107", "20240106"], 2),
        "dates, and no first value": (None, ["2024-01-05", "2024-01-09", "2024-01-07"], 2),
        "times from a date on": ("2024-01-01", ["2024-01-05T10:00:00Z", "2024-01-09T10:00:00Z",
                                 "2024-01-07T01:00:00Z", "2024-01-06T23:00:00Z"], 2),
        "dates from a time on": ("2024-01-01T00:00:00Z", ["2024-01-05", "2024-01-09",
                                                          "2024-01-08", "2024-01-07"], 60),
        "times without a zone": ("2024-01-01T00:00:00", ["2024-01-09T10:00:00",
                                 "2024-01-09T12:00:00", "2024-01-09T11:30:00"], 3600),
        "times of an offset": ("2024-01-01T00:00:00+02:00", ["2024-01-09T10:00:00+02:00",
                               "2024-01-09T12:00:00+02:00", "2024-01-09T11:30:00+02:00"], 3600),
        "fractions of seconds": ("2024-01-01T00:00:00.000Z", ["2024-01-09T10:00:00.250Z",
                                 "2024-01-09T12:00:00.500Z", "2024-01-09T11:30:00.000Z"], 3600),
        "minutes": ("2024-01-01T00:00", ["2024-01-09T10:00", "2024-01-09T12:00",
                                         "2024-01-09T11:30"], 3600),
    }  # fmt: skip
    for kind, (first, (early, newest, *rest), lag) in of.items():
        since = {"cursor_path": "at", "start_param": "since", "lag": lag}
        since |= {} if first is None else {"initial_value": first}
        things = resource("things", {**PLAIN, "path": "things", "incremental": since},
                          primary_key="id", write_disposition="merge")  # fmt: skip
        held = [{"id": 1, "at": early}, {"id": 2, "at": newest}]
        late = [{"id": n, "at": at} for n, at in enumerate(rest, 3)]
        yield _case(f"a lag of {kind}", things, things={"rounds": [held, [*held, *late]]}, runs=2)


def _declared() -> Iterator[Case]:
    """Columns of child tables that are declared, over two runs."""
    hints = {"l": {"columns": {"value": {"name": "value", "data_type": "text"}}}}
    things = resource("things", {**PLAIN, "path": "things"}, nested_hints=hints)
    held = [{"l": [{"value": "a", "n": 1}]}]
    yield _case("items with a field value that is declared", things, runs=2,
                things={"rounds": [held, held]})  # fmt: skip


def _lagged() -> Iterator[Case]:
    """Parents in the lag lead to their children again, though they are kept already."""
    since = {"incremental": {"cursor_path": "at", "initial_value": 0, "lag": 5}}
    parent = resource("p", {**PLAIN, "path": "parents", **since}, write_disposition="merge",
                      primary_key="id")  # fmt: skip
    _, child = _child()
    first = [{"id": 1, "at": 2, "title": "a"}, {"id": 2, "at": 9, "title": "b"}]
    kids = [{"id": 10, "_of": 1}, {"id": 20, "_of": 2}]
    late = [*kids, {"id": 21, "_of": 2}, {"id": 11, "_of": 1}]
    runs = [first, [*first, {"id": 3, "at": 10, "title": "c"}]]
    told = {"incremental": {"cursor_path": "at", "initial_value": 0, "primary_key": []}}
    open_ = resource("p", {**PLAIN, "path": "parents", **told}, write_disposition="merge",
                     primary_key="id")  # fmt: skip
    yield _case("late children of a parent that is not told apart", open_, child, runs=2,
                **_family([first, first], [kids, [*kids, {"id": 21, "_of": 2}]]))  # fmt: skip
    yield _case("late children of a parent in the lag", parent, child, runs=2,
                **_family(runs, [kids, late]))  # fmt: skip


def _columns_key() -> Iterator[Case]:
    """A key that columns say tells no records of a cursor apart: one that changed comes again."""
    since = {"incremental": {"cursor_path": "at", "initial_value": 0}}
    held = [{"id": 1, "at": 1, "v": 1}, {"id": 2, "at": 2, "v": 1}, {"id": 3, "at": 2, "v": 1}]
    runs = [held, [held[0], {**held[1], "v": 2}, held[2]]]
    keys: tuple[Parts, ...] = ({"columns": {"id": {"primary_key": True}}}, {"primary_key": "id"})
    for hints in keys:
        things = resource("things", {**PLAIN, "path": "things", **since}, **hints)
        yield _case(f"a record at the boundary with another value, and {hints}", things, runs=2,
                    things={"rounds": runs})  # fmt: skip


def _found() -> Iterator[Case]:
    """Pages that an endpoint wants to be found: where the client has a paginator, that is used."""
    pages = {"kind": "page", "size": 1, "start": ["query", "page"], "base": 1}
    counted = {"type": "page_number", "base_page": 1, "total_path": None}
    runs = [[{"id": 1}, {"id": 2}]]
    for auto, path in product(("auto", {"type": "auto"}), ("things", "things/{one}")):
        params = {"one": {"type": "resolve", "resource": "p", "field": "id"}}
        endpoint = {"path": path, "paginator": auto, "data_selector": "data",
                    **({"params": params} if "{" in path else {})}  # fmt: skip
        parents = resource("p", {**PLAIN, "path": "parents"})
        found = [parents, resource("things", endpoint)]
        apis = {"things": {"rounds": runs, "pages": pages}, "parents": {"rounds": [[{"id": 7}]]}}
        yield Case(name=f"chance: {auto} at {path}, and a client's paginator", runs=1, law=True,
                   api=answers.api(apis), config=lambda base, found=found: config(
                       base, *found, client={"paginator": counted}))  # fmt: skip


CASES = [
    *(*_included(), *_empty(), *_lists(), *_parted(), *_contracts(), *_first_contracts()),
    *(*_bound(), *_ordered(), *_declared(), *_json_items(), *_lags(), *_sets(), *_versions()),
    *(*_once(), *_own_rows(), *_defaults(), *_gone(), *_lagged(), *_found(), *_columns_key()),
]
