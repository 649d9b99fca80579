"""Cases of tables: names, types, nesting, variants, columns, contracts, ways of writing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.parity.dlt.data import Parts, Record, answer, config, posts, resource
from tests.parity.dlt.harness import Case, Check, Outcome, parts
from tests.parity.dlt.server import Ask


def _rows(
    name: str,
    first: list[Record],
    second: list[Record] | None = None,
    *,
    differs: tuple[str, ...] = (),
    check: Check | None = None,
    **more: Any,
) -> Case:
    """Records of the first run and of the second, as they are."""
    again = first if second is None else second
    endpoint = {"path": "things", "data_selector": "data", "paginator": "single_page"}
    return Case(
        name=name,
        config=lambda base: config(base, resource("things", endpoint, **more)),
        api=lambda ask: answer(first if ask.round == 1 else again),
        differs=differs,
        check=check,
    )


def _one(name: str, *values: Any, **more: Any) -> Case:
    """One field with one value after the other."""
    return _rows(name, [{"id": n, "v": value} for n, value in enumerate(values)], **more)


# Values that dlt rewrites: why they are kept, the columns, and what dlt and Penstock hold.
OTHER_CLASS = "a value of another class than its column's"
WIDER = "a fraction where integers were"
KEPT: dict[str, tuple[str, tuple[str, ...], list[Any], list[Any]]] = {
    "instants in compact form": (
        "a time in compact form", ("v",), ["2024-01-02 03:04:05+00"], ["20240102T030405Z"],
    ),
    "text, then a number": (
        OTHER_CLASS, ("v", "v__v_bigint"), [("1", None), ("a", None)], [("a", None), (None, 1)],
    ),
    "integer, then a fraction": (
        WIDER, ("v", "v__v_double"), [(1, None), (2, None), (None, "1.5")],
        [("1.0", None), ("1.5", None), ("2.0", None)],
    ),
    "integer, then a fraction of nothing": (
        WIDER, ("v",), [1, 2, 3], ["1.0", "2.0", "3.0"],
    ),
    "integer, then a number in text": (
        OTHER_CLASS, ("v", "v__v_text"), [(1, None), (12, None)], [(1, None), (None, "12")],
    ),
    "text, then a boolean": (
        OTHER_CLASS, ("v", "v__v_bool"), [("True", None), ("maybe", None)],
        [("maybe", None), (None, True)],
    ),
    "instant, then an integer": (
        OTHER_CLASS, ("v", "v__v_bigint"),
        [("1970-01-01 00:00:05+00", None), ("2024-01-02 03:04:05+00", None)],
        [("2024-01-02 03:04:05+00", None), (None, 5)],
    ),
}  # fmt: skip


def _types() -> Iterator[Case]:
    kinds: dict[str, list[Any]] = {
        "integers": [1, -5, 2**53 + 1, 2**63 - 1, -(2**63)],
        "fractions": [1.5, -0.25, 1e300, 3.0],
        "texts": ["a", "", "Ünïcode 🙂", "line\nbreak", "'quoted'"],
        "booleans": [True, False, None],
        "nulls": [None, None],
        "nulls before a value": [None, 7],
        "instants": ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123456Z",
                     "2024-01-02T03:04:05+02:00", "2024-01-02 03:04:05Z"],
        "instants without seconds": ["2024-01-02T03:04Z"],
        "local times": ["2024-01-02T03:04:05", "2024-01-02T03:04:05.5"],
        "local times and instants": ["2024-01-02T03:04:05", "2024-01-02T03:04:05Z"],
        "dates": ["2024-01-02", "2024-12-31"],
        "times of the day": ["03:04:05", "23:59:59"],
        "numbers in texts": ["12", "1.5", "007"],
        "instants in compact form": ["20240102T030405Z"],
        "text, then an instant": ["soon", "2024-01-02T03:04:05Z"],
        "text, then a number": ["a", 1],
        "integer, then a fraction": [1, 1.5, 2],
        "integer, then a fraction of nothing": [1, 2.0, 3],
        "fraction, then an integer": [1.5, 2],
        "integer, then text": [1, "abc"],
        "integer, then a number in text": [1, "12"],
        "boolean, then text": [True, "maybe"],
        "text, then a boolean": ["maybe", True],
        "instant, then text": ["2024-01-02T03:04:05Z", "soon"],
        "instant, then an integer": ["2024-01-02T03:04:05Z", 5],
        "integer, then a boolean": [1, True],
        "fraction, then text": [1.5, "x"],
        "integer, then a list": [1, [1, 2]],
        "integer, then an object": [1, {"a": 1}],
        "an object, then an integer": [{"a": 1}, 1],
        "text, then a list of objects": ["x", [{"a": 1}]],
    }  # fmt: skip
    for kind, values in kinds.items():
        if kind in KEPT:
            reason, columns, their, our = KEPT[kind]
            check = parts("things", columns, their, our)
            yield _one(f"type: {kind}", *values, differs=(reason,), check=check)
        else:
            yield _one(f"type: {kind}", *values)


def _nesting() -> Iterator[Case]:
    forms: dict[str, list[Record]] = {
        "objects": [{"a": {"b": {"c": 1, "d": None}}, "e": {}}],
        "lists of texts": [{"tags": ["x", "y"]}, {"tags": []}, {"tags": None}, {}],
        "lists of objects": [{"parts": [{"p": 1, "q": {"r": 2}}, {"p": 2}]}],
        "lists of lists": [{"grid": [[1, 2], [3]]}],
        "lists of lists of objects": [{"grid": [[{"a": 1}], [{"a": 2}]]}],
        "lists in lists": [{"parts": [{"bits": [{"n": 1}, {"n": 2}], "p": 1}, {"p": 2}]}],
        "lists in objects": [{"a": {"list": [1, 2]}, "b": {"list": [{"c": 1}]}}],
        "mixed lists": [{"mix": [1, "two", True]}],
        "lists with nulls": [{"mix": [1, None, 2]}],
        "lists of objects and scalars": [{"mix": [{"a": 1}, 5]}],
        "empty objects": [{"id": 1, "a": {}}, {"id": 2, "a": {"b": 1}}],
        "a key called value": [{"value": 1, "list": [{"value": 2}]}],
        "objects in lists in objects": [{"o": {"l": [{"o": {"l": [1]}}]}}],
    }
    for kind, records in forms.items():
        held = [{"id": n, **r} for n, r in enumerate(records)]
        yield _rows(f"nested: {kind}", held)
    deep = [{"id": 1, "a": [{"n": 1, "b": [{"n": 2, "c": [{"n": 3}], "o": {"x": 1}}]}]}]
    for depth in (0, 1, 2):
        yield _rows(f"nested: at most {depth} deep", deep, max_table_nesting=depth)
    shallow = [{"id": 1, "o": {"x": 1, "p": {"y": 2}}, "l": [1], "e": [], "n": None}]
    yield _rows("nested: objects at most 0 deep", shallow, max_table_nesting=0)
    yield _rows("nested: objects at most 1 deep", shallow, max_table_nesting=1)


def _named(key: str) -> Record:
    """A record with a key at every level."""
    return {"id": 1, key: 1, "o": {key: 2}, "l": [{key: 3}]}


def _names() -> Iterator[Case]:
    keys = ["userName", "User-ID", "HTTPStatus", "a.b", "with space", "x__y", "_private", "trail_",
            "9lives", "ÄÖÜ", "order", "a+b", "a@b", "camelCaseID", "UPPER", "a--b", "$set", "%",
            "emoji🙂key", "double__under", "__lead", "a*b", "a|b"]  # fmt: skip
    yield Case(
        name="keys with odd names", runs=1,
        config=lambda base: config(base, *(
            resource(f"t{n}", {"path": f"things/{n}", "data_selector": "data",
                               "paginator": "single_page"}) for n, _ in enumerate(keys)
        )),
        api=lambda ask: answer([_named(keys[int(ask.path.rpartition("/")[2])])]),
    )  # fmt: skip
    yield Case(
        name="resources with odd names",
        config=lambda base: config(
            base,
            *(resource(n, {"path": "things", "data_selector": "data"}) for n in
              ("UserEvents", "user-groups", "9things")),
            resource("renamed", {"path": "things", "data_selector": "data"}, table_name="Other"),
        ),
        api=lambda ask: answer([{"id": 1, "parts": [{"a": 1}]}]),
    )  # fmt: skip


def _changes() -> Iterator[Case]:
    """The second run brings what the first had not."""
    yield _rows("change: a new column", [{"id": 1}], [{"id": 2, "new": "x"}])
    yield _rows("change: a column is gone", [{"id": 1, "old": "x"}], [{"id": 2}])
    yield _rows("change: a new child table", [{"id": 1}], [{"id": 2, "l": [{"a": 1}]}])
    yield _rows("change: another type", [{"id": 1, "v": 1}], [{"id": 2, "v": "x"}])
    yield _rows("change: a number where a text was", [{"id": 1, "v": "t"}], [{"id": 2, "v": 5}],
                differs=(OTHER_CLASS,), check=_number_kept)  # fmt: skip
    yield _rows("change: an object where a number was", [{"id": 1, "v": 1}],
                [{"id": 2, "v": {"w": 1}}])  # fmt: skip
    yield _rows("change: a list where a text was", [{"id": 1, "v": "x"}], [{"id": 2, "v": ["y"]}])


def _number_kept(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[1].rows("things", "v") == ["5", "t"]
    assert ours[1].rows("things", "v", "v__v_bigint") == [("t", None), (None, 5)]


WAYS: dict[str, Parts] = {
    "append": {"write_disposition": "append"},
    "append with a key": {"write_disposition": "append", "primary_key": "id"},
    "replace": {"write_disposition": "replace"},
    "replace with a key": {"write_disposition": "replace", "primary_key": "id"},
    "skip": {"write_disposition": "skip"},
    "merge": {"write_disposition": "merge", "primary_key": "id"},
    "merge, two fields": {"write_disposition": "merge", "primary_key": ["id", "group"]},
    "merge without a key": {"write_disposition": "merge"},
    "merge by merge_key": {"write_disposition": "merge", "merge_key": "group"},
    "merge by both keys": {"write_disposition": "merge", "primary_key": "id",
                           "merge_key": "group"},
    "merge as a mapping": {"write_disposition": {"disposition": "merge",
                                                 "strategy": "delete-insert"},
                           "primary_key": "id"},
    "upsert": {"write_disposition": {"disposition": "merge", "strategy": "upsert"},
               "primary_key": "id"},
    "insert-only": {"write_disposition": {"disposition": "merge", "strategy": "insert-only"},
                    "primary_key": "id"},
    "merge, dedup_sort desc": {"write_disposition": "merge", "primary_key": "id",
                               "columns": {"title": {"dedup_sort": "desc"}}},
    "merge, dedup_sort asc": {"write_disposition": "merge", "primary_key": "id",
                              "columns": {"title": {"dedup_sort": "asc"}}},
    "merge, key among the columns": {"write_disposition": "merge",
                                     "columns": {"id": {"primary_key": True}}},
}  # fmt: skip


def _writes() -> Iterator[Case]:
    before = [{"id": n, "title": f"t{n}", "tags": ["a", f"{n}"], "group": n % 2} for n in range(4)]
    after = [{"id": n, "title": f"t{n}, changed", "tags": ["b"], "group": 1} for n in (2, 3, 5)]
    twice = [{"id": 6, "title": "same key", "tags": [], "group": 0},
             {"id": 6, "title": "twice", "tags": ["z"], "group": 0}]  # fmt: skip
    for name, way in WAYS.items():
        second = [*after, *twice] if "dedup_sort" in name else after
        if name == "skip":
            yield _rows("write: skip", before, **way, differs=("`write_disposition: skip`",),
                        check=_nothing_asked)  # fmt: skip
        else:
            yield _rows(f"write: {name}", before, second, **way)
    yield _rows("write: merge, a key twice", twice, before, **WAYS["merge"],
                differs=("two records of one key in one load",),
                check=parts("things", ("title",), ["same key"], ["twice"]))  # fmt: skip
    for name in ("upsert", "insert-only"):
        yield _rows(
            f"write: {name}, a key twice",
            twice,
            before,
            **WAYS[name],
            differs=("two records of one key in one load",),
            check=parts("things", ("title",), ["twice", "same key"], ["twice"]),
        )
    gone = [{"id": n, "title": "x", "gone": n == 2 or None} for n in (1, 2)]
    for kind in ("bool", "text"):
        held = [{**g, "gone": g["gone"] if kind == "bool" else ("t" if g["gone"] else None)}
                for g in gone]  # fmt: skip
        yield _rows(f"write: hard delete by {kind}", before, held,
                    write_disposition="merge", primary_key="id",
                    columns={"gone": {"hard_delete": True, "data_type": kind}})  # fmt: skip
    yield _rows("write: replaced by nothing", before, [], write_disposition="replace")
    yield _rows("write: nothing, then rows", [], before, write_disposition="replace")
    children = [{"id": 1, "parts": [{"k": 1, "bits": [1, 2]}, {"k": 2}]}, {"id": 2, "parts": []}]
    fewer = [{"id": 1, "parts": [{"k": 3, "bits": [9]}]}, {"id": 2, "parts": [{"k": 4}]}]
    for write in ("append", "replace", "merge"):
        yield _rows(f"write: children, {write}", children, fewer,
                    write_disposition=write, primary_key="id")  # fmt: skip


def _nothing_asked(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """What is skipped is not even asked for; dlt reads it, and fails in loading."""
    assert "PipelineStepFailed" in theirs[0].error
    assert not ours[0].error
    assert not ours[0].heard
    assert not ours[1].tables


def _own_table(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """A new stream loses every row in dlt, which says nothing; later tables neither makes."""
    assert not theirs[1].tables
    assert not theirs[1].error
    assert ours[0].rows("things", "id") == [1]
    assert set(ours[1].tables) == {"things"}


def _columns() -> Iterator[Case]:
    held = [{"id": 1, "v": 5, "w": "12", "t": "2024-01-02T03:04:05Z", "o": {"a": [1]}, "d": 1.5,
             "day": "2024-01-02", "at": "03:04:05"}]  # fmt: skip
    declared: dict[str, Any] = {
        "double": {"v": {"data_type": "double"}},
        "bigint from text": {"w": {"data_type": "bigint"}},
        "double from text": {"w": {"data_type": "double"}},
        "decimal": {"v": {"data_type": "decimal"}},
        "decimal of a size": {"d": {"data_type": "decimal", "precision": 10, "scale": 2}},
        "text for an instant": {"t": {"data_type": "text"}},
        "json": {"o": {"data_type": "json"}},
        "date": {"day": {"data_type": "date"}},
        "time": {"at": {"data_type": "time"}},
        "date as an instant": {"day": {"data_type": "timestamp"}},
        "instant without zone": {"t": {"data_type": "timestamp", "timezone": False}},
        "text for a number": {"v": {"data_type": "text"}},
        "a column that never comes": {"never": {"data_type": "text"}},
        "a description": {"v": {"data_type": "bigint", "description": "five"}},
        "by a list": [{"name": "w", "data_type": "bigint"}, {"name": "v", "data_type": "text"}],
    }
    for kind, columns in declared.items():
        yield _rows(f"declared: {kind}", held, columns=columns)
    first, second = [{"id": 1, "v": 1}], [{"id": 2, "v": "x", "new": 1}, {"id": 3, "v": 2}]
    contracts: dict[str, Any] = {
        "discard rows": {"columns": "discard_row", "data_type": "discard_row"},
        "discard values": {"columns": "discard_value", "data_type": "discard_value"},
        "columns frozen": {"columns": "freeze"},
        "types frozen": {"data_type": "freeze"},
        "all evolve": "evolve",
        "discard new columns": {"columns": "discard_value"},
    }
    for kind, contract in contracts.items():
        yield _rows(f"contract: {kind}", first, second, schema_contract=contract)
    for mode in ("discard_row", "discard_value"):
        yield _rows(f"contract: no new tables, {mode}", [{"id": 1}], [{"id": 2, "l": [1]}],
                    schema_contract={"tables": mode}, differs=("a contract that allows no table",),
                    check=_own_table)  # fmt: skip


def _selectors() -> Iterator[Case]:
    bodies: dict[str, tuple[Any, Any]] = {
        "data": ("data", {"data": posts(1, 3)}),
        "a.b": ("a.b", {"a": {"b": posts(1, 3)}}),
        "$": ("$", posts(1, 3)),
        "$ of an object": ("$", {"id": 1, "title": "x"}),
        "an object": ("data", {"data": {"id": 1}}),
        "a[*]": ("a[*]", {"a": posts(1, 3)}),
        "a[*].b": ("a[*].b", {"a": [{"b": {"id": 1}}, {"b": {"id": 2}}]}),
        "a[0].b": ("a[0].b", {"a": [{"b": posts(1, 2)}, {"b": posts(1, 3)}]}),
        "a.*": ("a.*", {"a": {"x": {"id": 1}, "y": {"id": 2}}}),
        "$..id": ("$..leaf", {"a": {"leaf": {"id": 1}}, "b": {"leaf": {"id": 2}}}),
        "a filter": ("data[?(@.id > 1)]", {"data": [{"id": 1}, {"id": 2}, {"id": 3}]}),
        "a quoted key": ("['odd key']", {"odd key": posts(1, 2)}),
        "a key with a dash": ("odd-key", {"odd-key": posts(1, 2)}),
        "a key with a colon": ("'odd:key'", {"odd:key": posts(1, 2)}),
        "a null": ("data", {"data": None}),
    }
    for name, (path, body) in bodies.items():
        endpoint = {"path": "things", "data_selector": path, "paginator": "single_page"}
        yield Case(name=f"records at {name}", runs=1, api=lambda _ask, b=body: b,
                   config=lambda base, e=endpoint: config(base, resource("things", e)))  # fmt: skip


def _shared() -> Iterator[Case]:
    """Several resources that load one table."""

    def listed(ask: Ask) -> Any:
        number = ask.path.rpartition("/")[2]
        held = [int(number)] if number.isdigit() else range(1, 3 + ask.round)
        found = [{"id": n, "at": ask.round, "lines": [{"n": n}]} for n in held]
        return found[0] if number.isdigit() else answer(found)

    def things(name: str, path: str, **more: Any) -> Parts:
        return resource(name, {"path": path, "paginator": "single_page"}, table_name="t", **more)

    merged = {"primary_key": "id", "write_disposition": "merge"}
    yield Case(
        name="one table: a list, and the details of what it lists",
        config=lambda base: config(
            base, things("all", "things", **merged),
            things("each", "things/{resources.all.id}", **merged),
        ),
        api=listed,
    )  # fmt: skip
    for disposition in ("append", "replace", "merge"):
        how = {**merged, "write_disposition": disposition}
        yield Case(
            name=f"one table: two lists, {disposition}",
            config=lambda base, how=how: config(
                base, things("new", "new", **how), things("old", "old", **how),
                resource_defaults={"max_table_nesting": 1},
            ),
            api=lambda ask: answer([
                {"id": n + 10 * (ask.path == "/old"), "of": ask.path, "tags": ["a"]}
                for n in range(ask.round)
            ]),
        )  # fmt: skip


CASES = [
    *_shared(),
    *_types(),
    *_nesting(),
    *_names(),
    *_changes(),
    *_writes(),
    *_columns(),
    *_selectors(),
]
