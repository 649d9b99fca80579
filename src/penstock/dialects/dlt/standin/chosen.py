"""Which of the things that a script built is its source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from penstock.dialects.dlt.standin.assemble import assemble, crossed
from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.marks import Marked, Spot
from penstock.dialects.dlt.standin.base.record import AskedRun, Record
from penstock.dialects.dlt.standin.resources.factories import ResourceFactory, SourceFactory
from penstock.dialects.dlt.standin.resources.sources import (
    DltResource,
    DltSource,
    flat,
)
from penstock.errors import closest


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration, and the run that was asked for with it.

    `more` are further ones with resources that are called as others.
    """

    config: Any
    more: tuple[Any, ...] = ()
    spot: Spot | None = None
    name: str | None = None
    run: AskedRun | None = None


class NotThere(Exception):  # noqa: N818 (told as a diagnostic)
    """The script has nothing of the name that was asked for."""

    def __init__(self, name: str, nearest: str | None) -> None:
        super().__init__(name)
        self.name = name
        self.nearest = nearest


class Choice:
    """What a script built; `others` are the places of what was passed over."""

    def __init__(self, record: Record, names: Mapping[str, Any]) -> None:
        self.record = record
        self.names = names
        self.others: list[Spot | None] = []

    def named(self, name: str | None) -> Built | None:
        """What is called `name`: a function, a variable or a pipeline. Without a name, the best.

        Raises:
            NotThere: nothing is.
        """
        if name is None:
            return self._best()
        if name in self.names:
            return self._from(self.names[name])
        run = next((run for run in self.record.runs if run.pipeline == name), None)
        if run is not None:
            return self._ran(run)
        known = [n for n in self.names if not n.startswith("__")]
        raise NotThere(name, closest(name, [*known, *(r.pipeline for r in self.record.runs)]))

    def _best(self) -> Built | None:
        """What the script says most clearly: a run, a source, a function that makes one, a dict."""
        if self.record.runs:
            run = self.record.runs[0]
            self.others += [r.spot for r in self.record.runs if r.place != run.place]
            return self._ran(run)
        if self.record.sources:
            self.others += [source.made_at for source in self.record.sources[1:]]
            return _of([self.record.sources[0]])
        made = [v for v in self.names.values() if isinstance(v, (SourceFactory, ResourceFactory))]
        made.sort(key=lambda factory: isinstance(factory, ResourceFactory))
        if made:
            # Beside a source, resources are what it is made of.
            self.others += [None for f in made[1:] if isinstance(f, type(made[0]))]
            return self._from(made[0])
        plain = [v for v in self.names.values() if _is_resources(v) or _is_config(v)]
        return self._from(plain[0]) if plain else None

    def elsewhere(self) -> list[Built]:
        """What the script loads to other places than the first; without runs, its other sources."""
        runs = self.record.runs
        if not runs:
            return [_of([source]) for source in self.record.sources[1:]]
        places = dict.fromkeys(run.place for run in runs if run.place != runs[0].place)
        return [built_of([r for r in runs if r.place == place]) for place in places]

    def _from(self, value: Any) -> Built:
        """The configuration of something that the script holds."""
        if callable(value) and not isinstance(value, (DltResource, DltSource)):
            value = value()
        if isinstance(value, Mapping):
            return Built(config=value, spot=_spot(value))
        if isinstance(value, DltSource):
            return _of([value])
        return _of([DltSource(None, flat(value, "it"))])

    def _ran(self, asked: AskedRun) -> Built:
        """Everything that the script loads through the same pipeline to the same place."""
        return built_of([run for run in self.record.runs if run.place == asked.place])


def built_of(runs: Sequence[AskedRun]) -> Built:
    """What runs to one place load together.

    Raises:
        Refusal: one source of a run reads a resource in another way than a second one loads it.
    """
    sources: list[DltSource] = []
    for run in runs:
        sources += [s for s in run.sources if not any(s is known for known in sources)]
        for source, home in zip(run.sources, run.homes, strict=True):
            source.__dict__["own_home"] = home
    above = crossed(sources)
    if above is not None:
        message = f"{above.name!r} is loaded of one source, and only read of another, in other ways"
        raise Refusal(message, "load each with a run of its own", spot=_spot(above.item))
    _once(sources)
    return msgspec.structs.replace(_of(sources), run=runs[0])


def _once(sources: list[DltSource]) -> None:
    """Leave out of each source what is unselected there and stands in another as well."""
    for source in sources:  # which may have stood among others before
        source.own_resources.extend(source.own_passed.values())
        source.own_passed.clear()
    taken = {r.name for s in sources for r in s.own_resources if r.selected is not False}
    seen: set[str] = set()
    for source in sources:
        kept = [
            r
            for r in source.own_resources
            if r.selected is not False or (r.name not in taken and r.name not in seen)
        ]
        seen |= {r.name for r in kept}
        source.own_passed.update(
            {r.name: r for r in source.own_resources if all(r is not k for k in kept)}
        )
        source.own_resources[:] = kept


def _of(sources: Iterable[DltSource]) -> Built:
    """Sources that are loaded together, called like the first of them."""
    listed = list(sources)
    config, *more = assemble(listed)
    first = listed[0]
    return Built(
        config=config, more=tuple(more), spot=_spot(config) or first.made_at, name=first.name
    )


def _spot(value: Any) -> Spot | None:
    return value.spot if isinstance(value, Marked) else None


def _is_config(value: Any) -> bool:
    return isinstance(value, Mapping) and "client" in value and "resources" in value


def _is_resources(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(v, DltResource) for v in value)
    )
