"""Jobs of `dlt.hub.run`: functions that dltHub would call, and that a script calls itself.

They are what dlt makes of them where Python runs a script, by which nothing is scheduled either.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from penstock.dialects.dlt.standin.values.settings import called
from penstock.dialects.dlt.standin.values.specs import sections_of
from penstock.dialects.dlt.standin.wrappers import Called, Passive

# What other jobs may wait for.
_EVENTS = {"success", "fail", "is_fresh", "is_matching_interval_fresh"}


class Job(Called):
    """A function that is a job: its parameters are filled in at each call, from `jobs`."""

    def __init__(self, function: Any, name: str | None = None, section: str | None = None) -> None:
        super().__init__(function)
        self._name = name or function.__name__
        self._section = section

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What the function gives."""
        sections = sections_of(self.fn, self._name, self._section)
        return called(self.fn, args, named, replace(sections, kind="jobs"))

    @property
    def completed(self) -> tuple[Passive, Passive]:
        """Its success, or its failure."""
        return Passive(), Passive()

    def __getattr__(self, name: str) -> Any:
        return Passive() if name in _EVENTS else super().__getattr__(name)


def job(
    function: Any = None, /, name: str | None = None, section: str | None = None, **_: Any
) -> Any:
    """`@run.job` and `@run.interactive`, with or without arguments."""
    if not callable(function):
        return lambda decorated: Job(decorated, name, section)
    return Job(function, name, section)


def pipeline(run: Any, /, **said: Any) -> Any:
    """`@run.pipeline`: a job that says which pipeline it runs, by itself or by its name."""
    del run
    return job(**said)


def public() -> dict[str, Any]:
    """The names of the module; nothing comes of when a job would be called."""
    return {"job": job, "interactive": job, "pipeline": pipeline, "trigger": Passive()}
