"""What a script does while it is executed: the sources it makes, and the runs it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.dialects.dlt.standin.base.errors import Refusal, Unfinished
from penstock.dialects.dlt.standin.base.marks import Spot

if TYPE_CHECKING:
    from penstock.dialects.dlt.standin.base.references import Sections
    from penstock.dialects.dlt.standin.resources.sources import DltResource, DltSource
    from penstock.dialects.document import Held, Loaded
    from penstock.plan.door import Door
    from penstock.plan.target import Target

Place = tuple[str, str | None, str, int]
"""What runs are loaded together: pipeline, destination, dataset, and which batch of those there."""


class AskedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline's `run`: the sources, and where their rows were to go."""

    pipeline: str
    schema: str  # as dlt would call that of the tables
    sources: tuple[Any, ...]
    homes: tuple[str, ...]  # of each source: the pipeline, and the source that its state is of
    destination: str | None  # as `--to` takes it
    dataset: str
    fresh: bool
    spot: Spot | None
    refresh: str | None = None  # what the run forgets first, as it says it
    said: Mapping[str, Mapping[str, Any]] = {}  # the hints of each resource by then
    seen: Any = None  # what its functions find outside of themselves by then
    number: int = 0  # among all runs of the script
    batch: int = 0  # one that cannot be loaded together with those before it begins another

    @property
    def place(self) -> Place:
        """Where it goes, and with which others."""
        return self.pipeline, self.destination, self.dataset, self.batch


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """A warning about something that changes nothing, or not what the script expects."""

    message: str
    hint: str | None
    spot: Spot | None


class Trial:
    """A call of a function that may give resources: if it iterates any, and what it changes."""

    def __init__(self) -> None:
        self.iterates = False
        self._before: dict[int, tuple[DltResource, dict[str, Any]]] = {}

    def keep(self, resource: DltResource) -> None:
        """A resource is about to change."""
        held = {n: copy(v) if type(v) in {list, dict} else v for n, v in vars(resource).items()}
        self._before.setdefault(id(resource), (resource, held))

    def undo(self) -> None:
        """Nothing was called: resources are as they were."""
        for resource, held in self._before.values():
            vars(resource).clear()
            vars(resource).update(held)


class Record:
    """Everything that a script did."""

    def __init__(self) -> None:
        self.sources: list[DltSource] = []  # in order, those inside others left out
        self.runs: list[AskedRun] = []
        self.making: list[str] = []  # names of sources whose functions are being called
        self.trying: list[Trial] = []  # calls of functions that may give resources
        self.sections: list[Sections] = []  # where values of these are looked for
        self.refusals: list[Refusal] = []
        self.remarks: list[Remark] = []
        # Classes of the script's own that configurations name: what they are, and the name.
        self.registered: dict[tuple[str, str], type] = {}
        # Where the script may be answered from what it has loaded: what loads its next runs.
        self.load: Callable[[list[AskedRun]], None] | None = None
        self.there: Callable[[Target], Held | None] | None = None
        self.outside: Door | None = None  # what the script asks an API through
        self.later: list[Callable[[], Any]] = []  # what a scheduler would call
        self.taken = 0  # runs that were loaded, or are being so
        self.done: dict[int, Loaded] = {}  # by the number of the run

    @property
    def left(self) -> list[AskedRun]:
        """The runs that were not loaded yet."""
        return self.runs[self.taken :]


_records: list[Record] = []
pipelines: list[Any] = []
"""The pipelines that the script has made, the active one at the end; known in its run too."""


def activate(pipeline: Any) -> None:
    """Let a pipeline be the active one, as that is which was made, or has run, last."""
    pipelines[:] = [one for one in pipelines if one is not pipeline] + [pipeline]


def activate_named(name: str) -> None:
    """The same of the one of that name."""
    for one in [one for one in pipelines if one.pipeline_name == name][-1:]:
        activate(one)


@contextmanager
def active(name: str) -> Iterator[None]:
    """The pipeline of that name is the active one meanwhile, as its functions find it."""
    held = list(pipelines)
    activate_named(name)
    try:
        yield
    finally:
        pipelines[:] = held


def begin() -> Record:
    """A record of the script that is executed now."""
    pipelines.clear()
    _records.append(Record())
    return _records[-1]


def end() -> None:
    """The script has ended."""
    _records.pop()


def current() -> Record:
    """The record of the script that is being executed."""
    return _records[-1] if _records else Record()


@contextmanager
def suspended() -> Iterator[None]:
    """No script is being executed meanwhile: what it asked for is loaded."""
    held = list(_records)
    _records.clear()
    try:
        yield
    finally:
        _records[:] = held


@contextmanager
def making(source: str, sections: Sections) -> Iterator[None]:
    """The function of a source, whose values stand in these sections, is being called meanwhile."""
    record = current()
    record.making.append(source)
    record.sections.append(sections)
    try:
        yield
    finally:
        record.making.pop()
        record.sections.pop()


def caught_up(asked: AskedRun) -> Loaded | None:
    """What a run has loaded, which is done now; None where nothing may be loaded yet.

    Raises:
        PipelineStepFailed: it could not be loaded in full.
    """
    record = current()
    if record.load is None:
        return None
    if record.left:
        record.load(record.left)
    return record.done.get(asked.number)


def before_change(resource: DltResource) -> None:
    """Load runs that were asked for of a resource that is about to change, as it was by then."""
    record = current()
    if record.trying:
        record.trying[-1].keep(resource)
    asked = (source for run in record.left for source in run.sources)
    if record.load is not None and any(one is resource for s in asked for one in s.own_resources):
        record.load(record.left)


def is_run_for_another(name: str, table: str) -> bool:
    """Whether a resource was run for another table before."""
    said = [run.said[name].get("table_name") for run in current().runs if name in run.said]
    return bool(said) and said[0] != table


def executing() -> bool:
    """Whether a script is being executed."""
    return bool(_records)


def refuse(refusal: Refusal) -> Refusal:
    """Report a refusal, also if the script catches it; gives it back to be raised."""
    current().refusals.append(refusal)
    return refusal


def unfinished(what: str, name: str) -> Exception:
    """Something that is asked of what was loaded, and cannot be told: the script ends there."""
    if name.startswith("__"):
        return AttributeError(name)
    found = current()
    if not found.runs:
        return unknown(what)
    if found.load is None:
        return too_early(what)
    message = f"Penstock has no {what}; the rest of the script was not executed"
    return refuse(Unfinished(message, "ask the destination itself"))


def too_early(what: str) -> Refusal:
    """What was loaded is asked for where nothing is: the script ends there."""
    message = f"{what} is asked before anything is loaded; the rest of the script was not executed"
    return refuse(Unfinished(message, "it is executed by `penstock run`"))


def unknown(name: str, hint: str | None = None) -> Refusal:
    """Something of dlt that has no stand-in."""
    said = hint or "Penstock runs rest_api sources and functions; take out what needs more of dlt"
    return refuse(Refusal(f"Penstock has no {name}", said))


def remark(message: str, hint: str | None = None) -> None:
    """Warn about the line that is being executed."""
    from penstock.dialects.dlt.standin.base.marks import caller  # noqa: PLC0415 (beside its use)

    current().remarks.append(Remark(message=message, hint=hint, spot=caller()))
