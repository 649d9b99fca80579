"""Scripts whose incrementals a scheduler sets the range of, by the environment."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask

DAY = 86_400
FIRST = 1_704_067_200  # 2024-01-01
INTERVAL = {
    "DLT_INTERVAL_START": "2024-01-03T00:00:00Z",
    "DLT_INTERVAL_END": "2024-01-05 06:00:00",
}


def days(ask: Ask) -> Any:
    """Rows of a week; whatever else is asked for is noted."""
    if ask.path != "/days":
        return []
    return [{"id": n, "at": FIRST + n * DAY, "part": float(FIRST + n * DAY)} for n in range(7)]


SOURCE = """
def shop(cursor_path="at", **said):
    incremental = {"cursor_path": cursor_path, "allow_external_schedulers": True,
                   "start_param": "since", "end_param": "to", **said}
    return rest_api_source({"client": {"base_url": "BASE", "paginator": "single_page"},
                            "resources": [{"name": "days", "write_disposition": "append",
                                           "endpoint": {"incremental": incremental}}]})
"""
FUNCTION = """
from datetime import date, datetime, timezone
from dlt.sources.helpers import requests

def made(first, of):
    @dlt.resource(write_disposition="append")
    def rows(at=dlt.sources.incremental(
            "at", initial_value=first, allow_external_schedulers=True)):
        seen = at.start_value, at.last_value, at.initial_value, at.end_value
        requests.get("BASE/seen", params={"all": "|".join(map(str, seen))})
        yield [{"id": n, "at": of(n)} for n in range(1, 8)]
    return rows

def moment(n):
    return datetime(2024, 1, n, tzinfo=timezone.utc)

def day(n):
    return date(2024, 1, n)
"""
SAID = {
    "whole numbers": f"shop(initial_value={FIRST})",
    "fractions": f"shop('part', initial_value={FIRST}.0)",
    "within a later start": f"shop(initial_value={FIRST + 3 * DAY})",
    "within an earlier end": f"shop(initial_value={FIRST}, end_value={FIRST + 3 * DAY})",
    "not here": f"shop(initial_value={FIRST}, allow_external_schedulers=False)",
}

SCHEDULED: dict[str, Written] = {
    **{
        f"an interval, {name}": Written(text=SOURCE, api=days, source=source, environ=INTERVAL)
        for name, source in SAID.items()
    },
    "an interval of a zone": Written(
        text=SOURCE, api=days, source=SAID["whole numbers"],
        environ={**INTERVAL, "DLT_INTERVAL_TIMEZONE": "Europe/Berlin"}),
    "an interval, moments of a function": Written(
        text=FUNCTION, api=days, source="made(moment(1), moment)", environ=INTERVAL),
    "an interval, days of a function": Written(
        text=FUNCTION, api=days, source="made(day(1), day)", environ=INTERVAL),
}  # fmt: skip
