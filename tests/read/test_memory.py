"""What functions remember: kept if it changed, shared by those that looked at it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from penstock.errors import ReadError
from penstock.read.memory import ENTRY, Memory, Shared


def memory(states, stream, run=1, shared=None):
    shared = shared or Shared(states, run)
    return Memory("shop", stream, states.get(stream, {}).get(ENTRY), shared)


def kept(found):
    """The state that a stream has after a run."""
    return dict(found.entries())


def test_what_nobody_asks_for_is_not_kept():
    """A stream whose functions remember nothing has no entry, and what did not change stays."""
    assert memory({}, "a").entries() == ()
    first = memory({}, "a")
    first.own["last"] = 3
    states = {"a": kept(first)}
    again = memory(states, "a", run=2)
    assert again.own == {"last": 3}
    assert again.entries() == ()
    again.own.clear()
    found = json.loads(kept(again)[ENTRY])
    assert (found["own"], found["shared"]) == (None, {})


def test_values_come_back_as_they_were():
    """Moments, days, times, decimals and bytes are kept beside what JSON holds."""
    held = {
        "n": 2**70, "f": 1.5, "t": "x", "none": None, "list": [1, {"a": True}],
        "at": datetime(2024, 1, 2, 3, tzinfo=UTC), "day": date(2024, 1, 2), "time": time(3, 4),
        "price": Decimal("1.10"), "raw": b"\x00\xff", "odd": "\uf026",
    }  # fmt: skip
    first = memory({}, "a")
    first.own.update(held, pair=(1, 2))
    del first.own["odd"]
    found = memory({"a": kept(first)}, "a", run=2).own
    assert found == {**{k: v for k, v in held.items() if k != "odd"}, "pair": [1, 2]}
    assert type(found["day"]) is date


def test_what_cannot_be_kept_is_an_error():
    """An object is named, instead of being kept as a text."""
    found = memory({}, "a")
    found.own["client"] = object()
    with pytest.raises(ReadError, match="a state holds a object, which cannot be kept"):
        found.entries()


def test_streams_share_what_they_look_at():
    """One stream sees what another set; each keeps what it looked at and is not as it was."""
    shared = Shared({}, 1)
    one, two, three = (memory({}, name, shared=shared) for name in ("one", "two", "three"))
    one.shared["seen"] = [1]
    two.shared["seen"].append(2)
    three.shared.setdefault("other", {})["x"] = 1
    assert json.loads(kept(one)[ENTRY])["shared"] == {"seen": [1, [1, 2]]}
    assert json.loads(kept(three)[ENTRY])["shared"] == {"other": [1, {"x": 1}]}
    assert list(three.shared) == ["seen", "other"]
    assert len(three.shared) == 2


def test_of_several_the_latest_run_counts():
    """A stream that was not read for long does not bring an old value back."""
    first = Shared({}, 1)
    one, two = (memory({}, name, shared=first) for name in ("one", "two"))
    one.shared["cursor"] = "a"
    assert two.shared["cursor"] == "a"
    states = {"one": kept(one), "two": kept(two)}
    later = memory(states, "one", run=2)
    assert later.shared["cursor"] == "a"
    later.shared["cursor"] = "b"
    states["one"] = kept(later)
    assert memory(states, "two", run=3).shared["cursor"] == "b"
    gone = memory(states, "two", run=4)
    del gone.shared["cursor"]
    states["two"] = kept(gone)
    assert "cursor" not in memory(states, "one", run=5).shared


def test_what_a_stream_leaves_in_the_memory_of_another_is_kept():
    """Whichever of both is committed last; what the other changes later counts over it."""
    first = Shared({}, 1)
    one, two = (memory({}, name, shared=first) for name in ("one", "two"))
    two.own["n"] = 1
    states = {"two": kept(two)}
    one.of("two")["seen"] = True
    assert two.own == {"n": 1, "seen": True}
    states["one"] = kept(one)
    again = memory(states, "two", run=2)
    assert again.own == {"n": 1, "seen": True}
    again.own["n"] = 2
    states["two"] = kept(again)
    assert memory(states, "two", run=3).own == {"n": 2, "seen": True}


def test_a_state_that_nobody_tells_the_cursor_of_has_none():
    """The key is found only where somebody tells it, and is not kept."""
    found = memory({}, "a")
    assert "incremental" not in found.own
    assert found.own.get("incremental", 7) == 7
    found.own.tells = lambda: {"at": {"last_value": 3}}
    assert found.own["incremental"] == found.own.get("incremental") == {"at": {"last_value": 3}}
    found.own["n"] = 1
    assert json.loads(kept(found)[ENTRY])["own"] == {"n": 1}
