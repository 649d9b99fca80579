"""Which runs of a script are loaded together, and which ones wait for those before.

dlt does one run after the other. Penstock does those to one place together, so that what a script
makes several times is one stream. A run that says otherwise how a table is written, that
forgets what is there, or that loads a source once more, begins another batch: those before are
loaded first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from penstock.dialects.dlt.standin.base.record import AskedRun, current
from penstock.dialects.dlt.standin.base.references import says_same
from penstock.dialects.dlt.standin.common.naming import NamingConvention
from penstock.dialects.dlt.standin.resources.remembered import Seen
from penstock.dialects.dlt.standin.resources.rows import Rows, marks_tables, remembers
from penstock.dialects.dlt.standin.resources.sources import HINTS, DltResource, DltSource
from penstock.dialects.dlt.standin.rest_client.parts import Incremental

_CONTRACT = "schema_contract"
_TABLE = "table_name"
_OF = "of"  # the table that a resource loads; null where it is only known in the run
_OF_TABLE = ("primary_key", "merge_key", "columns", "nested_hints", "max_table_nesting", _CONTRACT)
_BY_LOAD = {"scd2", "insert-only"}
_Hints: TypeAlias = "Mapping[str, Mapping[str, Any]]"
_FREE = {"parallelized", "file_format", "table_format", "references", "parent_table_name"}


def begun(asked: AskedRun) -> AskedRun:
    """The run with the number of its batch; where that is a new one, those before are loaded."""
    record = current()
    where = asked.place[:-1]
    before = [run for run in record.runs if run.place[:-1] == where]
    number = before[-1].batch if before else 0
    listed = (
        (one, source, home)
        for source, home in zip(asked.sources, asked.homes, strict=True)
        for one in source.own_resources
    )
    said = {one.name: _said(one, source, home) for one, source, home in listed if one.selected}
    together = [run for run in before if run.batch == number]
    again = any(one is other for run in together for one in run.sources for other in asked.sources)
    if again or any(not _fits(asked.refresh, said, run) for run in together):
        number = 1 + max(run.batch for run in before)
        if record.load is not None and record.left:
            record.load(record.left)
    loaded = {name for run in before if run.batch < number or _taken(run) for name in run.said}
    fresh = asked.refresh is not None or (asked.fresh and loaded.isdisjoint(said))
    nth = len(record.runs)
    seen = Seen(asked.sources) if record.load is not None else None
    return msgspec.structs.replace(
        asked, said=said, batch=number, fresh=fresh, number=nth, seen=seen
    )


def _taken(run: AskedRun) -> bool:
    return all(run is not one for one in current().left)


def _said(resource: DltResource, source: DltSource, home: str) -> Mapping[str, Any]:
    """What a resource says of its table, and its source of what may change there.

    Where its functions keep a state it also counts whose that is: see `engine.homes`.
    """
    said = {name: resource.said(name) for name in HINTS if name not in _FREE}
    said[_CONTRACT] = said[_CONTRACT] or source.own_settings.get(_CONTRACT)
    table, rows = said[_TABLE] or resource.name, resource.rows
    held = [one.function for one in (rows, *rows.more)] if rows is not None else []
    known = isinstance(table, str) and not any(map(marks_tables, held))
    own = home if any(map(remembers, held)) else None
    return {**said, "home": own, _OF: NamingConvention().normalize_path(table) if known else None}


def _fits(refresh: str | None, said: Mapping[str, Any], other: AskedRun) -> bool:
    """Whether a run with these hints may be loaded together with another one.

    What a contract lets into a table depends on what earlier loads brought, and so does what some
    merges make of rows: each load is a version, or a set. Sources of other names, or of other
    pipelines, have states of their own.
    """
    homes, others = ({one["home"] for one in held.values()} - {None} for held in (said, other.said))
    if homes and others and homes != others:
        return False
    shared: Iterable[str] = said.keys() & other.said.keys()
    if any(_holds(said[name][_CONTRACT]) or _counts(said[name]) for name in shared):
        return False
    if refresh != other.refresh or not all(_alike(said[n], other.said[n]) for n in shared):
        return False
    return said.keys() == other.said.keys() == shared or _meet_well(said, other.said)


def _meet_well(said: _Hints, others: _Hints) -> bool:
    """Whether resources of other names that load a table write it alike, and together.

    What names its tables only in the run may meet any.
    """
    mine, theirs = ({one[_OF] for one in held.values()} for held in (said, others))
    if None not in mine | theirs and mine.isdisjoint(theirs):
        return True
    pairs = ((one, other) for n, one in said.items() for m, other in others.items() if n != m)
    return not any(_clash(one, other) for one, other in pairs)


def _clash(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two resources may load one table, and not as one load."""
    tables = {one[_OF], other[_OF]}
    if None not in tables and len(tables) > 1:
        return False
    ways = [one["write_disposition"] or "append", other["write_disposition"] or "append"]
    if not says_same(*ways) or _name(ways[0]) == "replace":
        return True
    if _holds(one[_CONTRACT]) or _counts(one):
        return True
    return None not in tables and not all(says_same(one[n], other[n]) for n in _OF_TABLE)


def _name(way: Any) -> Any:
    """The disposition, however it is said."""
    return way.get("disposition") if isinstance(way, Mapping) else way


def _holds(contract: Any) -> bool:
    """Whether a contract keeps anything from a table."""
    modes = contract.values() if isinstance(contract, Mapping) else (contract,)
    return any(mode not in {None, "evolve"} for mode in modes)


def _counts(said: Mapping[str, Any]) -> bool:
    """Whether it matters for a merge which rows come in one load."""
    way = said["write_disposition"]
    strategy = way.get("strategy") if isinstance(way, Mapping) else None
    if _name(way) != "merge":
        return False
    columns = said["columns"]
    listed = [*columns.values()] if isinstance(columns, Mapping) else columns
    held = listed if isinstance(listed, (list, tuple)) else ()
    named = (column for column in held if isinstance(column, Mapping))
    hints = {name for column in named for name, value in column.items() if value}
    return bool(strategy in _BY_LOAD or said["merge_key"] or hints & {"merge_key", "dedup_sort"})


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(says_same(value, other[name]) for name, value in one.items())


def follows(value: Any) -> bool:
    """Whether a resource, or a part of one, has a cursor."""
    match value:
        case DltResource():
            return value.incremental is not None or follows([value.item, value.config])
        case Mapping():
            held = (v for k, v in value.items() if k != "resources")
            return (
                "incremental" in value
                or value.get("type") == "incremental"
                or any(map(follows, held))
            )
        case list() | tuple():
            return any(map(follows, value))
        case Rows():
            return value.incremental is not None
        case _:
            return isinstance(value, Incremental)
