"""Scripts whose cursor begins at a moment or a day: how it is sent, and what functions get."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def users(ask: Ask) -> list[dict[str, Any]]:
    """Three users, who move on by a day in each round."""
    days = [f"2024-01-0{n + ask.round}" for n in range(1, 4)]
    return [{"id": n, "day": day, "at": f"{day}T00:00:00.5+02:00"} for n, day in enumerate(days)]


# dlt compares what it is given with what is there: a step makes moments and days of the texts.
SCRIPT = """
from datetime import date, datetime, timedelta, timezone
import pendulum

FIRST = VALUE

def read(row):
    moments = pendulum.parse if PENDULUM else datetime.fromisoformat
    return {**row, "at": moments(row["at"]), "day": date.fromisoformat(row["day"])}

@dlt.source(name="shop")
def source():
    yield from rest_api_resources({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": "users", "endpoint": ENDPOINT, "columns": {
            "day": {"data_type": "date"}}, "processing_steps": [{"map": read}]}]})
"""
VALUES = {
    "a moment without a zone": "datetime(2024, 1, 1, 3, 4, 5)",
    "a moment": "datetime(2024, 1, 1, 3, 4, 5, 678900, tzinfo=timezone.utc)",
    "a moment elsewhere": "datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))",
    "a moment of pendulum": "pendulum.datetime(2024, 1, 1, tz='Europe/Paris')",
    "a day": "date(2024, 1, 1)",
}
ENDPOINTS = {
    "a param": '{"path": "users", "incremental": {"cursor_path": "CURSOR", "initial_value": FIRST,'
    ' "start_param": "since"}}',
    "a typed param": '{"path": "users", "params": {"since": {"type": "incremental",'
    ' "cursor_path": "CURSOR", "initial_value": FIRST}}}',
    "an object": '{"path": "users", "params": {'
    '"since": dlt.sources.incremental("CURSOR", initial_value=FIRST)}}',
    "a template": '{"path": "users", "params": {"since": "{incremental.start_value}",'
    ' "first": "from {incremental.initial_value}"}, "headers": {'
    '"X-Since": "{incremental.last_value!s:.13}"}, "incremental": {"cursor_path": "CURSOR",'
    ' "initial_value": FIRST}}',
    "a pattern": '{"path": "users", "params": {"since": "{incremental.start_value:%Y/%m/%d}"},'
    ' "incremental": {"cursor_path": "CURSOR", "initial_value": FIRST}}',
    "a function": '{"path": "users", "incremental": {"cursor_path": "CURSOR",'
    ' "initial_value": FIRST, "start_param": "since",'
    ' "convert": lambda at: f"{type(at).__name__} {at:%d.%m.}"}}',
    "both ends": '{"path": "users", "incremental": {"cursor_path": "CURSOR",'
    ' "initial_value": FIRST, "end_value": FIRST.replace(month=2), "start_param": "since",'
    ' "end_param": "until"}}',
    "a function of its own": '{"path": "users", "incremental": {"cursor_path": "CURSOR",'
    ' "initial_value": FIRST, "start_param": "since",'
    ' "last_value_func": lambda held: min(max(held), FIRST.replace(day=3))}}',
}


def _written(value: str, endpoint: str) -> Written:
    cursor = "day" if value.startswith("date(") else "at"
    text = SCRIPT.replace("VALUE", value).replace("ENDPOINT", endpoint).replace("CURSOR", cursor)
    return Written(text=text.replace("PENDULUM", str("pendulum" in value)), api=users,
                   source="source()", runs=3)  # fmt: skip


MOMENTS: dict[str, Written] = {
    f"begins at {value}, sent as {endpoint}": _written(VALUES[value], ENDPOINTS[endpoint])
    for value in VALUES
    for endpoint in ENDPOINTS
    if (value, endpoint) != ("a moment without a zone", "a function of its own")  # fails in dlt too
}

# A function yields moments or days itself, and its last_value_func is given such.
PICKED = """
from datetime import date, datetime, timezone
from dlt.sources.helpers import requests

def picked(held):
    assert all(isinstance(one, KIND) for one in held), held
    return min(max(held), TOP)

@dlt.resource
def users(at=dlt.sources.incremental("at", INITIALlast_value_func=FUNCTION)):
    for row in requests.get("BASE/users").json():
        start, last = at.start_value, at.last_value
        kinds = f"{isinstance(start, KIND)} {isinstance(last, KIND)}"
        yield {**row, "at": READ(row["day"]), "start": str(start), "last": str(last),
               "kinds": kinds}
"""
_KINDS = {
    "moments": ("datetime", "datetime(2024, 1, NN, tzinfo=timezone.utc)",
                "(lambda day: datetime.fromisoformat(day + 'T00:00:00+00:00'))"),
    "days": ("date", "date(2024, 1, NN)", "date.fromisoformat"),
}  # fmt: skip


def _picked(kind: str, function: str, *, first: bool) -> Written:
    name, made, read = _KINDS[kind]
    initial = f"initial_value={made.replace('NN', '1')}, " if first else ""
    said = {"INITIAL": initial, "FUNCTION": function, "KIND": name, "READ": read,
            "TOP": made.replace("NN", "9")}  # fmt: skip
    text = PICKED
    for word, value in said.items():
        text = text.replace(word, value)
    return Written(text=text, api=users, source="users()", runs=3)


MOMENTS |= {
    f"yields {kind}, of which {function} picks, {'from a first' if first else 'without one'}": (
        _picked(kind, function, first=first)
    )
    for kind in _KINDS
    for function in ("picked", "max")
    for first in (True, False)
}
