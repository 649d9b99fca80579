"""Cases of table hints: what a document says of columns, child tables and contracts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.parity.dlt import steps
from tests.parity.dlt.data import Parts, Record, answer, config, resource
from tests.parity.dlt.harness import Case, Check, Outcome

ENDPOINT = {"path": "things", "data_selector": "data", "paginator": "single_page"}


def _case(name: str, first: list[Record], second: list[Record] | None = None, **more: Any) -> Case:
    """Records of the first run and of the second; `of` says more of the case."""
    of = more.pop("of", {})
    again = first if second is None else second
    return Case(
        name=f"hint: {name}",
        config=lambda base: config(base, resource("things", ENDPOINT, **more)),
        api=lambda ask: answer(first if ask.round == 1 else again),
        runs=1 if second is None else 2,
        **of,
    )


def _one(name: str, kind: str, *values: Any, of: Parts | None = None, **hint: Any) -> Case:
    """One column of a declared type, with one value after the other."""
    records = [{"id": n, "v": value} for n, value in enumerate(values)]
    columns = {"v": {"data_type": kind, **hint}}
    return _case(f"{kind}: {name}", records, columns=columns, of=of or {})


# Numbers that dlt makes instants of 1970 of.
EPOCHS: dict[str, Any] = {
    "a small number": 5, "nought": 0, "a small fraction": 7.5,
}  # fmt: skip
CUT = "a `precision` of whole numbers, or of instants"
SPELLED = ["20240102T030405Z", "2024-W01-2", "2024-002", "Tue, 02 Jan 2024 03:04:05 GMT", "soon"]
OF_1970 = "a number below a year's seconds in a column declared `timestamp`"


def _not_converted(value: Any) -> Check:
    """A number that would lead into 1970 is no moment, whatever a hint says: it stays a number."""

    def check(theirs: list[Outcome], ours: list[Outcome]) -> None:
        kind = "double" if isinstance(value, float) else "bigint"
        [(moment, kept)] = ours[0].rows("things", "v", f"v__v_{kind}")
        assert moment is None
        assert kept == (repr(value) if isinstance(value, float) else value)
        assert theirs[0].error or theirs[0].rows("things", "v") != [None]

    return check


def _never_rewritten(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """What is no ISO moment is kept as text, and nothing is read as another moment."""
    found = ours[0].rows("things", "id", "v", "v__v_text")
    assert [text for _, _, text in found] == SPELLED
    assert not any(moment for _, moment, _ in found)
    assert any(theirs[0].rows("things", "v"))


def _scalars_kept(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """Dlt puts scalars beside, one column a class; a column of JSON holds them as well."""
    assert theirs[0].rows("things", "v__v_text", "v__v_bigint", "v__v_bool") == [
        ("x", None, None), (None, 5, None), (None, None, True)]  # fmt: skip
    assert ours[0].rows("things", "id", "v") == [
        (0, ("json", '"x"')), (1, ("json", "5")), (2, ("json", "true"))]  # fmt: skip


def _uncut(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[0].rows("things", "v") == ["2024-01-02 03:04:05.123+00"]
    assert ours[0].rows("things", "v") == ["2024-01-02 03:04:05.123456+00"]


def _wide(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[0].columns("things")["v"] == "SMALLINT"
    assert ours[0].columns("things")["v"] == "BIGINT"
    assert ours[0].rows("things", "v") == theirs[0].rows("things", "v") == [5]


def _typed() -> Iterator[Case]:
    yield _one("a precision", "bigint", 5, precision=16, of={"differs": (CUT,), "check": _wide})
    yield _one("a precision", "timestamp", "2024-01-02T03:04:05.123456Z", precision=3,
               of={"differs": (CUT,), "check": _uncut})  # fmt: skip
    yield _one("whole numbers", "text", 1, -5, 2**62)
    yield _one("fractions", "text", 1.5, -0.25)
    yield _one("texts of numbers", "double", "1.5", "2")
    yield _one("whole numbers", "double", 1, 2)
    yield _one("texts", "bigint", "12", "-7")
    yield _one("whole numbers", "decimal", 1, -2)
    yield _one("fractions", "decimal", 1.5, 0.25)
    yield _one("texts", "decimal", "1.5", "12345678901234567890.123")
    yield _one("a size", "decimal", 1.25, "3.5", precision=12, scale=4)
    yield _one("texts and numbers", "wei", "12345678901234567890123", 5)
    yield _one("texts that are none", "date", "soon", "2024-13-01", "")
    yield _one("texts that are none", "time", "noon", "25:00:00")
    yield _one("texts that are none", "bigint", "x", "1.5", "")
    yield _one("texts that are none", "timestamp", "soon", "")
    yield _one("dates", "date", "2024-02-29", "1969-12-31")
    yield _one("times", "time", "03:04:05", "23:59:59.5", "00:00:00")
    yield _one("instants", "timestamp", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123456+02:00")
    yield _one("dates", "timestamp", "2024-01-02", "1969-07-20")
    yield _one("without seconds", "timestamp", "2024-01-02T03:04Z", "2024-01-02 03:04")
    yield _one("without a zone", "timestamp", "2024-01-02T03:04:05", timezone=False)
    yield _one("with a zone", "timestamp", "2024-01-02T03:04:05+02:00", timezone=False)
    yield _one("base 64 and digits", "binary", "aGVsbG8=", "AAEC", "0x0aff", "0x12", "0xABcd", "0x")
    yield _one("objects", "json", {"a": [1, {"b": None}]}, [1, 2], [])
    yield _one(
        "texts and numbers",
        "json",
        "x",
        5,
        True,
        of={"differs": ("a scalar in a column that is declared `json`",), "check": _scalars_kept},
    )
    yield _one("seconds", "timestamp", 1704164645, 1704164645.5, -86400, 31536000)
    yield _one("seconds without a zone", "timestamp", 1704164645, timezone=False)
    yield _one("milliseconds", "timestamp", 1704164645123)
    for name, value in EPOCHS.items():
        yield _one(
            name, "timestamp", value, of={"differs": (OF_1970,), "check": _not_converted(value)}
        )
    yield _one(
        "other spellings",
        "timestamp",
        *SPELLED,
        of={"differs": ("a time in compact form",), "check": _never_rewritten},
    )
    yield _one("truths", "bool", True, False, None)
    yield _one("nulls alone", "bigint", None, None)


def _nulls() -> Iterator[Case]:
    held = [{"id": 1, "v": "x"}, {"id": 2, "v": "y"}]
    forbidden: Parts = {"columns": {"v": {"data_type": "text", "nullable": False}}}
    yield _case("nullable false, all there", held, held, **forbidden)
    yield _case("nullable false, a null", [*held, {"id": 3, "v": None}], **forbidden,
                of={"refused": "null-value"})  # fmt: skip
    yield _case("nullable false, absent in one", [*held, {"id": 3}], **forbidden,
                of={"refused": "null-value"})  # fmt: skip
    yield _case("nullable false, never there", [{"id": 3}], **forbidden,
                of={"refused": "null-value"})  # fmt: skip
    yield _case("nullable false without a type", held, held, columns={"v": {"nullable": False}})
    yield _case("nullable true", held, columns={"v": {"nullable": True}})


def _columns() -> Iterator[Case]:
    held = [{"id": 1, "userName": "x", "o": {"deepKey": 1}, "n": 1, "l": [{"a": 1}]},
            {"id": 2, "userName": None, "n": 2}]  # fmt: skip
    ways: dict[str, Any] = {
        "by the record's spelling": {"userName": {"data_type": "text"}},
        "by the column's name": {"user_name": {"data_type": "text"}},
        "of a nested field": {"o__deep_key": {"data_type": "text"}},
        "that are no hint of a type": {"n": {"description": "a number"}},
        "unique": {"id": {"unique": True}},
        "sort, partition and cluster": {"id": {"sort": True}, "n": {"partition": True,
                                                                    "cluster": True}},
        "of one's own": {"n": {"x-owner": "me", "x-note": {"a": 1}}},
        "a key": {"id": {"primary_key": True, "data_type": "bigint"}},
        "two keys": {"id": {"primary_key": True}, "n": {"primary_key": True}},
        "by a list": [{"name": "n", "data_type": "double"}, {"name": "userName",
                                                             "data_type": "text"}],
        "of a column that never comes": {"never": {"data_type": "json"}},
        "of texts with a size": {"userName": {"data_type": "text", "precision": 20}},
        "of instants with a precision": {"never": {"data_type": "timestamp", "precision": 6}},
    }  # fmt: skip
    for name, columns in ways.items():
        yield _case(f"columns {name}", held, held, columns=columns)
    merged: Parts = {"write_disposition": "merge", "columns": {"id": {"primary_key": True}}}
    yield _case("merged by a key among the columns", held, held, **merged)
    by_group: Parts = {"write_disposition": "merge", "columns": {"n": {"merge_key": True}}}
    yield _case("merged by a merge key among the columns", held, held[:1], **by_group)


def _models() -> Iterator[Case]:
    held = [{"id": 1, "name": "x", "tags": ["a"], "owner": {"n": 1}, "price": 1.5}]
    more = [{"id": 2, "name": "y", "tags": [], "owner": {"n": 2}, "price": 2, "new": True}]
    yield _case("model Strict", held, columns=steps.Strict)
    for name in ("Plain", "Loose"):
        yield _case(f"model {name}", held, more, columns=getattr(steps, name))
    yield _case("model that allows more", held, more, columns=steps.Open)


def _contracts() -> Iterator[Case]:
    first = [{"id": 1, "v": 1, "l": [{"a": 1}]}]
    kept = {"id": 3, "v": 2, "l": [{"a": 4}]}
    news: dict[str, tuple[Record, tuple[str, ...]]] = {
        "columns": ({"id": 2, "v": 3, "l": [{"a": 1, "b": 2}], "new": 5}, ("evolve",
                    "discard_value")),
        "data_type": ({"id": 2, "v": "x", "l": [{"a": "y"}]}, ("evolve", "discard_row",
                      "discard_value")),
        "tables": ({"id": 2, "v": 3, "more": [1]}, ("evolve",)),
    }  # fmt: skip
    for entity, (record, modes) in news.items():
        for mode in modes:
            yield _case(f"contract: {entity} {mode}", first, [record, kept],
                        schema_contract={entity: mode})  # fmt: skip
        if entity != "tables":
            yield _case(f"contract: {entity} freeze", first, [record], schema_contract={
                entity: "freeze"}, of={"check": _second_refused, "differs": (FROZEN,)})  # fmt: skip
    yield _case("contract: evolve", first, [news["columns"][0], kept], schema_contract="evolve")
    yield _case("contract: columns discard rows", first, [{"id": 2, "new": 5}, kept],
                schema_contract={"columns": "discard_row"})  # fmt: skip


FROZEN = "a contract that freezes"


def _second_refused(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """Both refuse the second run and keep the first; dlt's is stuck until it is thrown away."""
    assert not theirs[0].error
    assert not ours[0].error
    assert "DataValidationError" in theirs[1].error or "contract" in theirs[1].error
    assert ours[1].error.startswith("contract-")
    assert ours[1].tables == ours[0].tables


def _tables() -> Iterator[Case]:
    held = [{"id": 1, "kind": "a", "l": [{"n": 1, "deep": [{"m": 1}]}], "o": {"k": {"j": [1]}}},
            {"id": 2, "kind": "b", "l": [{"n": 2}]}]  # fmt: skip
    for depth in (0, 1, 2, 3):
        yield _case(f"nesting of {depth}", held, held, max_table_nesting=depth)
    yield _case("table_name", held, held, table_name="OtherThings")
    refers = {"referenced_table": "others", "columns": ["id"], "referenced_columns": ["id"]}
    yield _case("references", held, held, references=[refers])
    yield _case("file_format", held, held, file_format="parquet")


def _nested() -> Iterator[Case]:
    """Hints of child tables: of a list, of plain values, of one that is not there yet."""
    held = [
        {"id": 1, "lineItems": [{"n": 1, "o": {"a": 1}, "at": 1704164645, "parts": [{"m": 1}]},
                                {"n": 2, "o": {"b": [2]}, "parts": [{"m": 2, "own": [3]}]}],
         "in": {"side": [{"k": 5}]}, "tags": [1, 2]},
        {"id": 2, "lineItems": []},
    ]  # fmt: skip
    columns = {
        "lineItems": {"n": "double", "o": "json", "at": "timestamp", "never": "date"},
        "tags": {"value": "double"},
        "absent": {"x": "text"},
    }
    hints = {
        key: {"columns": {n: {"name": n, "data_type": kind} for n, kind in named.items()}}
        for key, named in columns.items()
    }
    more = [{"id": 3, "lineItems": [{"n": 2.5, "never": "2024-01-02"}], "absent": [{"x": "y"}]}]
    yield _case("nested columns", held, more, nested_hints=hints)
    yield _case("nested columns of a merge", held, [*held, *more], nested_hints=hints,
                write_disposition="merge", primary_key="id")  # fmt: skip
    yield _case("nested columns behind a run without", held[1:], held, nested_hints=hints)


CASES = [*_typed(), *_nulls(), *_columns(), *_models(), *_contracts(), *_tables(), *_nested()]
