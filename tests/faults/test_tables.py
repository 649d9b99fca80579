"""Faults down to the tables: what fails once is completed by the next run, each row once."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from tests.faults.matrix import plan
from tests.faults.world import KINDS, RECORDS, VALUES, World, record
from tests.support.api import Api

from penstock.destinations import open_destination
from penstock.destinations.base import Owner
from penstock.engine.running import Options, Run, new_run_id, redactor_for
from penstock.events import Receipt
from penstock.plan.policy import ConstantBackoff
from penstock.plan.source import Source

TROUBLES = ("500", "reset-midbody", "truncated", "html", "gzip-bomb", "401", "link-cycle")
WRITES = ("append", "merge", "replace")


def hasty(source: Source, write: str) -> Source:
    """The source with another disposition and hardly any waits."""
    (stream,) = source.streams
    policy = msgspec.structs.replace(stream.policy, backoff=(ConstantBackoff(seconds=0.001),))
    hints = msgspec.structs.replace(stream.hints, write=write)
    changed = msgspec.structs.replace(stream, policy=policy, hints=hints)
    return msgspec.structs.replace(source, streams=(changed,))


def load(source: Source, world: World, path: Path) -> Receipt:
    """One run of the only stream into a DuckDB file."""
    run_id = new_run_id()
    session = open_destination(str(path)).open(
        owner=Owner(run_id=run_id, pid=os.getpid(), host="here"),
        db_schema="kept",
        takeover="dead",
        wait=0.0,
    )
    api = Api(world, latency=0.0, most=200)
    try:
        run = Run(
            source,
            VALUES,
            Options(),
            session,
            run_id=run_id,
            emit=lambda _event: None,
            redactor=redactor_for(source, VALUES),
            transport=api,
        )
        _, (receipt,) = asyncio.run(run.run())
    finally:
        session.close()
    return receipt


def rows(path: Path, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """The rows of a table; none where there is no table."""
    with duckdb.connect(str(path), read_only=True) as connection:
        try:
            return connection.execute(f'SELECT {columns} FROM kept."{table}"').fetchall()
        except duckdb.CatalogException:
            return []


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("kind", TROUBLES)
def test_the_run_after_a_fault_completes(kind: str, write: str, tmp_path: Path):
    """A run that fails says so and doubles nothing; the next one has every row once."""
    path = tmp_path / "t.duckdb"
    for dialect, paginator in (("dlt", "link"), ("airbyte", "cursor")):
        source = hasty(plan(dialect, paginator), write)
        failed = load(source, World(KINDS[kind], lambda number: number >= 3), path)
        held = Counter(rows(path, paginator, "id"))

        assert failed.failures
        assert failed.status in {"partial", "failed"}
        assert max(held.values(), default=0) <= 1
        if write == "replace":
            assert not held

        done = load(source, World(), path)
        whole = Counter(rows(path, paginator, "id, name"))

        assert done.status == "done"
        assert whole == Counter((n, f"n{n}") for n in range(RECORDS)), (dialect, paginator)
        if dialect == "dlt":  # tables from manifests keep lists as JSON
            assert len(rows(path, f"{paginator}__tags")) == RECORDS


ODD = {
    "bad-utf8": ("caf\ufffd \ufffd( \ufffd", "bad-text"),
    "surrogate": ("a\ufffdb", "bad-text"),
    "nan": (None, "no-number"),
    "nul": ("a\0b", None),
    "huge-int": ("7" * 1000, None),
    "wide-int": (2**64 - 1, None),
    "duplicate-key": ("second", None),
    "deep": ("[" * 10_000 + "]" * 10_000, "too-deep"),
    "bom": (None, None),
    "utf-16": (None, None),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("dialect", ["dlt", "airbyte"])
def test_odd_values_land(kind: str, dialect: str, tmp_path: Path):
    """A value that is odd lands as it is, or as the documentation says, with a warning."""
    path = tmp_path / "t.duckdb"
    value, code = ODD[kind]
    source = hasty(plan(dialect, "cursor"), "append")
    done = load(source, World(KINDS[kind], lambda number: number == 3), path)
    found = rows(path, "cursor", "*")

    assert done.status == "done"
    assert Counter(rows(path, "cursor", "id")) == Counter((n,) for n in range(RECORDS))
    texts = [str(cell) for row in found for cell in row]
    if value is not None:
        assert texts.count(str(value)) == 1
    assert {note.code for note in done.warnings} == ({code} if code else set())
    assert record(0)["name"] in texts
