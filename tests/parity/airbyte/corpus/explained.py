"""Why the engines differ where they do: the rows of docs/parity.md, by what shows each."""

from __future__ import annotations

import re

from tests.parity.airbyte.corpus.runs import Told

_ROWS = {
    "a session without `expiration_duration`": r"request only theirs .*POST \S*(token|login)",
    "the same next token, or the same page, twice": r"ours said: .*(same-page|cycle):",
    "several lists at a path with a pattern": r"theirs said: .*(dictionary update sequence|"
    r"list indices must be integers or slices, not str)",
    "a partition that comes again": r"record of .* only theirs \(1x\)",
    "a schema file that is not there": r"theirs said: OSError: Cannot find file",
    "no authenticator is selected": r"theirs said: .*`authenticator_selection_path` is not found",
    "a time that is not in its own format": r"theirs said: .*(unconverted data remains|"
    r"time data .* does not match format)",
    "a partition of a parent that fails": r"ours said: .*parent-lost:",
    "a 401 where a token was obtained": r"request only ours .*POST \S*token",
    "a token without `client_id`": r"theirs said: .*unable to evaluate client_id",
    "a record without any field": r"record of .* only ours \(\dx\): \{\}$",
    "the reference engine hangs": r"TimeoutError: the reference engine hangs",
}
# What may stand beside what shows a row, and means nothing of its own.
_BESIDE = {
    "a session without `expiration_duration`": r"request only theirs .*(token|login)",
    "a partition that comes again": r"record of .* only theirs \(1x\)",
    "a partition of a parent that fails": r"request only ours|  (theirs|ours) said",
}


def explanation(told: Told) -> str | None:
    """The row that explains a difference; None where none does."""
    for row, shown in _ROWS.items():
        if any(re.search(shown, line) for line in told.lines):
            beside = _BESIDE.get(row)
            if beside is None or all(re.search(beside, line) for line in told.lines):
                return row
    return None
