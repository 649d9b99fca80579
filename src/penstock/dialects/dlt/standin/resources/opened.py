"""Rows of resources that a function of the script, or the script itself, goes through.

They are read then, as dlt reads them: each time anew, whether they are loaded as well or not.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.record import current, pipelines, refuse
from penstock.dialects.dlt.standin.base.references import ABSENT, Reference
from penstock.dialects.dlt.standin.rest_client.calling import running
from penstock.plan.door import BEGUN

if TYPE_CHECKING:
    from penstock.dialects.dlt.standin.resources.sources import DltResource
    from penstock.plan.door import Door
    from penstock.plan.source import Input, Source

_HANDING_ON = "GET_YIELD_FROM_ITER"


class RowsAskedError(BaseException):
    """A function that may give resources goes through the rows of one: it makes rows itself.

    It is no `Exception`, so that nothing of the script's takes it for a failure.
    """


def hands_on(frame: FrameType | None) -> bool:
    """Whether code is at a `yield from`, by which it gives away what it does not look at."""
    if frame is None:
        return False
    steps = dis.get_instructions(frame.f_code)
    return any(s.offset == frame.f_lasti and s.opname == _HANDING_ON for s in steps)


def opened(
    resources: list[DltResource], frame: FrameType, *, whole: str | None = None
) -> Iterator[Any]:
    """The rows of resources, or of a `whole` source of that name, for whoever iterates them.

    A function that makes sources, or gives resources, hands on what it does not look at: these are
    the resources themselves then.

    Raises:
        RowsAskedError: a function that was taken to give resources makes rows of others.
    """
    from penstock.dialects.dlt.standin.resources import making  # noqa: PLC0415 (a cycle)

    record = current()
    if running() is None and record.trying:
        if not hands_on(frame):
            raise RowsAskedError
        record.trying[-1].iterates = True
        return iter(resources)
    if running() is None and record.making and (whole is not None or hands_on(frame)):
        return iter(resources)
    if running() is not None:
        return making.rows_in_run(resources)
    return making.rows_at_once(resources, pipelines[-1].home(whole) if pipelines else "")


def rows_of(resources: Sequence[DltResource], door: Door, home: str = "") -> Iterator[Any]:
    """The rows of resources, read through a run, or through what there is before one.

    Before one those that follow a cursor go on from where their `home` is.

    Raises:
        Refusal: they cannot be read; it says what is wrong with them.
    """
    source = _compiled(resources, home)
    values = {one.name: _value(one, door) for one in source.inputs}
    names = [stream.name for stream in source.streams if stream.selected]
    if home and any(stream.cursor is not None for stream in source.streams):
        door.kept[BEGUN] = pipelines[-1].begun(source)
    yield from door.read(source, values, *names)


def _value(said: Input, door: Door) -> Any:
    """A value of the user's, as the run has it, or as it is known while the script is executed."""
    if said.name in door.values:
        return door.values[said.name]
    found = (Reference(name, secret=said.secret).known() for name in (*said.before, said.name))
    known = next((value for value in found if value is not ABSENT), ABSENT)
    if known is not ABSENT or not said.required or said.default is not None:
        return said.default if known is ABSENT else known
    return Reference(said.name, secret=said.secret).resolved()


def _compiled(resources: Sequence[DltResource], home: str) -> Source:
    """The plan of resources, and of what they are read below."""
    from penstock.dialects.dlt import compile_document  # noqa: PLC0415 (a cycle)
    from penstock.dialects.dlt.standin.execute import read_built  # noqa: PLC0415 (the same)
    from penstock.dialects.dlt.standin.resources.sources import DltSource, replace  # noqa: PLC0415 (the same)

    made = DltSource(None, resources)
    made.__dict__["own_home"] = home
    replace(made, None)  # it is no source of the script's
    for one in made.own_resources:
        one.selected = True
    compiled = compile_document(read_built(made), None)
    if compiled.source is None:
        wrong = next(d for d in compiled.diagnostics if d.severity == "error")
        refusal = Refusal(wrong.message, wrong.hint)
        refusal.code = wrong.code
        raise refuse(refusal)
    return compiled.source
