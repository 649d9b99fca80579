"""Streams of one name that are of several sources, or pipelines: whose the entries are."""

from __future__ import annotations

import msgspec
import pytest

from penstock.destinations.base import Append, Checkpoint
from penstock.engine.homes import OWNER, Homes
from penstock.plan.source import Source


class Held:
    """The entries that a destination has of one stream."""

    def __init__(self, **entries: str) -> None:
        self.entries: dict[str, str] = entries

    def run(self, home: str | None, **state: str | None) -> dict[str, str]:
        """A run of the stream from there: gives what it finds, and keeps what it brings."""
        homes = (("things", home),) if home is not None else ()
        known = Homes(Source(name="s", base_url=None, streams=(), homes=homes))
        found = known.seen({"things": self.entries})["things"]
        part = Checkpoint(
            load_id="1", run_id="1", stream="things", write=Append(), schema=None,
            state=tuple(state.items()),
        )  # fmt: skip
        other = msgspec.structs.replace(part, stream="others", state=(("cursor", "7"),))
        kept = known.kept(msgspec.structs.replace(part, beside=(other,)))
        assert kept.beside == (other,)
        for name, text in kept.state:
            self.entries.pop(name, None)
            if text is not None:
                self.entries[name] = text
        return found


def test_each_home_has_entries_of_its_own():
    """Whoever comes first has those that any stream has, and so has a document of no script."""
    held = Held()
    assert held.run("p/a", cursor="1") == {}
    assert held.run("p/b", cursor="2", read="3") == {}
    assert held.run("q/a", cursor="4") == {}
    assert held.run("p/a") == {"cursor": "1"} == held.run(None)
    assert held.run("p/b", read=None) == {"cursor": "2", "read": "3"}
    assert held.run("p/b") == {"cursor": "2"}
    assert held.run("q/a") == {"cursor": "4"}
    assert held.entries[OWNER] == '"p/a"'


@pytest.mark.parametrize("home", ["p/a", "p/b"])
def test_a_state_that_is_nobodys_is_everybodys(home: str):
    """It was kept before anybody said whose it is, or by a document that is no script."""
    held = Held(cursor="1")
    assert held.run(home, cursor="2") == {"cursor": "1"}
    assert held.run("p/c") == {"cursor": "2"} == held.run(None)
    assert held.entries == {"cursor": "2"}


def test_what_brings_nothing_owns_nothing():
    """A run whose state is empty leaves it to the next one to be the first."""
    held = Held()
    assert held.run("p/a", cursor=None) == {}
    assert held.run("p/b", cursor="2") == {}
    assert held.run("p/b") == {"cursor": "2"}
    assert held.run("p/a") == {}
