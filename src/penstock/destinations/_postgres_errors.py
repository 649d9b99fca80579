"""What Postgres's failures mean: told by SQLSTATE, as the server's language is anybody's."""

from __future__ import annotations

from penstock.destinations._evolve import RULE
from penstock.errors import DestinationError, Error

_NUL = "22021"
_LOCK_TIMEOUT = "55P03"
_PASSING = frozenset({"40001", "40P01", _LOCK_TIMEOUT})
_RULE = "23"
_LOST = ("08", "57P01", "57P02", "57P03")

_HINTS = (
    ("53100", "free disk space on the server"),
    ("53200", "give the server more memory"),
    ("53300", "the server has no connection to spare; close some"),
    ("42501", "grant the right, or load into a schema of your own with --db-schema"),
    ("28", "check user and password"),
    ("3D000", "make the database, or name another"),
    (_LOCK_TIMEOUT, "somebody reads or changes the same tables for long; let it end"),
    ("2BP01", "drop what depends on the table, then load again"),
    ("54000", "a value is too long for the index on the merge's key"),
    ("25006", "the server only reads; connect to the primary"),
    (_NUL, "a text holds U+0000, which Postgres cannot keep"),
    ("22", "a value does not fit its column"),
)


def root(error: BaseException | None) -> BaseException | None:
    """The driver's own error behind one that was explained."""
    while error is not None and not hasattr(error, "sqlstate"):
        error = error.__cause__
    return error


def state(error: BaseException | None) -> str:
    """The SQLSTATE of a failure, empty where the server sent none."""
    return str(getattr(root(error), "sqlstate", None) or "")


def is_lost(error: BaseException | None) -> bool:
    """Whether the connection broke, so that nobody told how the last statement ended."""
    found = root(error)
    silent = type(found).__name__ in {"OperationalError", "InterfaceError"} and not state(found)
    return silent or state(found).startswith(_LOST)


def is_conflict(error: BaseException | None) -> bool:
    """Whether a statement had to wait too long for another transaction."""
    return state(error) == _LOCK_TIMEOUT


def may_pass(error: BaseException | None) -> bool:
    """Whether the same may succeed when it is tried again."""
    return is_lost(error) or state(error) in _PASSING


def explain(error: Exception) -> Error:
    """Say what a failure means and what to do about it."""
    if isinstance(error, Error):
        return error
    found = state(error)
    text = " ".join(str(error).split("\n", maxsplit=1)[0].split())
    hint = next((h for prefix, h in _HINTS if found.startswith(prefix)), None)
    if is_lost(error):
        hint = "check that the server runs and can be reached"
    if found.startswith(_RULE):
        return DestinationError(f"Postgres: {text}", code="drift", hint=RULE)
    advice = f"{hint}; what was committed is intact, run again" if hint else None
    return DestinationError(f"Postgres: {text}", hint=advice)


def is_nul(error: BaseException | None) -> bool:
    """Whether the server refused a text for the one character it cannot keep."""
    return state(error) == _NUL


def nul(table: str, column: str) -> DestinationError:
    """Say which column it was, and what to do."""
    return DestinationError(
        f"a text in column {column!r} of table {table!r} holds U+0000, which Postgres cannot keep",
        hint="declare the column as json: it then keeps the value as the API wrote it",
    )
