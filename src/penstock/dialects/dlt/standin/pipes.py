"""Which resources are one, wherever a script names them: what feeds others is one of the listed.

dlt connects the resources of a source by their pipes. A decorated function that is named without
being called is the same resource everywhere; one that is called, or has got another name, is a new
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.dialects.dlt.standin.sources import DltResource


def connected(resources: Iterable[DltResource]) -> list[DltResource]:
    """The resources of a source; each that is fed by one of them is fed by that very one.

    So what is changed about it later, as by a step or a limit, holds for what it feeds as well.
    """
    listed = list(resources)
    own = {id(one.pipe): one for one in reversed(listed)}
    for one in listed:
        if one.parent is not None:
            one.feed(_feeding(one.parent, own))
    return listed


def _feeding(parent: DltResource, own: Mapping[int, DltResource]) -> DltResource:
    """The parent, or the listed one that it is; one that is fed by a listed one is a copy."""
    found = own.get(id(parent.pipe))
    if found is not None or parent.parent is None:
        return found or parent
    above = _feeding(parent.parent, own)
    if above is parent.parent:
        return parent
    fed = parent.again()
    fed.feed(above)
    return fed
