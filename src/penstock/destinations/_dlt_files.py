"""Datasets of files that dlt loads: its state is read there, and nothing is written beside its own.

To readers of such a dataset every file in a table's folder is rows. Penstock's files count when its
log says so, which is how a checkpoint of them is whole; so one folder cannot be both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from penstock.destinations._dlt import STATE, VERSION, unpacked
from penstock.destinations._dlt_schema import Document
from penstock.destinations._lake_store import Store
from penstock.errors import DestinationError

_SUFFIX: Final = ".jsonl"


def states_in(store: Store) -> list[Document]:
    """The newest state of each of dlt's pipelines in a dataset, the newest first."""
    newest: dict[str, tuple[float, Document]] = {}
    for row in _rows(store, STATE):
        load = _number(row.get("_dlt_load_id"))
        name = str(row.get("pipeline_name"))
        if name not in newest or newest[name][0] < load:
            newest[name] = (load, unpacked(str(row.get("state"))))
    ordered = sorted(newest.values(), key=lambda held: held[0], reverse=True)
    return [state for _, state in ordered]


def check_free(store: Store) -> None:
    """Make sure that dlt does not load into the dataset.

    Raises:
        DestinationError: it does.
    """
    if store.files(VERSION):
        raise DestinationError(
            f"dlt loads into {store.root}, and takes every file there for rows of its own",
            code="dlt-columns",
            hint="load into another schema with --db-schema; "
            "penstock state import takes dlt's state over",
        )


def _rows(store: Store, table: str) -> Iterator[dict[str, Any]]:
    for name in store.files(table):
        text = store.read(f"{table}/{name}") if name.endswith(_SUFFIX) else None
        for line in (text or b"").splitlines():
            try:
                yield msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError as error:
                message = f"{table}/{name} of dlt's dataset cannot be read: {error}"
                raise DestinationError(message) from error


def _number(load_id: object) -> float:
    try:
        return float(str(load_id))
    except ValueError:
        return 0.0
