"""What a script does while it is executed: the sources it makes, and the runs it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from penstock.dialects.dlt.standin.errors import Refusal
from penstock.dialects.dlt.standin.marks import Spot

if TYPE_CHECKING:
    from penstock.dialects.dlt.standin.sources import DltSource


class AskedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline's `run`: the sources, and where their rows were to go."""

    pipeline: str
    sources: tuple[Any, ...]
    destination: str | None  # as `--to` takes it
    dataset: str
    fresh: bool
    spot: Spot | None


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """A warning about something that changes nothing, or not what the script expects."""

    message: str
    hint: str | None
    spot: Spot | None


class Record:
    """Everything that a script did."""

    def __init__(self) -> None:
        self.sources: list[DltSource] = []  # in order, those inside others left out
        self.runs: list[AskedRun] = []
        self.refusals: list[Refusal] = []
        self.remarks: list[Remark] = []


_records: list[Record] = []


def begin() -> Record:
    """A record of the script that is executed now."""
    _records.append(Record())
    return _records[-1]


def end() -> None:
    """The script has ended."""
    _records.pop()


def current() -> Record:
    """The record of the script that is being executed."""
    return _records[-1] if _records else Record()


def executing() -> bool:
    """Whether a script is being executed."""
    return bool(_records)


def refuse(refusal: Refusal) -> Refusal:
    """Report a refusal, also if the script catches it; gives it back to be raised."""
    current().refusals.append(refusal)
    return refusal


def unknown(name: str, hint: str | None = None) -> Refusal:
    """Something of dlt that has no stand-in."""
    said = hint or "Penstock runs rest_api sources and functions; take out what needs more of dlt"
    return refuse(Refusal(f"Penstock has no {name}", said))


def remark(message: str, hint: str | None = None) -> None:
    """Warn about the line that is being executed."""
    from penstock.dialects.dlt.standin.marks import caller  # noqa: PLC0415 (beside its use)

    current().remarks.append(Remark(message=message, hint=hint, spot=caller()))
