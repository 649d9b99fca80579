"""Which resources are one, wherever a script names them: what feeds others is one of the listed.

dlt connects the resources of a source by their pipes. A decorated function that is named without
being called is the same resource everywhere; one that is called, or has got another name, is a new
one. A source has copies of all of them, as in dlt: what a script changes about a resource later
changes no source that it was put into before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.dialects.dlt.standin.resources.sources import DltResource


def connected(resources: Iterable[DltResource]) -> list[DltResource]:
    """The resources of a source; each that is fed by one of them is fed by that very one.

    So what is changed about it later, as by a step or a limit, holds for what it feeds as well.
    """
    listed = [one.again() for one in resources]
    own = {id(one.pipe): one for one in reversed(listed)}
    for one in listed:
        if one.parent is not None:
            one.feed(_feeding(one.parent, own))
    return listed


def _feeding(said: Any, own: dict[int, DltResource]) -> DltResource:
    """The listed resource that a parent is; else a copy, which feeds all that it is read for."""
    parent: DltResource = said.alone()
    if id(parent.pipe) not in own:
        own[id(parent.pipe)] = parent.again()
        if parent.parent is not None:
            own[id(parent.pipe)].feed(_feeding(parent.parent, own))
    return own[id(parent.pipe)]
