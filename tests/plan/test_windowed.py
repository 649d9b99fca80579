"""Contiguous windows: what is due, what state is left, and how windows are cut in two."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from penstock.plan.slices import Clamp, Duration, parse_duration
from penstock.plan.windowed import Ruler, Span, begun, due, halved, last_end, merged, state

VECTORS = json.loads(Path(__file__).with_name("window_vectors.json").read_text())
HOUR = timedelta(hours=1)


def _day(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 1, day, hour, tzinfo=UTC)


def _ruler(vector: dict) -> Ruler:
    def length(name: str) -> Duration | None:
        return parse_duration(vector[name]) if vector[name] else None

    clamp = Clamp(to=vector["clamp"].lower(), weekday=vector["wd"]) if vector["clamp"] else None
    return Ruler(
        step=length("step"),
        granularity=length("gran"),
        lookback=length("look") or Duration(),
        clamp=clamp,
        strict=vector["strict"],
    )


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_windows_are_those_of_the_reference(vector):
    """For any range, step, clamp, lookback and state the windows are the reference's."""
    at = datetime.fromisoformat
    start, ruler = at(vector["start"]), _ruler(vector)
    if vector["spans"]:
        spans = tuple(Span(start=at(a), end=at(b)) for a, b in vector["spans"])
    else:
        spans = begun(start, at(vector["state"]) if vector["state"] else None)
    windows = due(ruler, spans, start, last_end(ruler, at(vector["end"])))
    spelled = "%Y-%m-%dT%H:%M:%S%z"
    assert [[a.strftime(spelled), b.strftime(spelled)] for a, b in windows] == vector["slices"]


def test_state_is_the_newest_of_the_first_unbroken_stretch():
    """A window that failed holds the state back: what was read behind it does not count."""
    first = Span(start=_day(1), end=_day(3), newest=_day(2))
    third = Span(start=_day(7), end=_day(9), newest=_day(8))
    assert state((third, first), HOUR) == _day(2)


def test_state_without_records_is_the_start():
    """A stretch without records leaves its start as the state."""
    assert state((Span(start=_day(1), end=_day(3)),), HOUR) == _day(1)


def test_spans_that_touch_are_one():
    """Spans one granularity apart are one stretch, with the newer of their values."""
    spans = [
        Span(start=_day(3, 1), end=_day(5), newest=_day(4)),
        Span(start=_day(1), end=_day(3), newest=_day(2)),
    ]
    assert merged(spans, HOUR) == (Span(start=_day(1), end=_day(5), newest=_day(4)),)


def test_halves_of_a_window_leave_nothing_out_and_share_nothing():
    """The halves of a window are one granularity apart."""
    ruler = Ruler(granularity=Duration(seconds=86400))
    assert halved(_day(1), _day(4), ruler, None) == ((_day(1), _day(2)), (_day(3), _day(4)))


def test_window_of_one_unit_is_not_cut():
    """A window of a single unit, or no longer than the minimum, is not cut further."""
    ruler = Ruler(granularity=Duration(seconds=86400))
    assert halved(_day(1), _day(1), ruler, None) is None
    assert halved(_day(1), _day(3), ruler, timedelta(days=2)) is None
