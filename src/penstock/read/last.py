"""What pagination looks at of what was handed out: the last record of a page, and how many came."""

from __future__ import annotations

import msgspec

from penstock.plan import jsontext
from penstock.plan.expr import Scope, refs
from penstock.plan.pagination import Facts, Led, Told
from penstock.read.context import StreamContext
from penstock.read.walked import Admitted


def looks_back(context: StreamContext) -> bool:
    """Whether pagination must know what was handed out of a page before it can go on."""
    recovery = context.stream.recovery
    if recovery is not None and recovery.restart is not None:
        return True
    found = context.pagination
    reads = found.reads() if found is not None and not isinstance(found, (Told, Led)) else ()
    names = {ref.path[0] for expr in reads for ref in refs(expr, Scope.PAGE) if ref.path}
    return not names.isdisjoint({"last_record", "last_page_size"})


def with_last(facts: Facts, admitted: Admitted) -> Facts:
    """The facts of a page, with what was handed out of it."""
    last = None if admitted.last is None else jsontext.decode(admitted.last)
    page = {**facts.frame.page, "last_record": last, "last_page_size": admitted.count}
    return msgspec.structs.replace(facts, frame=msgspec.structs.replace(facts.frame, page=page))
