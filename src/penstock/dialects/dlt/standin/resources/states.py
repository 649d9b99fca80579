"""What a source and its resources remember, for a script that asks them: `source.state`."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.marks import caller
from penstock.dialects.dlt.standin.base.record import executing, pipelines, refuse
from penstock.dialects.python.running import current as run


def state_of_source() -> MutableMapping[str, Any]:
    """What all resources of a source remember: by now, or in the run that calls a function."""
    return kept() if executing() else run().remembered().shared


def state_of_resource(name: str) -> MutableMapping[str, Any]:
    """The same of one of its resources."""
    if not executing():
        return run().remembered().of(name)
    found: dict[str, Any] = kept().get("resources", {}).get(name, {})
    return found


def kept() -> dict[str, Any]:
    """What the active pipeline has kept of its source.

    Raises:
        Refusal: there is no pipeline.
    """
    if not pipelines:
        hint = "make it before: pipeline = dlt.pipeline(...)"
        raise refuse(Refusal("there is no pipeline whose state this could be", hint, spot=caller()))
    sources: dict[str, dict[str, Any]] = pipelines[-1].state.get("sources", {})
    return next(iter(sources.values()), {})
