"""Readings whose gaps mean something: versions are retired, rows are marked as deleted.

Each reading is a run of two checkpoints, of which the second says that all has come. What must be
seen after any number of checkpoints is worked out here by the rules in `docs/destinations.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.destinations.orders import STREAM

from penstock.destinations.base import Checkpoint, Session
from penstock.engine.shaping import merging
from penstock.plan.hints import Hints
from penstock.shape import Block, Segment, Shaper
from penstock.shape.schema import DELETED_AT, VALID_TO

READINGS = 5
CHECKPOINTS = 2 * READINGS
HINTS = {
    "scd2": Hints(write="merge", strategy="scd2", primary_key=("id",)),
    "soft-delete": Hints(write="merge", soft_delete=True, primary_key=("id",)),
}
ENDS = {"scd2": VALID_TO, "soft-delete": DELETED_AT}


def reading(number: int) -> list[tuple[int, str]]:
    """The records of a reading: the first ones go, others come, a third of them changes."""
    return [(i, f"{i}.{(number + i) // 3}") for i in range(number, number + 8)]


def part(checkpoint: int) -> list[tuple[int, str]]:
    """What a checkpoint (from 1) brings: half of a reading."""
    rows = reading((checkpoint + 1) // 2)
    return rows[:4] if checkpoint % 2 else rows[4:]


def history(session: Session, mode: str) -> Iterator[Checkpoint]:
    """The checkpoints of all readings."""
    shaper = Shaper(STREAM, HINTS[mode], session.schema(STREAM))
    for number in range(1, CHECKPOINTS + 1):
        records = [
            json.dumps({"id": i, "note": note, "lines": [note]}).encode()
            for i, note in part(number)
        ]
        load_id = f"load{number}"
        batch = shaper.shape(Block(load_id=load_id, segments=(Segment(records=records),)))
        yield Checkpoint(
            load_id=load_id,
            run_id=f"reading{(number + 1) // 2}",
            stream=STREAM,
            write=merging(HINTS[mode], shaper.roles, ends=number % 2 == 0),
            schema=shaper.schema,
            batches=(batch,),
            state=(("done", str(number)),),
        )


def expected(mode: str, checkpoints: int) -> list[tuple[int, str, bool]]:
    """The rows after so many checkpoints: id, note, and whether they are still valid."""
    rows: list[list[Any]] = []
    for number in range(1, checkpoints + 1):
        for i, note in part(number):
            same = [row for row in rows if row[0] == i and (row[2] or mode == "soft-delete")]
            if mode == "scd2" and same and same[0][1] == note:
                continue
            for row in same:
                row[2] = False
            if mode == "soft-delete":
                rows = [row for row in rows if row[0] != i]
            rows.append([i, note, True])
        if number % 2 == 0:
            there = {i for i, _ in reading(number // 2)}
            for row in rows:
                row[2] = row[2] and row[0] in there
    return sorted((i, note, valid) for i, note, valid in rows)


def found(place: Any, mode: str) -> list[tuple[int, str, bool]]:
    """The rows that are there, each with its line below it."""
    rows = place.rows("orders")
    lines = sorted(line["value"] for line in place.rows("orders__lines"))
    assert lines == sorted(row["note"] for row in rows)
    return sorted((row["id"], row["note"], row[ENDS[mode]] is None) for row in rows)
