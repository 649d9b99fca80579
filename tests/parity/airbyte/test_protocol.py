"""The messages of the protocol are those of the reference engine's own command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support.manifests import (
    CONFIG,
    NAMES,
    catalog,
    choosing,
    described,
    manifest,
    named,
    shop,
)
from tests.support.web import serving

from penstock.cli.app import cli
from penstock.cli.context import App

PYTHON = os.environ.get("PENSTOCK_CDK_PYTHON") or (
    sys.executable if find_spec("airbyte_cdk") else ""
)
pytestmark = pytest.mark.skipif(not PYTHON, reason="the reference engine is not installed")

# A key other than the shop's `5`: the reference engine masks that in its own structure too.
VALUES = {**CONFIG, "api_key": "k-0815"}
HELD = {"at": "2024-01-04T00:00:00Z"}
STATE = [
    {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "orders"}, "stream_state": HELD},
    },
    {
        "type": "STREAM",
        "stream": {
            "stream_descriptor": {"name": "visits"},
            "stream_state": {
                "use_global_cursor": False,
                "states": [{"partition": {"shop": "a"}, "cursor": HELD}],
                "state": HELD,
                "lookback_window": 0,
            },
        },
    },
]


def _made(count: int | None, name: str = "made") -> dict[str, Any]:
    """A check of streams that a dynamic stream makes."""
    tried = {"type": "DynamicStreamCheckConfig", "dynamic_stream_name": name}
    if count is not None:
        tried["stream_count"] = count
    return {
        "type": "CheckStream",
        "stream_names": ["orders"],
        "dynamic_streams_check_configs": [tried],
    }


def _first(count: int, **parts: Any) -> dict[str, Any]:
    return {"type": "CheckDynamicStream", "stream_count": count, **parts}


CHECKS = {
    "two of three": (["shops", "visits", "closed"], _made(2)),
    "three of three": (["shops", "visits", "closed"], _made(3)),
    "all": (["shops", "closed"], _made(None)),
    "none": ([], _made(None)),
    "unknown": (["shops"], _made(1, "other")),
    **{f"first {count}": (["shops", "closed"], _first(count)) for count in (1, 2, 3, 9)},
    "not asked": (["closed"], _first(5, use_check_availability=False)),
}
CALLS: dict[str, dict[str, Any]] = {
    "own-spec": {},
    "check": {},
    "check-refused": {"config": {**VALUES, "__airbyte_check_stream_names": ["closed"]}},
    "check-misfit": {"config": {"api_key": "x"}},
    "discover": {},
    "discover-asked": {"manifest-path": described},
    "discover-choosing": {"manifest-path": choosing},
    **{
        f"check-{name}": {"manifest-path": partial(named, names=names, check=check)}
        for name, (names, check) in CHECKS.items()
    },
    "read-choosing": {
        "manifest-path": choosing,
        "catalog": {
            "streams": [
                {
                    "stream": {
                        "name": "orders",
                        "json_schema": {"properties": {"id": {}, "time": {}, "other": {}}},
                        "supported_sync_modes": ["full_refresh", "incremental"],
                    },
                    "cursor_field": ["at"],
                    "sync_mode": "incremental",
                    "destination_sync_mode": "append",
                }
            ]
        },
    },
    "discover-misfit": {"config": {"api_key": "x"}},
    "read": {"catalog": catalog(*NAMES)},
    "read-again": {"catalog": catalog("orders", "visits", "shops"), "state": STATE},
    "read-nothing": {"catalog": catalog("orders", "nothing")},
}

Told = tuple[int, list[dict[str, Any]]]


def _words(name: str, given: dict[str, Any], base: str, folder: Path) -> list[str]:
    command = name if name == "own-spec" else name.split("-", maxsplit=1)[0]
    words = [command]
    parts = {"manifest-path": manifest(base), "config": VALUES, **given}
    if callable(parts["manifest-path"]):
        parts["manifest-path"] = parts["manifest-path"](base)
    for option, value in parts.items():
        file = folder / f"{name}-{option}.json"
        file.write_text(json.dumps(value))
        words += [f"--{option}", str(file)]
    return words


def _ours(words: list[str]) -> Told:
    if words[0] == "own-spec":
        words = ["spec", "--manifest-path", words[words.index("--manifest-path") + 1]]
    called = ["airbyte", *words]
    done = CliRunner().invoke(cli, called, obj=App(), standalone_mode=False)
    return done.return_value, [json.loads(line) for line in done.stdout.splitlines()]


def _theirs(calls: list[list[str]]) -> list[Told]:
    script = Path(__file__).with_name("protocol_reference.py")
    done = subprocess.run(
        [PYTHON, str(script)],
        input=json.dumps(calls),
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    return [(code, messages) for code, messages in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Told, Told]]:
    """What either command line tells, by the name of the call."""
    folder = tmp_path_factory.mktemp("calls")
    with serving(shop) as web:
        calls = {name: _words(name, given, web.url, folder) for name, given in CALLS.items()}
        theirs = _theirs(list(calls.values()))
        ours = [_ours(words) for words in calls.values()]
    return dict(zip(calls, zip(ours, theirs, strict=True), strict=True))


def _of(told: Told, kind: str) -> list[Any]:
    return [m[kind.lower()] for m in told[1] if m["type"] == kind]


def _records(told: Told) -> Counter[str]:
    return Counter(
        json.dumps([r["stream"], r["data"]], sort_keys=True) for r in _of(told, "RECORD")
    )


def _statuses(told: Told) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for trace in _of(told, "TRACE"):
        if trace["type"] == "STREAM_STATUS":
            status = trace["stream_status"]
            found.setdefault(status["stream_descriptor"]["name"], []).append(status["status"])
    return found


def _states(told: Told) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for state in _of(told, "STATE"):
        stream = state["stream"]
        found[stream["stream_descriptor"]["name"]] = stream["stream_state"]
    for held in found.values():
        held.pop("lookback_window", None)  # how long the read took, in seconds
        held.get("states", []).sort(key=lambda s: json.dumps(s["partition"]))
    return found


def _counts(told: Told) -> Counter[str]:
    found: Counter[str] = Counter()
    for state in _of(told, "STATE"):
        name = state["stream"]["stream_descriptor"]["name"]
        found[name] += int(state["sourceStats"]["recordCount"])
    return found


def _failures(told: Told) -> Counter[tuple[str | None, str]]:
    found: Counter[tuple[str | None, str]] = Counter()
    for trace in _of(told, "TRACE"):
        if trace["type"] == "ERROR":
            error = trace["error"]
            name = error.get("stream_descriptor", {}).get("name")
            found[name, error["failure_type"]] += 1
    return found


def test_specs_are_alike(both):
    """The spec of a manifest is the same message."""
    ours, theirs = both["own-spec"]
    assert _of(ours, "SPEC") == _of(theirs, "SPEC") != []


@pytest.mark.parametrize("name", [n for n in CALLS if n.startswith("check")])
def test_checks_end_alike(both, name):
    """A check succeeds and fails as the engine's does, and so does the command."""
    ours, theirs = both[name]
    status = [[s["status"] for s in _statuses_of(told)] for told in (ours, theirs)]
    assert status[0] == status[1] != []
    assert ours[0] == theirs[0] == 0


def _statuses_of(told: Told) -> list[dict[str, Any]]:
    return [m["connectionStatus"] for m in told[1] if m["type"] == "CONNECTION_STATUS"]


@pytest.mark.parametrize("name", ["discover", "discover-asked", "discover-choosing"])
def test_catalogs_are_alike(both, name):
    """The catalog is the same message, stream by stream."""
    ours, theirs = both[name]
    assert _of(ours, "CATALOG") == _of(theirs, "CATALOG") != []


@pytest.mark.parametrize("name", ["discover-misfit", "read", "read-again", "read-nothing"])
def test_exit_codes_and_failures_are_alike(both, name):
    """A command fails where the engine's does, each stream with the same type of failure."""
    ours, theirs = both[name]
    assert ours[0] == theirs[0]
    assert _failures(ours) == _failures(theirs)


@pytest.mark.parametrize("name", ["read", "read-again", "read-nothing", "read-choosing"])
def test_reads_are_alike(both, name):
    """The same records, the same last states, the same counts and the same statuses."""
    ours, theirs = both[name]
    assert _records(ours) == _records(theirs) != Counter()
    assert _states(ours) == _states(theirs) != {}
    assert _counts(ours) == _counts(theirs)
    assert _statuses(ours) == _statuses(theirs) != {}


def test_every_message_has_the_members_of_the_engines(both):
    """Each type of message has the members that the engine gives it."""
    ours, theirs = both["read"]
    for kind in ("RECORD", "STATE", "LOG"):
        wanted = {frozenset(m) for m in _of(theirs, kind)}
        assert not _of(ours, kind) or {frozenset(m) for m in _of(ours, kind)} == wanted
