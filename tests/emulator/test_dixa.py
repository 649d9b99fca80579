"""The emulated Dixa export, asked by plain clients: windows, tokens and limits."""

from __future__ import annotations

import json

import pytest
from tests.emulator.client import Plain

from penstock.emulator import EmulatorServer, Settings
from penstock.emulator.settings import NOW_MS
from penstock.emulator.times import DAY_MS

PATH = "/v1/conversation_export"


@pytest.fixture
def server():
    with EmulatorServer("dixa", Settings(records=800)) as server:
        yield server


def windows(start, end, days):
    while start < end:
        stop = min(start + days * DAY_MS, end)
        yield start, stop - 1
        start = stop


@pytest.mark.parametrize("days", [1, 10, 31])
@pytest.mark.parametrize("advances", [0, 2])
def test_the_windows_together_give_every_conversation_once(server, days, advances):
    """Windows that touch but do not overlap hold the truth, whatever changed before."""
    for _ in range(advances):
        server.advance(40)
    client = Plain(server)
    found = []
    for low, high in windows(NOW_MS - 90 * DAY_MS, NOW_MS + DAY_MS, days):
        found += client.get(PATH, updated_after=low, updated_before=high)
    expected = list(server.truth("conversation_export"))
    assert sorted(found, key=lambda r: r["id"]) == expected
    assert len(expected) == 800 + 40 * advances


def test_a_window_holds_its_bounds(server):
    """A conversation updated exactly at a bound is in the window."""
    record = list(server.truth("conversation_export"))[300]
    at = record["updated_at"]
    found = Plain(server).get(PATH, updated_after=at, updated_before=at)
    assert record in found


@pytest.mark.parametrize(
    "query",
    [
        {"updated_after": 0, "updated_before": 31 * DAY_MS + 1},
        {"updated_after": 5, "updated_before": 4},
        {"updated_after": 5},
        {"updated_after": "soon", "updated_before": 4},
    ],
)
def test_an_impossible_window_is_refused(server, query):
    """Windows over 31 days, backwards or incomplete get 400 and a message."""
    url = PATH + "?" + "&".join(f"{name}={value}" for name, value in query.items())
    status, _, body = Plain(server).raw(url)
    assert status == 400
    assert json.loads(body)["message"]


def test_a_window_of_exactly_31_days_is_answered(server):
    """Thirty-one days is the longest window there is."""
    low = NOW_MS - 31 * DAY_MS
    assert Plain(server).get(PATH, updated_after=low, updated_before=NOW_MS)


def test_the_created_bounds_select_by_creation(server):
    """The other pair of parameters goes by created_at."""
    expected = list(server.truth("conversation_export"))
    low, high = NOW_MS - 20 * DAY_MS, NOW_MS - 5 * DAY_MS
    found = Plain(server).get(PATH, created_after=low, created_before=high)
    assert found == [r for r in expected if low <= r["created_at"] <= high]


def test_a_wrong_token_is_refused(server):
    """Another token gets 401."""
    assert Plain(server, "other").raw(f"{PATH}?updated_after=0&updated_before=1")[0] == 401


def test_conversations_vary_as_an_export_does(server):
    """Open ones have no closed_at, some have no rating, assignee or subject, tags are lists."""
    records = list(server.truth("conversation_export"))
    assert all((r["closed_at"] is None) == (r["status"] != "closed") for r in records)
    assert all(r["created_at"] < r["updated_at"] for r in records)
    for name in ("rating_score", "assignee_id", "subject", "requester_email", "closed_at"):
        assert 0 < sum(r[name] is None for r in records) < len(records)
    assert {type(r["tags"]) for r in records} == {list}
    assert {type(r["id"]) for r in records} == {int}


def test_an_advance_moves_some_conversations_forward(server):
    """Changed conversations leave their window for a later one."""
    before = {r["id"]: r for r in server.truth("conversation_export")}
    step = server.advance(20)
    moved = [r for r in server.truth("conversation_export") if r["id"] in before]
    moved = [r for r in moved if r != before[r["id"]]]
    newest = max(r["updated_at"] for r in before.values())
    new = [r for r in server.truth("conversation_export") if r["id"] not in before]
    assert sum(r["updated_at"] < newest for r in new) == step.late == 4
    assert len(moved) == step.changed > 5
    assert all(NOW_MS < r["updated_at"] <= step.now_ms for r in moved)


def test_a_window_too_large_to_hold_is_sent_in_pieces():
    """A window of more than 20,000 conversations is complete."""
    with EmulatorServer("dixa", Settings(records=25_000, days=30)) as server:
        low = NOW_MS - 30 * DAY_MS
        found = Plain(server).get(PATH, updated_after=low, updated_before=NOW_MS)
        assert found == list(server.truth("conversation_export"))
