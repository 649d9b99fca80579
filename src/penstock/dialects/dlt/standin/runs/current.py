"""`dlt.current`: what a function of a script may ask of the run that calls it."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import partial
from typing import Any

from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.marks import caller
from penstock.dialects.dlt.standin.base.record import current as record
from penstock.dialects.dlt.standin.base.record import executing, refuse, remark, unknown
from penstock.dialects.dlt.standin.base.record import pipelines as made_pipelines
from penstock.dialects.dlt.standin.resources.making import Called, called
from penstock.dialects.dlt.standin.resources.schemas import SourceSchema
from penstock.dialects.dlt.standin.resources.states import kept
from penstock.dialects.dlt.standin.runs import pipeline as pipelines
from penstock.dialects.python.running import NoRunError
from penstock.dialects.python.running import current as run
from penstock.plan.door import Remembered


def _remembered(name: str) -> Remembered:
    """What the stream remembers whose function is calling.

    Raises:
        Refusal: the script is only being executed; its state is known in a run.
    """
    try:
        return run().remembered()
    except NoRunError:
        message = f"dlt.current.{name} is asked while the script is executed, and no state is known"
        hint = "put it into a function decorated with @dlt.resource or @dlt.transformer"
        raise refuse(Refusal(message, hint, spot=caller())) from None


def source_state() -> MutableMapping[str, Any]:
    """What all resources of the source remember.

    A function of a source finds what the pipeline has kept by then; what it changes is not kept.
    """
    if executing() and record().making:
        return _kept_by_then()
    return _remembered("source_state").shared


def _kept_by_then() -> dict[str, Any]:
    """The state of the source before a run; without a pipeline there is none."""
    if not made_pipelines:
        return {}
    if record().there is None:
        remark("no state is known while nothing is loaded: the source is made as in a first run")
        return {}
    return kept()


def resource_state(resource_name: str | None = None, *_: Any) -> dict[str, Any]:
    """What the resource remembers whose function is calling, or the one of that name."""
    if resource_name is not None and executing() and record().making:
        held: dict[str, Any] = _kept_by_then().get("resources", {})
        return dict(held.get(resource_name, {}))
    found = _remembered("resource_state")
    name = found.stream if resource_name is None else str(resource_name)
    state = found.of(name)
    if state.follows:
        state.tells = partial(_cursor_of, name)
    return state


def _cursor_of(name: str) -> dict[str, Any]:
    """Where the cursor of a resource stands, for its own function.

    Raises:
        Refusal: it is another's, which moves on meanwhile.
    """
    following = called().incremental if name == run().remembered().stream else None
    if following is None:
        hint = "give this function a dlt.sources.incremental of its own"
        raise unknown(f"cursor of {name!r} in the state that another function asks for", hint)
    told = {k: getattr(following, k) for k in ("initial_value", "last_value", "start_value")}
    return {str(following.cursor_path): told}


def resource_name() -> str:
    """The name of the resource whose function is calling."""
    return _remembered("resource_name").stream


def resource() -> Called:
    """The resource whose function is calling, with its incremental as the run has it."""
    _remembered("resource")
    return called()


def pipeline() -> pipelines.Pipeline:
    """The pipeline whose run calls, or the active one."""
    return pipelines.pipeline()


def source_schema() -> SourceSchema:
    """The schema of the source whose function is calling.

    Raises:
        Refusal: no function of a source or resource is.
    """
    made = record().making
    if made:
        return SourceSchema(made[-1])
    try:
        found = run().remembered().source
    except NoRunError:
        message = "dlt.current.source_schema is asked outside of a source"
        hint = "put it into a function decorated with @dlt.source or @dlt.resource"
        raise refuse(Refusal(message, hint, spot=caller())) from None
    return SourceSchema(made_pipelines[-1].schema_called if made_pipelines else found)


def public() -> dict[str, Any]:
    """The names of the module; others are refused."""
    return {
        "pipeline": pipeline,
        "resource": resource,
        "resource_name": resource_name,
        "resource_state": resource_state,
        "source_schema": source_schema,
        "source_state": source_state,
        "state": source_state,
    }
