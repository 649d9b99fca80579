"""In which order checkpoints are committed, and what an old pass is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.e2e.loads import plan

from penstock.destinations.base import Checkpoint, Committed
from penstock.engine.edges import Edges
from penstock.engine.loader import StreamLoader
from penstock.engine.lot import Sizes
from penstock.errors import DestinationError
from penstock.plan.slices import Slice
from penstock.read.context import Settings, contexts
from penstock.read.parts import PagePart, SliceClosed
from penstock.read.state import PASS_SECONDS, without_old_pass

LARGE = 20_000


class Ledger:
    """A session that writes down what is committed; it refuses the streams it is told to."""

    def __init__(self, refused: Sequence[str] = ()) -> None:
        self.refused = refused
        self.kept: list[Checkpoint] = []

    def schema(self, stream: str) -> None:
        """Nothing was loaded before."""
        assert stream

    def streams(self) -> tuple[str, ...]:
        """There are no tables."""
        return ()

    def commit(self, checkpoint: Checkpoint) -> Committed:
        """Write a checkpoint down."""
        if checkpoint.stream in self.refused:
            raise DestinationError("no")
        self.kept.append(checkpoint)
        return Committed(rows={})


def page(stream: str, piece: Slice, size: int, **record: str) -> PagePart:
    """A page of one record, as large as it says."""
    text = b"{" + b",".join(f'"{k}":"{v}"'.encode() for k, v in record.items()) + b"}"
    return PagePart(stream=stream, slice=piece, records=[text], origin="GET /", size=size)


def closed(stream: str, piece: Slice, *state: tuple[str, str]) -> SliceClosed:
    """The end of a slice."""
    return SliceClosed(stream=stream, slice=piece, reason="end", state=state)


async def _feed(ledger: Any) -> None:
    """Load a message of a conversation of a user; then the user's listing is committed."""
    source = plan("merge_tree.yaml")
    names = frozenset(s.name for s in source.streams)
    settings = Settings(values={}, now=datetime.now(UTC), loaded=names)
    found = {c.name: c for c in contexts(source, settings, {})}
    with ThreadPoolExecutor(1) as shaping, ThreadPoolExecutor(1) as keeping:
        edges = Edges(
            session=ledger,
            run_id="run",
            emit=lambda _event: None,
            now=lambda: 0.0,
            shaping=shaping,
            keeping=keeping,
            fault=lambda _point: None,
            sizes=Sizes(block=LARGE, checkpoint=LARGE, seconds=1e9),
        )
        child = StreamLoader(found["conversations_messages"], {}, edges)
        parent = StreamLoader(found["users_conversations"], {}, edges)
        parent.children = [child]
        listing = Slice(partition=(("user_id", "u"),))
        messages = Slice(partition=(("conversation_id", "c"),))
        await parent.take(page(parent_name, listing, 10, id="c", user_id="u"))
        await child.take(page(child_name, messages, 10, id="m"))
        await child.take(closed(child_name, messages, ("done/c", "true")))
        await parent.take(closed(parent_name, listing, ("done/u", "true")))
        await parent.take(page(parent_name, Slice(), LARGE, id="d", user_id="u"))
        await parent.settle()


parent_name, child_name = "users_conversations", "conversations_messages"


def test_children_are_committed_before_their_parents_move_on() -> None:
    """A parent's state is committed behind the rows of the children it speaks of."""
    ledger = Ledger()
    asyncio.run(_feed(ledger))
    assert [c.stream for c in ledger.kept] == [child_name, parent_name]
    assert [dict(c.state).keys() for c in ledger.kept] == [
        {"done/c", "pass"},
        {"done/u", "pass"},
    ]


def test_a_parent_stays_where_its_children_cannot_be_kept() -> None:
    """Where a child's rows are refused, its parent's rows are kept, and its state is not."""
    ledger = Ledger(refused=[child_name])
    asyncio.run(_feed(ledger))
    assert [c.stream for c in ledger.kept] == [parent_name]
    assert ledger.kept[0].state == ()


@pytest.mark.parametrize(
    ("write", "age", "kept"),
    [
        ("merge", PASS_SECONDS - 1, True),
        ("merge", PASS_SECONDS + 1, False),
        ("append", PASS_SECONDS * 1000, True),
    ],
)
def test_an_old_pass_is_given_up_where_rows_may_come_again(
    write: Any, age: float, *, kept: bool
) -> None:
    """A merged stream's pass is gone on with for a while, an appended stream's always."""
    entries = {"cursor/a": "1", "done/a": "true", "pass": "1000"}
    found = without_old_pass(entries, write, 1000 + age)
    assert found == (entries if kept else {"cursor/a": "1"})
