"""Files that records lead to."""

from __future__ import annotations

import msgspec

from penstock.plan.expr import Expr
from penstock.plan.jobs import Call
from penstock.plan.records import RecordPath


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """The file that each record of a stream leads to.

    `target` is where a record holds the place of its file, `fetch` the request for it, whose
    templates see that place as `download_target`. `name`, of the record, is what the file is called
    below the stream's own folder; None gives it a random name.
    """

    fetch: Call
    target: RecordPath
    name: Expr | None = None
