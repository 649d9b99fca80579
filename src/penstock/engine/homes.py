"""Whose state an entry is, where sources of several names have streams of one name.

A script may load a resource of one name from two sources, or by two pipelines, into one dataset: it
is one stream there, and each of them goes on from where it was itself. The entries of whoever came
first are called as those of any stream; those of others bear their name before it. Entries that
were kept before anybody said whose they are belong to all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from penstock.destinations.base import Checkpoint
from penstock.plan.source import Source
from penstock.read.behind import stand_ins

OWNER: Final = "home"
_OF: Final = "of "
Entries = Mapping[str, Mapping[str, str]]


class Homes:
    """The homes of a plan's streams, and under which names the destination has their entries."""

    def __init__(self, source: Source) -> None:
        self._homes = dict(source.homes)
        made = stand_ins(source) if self._homes else {}
        held = {name: self._homes.get(child.name) for name, (_, child) in made.items()}
        self._homes |= {name: home for name, home in held.items() if home is not None}
        self._before: dict[str, str] = {}  # what stands before the names of entries
        self._new: set[str] = set()  # of which there was no entry

    def seen(self, stored: Entries) -> dict[str, dict[str, str]]:
        """The entries of the streams that are their own, by the names that they know them by."""
        return {name: self._seen(name, entries) for name, entries in stored.items()}

    def _seen(self, name: str, entries: Mapping[str, str]) -> dict[str, str]:
        home, owner = self._homes.get(name), entries.get(OWNER)
        if home is not None and not entries:
            self._new.add(name)
        if home is None or owner in {None, _text(home)}:
            named = entries.items()
            return {n: text for n, text in named if n != OWNER and not n.startswith(_OF)}
        before = self._before[name] = f"{_OF}{home}: "
        found = ((n, text) for n, text in entries.items() if n.startswith(before))
        return {n.removeprefix(before): text for n, text in found}

    def kept(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint as the destination keeps it."""
        first, *beside = [self._part(part) for part in checkpoint.whole]
        return msgspec.structs.replace(first, beside=tuple(beside))

    def _part(self, part: Checkpoint) -> Checkpoint:
        state = self.entries(part.stream, dict(part.state))
        return msgspec.structs.replace(part, state=tuple(state.items()))

    def entries(self, stream: str, state: Mapping[str, str | None]) -> dict[str, str | None]:
        """Entries of a stream that change, by the names that they are kept under."""
        before = self._before.get(stream, "")
        found = {f"{before}{name}": text for name, text in state.items()}
        if stream in self._new and any(text is not None for text in state.values()):
            found[OWNER] = _text(self._homes[stream])
        return found


def _text(home: str) -> str:
    return msgspec.json.encode(home).decode()
