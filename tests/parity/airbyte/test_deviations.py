"""Rows of docs/parity.md in which Penstock does on purpose what the reference engine does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.parity.airbyte.build import case, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Asked, Case, Reply, Seen, Server, as_messages, ours
from tests.parity.airbyte.partitions import parent, substream

PARENTS = stream("parents", incremental_sync=cursor())
KIDS = "/p/{{ stream_partition.pid }}"


@pytest.fixture
def server() -> Iterator[Server]:
    """The server that Penstock asks."""
    made = Server()
    yield made
    made.close()


def _rows(asked: Asked) -> object:
    if asked.path == "/parents":
        return {"data": [{"id": i, "at": "2024-01-05"} for i in "ab"]}
    return {"data": [{"id": 1, "at": "2024-01-08"}]}


def _since(seen: Seen) -> list[str]:
    return [a.params["since"] for a in seen.asked if a.path == "/parents"]


def test_parents_that_a_state_does_not_speak_of_are_read_in_full(server: Server):
    """The stream's newest value says nothing of when its parents changed; then they are known."""
    retrieves = {"partition_router": substream(parent(PARENTS, incremental_dependency=True))}
    child = stream("kids", path=KIDS, retrieves=retrieves, incremental_sync=cursor())
    told = {"use_global_cursor": False, "states": [], "state": {"at": "2024-01-08"}}
    given = case("kids", child, api=lambda: _rows, state=tuple(as_messages({"kids": told})))
    first = ours(given, given.state, server)
    assert _since(first) == ["2024-01-01"]
    assert first.states["kids"]["parent_state"] == {"parents": {"at": "2024-01-05"}}
    again = ours(given, as_messages(first.states), server)
    assert _since(again) == ["2024-01-05"]


def _below() -> Case:
    """Parents `a` and `b`, of which the children of `a` cannot be read, and what is below those."""
    kids = stream(
        "kids", path=KIDS, retrieves={"partition_router": substream(parent(stream("parents")))}
    )
    below = stream(
        "below",
        path="/below/{{ stream_partition.pid }}",
        retrieves={"partition_router": substream(parent(kids))},
    )

    def answer(asked: Asked) -> object:
        if asked.path == "/parents":
            return {"data": [{"id": i} for i in "ab"]}
        if asked.path == "/p/a":
            return Reply(status=404)
        return {"data": [{"id": f"{asked.path[-1]}1"}]}

    return case("below", below, api=lambda: answer)


def test_a_partition_of_a_parent_that_cannot_be_read_holds_back_itself_alone(server: Server):
    """What is below the other partitions is read, and the stream is not said to be whole."""
    seen = ours(_below(), (), server)
    assert seen.failed == {"below"}
    assert [a.path for a in seen.asked][-1] == "/below/b1"
    assert sum(seen.records["below"].values()) == 1
