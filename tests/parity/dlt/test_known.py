"""What is taken out before engines are compared is what a row tells, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.parity.dlt.chance import known
from tests.parity.dlt.data import Parts, Record
from tests.parity.dlt.harness import Outcome


def _table(rows: list[Record], **kinds: str) -> Any:
    return {"columns": {c: (kind, "YES") for c, kind in kinds.items()}, "rows": rows}


def _said(  # noqa: PLR0917 (as they stand in each call)
    things: Parts, records: list[list[Record]], their: Any, our: Any, run: int = 1, error: str = ""
) -> Any:
    """What is said of two tables of one resource, and by which rows it is less; dlt's error."""
    resource = {"name": "things", **things}
    resource["endpoint"] = {"path": "r0", **resource.get("endpoint", {})}
    scenario = {
        "config": {"resources": [{"name": "p", "endpoint": {"path": "r1"}}, resource]},
        "apis": {"r0": {"rounds": records}, "r1": {"rounds": [[]], "pages": {"kind": "none"}}},
    }
    outcomes = [
        [Outcome(heard=[], tables={"things": table}, error=said)]
        for table, said in ((their, error), (our, ""))
    ]
    return known.differences(scenario, *outcomes, run)


ROWS = {"schema_contract": {"columns": "discard_row"}}
TYPES = {"schema_contract": {"data_type": "discard_row"}}
VALUES = {"schema_contract": {"data_type": "discard_value"}}
LATE = {"endpoint": {"params": {"of": "{resources.p.id}"}, "incremental": {"cursor_path": "at"}}}
KINDS = {"id": "BIGINT", "n": "BOOLEAN"}


@pytest.mark.parametrize("contract", [ROWS, TYPES, VALUES, {}])
def test_a_row_that_is_lost_is_said(contract: Parts):
    """A contract excuses no row that Penstock lost, nor a value that fits its column."""
    held = [{"id": 1, "n": True}, {"id": 2, "n": False}]
    whole, less = _table(held, **KINDS), _table(held[:1], **KINDS)
    assert _said(contract, [held], whole, less)[0]
    assert _said(contract, [held], less, whole)[0]
    assert _said(contract, [held], whole, _table([{"id": 1}, held[1]], **KINDS))[0]


def test_what_dlt_rewrites_may_be_left_out():
    """A value of another class is rewritten by dlt; the contract leaves it, or its row, out."""
    records = [{"id": 1, "n": True}, {"id": 2, "n": 7}]
    theirs = _table([{"id": 1, "n": True}, {"id": 2, "n": True}], **KINDS)
    for contract, rows in ((VALUES, [records[0], {"id": 2}]), (TYPES, records[:1])):
        said, met = _said(contract, [records], theirs, _table(rows, **KINDS))
        assert (said, met) == ([], {known.CLASS})
    other = _table([{"id": 1, "n": True}, {"id": 2, "n": False}], **KINDS)
    assert _said(TYPES, [records], other, _table(records[:1], **KINDS))[0]


def test_a_null_keeps_a_row_that_dlt_leaves_out():
    """Only of a field that has no column, and that the record itself has null."""
    records = [{"id": 1, "new": 5}, {"id": 2, "new": None}, {"id": 3}]
    theirs = _table([{"id": 3}], id="BIGINT")
    ours = _table([{"id": 2}, {"id": 3}], id="BIGINT")
    assert _said(ROWS, [records], theirs, ours) == ([], {known.NULLS})
    assert _said(ROWS, [records[:1] + records[2:]], theirs, ours)[0]


def test_a_late_cursor_excuses_what_dlt_lacks_alone():
    """And only where dlt's cursor has moved: in a second run, or over several pages of parents."""
    records = [{"id": 1, "at": 5}, {"id": 2, "at": 1}]
    whole, less = (_table([{"id": n} for n in ids], id="BIGINT") for ids in ((1, 2), (1,)))
    assert _said(LATE, [records], less, whole, 2) == ([], {known.LATE})
    assert _said(LATE, [records], whole, less, 2)[0]
    assert _said(LATE, [records], less, whole, 1)[0]


def test_what_a_late_cursor_brings_replaces_its_set():
    """Where rows of a set came that dlt passes over, the others of it are gone; not of any set."""
    sets = {**LATE, "write_disposition": "merge", "merge_key": "day"}
    first = [{"id": 1, "day": 1}, {"id": 2, "day": 2}]
    new = {"id": 3, "day": 1}
    records = [first, [new]]
    theirs, ours, less = (
        _table(rows, id="BIGINT", day="BIGINT") for rows in (first, [first[1], new], [new])
    )
    assert _said(sets, records, theirs, ours, 2) == ([], {known.LATE})
    assert _said(sets, records, theirs, less, 2)[0]
    assert _said(LATE, records, theirs, ours, 2)[0]
    assert _said(sets, [first, first], theirs, ours, 2)[0]


def test_a_change_without_its_cursor_is_what_the_api_has():
    """Dlt leaves it out; Penstock has the record of this run, and nothing else in its place."""
    merged = {"write_disposition": "merge", "endpoint": {"incremental": {"cursor_path": "at"}}}
    old, new = {"id": 1, "at": 5, "n": 1}, {"id": 1, "at": 5, "n": 2}
    kinds = {"id": "BIGINT", "at": "BIGINT", "n": "BIGINT"}
    records = [[old], [new]]
    assert _said(merged, records, _table([old], **kinds), _table([new], **kinds), 2) == (
        [],
        {known.NEWEST},
    )
    for their, our in ((new, old), (old, {**new, "n": 3}), ({**old, "at": 4}, new)):
        assert _said(merged, records, _table([their], **kinds), _table([our], **kinds), 2)[0]
    assert _said(merged, records, _table([old], **kinds), _table([], **kinds), 2)[0]
    assert _said(merged, [[new]], _table([old], **kinds), _table([new], **kinds), 1)[0]


def test_a_lag_excuses_what_comes_again_in_dlt_alone():
    """Not what comes twice in Penstock."""
    lagged = {"endpoint": {"incremental": {"cursor_path": "at", "lag": 5}}}
    once, twice = (_table([{"id": 1}] * n, id="BIGINT") for n in (1, 2))
    assert _said(lagged, [[{"id": 1}]], twice, once, 2) == ([], {known.LAG})
    assert _said(lagged, [[{"id": 1}]], once, twice, 2)[0]


def test_a_replaced_table_is_emptied_only_when_nothing_comes():
    """Where records come, an empty one has lost them."""
    replaced = {"write_disposition": "replace", "max_table_nesting": 1}
    held, nothing = _table([{"id": 1}], id="BIGINT"), _table([], id="BIGINT")
    assert _said(replaced, [[{"id": 1}], []], held, nothing, 2) == ([], {known.GONE})
    assert _said(replaced, [[{"id": 1}], [{"id": 1}]], held, nothing, 2)[0]


def test_a_contract_that_freezes_excuses_what_a_row_tells_of():
    """A load that fails for a scalar in a column of JSON, if it is declared so and there is one."""
    error = "In Table: `things` Column: `n__v_bigint` . Contract on `data_type` is violated"
    frozen = {"schema_contract": "freeze"}
    declared = {**frozen, "columns": {"n": {"data_type": "json"}}}
    ours = _table([{"id": 1, "n": ("json", "5")}], id="BIGINT", n="JSON")
    held = [{"id": 1, "n": 5}]
    assert _said(declared, [held], {}, ours, error=error) == ([], {known.SCALAR})
    assert _said(frozen, [held], {}, ours, error=error)[0]
    assert _said(declared, [[{"id": 1, "n": [5]}]], {}, ours, error=error)[0]
    assert _said(declared, [held], {}, ours, error=error.replace("n__v", "id__v"))[0]
    levels = {"schema_contract": {"columns": "freeze"}, "max_table_nesting": 0}
    error = "In Table: `things` Column: `n` . Contract on `columns` is violated"
    nested = [[{"id": 1, "n": {"x": 5}}]] * 2
    assert _said(levels, nested, {}, ours, 2, error) == ([], {known.LEVELS})
    assert _said(levels, nested, {}, ours, 1, error)[0]
    assert _said(levels, [held] * 2, {}, ours, 2, error)[0]


def test_of_a_table_of_several_only_what_others_declare_may_differ():
    """And only where the first may leave out all of its first page; rows that are lost are said."""

    def said(first: Parts, their: Any, our: Any) -> Any:
        typed = {"columns": {"n": {"data_type": "json"}}}
        both = [
            {"name": name, "table_name": "both", "endpoint": {"path": "r0"}, **more}
            for name, more in (("one", first), ("other", typed))
        ]
        scenario = {"config": {"resources": both}, "apis": {"r0": {"rounds": [[{"id": 1}]]}}}
        outcomes = [[Outcome(heard=[], tables={"both": table})] for table in (their, our)]
        return known.differences(scenario, *outcomes)

    steps = {"processing_steps": [{"filter": {"$step": "some"}}]}
    theirs = _table([{"id": 1, "n": ("json", "{}")}], id="BIGINT", n="JSON")
    ours = _table([{"id": 1, "n__x": 5}], id="BIGINT", n__x="BIGINT")
    assert said(steps, theirs, ours) == ([], {known.NEXT})
    assert said({}, theirs, ours)[0]
    assert said(steps, theirs, _table([], id="BIGINT", n__x="BIGINT"))[0]
    assert said(steps, theirs, _table([{"id": 2, "n__x": 5}], id="BIGINT", n__x="BIGINT"))[0]
